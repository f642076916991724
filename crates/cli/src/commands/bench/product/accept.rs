//! What it costs to accept.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use posthaste::State;

use super::Sizes;
use super::instance::{KEY, Up};
use crate::commands::bench::fresh;
use crate::commands::bench::load::{self, Answers, Load, Request};
use crate::commands::bench::redis::instance::{Redis, url};
use crate::commands::bench::report::{Floor, Row, number, percentile};
use crate::commands::bench::server::CONNECTIONS;

/// Requests under way at once in a run of batches.
const BATCHES_AT_ONCE: usize = 8;
/// Batches until the first recipients come again.
const MAILING: usize = 100;

/// `POST /v1/notifications` with everything, and `POST /notify/`, in turns on one server whose queue is paused.
pub(super) async fn notifications(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "notifications")?;
    let up = Up::start(&dir, None, Vec::new())?;
    up.pause().await?;
    let template = r#"{"subject":"Welcome, {{ name }}","text":"Hello {{ name }},\nyour order {{ order }} is on its way.\n","html":"<p>Hello {{ name }},</p><p>your order <b>{{ order }}</b> is on its way.</p>"}"#;
    up.call("PUT", "/v1/templates/welcome", template).await?;
    let (mut old, mut new) = (Answers::default(), Answers::default());
    for turn in 0..sizes.turns {
        add(&mut old, turn_of(up.addr(), sizes, old_request(up.addr()), "task_id").await);
        add(&mut new, turn_of(up.addr(), sizes, new_request(up.addr(), turn), "id").await);
    }
    let promised = (old.ids.len() + new.ids.len()) as u64;
    let stored = up.count(|_| true).await?;
    let wrong = (promised != stored).then(|| format!("{promised} promised, {stored} stored"));
    let wrong = wrong.or_else(|| old.errors_text()).or_else(|| new.errors_text());
    up.0.stop()?;
    let (old_rate, new_rate) = (old.rate(), new.rate());
    let p99 = percentile(&mut new.latency_us, 0.99) / 1_000.0;
    let what = "POST /v1/notifications with key, idempotency key and template";
    Ok(vec![
        Row::new(format!("{what}, of the rate of POST /notify/"), new_rate / old_rate * 100.0, "%", Floor::AtLeast(60.0))
            .unless(wrong.clone())
            .note(format!(
                "{} beside {} accepted/s over {CONNECTIONS} connections, both with the key, {} turns each of {:?}, queue paused",
                number(new_rate), number(old_rate), sizes.turns, sizes.turn
            )),
        Row::new(format!("{what}: p99"), p99, "ms", Floor::None).unless(wrong),
    ])
}

async fn turn_of(addr: SocketAddr, sizes: &Sizes, request: Request, id: &'static str) -> Answers {
    let load = Load { addr, connections: CONNECTIONS, time: sizes.turn, max: 1_000_000 };
    load::run_with(load, request, id).await
}

fn add(sum: &mut Answers, more: Answers) {
    sum.ids.extend(more.ids);
    sum.latency_us.extend(more.latency_us);
    sum.elapsed += more.elapsed;
    for (what, n) in more.errors {
        *sum.errors.entry(what).or_default() += n;
    }
}

fn old_request(addr: SocketAddr) -> Request {
    Arc::new(move |n, _| {
        format!(
            "POST /notify/?email=user{n}@example.com HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    })
}

fn new_request(addr: SocketAddr, turn: usize) -> Request {
    Arc::new(move |n, i| {
        let body = format!(
            r#"{{"to":"user{n}@example.com","template":{{"name":"welcome"}},"data":{{"name":"User {n}","order":"{turn}-{i}"}}}}"#
        );
        let more = format!("Idempotency-Key: {turn}-{n}-{i}\r\n");
        load::json_request(addr, "POST /v1/notifications", KEY, &more, &body).into_bytes()
    })
}

/// Batches of 1,000 notifications, on the embedded store and on Redis.
pub(super) async fn batches(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let embedded = fresh(dir, "batch")?;
    let mut rows = vec![batch_row("the embedded store", &embedded, None, sizes).await?];
    let beside = fresh(dir, "batch-redis")?;
    match Redis::start(&beside) {
        Ok(redis) => rows.push(batch_row("Redis", &beside, Some(&url(redis.addr)), sizes).await?),
        Err(e) => eprintln!("  left out: batches on Redis: {e}"),
    }
    Ok(rows)
}

async fn batch_row(store: &str, dir: &Path, redis: Option<&str>, sizes: &Sizes) -> anyhow::Result<Row> {
    let up = Up::start(dir, redis, Vec::new())?;
    up.pause().await?;
    let addr = up.addr();
    let request = |people: std::ops::Range<usize>| {
        let items: Vec<String> = people
            .map(|n| format!(r#"{{"to":"user{n}@example.com","subject":"Hello","message":"Your order {n} is on its way."}}"#))
            .collect();
        let body = format!("{{\"notifications\":[{}]}}", items.join(","));
        load::json_request(addr, "POST /v1/notifications/batch", KEY, "", &body).into_bytes()
    };
    // As a mailing goes out: each batch to others, who hear again when all have heard.
    let requests: Vec<Vec<u8>> = (0..MAILING).map(|i| request(i * 1_000..(i + 1) * 1_000)).collect();
    let next = AtomicUsize::new(0);
    let one = move |_, _| requests[next.fetch_add(1, Ordering::Relaxed) % MAILING].clone();
    let load = Load { addr, connections: BATCHES_AT_ONCE, time: sizes.batch_time, max: 1_000 };
    let start = Instant::now();
    let answers = load::run_with(load, Arc::new(one), "batch_id").await;
    let elapsed: Duration = start.elapsed();
    let accepted = answers.ids.len() as u64 * 1_000;
    let stored = up.count(|s| s == State::Queued).await?;
    let wrong = (accepted != stored).then(|| format!("{accepted} promised, {stored} stored"));
    let wrong = wrong.or_else(|| answers.errors_text());
    up.0.stop()?;
    let rate = accepted as f64 / elapsed.as_secs_f64();
    Ok(Row::new(
        format!("POST /v1/notifications/batch of 1,000 on {store}"),
        rate,
        "notifications/s",
        Floor::AtLeast(60_000.0),
    )
    .unless(wrong)
    .note(format!(
        "{} accepted in {:.1} s, {BATCHES_AT_ONCE} requests at once, each found in the store",
        number(accepted as f64),
        elapsed.as_secs_f64()
    )))
}
