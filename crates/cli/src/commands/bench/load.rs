//! A load generator over plain TCP: keep-alive, one request at a time per connection, as little
//! parsing as the answers allow. It shares the machine with the server that it measures, so it
//! must cost little; and it keeps the id of every accepted request, so that the store can be
//! compared with what was promised.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Where to.
    pub(crate) addr: SocketAddr,
    /// How many connections.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) time: Duration,
    /// At most so many requests.
    pub(crate) max: u64,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The id of each request that got a 2xx.
    pub(crate) ids: Vec<u128>,
    /// How long each of those took, in microseconds.
    pub(crate) latency_us: Vec<u32>,
    /// Everything else, by what it was.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Answers {
    /// Accepted per second.
    pub(crate) fn rate(&self) -> f64 {
        self.ids.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The errors in one line; `None` when there are none.
    pub(crate) fn errors_text(&self) -> Option<String> {
        let texts: Vec<String> = self.errors.iter().map(|(what, n)| format!("{n} × {what}")).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

/// Makes the bytes of a request from the number of its connection and its own number there.
pub(crate) type Request = Arc<dyn Fn(usize, u64) -> Vec<u8> + Send + Sync>;

/// Posts notifications until time or number is over.
pub(crate) async fn run(load: Load) -> Answers {
    let Load { addr, .. } = load;
    let request = move |n: usize, _: u64| {
        format!(
            "POST /notify/?email=user{n}@example.com HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    };
    run_with(load, Arc::new(request), "task_id").await
}

/// Sends what `request` makes until time or number is over; `id` is the field of the answer that holds the id.
pub(crate) async fn run_with(load: Load, request: Request, id: &'static str) -> Answers {
    let left = Arc::new(AtomicU64::new(load.max));
    let start = Instant::now();
    let deadline = start + load.time;
    let connections: Vec<_> = (0..load.connections)
        .map(|n| {
            tokio::spawn(connection(
                Line { addr: load.addr, n, deadline, id },
                Arc::clone(&request),
                Arc::clone(&left),
            ))
        })
        .collect();
    let mut all = Answers::default();
    for connection in connections {
        match connection.await {
            Ok(mut answers) => {
                all.ids.append(&mut answers.ids);
                all.latency_us.append(&mut answers.latency_us);
                for (what, n) in answers.errors {
                    *all.errors.entry(what).or_default() += n;
                }
            }
            Err(e) => *all.errors.entry(e.to_string()).or_default() += 1,
        }
    }
    all.elapsed = start.elapsed();
    all
}

/// One connection's part.
#[derive(Clone, Copy)]
struct Line {
    addr: SocketAddr,
    n: usize,
    deadline: Instant,
    id: &'static str,
}

async fn connection(line: Line, request: Request, left: Arc<AtomicU64>) -> Answers {
    let mut answers = Answers::default();
    if let Err(e) = requests(line, &request, &left, &mut answers).await {
        *answers.errors.entry(e.to_string()).or_default() += 1;
    }
    answers
}

async fn requests(
    line: Line,
    request: &Request,
    left: &AtomicU64,
    answers: &mut Answers,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(line.addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0u8; 8 * 1024];
    let mut number = 0;
    let missing = format!("a 2xx without {}", line.id);
    let key = format!("\"{}\":\"", line.id);
    while Instant::now() < line.deadline {
        let took = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| l.checked_sub(1));
        if took.is_err() {
            break;
        }
        let bytes = request(line.n, number);
        number += 1;
        let sent = Instant::now();
        stream.write_all(&bytes).await?;
        let answer = read_answer(&mut stream, &mut buffer).await?;
        let micros = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
        match (answer.status, find_id(&buffer[answer.body.clone()], key.as_bytes())) {
            (200..=299, Some(id)) => {
                answers.ids.push(id);
                answers.latency_us.push(micros);
            }
            (200..=299, None) => *answers.errors.entry(missing.clone()).or_default() += 1,
            (status, _) => *answers.errors.entry(format!("status {status}")).or_default() += 1,
        }
    }
    Ok(())
}

struct Answer {
    status: u16,
    body: std::ops::Range<usize>,
}

/// Reads one answer with a `Content-Length`, or with none to read, into `buffer`.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Answer> {
    let bad = |what: &str| std::io::Error::other(what.to_owned());
    let mut filled = 0;
    loop {
        let got = stream.read(&mut buffer[filled..]).await?;
        if got == 0 {
            return Err(bad("the server closed the connection"));
        }
        filled += got;
        if let Some(head) = find(&buffer[..filled], b"\r\n\r\n") {
            let body = head + 4;
            let status: u16 = std::str::from_utf8(&buffer[9..12])
                .ok()
                .and_then(|s| s.parse().ok())
                .ok_or_else(|| bad("no HTTP"))?;
            // 204 has no body, and so no length.
            let length = content_length(&buffer[..head]).or_else(|| (status == 204).then_some(0));
            let length = length.ok_or_else(|| bad("an answer without a length"))?;
            if length > MAX_ANSWER {
                return Err(bad("an answer that is too large"));
            }
            if buffer.len() < body + length {
                buffer.resize(body + length, 0);
            }
            stream.read_exact(&mut buffer[filled.min(body + length)..body + length]).await?;
            return Ok(Answer { status, body: body..body + length });
        }
        if filled == buffer.len() {
            return Err(bad("a head that is too large"));
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn content_length(head: &[u8]) -> Option<usize> {
    for line in head.split(|b| *b == b'\n') {
        let name = b"content-length:";
        if line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name) {
            return std::str::from_utf8(&line[name.len()..]).ok()?.trim().parse().ok();
        }
    }
    None
}

/// The id behind `key`, as in `"task_id":"`.
fn find_id(body: &[u8], key: &[u8]) -> Option<u128> {
    let at = find(body, key)? + key.len();
    let text = std::str::from_utf8(body.get(at..at + 36)?).ok()?;
    Some(uuid::Uuid::parse_str(text).ok()?.as_u128())
}

/// One `GET`; its status and body.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    once(addr, &format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n")).await
}

/// One `POST /notify/`; its status.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn notify_once(addr: SocketAddr) -> std::io::Result<u16> {
    let request = format!(
        "POST /notify/?email=first@example.com HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\n\r\n"
    );
    Ok(once(addr, &request).await?.0)
}

/// One request with a JSON body and a key; its status and body.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    key: &str,
    body: &str,
) -> std::io::Result<(u16, Vec<u8>)> {
    once(addr, &json_request(addr, &format!("{method} {path}"), key, "", body)).await
}

/// A request with a JSON body and a key. `line` is method and path, `more` headers with their line ends.
pub(crate) fn json_request(addr: SocketAddr, line: &str, key: &str, more: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn once(addr: SocketAddr, request: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0u8; 64 * 1024];
    let answer = read_answer(&mut stream, &mut buffer).await?;
    Ok((answer.status, buffer[answer.body].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_the_answer() {
        let body =
            br#"{"message":"Email will be sent to a@b.c","task_id":"0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58"}"#;
        let id = uuid::uuid!("0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58").as_u128();
        assert_eq!(find_id(body, b"\"task_id\":\""), Some(id));
        assert_eq!(find_id(b"{}", b"\"id\":\""), None);
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y"), Some(12));
    }
}
