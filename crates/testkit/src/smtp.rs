//! A real SMTP server on a free port of the loopback, which keeps what it is sent and answers what
//! the test tells it to.
//!
//! Each [`Stage`] has a queue of [`Action`]s, one used each time a client gets there, and an action
//! for when the queue is empty ([`Action::Accept`] unless changed). Nothing here waits for time to
//! pass: a test that needs a slow server holds a gate ([`Action::Gate`]) and opens it.

mod session;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificate::SelfSigned;

/// A place in the dialogue where the sink may be told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A connection was accepted; the greeting is due.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH with correct credentials, or with any when none are required.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// The DATA command.
    Data,
    /// After `354`, before the content is read to its end.
    Content,
    /// After the final dot.
    FinalDot,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
}

/// What the sink does at a stage.
#[derive(Debug, Clone)]
pub enum Action {
    /// The ordinary positive answer.
    Accept,
    /// This answer, lines separated by `\n` (`451 4.3.0 later`). After `421` it hangs up.
    Reply(String),
    /// These bytes as they are; the dialogue goes on as after an answer with their first digit.
    Raw(Vec<u8>),
    /// These bytes as they are, then hang up.
    Last(Vec<u8>),
    /// Hang up without an answer. After the final dot the message was taken all the same.
    Cut,
    /// No answer until the client leaves.
    Hang,
    /// Wait for a permit of this semaphore, then accept.
    Gate(Arc<Semaphore>),
    /// Accept after this long: for load runs that imitate a slow server, not for tests.
    Delay(Duration),
}

impl Action {
    /// An answer.
    pub fn reply(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }

    /// A closed gate; give it permits to let clients through.
    pub fn gate() -> (Self, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        (Self::Gate(Arc::clone(&gate)), gate)
    }
}

/// A bound of connections.
#[derive(Debug, Clone)]
pub struct ConnectionLimit {
    /// How many may be open; the next one is refused.
    pub connections: usize,
    /// Where it is refused.
    pub at: Stage,
    /// With what.
    pub reply: String,
}

/// What the sink offers.
#[derive(Debug, Clone, Default)]
pub struct SinkOptions {
    /// Requires AUTH with this user and password.
    pub credentials: Option<(String, String)>,
    /// Offers AUTH LOGIN alone, as some large providers do.
    pub login_only: bool,
    /// What AUTH LOGIN asks with, as lines without their ends, instead of `Username:` and `Password:` in base64.
    pub prompts: Option<[String; 2]>,
    /// How many connections it takes at a time.
    pub limit: Option<ConnectionLimit>,
    /// Offers STARTTLS with a certificate of its own ([`SmtpSink::certificate_pem`]).
    pub starttls: bool,
    /// Speaks TLS from the first byte, with the same certificate.
    pub implicit_tls: bool,
    /// Offers SMTPUTF8.
    pub smtputf8: bool,
    /// Does not offer 8BITMIME.
    pub seven_bit: bool,
}

/// A message that the sink took.
#[derive(Debug, Clone)]
pub struct SunkMessage {
    /// MAIL's argument between the angle brackets.
    pub from: String,
    /// What followed the brackets of MAIL (`SMTPUTF8 …`).
    pub mail_parameters: String,
    /// RCPTs' arguments.
    pub to: Vec<String>,
    /// The content, dots unstuffed, lines ending in CRLF.
    pub raw: Vec<u8>,
    /// Which connection brought it, from 1.
    pub connection: usize,
}

impl SunkMessage {
    /// The headers in order, unfolded, values not decoded.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.raw);
        let head = text.split("\r\n\r\n").next().unwrap_or("");
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in head.split("\r\n") {
            match (line.starts_with([' ', '\t']), headers.last_mut()) {
                (true, Some((_, value))) => value.push_str(line),
                _ => {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    headers.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
        headers
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}

#[derive(Default)]
struct Progress {
    messages: Vec<SunkMessage>,
    reached: BTreeMap<Stage, usize>,
    connections: usize,
    open: usize,
    hellos: Vec<String>,
}

struct Shared {
    options: SinkOptions,
    tls: TlsAcceptor,
    once: Mutex<BTreeMap<Stage, VecDeque<Action>>>,
    otherwise: Mutex<BTreeMap<Stage, Action>>,
    progress: watch::Sender<Progress>,
}

/// The server. Dropping it closes the port and every connection.
pub struct SmtpSink {
    addr: SocketAddr,
    certificate_pem: String,
    shared: Arc<Shared>,
    accept_handle: JoinHandle<()>,
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.accept_handle.abort();
    }
}

impl SmtpSink {
    /// A sink that offers nothing and takes everything.
    pub async fn start() -> Self {
        Self::start_with(SinkOptions::default()).await
    }

    /// A sink with these offers.
    pub async fn start_with(options: SinkOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        Self::serve(listener, options)
    }

    /// A sink on a listener of the caller's.
    pub fn serve(listener: TcpListener, options: SinkOptions) -> Self {
        let addr = listener.local_addr().expect("a bound socket has an address");
        let certificate = SelfSigned::new(&["localhost", "127.0.0.1"]);
        let shared = Arc::new(Shared {
            options,
            tls: certificate.acceptor(),
            once: Mutex::default(),
            otherwise: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
        });
        let accept_handle = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, certificate_pem: certificate.pem, shared, accept_handle }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The authority of its URL, `127.0.0.1:<port>`, to put behind a scheme.
    pub fn authority(&self) -> String {
        self.addr.to_string()
    }

    /// The certificate of its TLS, for `localhost` and `127.0.0.1`.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The next client at `stage` (after those scripted before) gets `action`.
    pub fn then(&self, stage: Stage, action: Action) -> &Self {
        lock(&self.shared.once).entry(stage).or_default().push_back(action);
        self
    }

    /// As [`SmtpSink::then`], `times` over.
    pub fn then_times(&self, times: usize, stage: Stage, action: &Action) -> &Self {
        for _ in 0..times {
            self.then(stage, action.clone());
        }
        self
    }

    /// Every client at `stage` for whom nothing else is scripted gets `action`.
    pub fn always(&self, stage: Stage, action: Action) -> &Self {
        lock(&self.shared.otherwise).insert(stage, action);
        self
    }

    /// What it took so far.
    pub fn messages(&self) -> Vec<SunkMessage> {
        self.shared.progress.borrow().messages.clone()
    }

    /// Takes the messages out, so that a long run does not keep them all.
    pub fn drain(&self) -> Vec<SunkMessage> {
        let mut taken = Vec::new();
        self.shared.progress.send_modify(|p| taken = std::mem::take(&mut p.messages));
        taken
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.progress.borrow().connections
    }

    /// What clients said to introduce themselves: their EHLO and HELO lines.
    pub fn hellos(&self) -> Vec<String> {
        self.shared.progress.borrow().hellos.clone()
    }

    /// How often a client got to `stage`.
    pub fn reached(&self, stage: Stage) -> usize {
        self.shared.progress.borrow().reached.get(&stage).copied().unwrap_or(0)
    }

    /// Waits until `n` messages were taken.
    pub async fn wait_messages(&self, n: usize) -> Vec<SunkMessage> {
        let mut progress = self.shared.progress.subscribe();
        let done = progress.wait_for(|p| p.messages.len() >= n).await;
        done.expect("the sender lives as long as the sink").messages.clone()
    }

    /// Waits until clients got to `stage` `n` times.
    pub async fn wait_reached(&self, stage: Stage, n: usize) {
        let mut progress = self.shared.progress.subscribe();
        let done = progress.wait_for(|p| p.reached.get(&stage).copied().unwrap_or(0) >= n).await;
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
        let mut number = 0;
        shared.progress.send_modify(|p| {
            p.connections += 1;
            p.open += 1;
            number = p.connections;
        });
        let shared = Arc::clone(&shared);
        sessions.spawn(async move {
            // A client that leaves ends its session; that is no fault of the sink.
            let _ = session::converse(shared, socket, number).await;
        });
        while sessions.try_join_next().is_some() {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
    use tokio::net::TcpStream;

    use super::session::base64;
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"\0u\0p"), "AHUAcA==");
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(base64(b"ab"), "YWI=");
    }

    #[tokio::test]
    async fn it_keeps_what_it_takes_and_says_what_it_is_told() {
        let sink = SmtpSink::start().await;
        sink.then(Stage::Rcpt, Action::reply("451 4.3.0 later"));
        let mut client = BufStream::new(TcpStream::connect(sink.addr()).await.unwrap());
        let mut answers = Vec::new();
        for command in [
            "",
            "MAIL FROM:<a@example.com> SIZE=3\r\n",
            "RCPT TO:<b@example.com>\r\n",
            "RCPT TO:<b@example.com>\r\n",
            "DATA\r\n",
            "Subject: x\r\n folded\r\n\r\n..dot\r\n.\r\n",
        ] {
            client.write_all(command.as_bytes()).await.unwrap();
            client.flush().await.unwrap();
            let mut line = String::new();
            client.read_line(&mut line).await.unwrap();
            answers.push(line[..3].to_owned());
        }
        assert_eq!(answers, ["220", "250", "451", "250", "354", "250"]);
        let m = &sink.wait_messages(1).await[0];
        assert_eq!((m.from.as_str(), m.mail_parameters.as_str()), ("a@example.com", "SIZE=3"));
        assert_eq!(m.to, ["b@example.com"]);
        assert_eq!(m.header("subject").as_deref(), Some("x folded"));
        assert!(m.raw.ends_with(b"\r\n\r\n.dot\r\n"));
    }
}
