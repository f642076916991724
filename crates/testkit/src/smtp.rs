//! A real SMTP server on a free port of the loopback, which keeps what it is sent and answers what
//! the test tells it to.
//!
//! Each [`Stage`] has a queue of [`Action`]s, one used each time a client gets there, and an action
//! for when the queue is empty ([`Action::Accept`] unless changed). Nothing here waits for time to
//! pass: a test that needs a slow server holds a gate ([`Action::Gate`]) and opens it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

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
    /// Hang up without an answer.
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

/// What the sink offers.
#[derive(Debug, Clone, Default)]
pub struct SinkOptions {
    /// Requires AUTH with this user and password.
    pub credentials: Option<(String, String)>,
    /// Offers STARTTLS with a certificate of its own ([`SmtpSink::certificate_pem`]).
    pub starttls: bool,
    /// Speaks TLS from the first byte, with the same certificate.
    pub implicit_tls: bool,
    /// Offers SMTPUTF8.
    pub smtputf8: bool,
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
        let (tls, certificate_pem) = self_signed();
        let shared = Arc::new(Shared {
            options,
            tls,
            once: Mutex::default(),
            otherwise: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
        });
        let accept_handle = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, certificate_pem, shared, accept_handle }
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

fn self_signed() -> (TlsAcceptor, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("fixed, valid names");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key belongs to the certificate");
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let mut number = 0;
        shared.progress.send_modify(|p| {
            p.connections += 1;
            number = p.connections;
        });
        let shared = Arc::clone(&shared);
        sessions.spawn(async move {
            // A client that leaves ends its session; that is no fault of the sink.
            let _ = converse(shared, socket, number).await;
        });
        while sessions.try_join_next().is_some() {}
    }
}

async fn converse(shared: Arc<Shared>, socket: TcpStream, number: usize) -> io::Result<()> {
    if shared.options.implicit_tls {
        let stream = shared.tls.accept(socket).await?;
        return Session::new(shared, number, true).run(&mut BufStream::new(stream)).await.map(drop);
    }
    let mut plain = BufStream::new(socket);
    let mut session = Session::new(shared, number, false);
    if session.run(&mut plain).await? == End::Upgrade {
        let stream = session.shared.tls.accept(plain.into_inner()).await?;
        session.encrypted = true;
        session.run(&mut BufStream::new(stream)).await?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Upgrade,
}

/// What the session does after an action.
enum Next {
    Go,
    Refused,
    Close,
}

struct Session {
    shared: Arc<Shared>,
    number: usize,
    encrypted: bool,
    greeted: bool,
    signed_in: bool,
    from: Option<(String, String)>,
    to: Vec<String>,
}

impl Session {
    fn new(shared: Arc<Shared>, number: usize, encrypted: bool) -> Self {
        Self { shared, number, encrypted, greeted: false, signed_in: false, from: None, to: Vec::new() }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, s: &mut BufStream<S>) -> io::Result<End> {
        if !self.greeted {
            self.greeted = true;
            match self.act(s, Stage::Greeting, "220 sink.localhost ESMTP").await? {
                Next::Go => {}
                Next::Refused | Next::Close => return Ok(End::Closed),
            }
        }
        let mut line = String::new();
        loop {
            line.clear();
            if s.read_line(&mut line).await? == 0 {
                return Ok(End::Closed);
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            let next = match verb.as_str() {
                "EHLO" | "HELO" => {
                    let offers = self.offers();
                    self.act(s, Stage::Ehlo, &offers).await?
                }
                "STARTTLS" if self.shared.options.starttls && !self.encrypted => {
                    match self.act(s, Stage::StartTls, "220 2.0.0 go ahead").await? {
                        Next::Go => return Ok(End::Upgrade),
                        other => other,
                    }
                }
                "AUTH" => self.auth(s, line).await?,
                "MAIL" => self.mail(s, line).await?,
                "RCPT" => self.rcpt(s, line).await?,
                "DATA" => self.data(s).await?,
                "RSET" => {
                    self.reset();
                    self.act(s, Stage::Rset, "250 2.0.0 reset").await?
                }
                "NOOP" => self.act(s, Stage::Noop, "250 2.0.0 here").await?,
                "QUIT" => {
                    say(s, "221 2.0.0 bye").await?;
                    return Ok(End::Closed);
                }
                _ => refuse(s, "502 5.5.1 not known here").await?,
            };
            if matches!(next, Next::Close) {
                return Ok(End::Closed);
            }
        }
    }

    fn offers(&self) -> String {
        let o = &self.shared.options;
        let mut lines = vec!["sink.localhost", "8BITMIME", "ENHANCEDSTATUSCODES"];
        if o.starttls && !self.encrypted {
            lines.push("STARTTLS");
        }
        if o.credentials.is_some() {
            lines.push("AUTH PLAIN LOGIN");
        }
        if o.smtputf8 {
            lines.push("SMTPUTF8");
        }
        lines.push("HELP");
        let lines: Vec<String> = lines.iter().map(|l| format!("250 {l}")).collect();
        lines.join("\n")
    }

    async fn auth<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        line: &str,
    ) -> io::Result<Next> {
        if let Some((user, password)) = self.shared.options.credentials.clone() {
            let expected = base64(format!("\0{user}\0{password}").as_bytes());
            if line.split(' ').nth(2) != Some(expected.as_str()) {
                return refuse(s, "535 5.7.8 wrong user or password").await;
            }
        }
        let next = self.act(s, Stage::Auth, "235 2.7.0 welcome").await?;
        self.signed_in = matches!(next, Next::Go);
        Ok(next)
    }

    async fn mail<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        line: &str,
    ) -> io::Result<Next> {
        if self.shared.options.credentials.is_some() && !self.signed_in {
            return refuse(s, "530 5.7.0 sign in first").await;
        }
        let next = self.act(s, Stage::Mail, "250 2.1.0 sender ok").await?;
        if matches!(next, Next::Go) {
            self.from = Some(path(line));
        }
        Ok(next)
    }

    async fn rcpt<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        line: &str,
    ) -> io::Result<Next> {
        if self.from.is_none() {
            return refuse(s, "503 5.5.1 MAIL first").await;
        }
        let next = self.act(s, Stage::Rcpt, "250 2.1.5 recipient ok").await?;
        if matches!(next, Next::Go) {
            self.to.push(path(line).0);
        }
        Ok(next)
    }

    async fn data<S: AsyncRead + AsyncWrite + Unpin>(&mut self, s: &mut BufStream<S>) -> io::Result<Next> {
        if self.to.is_empty() {
            return refuse(s, "503 5.5.1 RCPT first").await;
        }
        match self.act(s, Stage::Data, "354 end with a dot").await? {
            Next::Go => {}
            other => return Ok(other),
        }
        // The client has the answer already; this stage can only wait, hang up or say something
        // out of turn.
        match self.act(s, Stage::Content, "").await? {
            Next::Go => {}
            other => return Ok(other),
        }
        let Some(raw) = content(s).await? else { return Ok(Next::Close) };
        let next = self.act(s, Stage::FinalDot, &format!("250 2.0.0 taken as {}", self.number)).await?;
        let (from, mail_parameters) = self.from.clone().unwrap_or_default();
        let message =
            SunkMessage { from, mail_parameters, to: self.to.clone(), raw, connection: self.number };
        self.reset();
        if matches!(next, Next::Go) {
            self.shared.progress.send_modify(|p| p.messages.push(message));
        }
        Ok(next)
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Does what the test scripted for `stage`; `ordinary` is the positive answer.
    async fn act<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        stage: Stage,
        ordinary: &str,
    ) -> io::Result<Next> {
        let scripted = lock(&self.shared.once).get_mut(&stage).and_then(VecDeque::pop_front);
        let action =
            scripted.or_else(|| lock(&self.shared.otherwise).get(&stage).cloned()).unwrap_or(Action::Accept);
        self.shared.progress.send_modify(|p| *p.reached.entry(stage).or_default() += 1);
        match action {
            Action::Accept => {}
            Action::Reply(text) => {
                say(s, &text).await?;
                let positive = text.starts_with(['2', '3']);
                let close = text.starts_with("421") || (stage == Stage::Greeting && !positive);
                return Ok(match (close, positive) {
                    (true, _) => Next::Close,
                    (_, true) => Next::Go,
                    _ => Next::Refused,
                });
            }
            Action::Raw(bytes) => {
                s.write_all(&bytes).await?;
                s.flush().await?;
                let positive = matches!(bytes.first(), Some(b'2' | b'3'));
                return Ok(if positive { Next::Go } else { Next::Refused });
            }
            Action::Cut => return Ok(Next::Close),
            Action::Hang => {
                // Until the client leaves; what it says meanwhile goes unheard.
                tokio::io::copy(s, &mut tokio::io::sink()).await?;
                return Ok(Next::Close);
            }
            Action::Gate(gate) => {
                gate.acquire().await.map_err(io::Error::other)?.forget();
            }
            Action::Delay(d) => tokio::time::sleep(d).await,
        }
        if !ordinary.is_empty() {
            say(s, ordinary).await?;
        }
        Ok(Next::Go)
    }
}

/// Writes an answer: every line but the last with a dash behind its code.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>, text: &str) -> io::Result<()> {
    let lines: Vec<&str> = text.split('\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let (code, rest) = line.split_at_checked(3).unwrap_or((line, ""));
        let rest = rest.strip_prefix([' ', '-']).unwrap_or(rest);
        let dash = if i + 1 < lines.len() { '-' } else { ' ' };
        s.write_all(format!("{code}{dash}{rest}\r\n").as_bytes()).await?;
    }
    s.flush().await
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>, text: &str) -> io::Result<Next> {
    say(s, text).await?;
    Ok(Next::Refused)
}

/// Reads to the final dot; `None` when the client left before it.
async fn content<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>) -> io::Result<Option<Vec<u8>>> {
    let mut raw = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut *s).take(1 << 20).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(raw));
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// The path between the angle brackets, and what follows them.
fn path(line: &str) -> (String, String) {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inner.map(|(p, rest)| (p.to_owned(), rest.trim().to_owned())).unwrap_or_default()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let c = if i <= chunk.len() { ALPHABET[(n >> (18 - 6 * i)) as usize & 63] } else { b'=' };
            out.push(char::from(c));
        }
    }
    out
}

#[cfg(test)]
mod tests {
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
