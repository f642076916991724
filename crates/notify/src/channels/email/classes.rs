//! The class of every SMTP answer: one table, read from the top, the first row that fits decides.
//! The rows are in [`super::rows`]; `docs/SMTP.md` is generated from them.

use std::fmt::Write;

use posthaste_core::FailureClass;

use super::rows::{BEFORE_CONTENT, FROM_RCPT, Row, UNTIL_MAIL, UNTIL_SIGNED_IN, rows};

/// What an answer says something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This message alone, most often its recipient.
    Message,
    /// The provider: whatever the message, the answer would be this one.
    Provider,
    /// As [`Whose::Provider`], and it refuses no more than this connection: the message can go by another one.
    Connection,
}

impl Whose {
    /// Its name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Provider => "provider",
            Self::Connection => "connection",
        }
    }
}

/// Where in the dialogue an answer came or was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a free connection, DNS, TCP, and TLS from the first byte.
    Connect,
    /// Greeting and EHLO.
    Hello,
    /// STARTTLS, its TLS handshake, and the second EHLO.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// The DATA command: marked, but no byte of the message was sent.
    Data,
    /// From the first byte of the message to the answer to its final dot.
    Content,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Hello,
        Self::StartTls,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Content,
    ];

    /// Where a step ended that was not begun: no byte of the content was sent.
    pub(super) const fn before_content(self) -> Self {
        match self {
            Self::Content => Self::Data,
            other => other,
        }
    }

    /// Its name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Hello => "greeting and EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Content => "content and final dot",
        }
    }
}

/// An enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u16,
    /// The subject.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

impl Enhanced {
    /// The code that `text` starts with, if it has one that agrees with the reply code, as RFC 2034
    /// §4 demands.
    ///
    /// Some servers write `#5.1.1` or `5.1.1:`; it is the same code.
    pub fn parse(code: u16, text: &str) -> Option<Self> {
        let first = text.split_whitespace().next()?;
        let first = first.trim_start_matches('#').trim_end_matches([':', ',', ';']);
        let mut parts = first.split('.');
        let mut part = || -> Option<u16> {
            let p = parts.next()?;
            ((1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit())).then(|| p.parse().ok())?
        };
        let enhanced = Self { class: part()?, subject: part()?, detail: part()? };
        (parts.next().is_none() && enhanced.class == code / 100).then_some(enhanced)
    }
}

/// What the server said, or how it failed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A reply.
    Reply {
        /// Its code.
        code: u16,
        /// Its enhanced code.
        enhanced: Option<Enhanced>,
    },
    /// No reply: not reached, refused, TLS failed, cut, timed out.
    Lost,
    /// Something that is not a reply, or a positive reply out of place.
    Garbled,
    /// The server does not offer what the message or the configuration needs.
    NotOffered,
}

/// Which answers a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// These reply codes.
    Codes(&'static [u16]),
    /// Reply codes of these first digits with the enhanced code `digit.subject.detail`, one of these details.
    Details(&'static [u16], u16, &'static [u16]),
    /// This reply code with an enhanced code of this subject.
    CodeWith(u16, u16),
    /// Reply codes of this first digit with the enhanced code `digit.subject.*`.
    Subject(u16, u16),
    /// Reply codes of these first digits whose text, in lower case, holds one of these. For what a service
    /// documents in words alone, because its codes mean something else elsewhere.
    Says(&'static [u16], &'static [&'static str]),
    /// Reply codes of these first digits whose text speaks of too many connections.
    Crowded(&'static [u16]),
    /// Reply codes of this first digit.
    Digit(u16),
    /// [`Answer::Lost`].
    Lost,
    /// [`Answer::Garbled`].
    Garbled,
    /// [`Answer::NotOffered`].
    NotOffered,
}

impl Pattern {
    fn fits(self, answer: Answer, text: &str) -> bool {
        let (code, enhanced) = match (self, answer) {
            (Self::Lost, Answer::Lost)
            | (Self::Garbled, Answer::Garbled)
            | (Self::NotOffered, Answer::NotOffered) => return true,
            (_, Answer::Reply { code, enhanced }) => (code, enhanced),
            _ => return false,
        };
        let digit = code / 100;
        match self {
            Self::Codes(codes) => codes.contains(&code),
            Self::Details(digits, subject, details) => {
                digits.contains(&digit)
                    && enhanced.is_some_and(|e| e.subject == subject && details.contains(&e.detail))
            }
            Self::CodeWith(wanted, subject) => {
                code == wanted && enhanced.is_some_and(|e| e.subject == subject)
            }
            Self::Subject(wanted, subject) => {
                digit == wanted && enhanced.is_some_and(|e| e.subject == subject)
            }
            Self::Says(digits, phrases) => {
                digits.contains(&digit) && phrases.iter().any(|phrase| text.contains(phrase))
            }
            Self::Crowded(digits) => digits.contains(&digit) && is_crowded(text),
            Self::Digit(wanted) => digit == wanted,
            Self::Lost | Self::Garbled | Self::NotOffered => false,
        }
    }
}

/// Whether a text, in lower case, says that there are too many connections: a word for too many and one for
/// connections, in the languages that servers were seen to use. A limit of messages or recipients is another matter, and so
/// are the sign-ins, errors and idle times that cost a connection.
fn is_crowded(text: &str) -> bool {
    const TOO_MANY: &[&str] = &[
        "too many",
        "limit",
        "exceed",
        "maximum",
        "concurren",
        "simultan",
        "trop de",
        "zu viele",
        "demasiad",
        "troppe",
        "muitas",
    ];
    const CONNECTIONS: &[&str] = &[
        "connection",
        "session",
        "connexion",
        "conexi",
        "conex",
        "verbindung",
        "connession",
        "sender thread",
    ];
    const OTHER: &[&str] = &[
        "recipient",
        "message",
        "destination",
        " errors",
        "authent",
        "login",
        "logon",
        "password",
        "command",
        "timeout",
        "timed out",
        "time limit",
        "idle",
    ];
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    any(TOO_MANY) && any(CONNECTIONS) && !any(OTHER)
}

impl Row {
    fn fits(&self, phase: Phase, answer: Answer, text: &str) -> bool {
        (self.phases.is_empty() || self.phases.contains(&phase)) && self.answer.fits(answer, text)
    }
}

/// The row of an answer that is not the wanted one. `text` is what the server said beside its codes.
pub fn row_of(phase: Phase, answer: Answer, text: &str) -> &'static Row {
    // A positive reply that comes here was out of place: 250 to DATA, 354 to the final dot.
    let answer = match answer {
        Answer::Reply { code, .. } if !(400..600).contains(&code) => Answer::Garbled,
        other => other,
    };
    let text = text.to_lowercase();
    rows().find(|row| row.fits(phase, answer, &text)).expect("the last rows take whatever is left (tested)")
}

/// The class of an answer that is not the wanted one, and what it says something about.
pub fn class_of(phase: Phase, answer: Answer, text: &str) -> (FailureClass, Whose) {
    let row = row_of(phase, answer, text);
    (row.class, row.whose)
}

/// `docs/SMTP.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "<!-- Generated from crates/notify/src/channels/email/classes.rs by `UPDATE_DOCS=1 cargo test -p posthaste-notify smtp_page`. Do not edit. -->\n\
         # What an SMTP answer means\n\n\
         Read from the top: the first row that fits decides the class. What a class does to the task and to its\n\
         lane is in [STATES.md](STATES.md). An enhanced code counts only if it agrees with the reply code\n\
         (RFC 2034 §4). A positive answer out of place (250 to DATA) is one that cannot be read.\n\n\
         An answer is about the *message*, the *provider*, or one *connection* of it: then the message goes by another\n\
         connection, and the class counts only if none is granted for long. A class that pauses the lane or counts for its\n\
         breaker does so, in an answer about the message, only when three different recipients in a row meet it, with none\n\
         taken between; until then the message is `transient`: it has its own backoff, and the try counts.\n\n\
         | phase | answer | class | about | why | said by |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows() {
        let (phases, answer) = (phases_for_people(row.phases), row.answer.for_people());
        let Row { class, why, source, .. } = row;
        let _ =
            writeln!(out, "| {phases} | {answer} | `{class}` | {} | {why} | {source} |", row.whose.as_str());
    }
    out.push_str(
        "\nThe attempt is marked (its point of no return is stored) right before DATA. An answer to DATA itself, or\n\
         none, still has the class of its row: no byte of the message was sent.\n\n\
         # How long we wait\n\n\
         30 s to connect and for TLS, 5 minutes for the greeting, EHLO, AUTH, MAIL and RCPT, 2 minutes for DATA, 10\n\
         minutes after the final dot (RFC 5321 §4.5.3.2); together at most the attempt's timeout, 11 minutes unless\n\
         set otherwise, of which the last 10 are kept for the final dot.\n\n\
         # URLs\n\n\
         | URL | port | protection |\n| --- | --- | --- |\n\
         | `smtps://host` | 465 | TLS from the first byte |\n\
         | `smtp+starttls://host` | 587 | STARTTLS, required |\n\
         | `smtp://host` | 587 | STARTTLS, required |\n\
         | `smtp://` and a loopback host (`127.0.0.0/8`, `::1`, `localhost`) | 25 | none: nothing leaves the machine |\n\
         | `smtp+plain://host` | 25 | none, because the URL says so |\n\n\
         User and password come percent-encoded before the host: `smtps://me%40example.com:pass%2Fword@mail.example.com`.\n\
         The URL alone decides how a connection is protected; what a server offers never weakens it.\n\
         Behind the host may stand `?ehlo=mail.example.com` (the name that EHLO says) and `connections=5` (at most so many at a time).\n\
         An answer is read by its code, in any charset, with or without text.\n",
    );
    out
}

fn phases_for_people(phases: &[Phase]) -> String {
    match phases {
        [] => "any".to_owned(),
        p if p == BEFORE_CONTENT => "before the content".to_owned(),
        p if p == UNTIL_MAIL => "until MAIL is accepted".to_owned(),
        p if p == UNTIL_SIGNED_IN => "until the sign-in".to_owned(),
        p if p == FROM_RCPT => "from RCPT on".to_owned(),
        some => some.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", "),
    }
}

impl Pattern {
    fn for_people(self) -> String {
        let digits = |all: &[u16]| all.iter().map(|d| format!("{d}xx")).collect::<Vec<_>>().join(" or ");
        match self {
            Self::Codes(codes) => codes.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
            Self::Details(all, subject, details) => {
                let first = if let [one] = all { one.to_string() } else { "x".to_owned() };
                let list: Vec<_> = details.iter().map(|d| format!("{first}.{subject}.{d}")).collect();
                format!("{} with {}", digits(all), list.join(", "))
            }
            Self::CodeWith(code, subject) => format!("{code} with {}.{subject}.x", code / 100),
            Self::Subject(digit, subject) => format!("{digit}xx with {digit}.{subject}.x"),
            Self::Says(all, phrases) => format!("{} that says \"{}\"", digits(all), phrases.join("\", \"")),
            Self::Crowded(all) => format!("{} that speaks of too many connections or sessions", digits(all)),
            Self::Digit(digit) => format!("{digit}xx"),
            Self::Lost => "none".to_owned(),
            Self::Garbled => "cannot be read".to_owned(),
            Self::NotOffered => "not offered".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
