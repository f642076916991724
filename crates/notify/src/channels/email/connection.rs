//! One SMTP connection, driven command by command, so that the mark can fall between RCPT and DATA.

use std::time::Duration;

use posthaste_core::{Failure, FailureClass};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::asked::asked_pause;
use super::classes::{Answer, Pattern, Phase, Whose, row_of};
use super::offers::Offers;
use super::reply::{NoReply, Reply, Stream, Wire};
use super::rows::Row;

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
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) phase: Phase,
    pub(super) answer: Answer,
    text: String,
    /// Nothing is wrong but that other messages have the connections.
    busy: bool,
}

/// The code of a failure that is none: the message is put back, uncounted, because others have the connections.
pub(crate) const NO_CONNECTION: &str = "no_connection";
/// When it is tried again.
const BUSY_PAUSE: Duration = Duration::from_secs(2);
/// For how many times the patience with a server that grants no connection its refusals mean that others have them.
const BUSY_FOR: u32 = 15;

impl Refusal {
    pub(super) fn new(phase: Phase, answer: Answer, text: impl Into<String>) -> Self {
        Self { phase, answer, text: text.into(), busy: false }
    }

    /// Of a reply that says no, or says yes out of place.
    fn of(phase: Phase, reply: &Reply) -> Self {
        if !(reply.is(4) || reply.is(5)) {
            return Self::new(phase, Answer::Garbled, format!("{} {}", reply.code, reply.text()));
        }
        Self::new(phase, Answer::Reply { code: reply.code, enhanced: reply.enhanced() }, reply.text())
    }

    fn of_none(phase: Phase, none: NoReply) -> Self {
        match none {
            NoReply::Lost(e) => Self::new(phase, Answer::Lost, e.to_string()),
            NoReply::Garbled(text) => Self::new(phase, Answer::Garbled, text),
        }
    }

    /// Others had the connections for as long as this message could wait.
    pub(super) fn busy() -> Self {
        Self { busy: true, ..Self::new(Phase::Connect, Answer::Lost, "no connection became free in time") }
    }

    /// As the last of those that came while none was granted for this long. A server that speaks of too many
    /// connections grants them to somebody, another process of ours perhaps: for a good while that is no failure.
    pub(super) fn after(self, none: Duration, patience: Duration) -> Self {
        Self { busy: self.is_crowded() && none < patience * BUSY_FOR, ..self }
    }

    /// Whether it speaks of too many connections.
    pub(super) fn is_crowded(&self) -> bool {
        matches!(self.row().answer, Pattern::Crowded(_) | Pattern::Codes(&[432]))
    }

    fn row(&self) -> &'static Row {
        row_of(self.phase, self.answer, &self.text)
    }

    /// What the server said, safe to show.
    pub(super) fn shown(&self) -> String {
        let code = self.code().map(|code| format!("{code} ")).unwrap_or_default();
        format!("{code}{}", clean(&self.text))
    }

    /// The code of the reply, if there was one.
    pub(super) fn code(&self) -> Option<u16> {
        match self.answer {
            Answer::Reply { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether it refuses one more connection, and says nothing about the message.
    pub(super) fn refuses_connection(&self) -> bool {
        self.code().is_some() && self.row().whose == Whose::Connection
    }

    /// Whether the connection is of no use any more.
    fn breaks(&self) -> bool {
        !matches!(self.answer, Answer::Reply { code: 400..=599, .. } | Answer::NotOffered) || self.is_421()
    }

    fn is_421(&self) -> bool {
        self.code() == Some(421)
    }

    /// Whether a kept connection turned out to be closed. Servers close idle ones when they like, so
    /// on a reused one this says nothing about the message.
    pub(super) fn is_gone(&self) -> bool {
        self.answer == Answer::Lost || self.is_421()
    }

    /// Whether it is about one message and its recipients, not about the provider and us.
    pub(super) fn is_of_one(&self) -> bool {
        self.row().whose == Whose::Message
    }

    /// The failure of the attempt. `server` is `host:port`.
    pub(super) fn into_failure(self, server: &str) -> Failure {
        let row = self.row();
        let class = row.class;
        let text = clean(&self.text);
        let phase = self.phase.as_str();
        let message = match (self.answer, self.phase) {
            // What an operator has to mend is said in our words, too.
            (Answer::Reply { code, .. }, _) if class == FailureClass::Misconfigured => {
                format!("{server} answered {phase} with {code} {text} ({})", row.why)
            }
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
        if self.busy {
            let failure = Failure::new(FailureClass::Unavailable, message);
            return failure.with_code(NO_CONNECTION).with_retry_after(BUSY_PAUSE);
        }
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

/// Text of a server, safe to show.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

/// When the steps before the content must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    until: Instant,
    /// Until then a connection may be waited for: what is got later would be used with no time left, and look as if the
    /// server did not answer.
    place: Instant,
}

impl Budget {
    /// Of an attempt that may take `whole`: the wait after the final dot is kept back, so that it is
    /// not the attempt's timeout that cuts it short.
    pub(super) fn of_attempt(whole: Duration, timeouts: &SmtpTimeouts) -> Self {
        let spare = whole.saturating_sub(timeouts.final_dot);
        let before = if spare >= Duration::from_secs(30) { spare } else { whole / 2 };
        let now = Instant::now();
        Self { until: now + before, place: now + before / 2 }
    }

    /// Of one step.
    fn of_step(limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { until, place: until }
    }

    /// Whether no time is left.
    pub(super) fn is_spent(self) -> bool {
        Instant::now() >= self.until
    }

    /// Waits until it is spent.
    pub(super) async fn spent(self) {
        tokio::time::sleep_until(self.until).await;
    }

    /// Waits for what gives a connection.
    pub(super) async fn place<T>(self, wait: impl Future<Output = T>) -> Result<T, Refusal> {
        timeout_at(self.place, wait).await.map_err(|_| Refusal::busy())
    }

    /// Waits until `at`, when a connection may be asked for.
    pub(super) async fn pause(self, at: Instant) -> Result<(), Refusal> {
        let last = self.place.max(Instant::now());
        tokio::time::sleep_until(at.min(last)).await;
        if at > last { Err(Refusal::busy()) } else { Ok(()) }
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
    wire: Wire,
    offers: Offers,
    /// Messages it carried.
    pub(super) messages: u32,
    state: State,
    pub(super) idle_since: Instant,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            wire: Wire::new(stream),
            offers: Offers::default(),
            messages: 0,
            state: State::Unusable,
            idle_since: Instant::now(),
        }
    }

    /// What the server offers.
    pub(super) fn offers(&self) -> &Offers {
        &self.offers
    }

    /// Whether the server said nothing since, and did not hang up.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet().await
    }

    /// Takes what the server offers out of its answer to EHLO.
    pub(super) fn offered(&mut self, reply: &Reply) {
        self.offers = Offers::of(&reply.lines);
    }

    /// Whether the server hung up, as far as it was heard.
    pub(super) fn has_ended(&self) -> bool {
        self.wire.has_ended()
    }

    /// Everything that comes before the first message is done.
    pub(super) fn is_ready(&mut self) {
        self.state = State::Clean;
    }

    /// The connection under a plain one; none if more came than was asked for.
    pub(super) fn into_plain(self) -> Option<TcpStream> {
        let clean = self.wire.has_no_surplus();
        match self.wire.into_stream() {
            Stream::Plain(tcp) if clean => Some(tcp),
            _ => None,
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.state != State::Unusable && self.wire.is_in_step()
    }

    /// Whether the server takes lines that are not ASCII (RFC 6152).
    pub(super) fn offers_eight_bit(&self) -> bool {
        self.offers.eight_bit
    }

    pub(super) fn needs_reset(&self) -> bool {
        self.state == State::Dirty
    }

    /// Forgets a message that was begun.
    pub(super) async fn reset(&mut self, budget: Budget, t: &SmtpTimeouts) -> Result<(), Refusal> {
        self.command(Phase::Mail, budget, t.command, "RSET\r\n").await?;
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
        if utf8 && !self.offers.utf8 {
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
        self.command(Phase::Mail, budget, t.command, &command).await.map(drop)
    }

    /// RCPT. Answers how many copies were refused.
    pub(super) async fn rcpt(
        &mut self,
        envelope: &Envelope,
        budget: Budget,
        t: &SmtpTimeouts,
    ) -> Result<usize, Refusal> {
        let command = format!("RCPT TO:<{}>\r\n", envelope.to);
        self.command(Phase::Rcpt, budget, t.command, &command).await?;
        let mut left_out = 0;
        for copy in &envelope.copies {
            let command = format!("RCPT TO:<{copy}>\r\n");
            match self.command(Phase::Rcpt, budget, t.command, &command).await {
                Ok(_) => {}
                // Whether the message goes out is the recipient's matter alone: a copy that is refused is left out.
                Err(refusal) if refusal.code().is_some() && refusal.is_of_one() && !refusal.breaks() => {
                    // Not its text: servers repeat the address in it.
                    tracing::warn!(answer = ?refusal.answer, "the server refused a recipient of a copy");
                    left_out += 1;
                }
                // About the account or the connection, or no answer to it at all: nothing was sent, so all of it
                // goes again.
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(left_out)
    }

    /// DATA and, once the server wants it, the content with its final dot.
    pub(super) async fn data(&mut self, message: &[u8], t: &SmtpTimeouts) -> Result<Reply, Refusal> {
        let content = stuffed(message);
        self.command(Phase::Data, Budget::of_step(t.data), t.data, "DATA\r\n").await?;
        // One write for content and final dot: two would wait for each other's acknowledgement.
        let done = self.command(Phase::Content, Budget::of_step(t.final_dot), t.final_dot, &content).await?;
        self.messages += 1;
        if self.state == State::Dirty {
            self.state = State::Clean;
        }
        Ok(done)
    }

    /// Says goodbye; the answer does not matter.
    pub(super) async fn quit(mut self) {
        let bye = async {
            if self.wire.write(b"QUIT\r\n").await.is_ok() {
                let _ = self.wire.reply().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), bye).await;
    }

    /// The greeting.
    pub(super) async fn hear(
        &mut self,
        phase: Phase,
        budget: Budget,
        limit: Duration,
    ) -> Result<Reply, Refusal> {
        self.state = State::Unusable;
        let wire = &mut self.wire;
        let said = async { wire.reply().await.map_err(|none| Refusal::of_none(phase, none)) };
        let said = budget.run(phase, limit, said).await;
        self.judge(phase, said)
    }

    /// One command and its answer. Dropped in the middle, it leaves the connection unusable.
    pub(super) async fn command(
        &mut self,
        phase: Phase,
        budget: Budget,
        limit: Duration,
        command: &str,
    ) -> Result<Reply, Refusal> {
        self.state = State::Unusable;
        if self.wire.has_ended() {
            let why = "the server closed the connection behind its last answer";
            return Err(Refusal::new(phase.before_content(), Answer::Lost, why));
        }
        if !self.wire.has_no_surplus() {
            return Err(self.unasked(phase, budget, limit).await);
        }
        let wire = &mut self.wire;
        let exchange = async {
            let written = wire.write(command.as_bytes()).await;
            match (wire.reply().await, written) {
                (Ok(reply), Ok(())) => Ok(reply),
                // It hung up while it was told: why it did may have come before.
                (Ok(reply), Err(_)) if reply.is(4) || reply.is(5) => Ok(reply),
                (_, Err(e)) => Err(Refusal::of_none(phase, NoReply::Lost(e))),
                (Err(none), Ok(())) => Err(Refusal::of_none(phase, none)),
            }
        };
        let said = budget.run(phase, limit, exchange).await;
        self.judge(phase, said)
    }

    /// What the server said without being asked: that it will not go on, or an answer too many, which would be taken for
    /// the one to this command, and so on to the final dot.
    async fn unasked(&mut self, phase: Phase, budget: Budget, limit: Duration) -> Refusal {
        let before = phase.before_content();
        let wire = &mut self.wire;
        let said = async { wire.reply().await.map_err(|none| Refusal::of_none(before, none)) };
        match budget.run(before, limit, said).await {
            Ok(reply) if reply.is(4) || reply.is(5) => Refusal::of(phase, &reply),
            Ok(_) => Refusal::new(before, Answer::Garbled, "more answers than commands"),
            Err(refusal) => refusal,
        }
    }

    /// Whether what was said is a yes, and what may be done with the connection now.
    fn judge(&mut self, phase: Phase, said: Result<Reply, Refusal>) -> Result<Reply, Refusal> {
        let said = match said {
            // Out of time, but the first lines came, and they have the code.
            Err(refusal) if refusal.answer == Answer::Lost => self.wire.take_begun().ok_or(refusal),
            said => said,
        };
        let judged = said.and_then(|reply| {
            let wanted = match phase {
                Phase::Data => reply.is(3),
                Phase::Auth => reply.is(2) || reply.is(3),
                _ => reply.is(2),
            };
            if wanted { Ok(reply) } else { Err(Refusal::of(phase, &reply)) }
        });
        match &judged {
            Err(refusal) if refusal.breaks() => {}
            _ if self.wire.is_in_step() => self.state = State::Dirty,
            _ => {}
        }
        judged
    }
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
            let budget = Budget::of_attempt(Duration::from_secs(whole), &t);
            [budget.place, budget.until].map(|at| at.duration_since(now).as_secs())
        };
        assert_eq!(before(660), [30, 60]);
        assert_eq!(before(1800), [600, 1200]);
        assert_eq!(before(60), [15, 30]);
    }

    #[tokio::test]
    async fn a_connection_is_waited_for_while_there_is_time_to_use_it() {
        let now = Instant::now();
        let hour = Duration::from_secs(3600);
        // The time of waiting is over, that of the steps is not.
        let late = Budget { until: now + hour, place: now };
        assert!(late.place(std::future::pending::<()>()).await.is_err_and(|r| r.busy));
        assert!(late.pause(now + hour / 2).await.is_err_and(|r| r.busy));
        assert!(late.pause(now).await.is_ok(), "nothing to wait for");
        assert!(late.place(std::future::ready(())).await.is_ok(), "one is free");
        assert!(!late.is_spent() && Budget { until: now, place: now }.is_spent());
    }

    #[test]
    fn where_others_have_the_connections_a_refusal_is_none_for_a_good_while() {
        let patience = Duration::from_secs(20);
        let said = |text| Refusal::new(Phase::Hello, Answer::Reply { code: 421, enhanced: None }, text);
        let failure =
            |text, none| said(text).after(Duration::from_secs(none), patience).into_failure("mx:25");
        let crowded = failure("Too many connections", 30);
        assert_eq!((crowded.code.as_deref(), crowded.retry_after), (Some(NO_CONNECTION), Some(BUSY_PAUSE)));
        let for_long = failure("Too many connections", 300);
        assert_eq!((for_long.code.as_deref(), for_long.class), (Some("421"), FailureClass::Unavailable));
        let closed = failure("Service not available", 30);
        assert_eq!((closed.code.as_deref(), closed.class), (Some("421"), FailureClass::Unavailable));
        assert_eq!(Refusal::busy().into_failure("mx:25").code.as_deref(), Some(NO_CONNECTION));
    }

    #[test]
    fn the_text_of_an_answer_is_made_safe() {
        assert_eq!(clean("a\r\nb\0c"), "a  b c");
        assert_eq!(clean(&"x".repeat(2000)).len(), MAX_TEXT);
    }
}
