//! The class of every SMTP answer: one table, read from the top, the first row that fits decides.
//! `docs/SMTP.md` is generated from it.

use std::fmt::Write;
use std::time::Duration;

use posthaste_core::FailureClass;

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
    pub fn parse(code: u16, text: &str) -> Option<Self> {
        let mut parts = text.split_whitespace().next()?.split('.');
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
    /// Reply codes of this first digit with the enhanced code `digit.subject.detail`, one of these
    /// details.
    Details(u16, u16, &'static [u16]),
    /// Reply codes of this first digit with the enhanced code `digit.subject.*`.
    Subject(u16, u16),
    /// Reply codes of this first digit.
    Digit(u16),
    /// [`Answer::Lost`].
    Lost,
    /// [`Answer::Garbled`].
    Garbled,
    /// [`Answer::NotOffered`].
    NotOffered,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// In these phases; empty is any.
    pub phases: &'static [Phase],
    /// These answers.
    pub answer: Pattern,
    /// Are of this class.
    pub class: FailureClass,
    /// Why, for people.
    pub why: &'static str,
}

const BEFORE_CONTENT: &[Phase] =
    &[Phase::Connect, Phase::Hello, Phase::StartTls, Phase::Auth, Phase::Mail, Phase::Rcpt, Phase::Data];
const UNTIL_MAIL: &[Phase] = &[Phase::Connect, Phase::Hello, Phase::StartTls, Phase::Auth, Phase::Mail];

/// The table.
pub const ROWS: &[Row] = &[
    Row {
        phases: &[Phase::Content],
        answer: Pattern::Lost,
        class: FailureClass::Ambiguous,
        why: "the server may have taken the message before the answer was lost",
    },
    Row {
        phases: &[Phase::Content],
        answer: Pattern::Garbled,
        class: FailureClass::Ambiguous,
        why: "the server may have taken the message; its answer does not say",
    },
    Row {
        phases: BEFORE_CONTENT,
        answer: Pattern::Lost,
        class: FailureClass::Unavailable,
        why: "connect, DNS, TLS, cut or timeout: nothing of the message was sent",
    },
    Row {
        phases: BEFORE_CONTENT,
        answer: Pattern::Garbled,
        class: FailureClass::Transient,
        why: "an answer that cannot be read, or one out of place: nothing of the message was sent",
    },
    Row {
        phases: &[Phase::Rcpt],
        answer: Pattern::NotOffered,
        class: FailureClass::Permanent,
        why: "the address needs SMTPUTF8 (RFC 6531), which the server does not offer",
    },
    Row {
        phases: &[],
        answer: Pattern::NotOffered,
        class: FailureClass::Misconfigured,
        why: "STARTTLS or a sign-in is configured, but the server does not offer it; or the sender's address needs SMTPUTF8",
    },
    Row {
        phases: BEFORE_CONTENT,
        answer: Pattern::Codes(&[421]),
        class: FailureClass::Unavailable,
        why: "the server is closing the connection",
    },
    Row {
        phases: &[],
        answer: Pattern::Codes(&[530, 534, 535]),
        class: FailureClass::Misconfigured,
        why: "credentials missing, too weak or refused",
    },
    Row {
        phases: &[],
        answer: Pattern::Details(5, 1, &[7, 8]),
        class: FailureClass::Misconfigured,
        why: "our sender address is refused",
    },
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Digit(5),
        class: FailureClass::Misconfigured,
        why: "refused before a recipient was named: it is about us, not about the message",
    },
    Row {
        phases: &[Phase::Rcpt],
        answer: Pattern::Details(5, 1, &[1, 3, 6, 10]),
        class: FailureClass::Suppress,
        why: "no such mailbox or domain: the address is remembered",
    },
    Row {
        phases: &[],
        answer: Pattern::Subject(4, 7),
        class: FailureClass::Throttled,
        why: "policy: too fast, greylisted; 60 s unless the text names a time",
    },
    Row {
        phases: &[],
        answer: Pattern::Digit(4),
        class: FailureClass::Transient,
        why: "it may go better later",
    },
    Row {
        phases: &[],
        answer: Pattern::Digit(5),
        class: FailureClass::Permanent,
        why: "it will not go better",
    },
];

impl Pattern {
    fn fits(self, answer: Answer) -> bool {
        match (self, answer) {
            (Self::Codes(codes), Answer::Reply { code, .. }) => codes.contains(&code),
            (Self::Details(digit, subject, details), Answer::Reply { code, enhanced: Some(e) }) => {
                code / 100 == digit && e.subject == subject && details.contains(&e.detail)
            }
            (Self::Subject(digit, subject), Answer::Reply { code, enhanced: Some(e) }) => {
                code / 100 == digit && e.subject == subject
            }
            (Self::Digit(digit), Answer::Reply { code, .. }) => code / 100 == digit,
            (Self::Lost, Answer::Lost)
            | (Self::Garbled, Answer::Garbled)
            | (Self::NotOffered, Answer::NotOffered) => true,
            _ => false,
        }
    }
}

/// The class of an answer that is not the wanted one.
pub fn class_of(phase: Phase, answer: Answer) -> FailureClass {
    // A positive reply that comes here was out of place: 250 to DATA, 354 to the final dot.
    let answer = match answer {
        Answer::Reply { code, .. } if !(400..600).contains(&code) => Answer::Garbled,
        other => other,
    };
    let fits = |row: &&Row| (row.phases.is_empty() || row.phases.contains(&phase)) && row.answer.fits(answer);
    ROWS.iter().find(fits).map(|row| row.class).expect("the last rows take whatever is left (tested)")
}

/// Longest pause that the text of an answer can ask for: it is prose, not a protocol.
const MAX_ASKED: Duration = Duration::from_secs(3600);

/// The time that a text such as `try again in 5 minutes` names.
pub fn asked_pause(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).peekable();
    while let Some(word) = words.next() {
        if !matches!(word, "in" | "after" | "wait") {
            continue;
        }
        let Some(next) = words.peek() else { break };
        let digits = next.bytes().take_while(u8::is_ascii_digit).count();
        let (number, glued) = next.split_at(digits);
        let Ok(number) = number.parse::<u64>() else { continue };
        let glued = glued.to_owned();
        words.next();
        let unit = if glued.is_empty() { words.next().unwrap_or("") } else { glued.as_str() };
        let seconds = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            _ => continue,
        };
        return Some(Duration::from_secs(number.saturating_mul(seconds).max(1)).min(MAX_ASKED));
    }
    None
}

/// `docs/SMTP.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "<!-- Generated from crates/notify/src/channels/email/classes.rs by `UPDATE_DOCS=1 cargo test -p posthaste-notify smtp_page`. Do not edit. -->\n\
         # What an SMTP answer means\n\n\
         Read from the top: the first row that fits decides the class. What a class does to the task and to its\n\
         lane is in [STATES.md](STATES.md). An enhanced code counts only if it agrees with the reply code\n\
         (RFC 2034 §4). A positive answer out of place (250 to DATA) is one that cannot be read.\n\n\
         | phase | answer | class | why |\n| --- | --- | --- | --- |\n",
    );
    for row in ROWS {
        let phases = match row.phases {
            [] => "any".to_owned(),
            p if p == BEFORE_CONTENT => "before the content".to_owned(),
            p if p == UNTIL_MAIL => "until MAIL is accepted".to_owned(),
            some => some.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", "),
        };
        let answer = match row.answer {
            Pattern::Codes(codes) => codes.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
            Pattern::Details(digit, subject, details) => {
                let list: Vec<_> = details.iter().map(|d| format!("{digit}.{subject}.{d}")).collect();
                format!("{digit}xx with {}", list.join(", "))
            }
            Pattern::Subject(digit, subject) => format!("{digit}xx with {digit}.{subject}.x"),
            Pattern::Digit(digit) => format!("{digit}xx"),
            Pattern::Lost => "none".to_owned(),
            Pattern::Garbled => "cannot be read".to_owned(),
            Pattern::NotOffered => "not offered".to_owned(),
        };
        let _ = writeln!(out, "| {phases} | {answer} | `{}` | {} |", row.class, row.why);
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
         The URL alone decides how a connection is protected; what a server offers never weakens it.\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use FailureClass as C;

    use super::*;

    fn reply(code: u16, text: &str) -> Answer {
        Answer::Reply { code, enhanced: Enhanced::parse(code, text) }
    }

    /// The rules in words, written independently of the table.
    fn by_the_rules(phase: Phase, code: u16, e: Option<(u16, u16)>) -> C {
        let content = phase == Phase::Content;
        let early =
            matches!(phase, Phase::Connect | Phase::Hello | Phase::StartTls | Phase::Auth | Phase::Mail);
        match (code, e) {
            (421, _) if !content => C::Unavailable,
            (400..=499, Some((7, _))) => C::Throttled,
            (400..=499, _) => C::Transient,
            (530 | 534 | 535, _) | (500..=599, Some((1, 7 | 8))) => C::Misconfigured,
            (500..=599, _) if early => C::Misconfigured,
            (500..=599, Some((1, 1 | 3 | 6 | 10))) if phase == Phase::Rcpt => C::Suppress,
            (500..=599, _) => C::Permanent,
            _ if content => C::Ambiguous,
            _ => C::Transient,
        }
    }

    #[test]
    fn every_reply_has_the_class_that_the_rules_give_it() {
        let mut seen = 0;
        for phase in Phase::ALL {
            for code in 200..600 {
                let enhanced = (0..=8).flat_map(|s| (0..=30).map(move |d| Some((s, d))));
                for e in enhanced.chain([None]) {
                    let text = e.map_or("no".to_owned(), |(s, d)| format!("{}.{s}.{d} no", code / 100));
                    let got = class_of(phase, reply(code, &text));
                    assert_eq!(got, by_the_rules(phase, code, e), "{phase:?} {code} {text}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 8 * 400 * 280);
    }

    #[test]
    fn an_answer_that_did_not_come_is_unavailable_before_the_content_and_ambiguous_after() {
        for phase in Phase::ALL {
            let content = phase == Phase::Content;
            assert_eq!(class_of(phase, Answer::Lost), if content { C::Ambiguous } else { C::Unavailable });
            assert_eq!(class_of(phase, Answer::Garbled), if content { C::Ambiguous } else { C::Transient });
            let not_offered = class_of(phase, Answer::NotOffered);
            assert_eq!(not_offered, if phase == Phase::Rcpt { C::Permanent } else { C::Misconfigured });
        }
    }

    #[test]
    fn every_row_decides_something() {
        let answers = |row: &Row| match row.answer {
            Pattern::Codes(codes) => reply(codes[0], ""),
            Pattern::Details(d, s, details) => reply(d * 100 + 50, &format!("{d}.{s}.{}", details[0])),
            Pattern::Subject(d, s) => reply(d * 100 + 50, &format!("{d}.{s}.0")),
            Pattern::Digit(d) => reply(d * 100 + 50, ""),
            Pattern::Lost => Answer::Lost,
            Pattern::Garbled => Answer::Garbled,
            Pattern::NotOffered => Answer::NotOffered,
        };
        for (i, row) in ROWS.iter().enumerate() {
            let phases = if row.phases.is_empty() { &Phase::ALL[..] } else { row.phases };
            let decides = |phase: &Phase| {
                let fits = |r: &&Row| {
                    (r.phases.is_empty() || r.phases.contains(phase)) && r.answer.fits(answers(row))
                };
                ROWS.iter().position(|r| fits(&r)) == Some(i)
            };
            assert!(phases.iter().any(decides), "row {i} is shadowed by those above it");
        }
    }

    #[test]
    fn an_enhanced_code_must_agree_with_its_reply() {
        let e = |class, subject, detail| Some(Enhanced { class, subject, detail });
        assert_eq!(Enhanced::parse(550, "5.1.1 no such user"), e(5, 1, 1));
        assert_eq!(Enhanced::parse(550, "5.1.10"), e(5, 1, 10));
        for (code, text) in [
            (450, "5.1.1 no such user"),
            (550, "no 5.1.1"),
            (550, "5.1"),
            (550, "5.1.1.1"),
            (550, "5.1.1111"),
            (550, ""),
            (550, "10.0.0.1 is listed"),
        ] {
            assert_eq!(Enhanced::parse(code, text), None, "{code} {text}");
        }
    }

    #[test]
    fn the_time_asked_for_is_read_from_the_text() {
        let s = |n| Some(Duration::from_secs(n));
        for (text, pause) in [
            ("4.7.1 Greylisted, please try again in 300 seconds", s(300)),
            ("4.7.0 Try again in 5 minutes.", s(300)),
            ("retry after 90s", s(90)),
            ("try again in 2 hours", s(3600)),
            ("please wait 1 minute", s(60)),
            ("try again in 0 seconds", s(1)),
            ("in 99999999999999999999 seconds", None),
            ("try again later", None),
            ("in 3 days", None),
            ("delivery in progress", None),
            ("try again in", None),
        ] {
            assert_eq!(asked_pause(text), pause, "{text}");
        }
    }

    #[test]
    fn smtp_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SMTP.md");
        let page = markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("docs/ is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            stored, page,
            "docs/SMTP.md is stale: run UPDATE_DOCS=1 cargo test -p posthaste-notify smtp_page"
        );
    }
}
