//! One SMTP connection, driven command by command, so that the mark can fall between RCPT and DATA.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::{ClientId, Extension};
use lettre::transport::smtp::response::Response;
use posthaste_core::{Failure, FailureClass};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::classes::{Answer, Enhanced, Phase, asked_pause, class_of};
use super::line_stream::LineStream;
use crate::{EmailProvider, SmtpUrl, Transport};

/// Longest text of an answer that is kept, in characters.
const MAX_TEXT: usize = 500;

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmtpTimeouts {
    /// TCP, per address, and TLS from the first byte.
    pub connect: Duration,
    /// Greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT (RFC 5321 §4.5.3.2.1 to .3).
    pub command: Duration,
    /// The answer to DATA (§4.5.3.2.4).
    pub data: Duration,
    /// The content and the answer to the final dot (§4.5.3.2.6). Cutting it short makes duplicates.
    pub final_dot: Duration,
}

impl Default for SmtpTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            command: Duration::from_secs(300),
            data: Duration::from_secs(120),
            final_dot: Duration::from_secs(600),
        }
    }
}

/// A step of the dialogue that did not go as wanted.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) phase: Phase,
    pub(super) answer: Answer,
    text: String,
}

impl Refusal {
    pub(super) fn new(phase: Phase, answer: Answer, text: impl Into<String>) -> Self {
        Self { phase, answer, text: text.into() }
    }

    fn from_smtp(phase: Phase, e: &SmtpError) -> Self {
        let text = e.source().map_or_else(|| e.to_string(), ToString::to_string);
        let answer = match e.status() {
            Some(code) => {
                let code = u16::from(code);
                Answer::Reply { code, enhanced: Enhanced::parse(code, &text) }
            }
            // What lettre refuses to do for want of an extension.
            None if e.is_client() => Answer::NotOffered,
            // A failed handshake is invalid data too; it is the connection that could not be made.
            None if matches!(phase, Phase::Connect | Phase::StartTls) => Answer::Lost,
            None if is_invalid_data(e) => Answer::Garbled,
            None => Answer::Lost,
        };
        Self::new(phase, answer, text)
    }

    /// Whether the connection is of no use any more.
    fn breaks(&self) -> bool {
        !matches!(self.answer, Answer::Reply { code: 400..=599, .. } | Answer::NotOffered) || self.is_421()
    }

    fn is_421(&self) -> bool {
        matches!(self.answer, Answer::Reply { code: 421, .. })
    }

    /// Whether a kept connection turned out to be closed. Servers close idle ones when they like, so
    /// on a reused one this says nothing about the message.
    pub(super) fn is_gone(&self) -> bool {
        self.answer == Answer::Lost || self.is_421()
    }

    /// The failure of the attempt. `server` is `host:port`.
    pub(super) fn into_failure(self, server: &str) -> Failure {
        let class = class_of(self.phase, self.answer);
        let text = clean(&self.text);
        let phase = self.phase.as_str();
        let message = match (self.answer, self.phase) {
            (Answer::Reply { code, .. }, _) => format!("{server} answered {phase} with {code} {text}"),
            (Answer::Lost, Phase::Connect) => format!("{server} could not be reached: {text}"),
            (Answer::Lost, Phase::Content) => {
                format!("The message may have been sent: the answer of {server} was lost: {text}")
            }
            (Answer::Lost, _) => format!("{server} gave no answer to {phase}: {text}"),
            (Answer::Garbled, _) => {
                format!("{server} answered {phase} with something that cannot be read: {text}")
            }
            (Answer::NotOffered, _) => format!("{server}: {text}"),
        };
        let mut failure = Failure::new(class, message);
        if let Answer::Reply { code, enhanced } = self.answer {
            failure = failure.with_code(enhanced.map_or_else(
                || code.to_string(),
                |e| format!("{code} {}.{}.{}", e.class, e.subject, e.detail),
            ));
            if matches!(class, FailureClass::Throttled | FailureClass::Transient)
                && let Some(pause) = asked_pause(&self.text)
            {
                failure = failure.with_retry_after(pause);
            }
        }
        failure
    }
}

fn is_invalid_data(e: &SmtpError) -> bool {
    let mut source = e.source();
    while let Some(s) = source {
        if let Some(io) = s.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::InvalidData;
        }
        source = s.source();
    }
    false
}

/// Text of a server, safe to show.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

/// When the steps before the content must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    until: Instant,
}

impl Budget {
    /// Of an attempt that may take `whole`: the wait after the final dot is kept back, so that it is
    /// not the attempt's timeout that cuts it short.
    pub(super) fn of_attempt(whole: Duration, timeouts: &SmtpTimeouts) -> Self {
        let spare = whole.saturating_sub(timeouts.final_dot);
        let before = if spare >= Duration::from_secs(30) { spare } else { whole / 2 };
        Self { until: Instant::now() + before }
    }

    /// Waits until it is spent.
    pub(super) async fn spent(self) {
        tokio::time::sleep_until(self.until).await;
    }

    pub(super) async fn run<T>(
        self,
        phase: Phase,
        limit: Duration,
        step: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let until = self.until.min(Instant::now() + limit);
        match timeout_at(until, step).await {
            Ok(done) => done,
            Err(_) => Err(Refusal::new(phase, Answer::Lost, "no answer in time")),
        }
    }
}

/// A server and how to get there.
pub(super) struct Server {
    url: SmtpUrl,
    tls: Result<Option<TlsParameters>, String>,
    pub(super) timeouts: SmtpTimeouts,
    hello: ClientId,
}

impl Server {
    pub(super) fn new(provider: &EmailProvider) -> Self {
        let tls = match provider.url.transport() {
            Transport::Plain => Ok(None),
            Transport::ImplicitTls | Transport::StartTls => tls_parameters(provider).map(Some),
        };
        Self {
            url: provider.url.clone(),
            tls: tls.map_err(|e| e.to_string()),
            timeouts: provider.timeouts,
            hello: ClientId::default(),
        }
    }

    /// `host:port`, for people.
    pub(super) fn name(&self) -> String {
        let host = self.url.host();
        if host.contains(':') {
            return format!("[{host}]:{}", self.url.port());
        }
        format!("{host}:{}", self.url.port())
    }

    /// Connects, protects the connection as the URL says, signs in.
    pub(super) async fn connect(&self, budget: Budget) -> Result<Connection, Refusal> {
        let tls = self.tls.as_ref().map_err(|e| {
            let why = format!("the TLS configuration cannot be used: {e}");
            Refusal::new(Phase::Auth, Answer::NotOffered, why)
        })?;
        let smtp = match (self.url.transport(), tls) {
            (Transport::ImplicitTls, Some(tls)) => self.connect_implicit(tls.clone(), budget).await?,
            (_, tls) => self.connect_plain(tls.as_ref(), budget).await?,
        };
        let mut connection =
            Connection { smtp, messages: 0, state: State::Clean, idle_since: Instant::now() };
        if let Some((user, password)) = self.url.credentials() {
            let credentials = Credentials::new(user.to_owned(), password.expose().to_owned());
            let sign_in = connection.smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            let sign_in = async { sign_in.await.map_err(|e| Refusal::from_smtp(Phase::Auth, &e)) };
            budget.run(Phase::Auth, self.timeouts.command, sign_in).await?;
        }
        Ok(connection)
    }

    async fn connect_implicit(
        &self,
        tls: TlsParameters,
        budget: Budget,
    ) -> Result<AsyncSmtpConnection, Refusal> {
        let address = (self.url.host(), self.url.port());
        let connect = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(self.timeouts.connect),
            &self.hello,
            Some(tls),
            None,
        );
        // TCP, TLS, greeting and EHLO are one call here; a reply can only be to the latter two.
        let connect = async {
            connect.await.map_err(|e| {
                let phase = if e.status().is_some() { Phase::Hello } else { Phase::Connect };
                Refusal::from_smtp(phase, &e)
            })
        };
        budget.run(Phase::Connect, self.timeouts.connect + self.timeouts.command, connect).await
    }

    async fn connect_plain(
        &self,
        starttls: Option<&TlsParameters>,
        budget: Budget,
    ) -> Result<AsyncSmtpConnection, Refusal> {
        let lost = |e: io::Error| Refusal::new(Phase::Connect, Answer::Lost, e.to_string());
        let resolve =
            async { tokio::net::lookup_host((self.url.host(), self.url.port())).await.map_err(lost) };
        let addresses = budget.run(Phase::Connect, self.timeouts.connect, resolve).await?;
        let mut tcp = Err(Refusal::new(Phase::Connect, Answer::Lost, "the host name has no address"));
        for address in addresses {
            let connect = async { TcpStream::connect(address).await.map_err(lost) };
            tcp = budget.run(Phase::Connect, self.timeouts.connect, connect).await;
            if tcp.is_ok() {
                break;
            }
        }
        let tcp = tcp?;
        // Every step is one write that waits for its answer: holding it back only costs time.
        let _ = tcp.set_nodelay(true);
        let hello = AsyncSmtpConnection::connect_with_transport(Box::new(LineStream::new(tcp)), &self.hello);
        let hello = async { hello.await.map_err(|e| Refusal::from_smtp(Phase::Hello, &e)) };
        let mut smtp = budget.run(Phase::Hello, self.timeouts.command, hello).await?;
        if let Some(tls) = starttls {
            let upgrade = smtp.starttls(tls.clone(), &self.hello);
            let upgrade = async { upgrade.await.map_err(|e| Refusal::from_smtp(Phase::StartTls, &e)) };
            budget.run(Phase::StartTls, self.timeouts.command, upgrade).await?;
        }
        Ok(smtp)
    }
}

fn tls_parameters(provider: &EmailProvider) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(provider.url.host().to_owned());
    if let Some(pem) = &provider.trust {
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
    }
    builder.build()
}

/// The addresses of one message, as they go over the wire.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) copies: Vec<String>,
    pub(super) from_needs_utf8: bool,
    pub(super) to_needs_utf8: bool,
    pub(super) eight_bit: bool,
}

/// What may be done with the connection next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A new message.
    Clean,
    /// RSET, then a new message.
    Dirty,
    /// Nothing: a step is under way (or was dropped in the middle), or the server is gone.
    Unusable,
}

/// An open connection.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// Messages it carried.
    pub(super) messages: u32,
    state: State,
    pub(super) idle_since: Instant,
}

impl Connection {
    pub(super) fn is_usable(&self) -> bool {
        self.state != State::Unusable
    }

    /// Whether the server takes lines that are not ASCII (RFC 6152).
    pub(super) fn offers_eight_bit(&self) -> bool {
        self.smtp.server_info().supports_feature(Extension::EightBitMime)
    }

    pub(super) fn needs_reset(&self) -> bool {
        self.state == State::Dirty
    }

    /// Forgets a message that was begun.
    pub(super) async fn reset(&mut self, budget: Budget, t: &SmtpTimeouts) -> Result<(), Refusal> {
        self.step(Phase::Mail, budget, t.command, "RSET\r\n").await?;
        self.state = State::Clean;
        Ok(())
    }

    /// MAIL.
    pub(super) async fn mail(
        &mut self,
        envelope: &Envelope,
        budget: Budget,
        t: &SmtpTimeouts,
    ) -> Result<(), Refusal> {
        let utf8 = envelope.from_needs_utf8 || envelope.to_needs_utf8;
        if utf8 && !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
            let phase = if envelope.from_needs_utf8 { Phase::Mail } else { Phase::Rcpt };
            let why = "the address needs SMTPUTF8, which the server does not offer";
            return Err(Refusal::new(phase, Answer::NotOffered, why));
        }
        let mut command = format!("MAIL FROM:<{}>", envelope.from);
        if utf8 {
            command.push_str(" SMTPUTF8");
        }
        if envelope.eight_bit && self.offers_eight_bit() {
            command.push_str(" BODY=8BITMIME");
        }
        command.push_str("\r\n");
        self.step(Phase::Mail, budget, t.command, &command).await.map(drop)
    }

    /// RCPT.
    pub(super) async fn rcpt(
        &mut self,
        envelope: &Envelope,
        budget: Budget,
        t: &SmtpTimeouts,
    ) -> Result<(), Refusal> {
        let command = format!("RCPT TO:<{}>\r\n", envelope.to);
        self.step(Phase::Rcpt, budget, t.command, &command).await?;
        for copy in &envelope.copies {
            let command = format!("RCPT TO:<{copy}>\r\n");
            match self.step(Phase::Rcpt, budget, t.command, &command).await {
                Ok(_) => {}
                // Whether the message goes out is the recipient's matter alone: a copy that is refused is left out.
                Err(refusal) if !refusal.is_gone() => {
                    // Not its text: servers repeat the address in it.
                    tracing::warn!(answer = ?refusal.answer, "the server refused a recipient of a copy");
                    self.state = State::Dirty;
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// DATA and, once the server wants it, the content with its final dot.
    pub(super) async fn data(&mut self, message: &[u8], t: &SmtpTimeouts) -> Result<Response, Refusal> {
        let no_budget = |limit| Budget { until: Instant::now() + limit };
        let content = stuffed(message);
        let go = self.step(Phase::Data, no_budget(t.data), t.data, "DATA\r\n").await?;
        if !go.has_code(354) {
            self.state = State::Unusable;
            return Err(out_of_place(Phase::Data, &go));
        }
        // One write for content and final dot: two would wait for each other's acknowledgement.
        let done = self.step(Phase::Content, no_budget(t.final_dot), t.final_dot, &content).await?;
        if u16::from(done.code()) / 100 != 2 {
            self.state = State::Unusable;
            return Err(out_of_place(Phase::Content, &done));
        }
        self.messages += 1;
        self.state = State::Clean;
        Ok(done)
    }

    /// Says goodbye; the answer does not matter.
    pub(super) async fn quit(mut self) {
        let bye = self.smtp.quit();
        let _ = tokio::time::timeout(Duration::from_secs(5), bye).await;
    }

    /// One command and its answer. Dropped in the middle, it leaves the connection unusable.
    async fn step(
        &mut self,
        phase: Phase,
        budget: Budget,
        limit: Duration,
        command: &str,
    ) -> Result<Response, Refusal> {
        self.state = State::Unusable;
        let step = self.smtp.command(command);
        let step = async { step.await.map_err(|e| Refusal::from_smtp(phase, &e)) };
        let done = budget.run(phase, limit, step).await;
        match &done {
            Err(refusal) if refusal.breaks() => {}
            _ => self.state = State::Dirty,
        }
        done
    }
}

fn out_of_place(phase: Phase, response: &Response) -> Refusal {
    let text = format!("{} {}", response.code(), response.first_line().unwrap_or(""));
    Refusal::new(phase, Answer::Garbled, text)
}

/// The content as it goes over the wire: dots at the start of a line doubled (RFC 5321 §4.5.2), the
/// last line ended, the final dot. A line starts behind any line end: some servers take a CR or LF alone for one, and
/// what follows a dot there for commands.
fn stuffed(message: &[u8]) -> String {
    let message = String::from_utf8_lossy(message);
    let mut out = String::with_capacity(message.len() + 64);
    let mut starts = true;
    for piece in message.split_inclusive(['\r', '\n']) {
        if starts && piece.starts_with('.') {
            out.push('.');
        }
        out.push_str(piece);
        starts = piece.ends_with(['\r', '\n']);
    }
    if !out.ends_with("\r\n") {
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_the_content_ends_in_one() {
        assert_eq!(stuffed(b".a\r\n.\r\nb.c\r\n"), "..a\r\n..\r\nb.c\r\n.\r\n");
        assert_eq!(stuffed(b"a"), "a\r\n.\r\n");
        assert_eq!(stuffed(b"a\r\n.\r\n"), "a\r\n..\r\n.\r\n");
        assert_eq!(stuffed(b"a\n.\r\nb\r.\nc\n\r.x"), "a\n..\r\nb\r..\nc\n\r..x\r\n.\r\n");
    }

    #[test]
    fn the_wait_after_the_final_dot_is_kept_back() {
        let t = SmtpTimeouts::default();
        let before = |whole| {
            let now = Instant::now();
            Budget::of_attempt(Duration::from_secs(whole), &t).until.duration_since(now).as_secs()
        };
        assert_eq!(before(660), 60);
        assert_eq!(before(1800), 1200);
        assert_eq!(before(60), 30);
    }

    #[test]
    fn the_text_of_an_answer_is_made_safe() {
        assert_eq!(clean("a\r\nb\0c"), "a  b c");
        assert_eq!(clean(&"x".repeat(2000)).len(), MAX_TEXT);
    }
}
