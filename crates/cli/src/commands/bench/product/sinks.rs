//! What deliveries go to: the smallest servers that answer as they should, on loopback, in this process.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longest head of a request or line of a dialogue.
const MAX_HEAD: u64 = 64 * 1024;

/// What a sink was brought: ids of messages, each once, and how many in all.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The ids.
    pub(super) ids: HashSet<String>,
    /// Deliveries, repeats included.
    pub(super) deliveries: u64,
    /// Deliveries without what they must have: an id, a signature.
    pub(super) bare: u64,
}

/// A sink; ends when it is dropped.
pub(super) struct Sink {
    /// Where it listens.
    pub(super) addr: SocketAddr,
    taken: Arc<Mutex<Taken>>,
    handle: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Sink {
    /// One that takes webhooks.
    pub(super) async fn http() -> std::io::Result<Self> {
        Self::start(http).await
    }

    /// One that takes e-mail.
    pub(super) async fn smtp() -> std::io::Result<Self> {
        Self::start(smtp).await
    }

    async fn start<F>(
        serve: impl Fn(TcpStream, Arc<Mutex<Taken>>) -> F + Send + 'static,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let taken = Arc::<Mutex<Taken>>::default();
        let shared = Arc::clone(&taken);
        let handle = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { addr, taken, handle })
    }

    /// What is wrong with what it was brought, if `n` different messages were to come.
    pub(super) fn wrong(&self, n: usize) -> Option<String> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let fine = taken.ids.len() == n && taken.bare == 0;
        (!fine).then(|| format!("{n} sent, {} came, {} without id or signature", taken.ids.len(), taken.bare))
    }

    /// Deliveries beyond the first of each message.
    pub(super) fn repeats(&self) -> u64 {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.deliveries - taken.ids.len() as u64
    }
}

fn note(taken: &Mutex<Taken>, id: Option<String>) {
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    taken.deliveries += 1;
    match id {
        Some(id) => {
            taken.ids.insert(id);
        }
        None => taken.bare += 1,
    }
}

async fn http(stream: TcpStream, taken: Arc<Mutex<Taken>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        let (mut id, mut signed, mut length) = (None, false, 0);
        let mut first = true;
        loop {
            line.clear();
            if (&mut stream).take(MAX_HEAD).read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" && !first {
                break;
            }
            first = false;
            let Some((name, value)) = line.trim_end().split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => id = Some(value.trim().to_owned()),
                "webhook-signature" => signed = value.trim().starts_with("v1,"),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        note(&taken, id.filter(|_| signed));
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}

async fn smtp(stream: TcpStream, taken: Arc<Mutex<Taken>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 sink ESMTP\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if (&mut stream).take(MAX_HEAD).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.get(..4).unwrap_or("").to_ascii_uppercase().as_str() {
            "EHLO" => b"250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n",
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n").await?;
                let id = content(&mut stream, &mut line).await?;
                note(&taken, id);
                b"250 2.0.0 taken\r\n"
            }
            "QUIT" => {
                return stream.get_mut().write_all(b"221 bye\r\n").await;
            }
            _ => b"250 2.0.0 ok\r\n",
        };
        stream.get_mut().write_all(answer).await?;
    }
}

/// Reads a message to its final dot; its `Message-ID`.
async fn content(stream: &mut BufReader<TcpStream>, line: &mut String) -> std::io::Result<Option<String>> {
    let mut id = None;
    loop {
        line.clear();
        if stream.read_line(line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_str() == ".\r\n" {
            return Ok(id);
        }
        let name = "message-id:";
        if id.is_none() && line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            id = Some(line[name.len()..].trim().to_owned());
        }
    }
}
