//! What people who watch cost those who work.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Sizes;
use super::instance::{KEY, Up};
use crate::commands::bench::fresh;
use crate::commands::bench::report::{Floor, Row, number};

/// How fast a backlog is run while a thousand pages each watch a task of their own, and while nobody
/// does, in turns on one server.
pub(super) async fn watchers(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let up = Up::start(&fresh(dir, "watch")?, None, Vec::new())?;
    // One turn that is not counted: the first is slower than the others.
    turn(&up, sizes.watched / 4).await?;
    let (mut alone, mut watched, mut heard) = (Vec::new(), Vec::new(), 0);
    for _ in 0..sizes.pairs {
        alone.push(turn(&up, sizes.watched).await?);
        let crowd = Crowd::gather(&up, sizes.watchers).await?;
        watched.push(turn(&up, sizes.watched).await?);
        heard += crowd.disperse().await?;
    }
    up.0.stop()?;
    let (alone, watched) = (median(&mut alone), median(&mut watched));
    let cost = (1.0 - watched / alone) * 100.0;
    let deaf = (heard < sizes.watchers as u64).then(|| format!("only {heard} answers were heard"));
    Ok(vec![
        Row::new(
            format!("dispatch lost to {} watchers", number(sizes.watchers as f64)),
            cost,
            "%",
            Floor::AtMost(5.0),
        )
        .unless(deaf)
        .note(format!(
            "{} beside {} tasks/s, medians of {} turns of {} each",
            number(watched),
            number(alone),
            sizes.pairs,
            number(sizes.watched as f64)
        )),
    ])
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Tasks per second of a backlog of `n` notifications that the sandbox holds.
async fn turn(up: &Up, n: usize) -> anyhow::Result<f64> {
    up.pause().await?;
    up.enqueue(n, |i| format!(r#"{{"to":"user{i}@example.com","message":"Hello"}}"#)).await?;
    let since = Instant::now();
    up.resume().await?;
    let took = up.until_empty(since).await?;
    Ok(n as f64 / took.as_secs_f64())
}

/// Open event streams.
struct Crowd {
    streams: JoinSet<std::io::Result<()>>,
    heard: Arc<AtomicU64>,
}

impl Crowd {
    /// Opens `n` streams, each on a task that is due much later, and waits until each has its first bytes.
    async fn gather(up: &Up, n: usize) -> anyhow::Result<Self> {
        let made = up.call("POST", "/v1/tasks", r#"{"kind":"notify","payload":{"channel":"email","to":"late@example.com"},"delay_ms":3600000}"#).await?;
        let id = made.get("id").and_then(serde_json::Value::as_str).context("an id")?.to_owned();
        let heard = Arc::new(AtomicU64::new(0));
        let mut streams = JoinSet::new();
        for _ in 0..n {
            let stream = open(up.addr(), &id).await?;
            heard.fetch_add(1, Ordering::Relaxed);
            streams.spawn(listen(stream));
        }
        Ok(Self { streams, heard })
    }

    /// Closes the streams; how many were answered.
    async fn disperse(mut self) -> anyhow::Result<u64> {
        self.streams.shutdown().await;
        Ok(self.heard.load(Ordering::Relaxed))
    }
}

async fn open(addr: SocketAddr, id: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!(
        "GET /v1/tasks/{id}/events HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {KEY}\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut first = [0; 512];
    let got = stream.read(&mut first).await?;
    ensure!(first[..got].starts_with(b"HTTP/1.1 200"), "an event stream was refused");
    Ok(stream)
}

async fn listen(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
