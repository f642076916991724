//! A real HTTP/1.1 server on a free port of the loopback, which keeps what it is sent and answers
//! what the test tells it to: an endpoint, a chat service, an SMS provider.
//!
//! Each request uses up one [`HttpAction`] of the queue of its path, else one of the common queue,
//! else gets what is said for when nothing is queued (`200` with no body unless changed). Nothing
//! here waits for time to pass: a test that needs a slow server holds a gate and opens it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Longest head of a request, and longest body.
const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 16 * 1024 * 1024;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Headers beside `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// A status and no body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A status and a text.
    pub fn text(status: u16, body: &str) -> Self {
        Self { body: body.into(), ..Self::status(status) }
    }

    /// A status and a JSON value.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, &body.to_string()).header("content-type", "application/json")
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} x\r\ncontent-length: {length}\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// What the sink does with a request.
#[derive(Clone)]
pub enum HttpAction {
    /// Answers.
    Reply(HttpReply),
    /// Answers what the function makes of the request.
    With(Arc<dyn Fn(&SunkRequest) -> HttpReply + Send + Sync>),
    /// Waits for a permit of this semaphore, then answers.
    Gate(Arc<Semaphore>, HttpReply),
    /// Hangs up without an answer; the request was taken all the same.
    Cut,
    /// No answer until the client leaves.
    Hang,
    /// Announces a body of this many bytes and sends it as fast as the client takes it.
    Flood(u16, u64),
    /// Announces a body, sends its first byte, and no more until the client leaves.
    Drip(u16),
    /// These bytes as they are; then it hangs up.
    Raw(Vec<u8>),
}

impl fmt::Debug for HttpAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => {
                write!(f, "Reply({} {:?})", reply.status, String::from_utf8_lossy(&reply.body))
            }
            Self::With(_) => f.write_str("With(…)"),
            Self::Gate(_, reply) => write!(f, "Gate({})", reply.status),
            Self::Cut => f.write_str("Cut"),
            Self::Hang => f.write_str("Hang"),
            Self::Flood(status, bytes) => write!(f, "Flood({status}, {bytes})"),
            Self::Drip(status) => write!(f, "Drip({status})"),
            Self::Raw(bytes) => write!(f, "Raw({})", String::from_utf8_lossy(bytes)),
        }
    }
}

impl From<HttpReply> for HttpAction {
    fn from(reply: HttpReply) -> Self {
        Self::Reply(reply)
    }
}

impl HttpAction {
    /// A closed gate before a reply; give it permits to let clients through.
    pub fn gate(reply: HttpReply) -> (Self, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        (Self::Gate(Arc::clone(&gate), reply), gate)
    }
}

/// A request that the sink took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SunkRequest {
    /// Its method.
    pub method: String,
    /// Its target: path and query, as they were sent.
    pub target: String,
    /// Its headers in order, names as they were sent.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Which connection brought it, from 1.
    pub connection: usize,
}

impl SunkRequest {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Default)]
struct Script {
    queued: VecDeque<HttpAction>,
    otherwise: Option<HttpAction>,
}

#[derive(Default)]
struct Progress {
    requests: Vec<SunkRequest>,
    taken: usize,
    connections: usize,
    left: usize,
}

struct Shared {
    scripts: Mutex<BTreeMap<Option<String>, Script>>,
    keep: bool,
    progress: watch::Sender<Progress>,
}

/// The server. Dropping it closes the port and every connection.
pub struct HttpSink {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accept_handle: JoinHandle<()>,
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        self.accept_handle.abort();
    }
}

impl HttpSink {
    /// A sink that answers `200` to everything and keeps it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        Self::serve(listener, true)
    }

    /// As [`HttpSink::start`], but it only counts: for load runs.
    pub async fn counting() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        Self::serve(listener, false)
    }

    /// A sink on a listener of the caller's; with `keep` it keeps the requests.
    fn serve(listener: TcpListener, keep: bool) -> Self {
        let addr = listener.local_addr().expect("a bound socket has an address");
        let progress = watch::Sender::new(Progress::default());
        let shared = Arc::new(Shared { scripts: Mutex::default(), keep, progress });
        let accept_handle = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, shared, accept_handle }
    }

    /// Closes the port and every connection, and waits until they are.
    pub async fn stop(mut self) {
        self.accept_handle.abort();
        let _ = (&mut self.accept_handle).await;
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL with this path: `http://127.0.0.1:<port><path>`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The next request (after those scripted before) gets `action`.
    pub fn then(&self, action: impl Into<HttpAction>) -> &Self {
        self.scripts().entry(None).or_default().queued.push_back(action.into());
        self
    }

    /// The next request to `path`, without its query, gets `action`.
    pub fn then_at(&self, path: &str, action: impl Into<HttpAction>) -> &Self {
        let key = Some(path.to_owned());
        self.scripts().entry(key).or_default().queued.push_back(action.into());
        self
    }

    /// Every request for which nothing else is scripted gets `action`.
    pub fn always(&self, action: impl Into<HttpAction>) -> &Self {
        self.scripts().entry(None).or_default().otherwise = Some(action.into());
        self
    }

    /// Every request to `path` for which nothing is queued gets `action`.
    pub fn always_at(&self, path: &str, action: impl Into<HttpAction>) -> &Self {
        self.scripts().entry(Some(path.to_owned())).or_default().otherwise = Some(action.into());
        self
    }

    fn scripts(&self) -> MutexGuard<'_, BTreeMap<Option<String>, Script>> {
        lock(&self.shared.scripts)
    }

    /// What it took so far.
    pub fn requests(&self) -> Vec<SunkRequest> {
        self.shared.progress.borrow().requests.clone()
    }

    /// How many requests it took so far.
    pub fn taken(&self) -> usize {
        self.shared.progress.borrow().taken
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.progress.borrow().connections
    }

    /// Waits until `n` requests were taken whole.
    pub async fn wait_requests(&self, n: usize) -> Vec<SunkRequest> {
        let mut progress = self.shared.progress.subscribe();
        let done = progress.wait_for(|p| p.taken >= n).await;
        done.expect("the sender lives as long as the sink").requests.clone()
    }

    /// Waits until `n` connections were closed by their clients or by the sink.
    pub async fn wait_left(&self, n: usize) {
        let mut progress = self.shared.progress.subscribe();
        let done = progress.wait_for(|p| p.left >= n).await;
        done.map(drop).expect("the sender lives as long as the sink");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let mut connection = 0;
        shared.progress.send_modify(|p| {
            p.connections += 1;
            connection = p.connections;
        });
        let shared = Arc::clone(&shared);
        sessions.spawn(async move {
            let session = Session { socket, shared: Arc::clone(&shared), buffer: Vec::new(), connection };
            // A client that leaves ends its session; that is no fault of the sink.
            let _ = session.converse().await;
            shared.progress.send_modify(|p| p.left += 1);
        });
        while sessions.try_join_next().is_some() {}
    }
}

struct Session {
    socket: TcpStream,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    connection: usize,
}

impl Session {
    async fn converse(mut self) -> std::io::Result<()> {
        while let Some(request) = self.read_request().await? {
            let action = self.shared.action(request.path());
            let reply = if let HttpAction::With(make) = &action { Some(make(&request)) } else { None };
            self.shared.take(request);
            match (action, reply) {
                (_, Some(reply)) | (HttpAction::Reply(reply), None) => self.reply(&reply).await?,
                (HttpAction::Gate(gate, reply), None) => {
                    gate.acquire().await.expect("gates are not closed").forget();
                    self.reply(&reply).await?;
                }
                (HttpAction::Hang, None) => return self.until_left().await,
                (HttpAction::Flood(status, bytes), None) => return self.flood(status, bytes).await,
                (HttpAction::Drip(status), None) => {
                    self.socket.write_all(&HttpReply::status(status).head(1 << 20)).await?;
                    self.socket.write_all(b"{").await?;
                    return self.until_left().await;
                }
                (HttpAction::Raw(bytes), None) => return self.socket.write_all(&bytes).await,
                (HttpAction::Cut | HttpAction::With(_), None) => return Ok(()),
            }
        }
        Ok(())
    }

    async fn reply(&mut self, reply: &HttpReply) -> std::io::Result<()> {
        let mut bytes = reply.head(reply.body.len());
        bytes.extend_from_slice(&reply.body);
        self.socket.write_all(&bytes).await
    }

    async fn flood(&mut self, status: u16, bytes: u64) -> std::io::Result<()> {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.socket.write_all(&HttpReply::status(status).head(length)).await?;
        let chunk = vec![b'x'; 64 * 1024];
        let mut left = length;
        while left > 0 {
            let n = left.min(chunk.len());
            self.socket.write_all(&chunk[..n]).await?;
            left -= n;
        }
        Ok(())
    }

    async fn until_left(&mut self) -> std::io::Result<()> {
        let mut scrap = [0; 1024];
        while self.socket.read(&mut scrap).await? > 0 {}
        Ok(())
    }

    /// The next request; `None` when the client left.
    async fn read_request(&mut self) -> std::io::Result<Option<SunkRequest>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if self.buffer.len() > MAX_HEAD || !self.fill().await? {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let method = first.next().unwrap_or_default().to_owned();
        let target = first.next().unwrap_or_default().to_owned();
        let split = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        };
        let headers: Vec<(String, String)> = lines.map(split).collect();
        let length = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|(_, v)| v.parse::<usize>().ok()).unwrap_or(0).min(MAX_BODY);
        while self.buffer.len() < length {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let body = self.buffer.drain(..length).collect();
        Ok(Some(SunkRequest { method, target, headers, body, connection: self.connection }))
    }

    async fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.reserve(8 * 1024);
        Ok(self.socket.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Shared {
    fn action(&self, path: &str) -> HttpAction {
        let mut scripts = lock(&self.scripts);
        let key = Some(path.to_owned());
        for key in [&key, &None] {
            if let Some(action) = scripts.get_mut(key).and_then(|s| s.queued.pop_front()) {
                return action;
            }
        }
        let otherwise = |key| scripts.get(key).and_then(|s| s.otherwise.clone());
        otherwise(&key).or_else(|| otherwise(&None)).unwrap_or(HttpAction::Reply(HttpReply::status(200)))
    }

    fn take(&self, request: SunkRequest) {
        self.progress.send_modify(|p| {
            p.taken += 1;
            if self.keep {
                p.requests.push(request);
            }
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    async fn ask(client: &mut TcpStream, request: &str) -> String {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let n = client.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..n]).into_owned()
    }

    #[tokio::test]
    async fn it_answers_by_path_then_by_queue_then_always_and_keeps_what_it_took() {
        let sink = HttpSink::start().await;
        sink.then(HttpReply::status(500)).then_at("/a", HttpReply::text(418, "tea").header("x-a", "1"));
        sink.always_at("/b", HttpReply::status(204));
        let mut client = TcpStream::connect(sink.addr()).await.unwrap();
        let post = |path: &str| format!("POST {path} HTTP/1.1\r\nX-B: 2\r\ncontent-length: 2\r\n\r\nhi");
        let mut answers = Vec::new();
        for path in ["/a?q=1", "/a", "/a", "/b"] {
            answers.push(ask(&mut client, &post(path)).await);
        }
        assert_eq!(answers[0], "HTTP/1.1 418 x\r\ncontent-length: 3\r\nx-a: 1\r\n\r\ntea");
        let codes: Vec<&str> = answers.iter().map(|a| &a[9..12]).collect();
        assert_eq!(codes, ["418", "500", "200", "204"]);
        let requests = sink.wait_requests(4).await;
        assert_eq!((requests[0].target.as_str(), requests[0].path()), ("/a?q=1", "/a"));
        assert_eq!((requests[3].header("x-b"), requests[3].text().as_str()), (Some("2"), "hi"));
        assert_eq!((sink.connections(), requests[3].connection), (1, 1));
    }

    #[tokio::test]
    async fn a_gate_holds_its_answer_until_it_is_opened_and_a_cut_gives_none() {
        let sink = HttpSink::start().await;
        let (action, gate) = HttpAction::gate(HttpReply::status(201));
        sink.then(action).then(HttpAction::Cut);
        let mut client = TcpStream::connect(sink.addr()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        sink.wait_requests(1).await;
        gate.add_permits(1);
        assert!(ask(&mut client, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 201"));
        assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 0);
        sink.wait_left(1).await;
    }
}
