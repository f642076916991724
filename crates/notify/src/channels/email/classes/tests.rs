//! The table against the rules in words.

use FailureClass as C;
use Whose as W;

use super::*;

fn reply(code: u16, text: &str) -> Answer {
    Answer::Reply { code, enhanced: Enhanced::parse(code, text) }
}

/// The rules in words, written independently of the table.
fn by_the_rules(phase: Phase, code: u16, e: Option<(u16, u16)>) -> (C, W) {
    let content = phase == Phase::Content;
    let late = matches!(phase, Phase::Rcpt | Phase::Data | Phase::Content);
    let judges_our_name = matches!(phase, Phase::Hello | Phase::StartTls | Phase::Mail | Phase::Rcpt);
    match (code, e) {
        (..400, _) if content => (C::Ambiguous, W::Message),
        (..400, _) if late => (C::Transient, W::Message),
        (..400, _) => (C::Unavailable, W::Provider),
        (555, _) if phase == Phase::Rcpt => (C::Permanent, W::Message),
        (501, _) if matches!(phase, Phase::Hello | Phase::StartTls) => (C::Misconfigured, W::Provider),
        (504, _) | (_, Some((5, 2))) if judges_our_name => (C::Misconfigured, W::Provider),
        (_, Some((7, 12))) if phase == Phase::Auth => (C::Misconfigured, W::Provider),
        (530 | 534 | 535, _) | (500.., Some((7, 3))) => (C::Misconfigured, W::Provider),
        (432, _) => (C::Unavailable, W::Connection),
        (..500, Some((7, _))) if phase == Phase::Hello => (C::Throttled, W::Connection),
        (..500, _) if phase == Phase::Hello => (C::Unavailable, W::Connection),
        (_, Some((7, 28) | (4, 5))) | (421, Some((7, _))) => (C::Throttled, W::Provider),
        (421, _) if !content => (C::Unavailable, if late { W::Message } else { W::Provider }),
        (..500, Some((3, 2))) if late => (C::Throttled, W::Provider),
        (..500, _) if phase == Phase::Auth => (C::Throttled, W::Provider),
        (..500, Some((7, _))) if late => (C::Throttled, W::Message),
        (..500, Some((7, _))) => (C::Throttled, W::Provider),
        (..500, _) if late => (C::Transient, W::Message),
        (..500, _) => (C::Unavailable, W::Provider),
        _ if !late => (C::Misconfigured, W::Provider),
        (_, Some((1, 7 | 8))) => (C::Misconfigured, W::Message),
        (_, Some((1, 1 | 3 | 6 | 10))) if phase == Phase::Rcpt => (C::Suppress, W::Message),
        _ => (C::Permanent, W::Message),
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
                let got = class_of(phase, reply(code, &text), &text);
                assert_eq!(got, by_the_rules(phase, code, e), "{phase:?} {code} {text}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 8 * 400 * 280);
}

/// As services and servers write them, the limits of an account or a server beside what only resembles them.
#[test]
fn published_answers_are_told_from_those_about_one_recipient() {
    use Phase::{Auth, Content, Data, Hello, Mail, Rcpt};
    let (provider, connection, message) = (W::Provider, W::Connection, W::Message);
    for (phase, said, class, whose) in [
        // Amazon SES
        (Content, "454 Throttling failure: Maximum sending rate exceeded.", C::Throttled, provider),
        (Data, "454 Throttling failure: Daily message quota exceeded.", C::Throttled, provider),
        (Content, "554 Message rejected: Sending paused for this account.", C::Misconfigured, provider),
        (Content, "554 Message rejected: Email address is not verified.", C::Permanent, message),
        (Auth, "421 Too many concurrent SMTP connections", C::Unavailable, connection),
        // Gmail
        (Rcpt, "421 4.7.28 Our system has detected an unusual rate of mail", C::Throttled, provider),
        (Content, "421 4.7.0 Try again later, closing connection.", C::Throttled, provider),
        (Content, "550 5.4.5 Daily user sending limit exceeded.", C::Throttled, provider),
        (Rcpt, "450 4.2.1 Peak SMTP relay limit exceeded for this customer.", C::Throttled, provider),
        (
            Rcpt,
            "450 4.2.1 The user you are trying to contact is receiving mail too quickly.",
            C::Transient,
            message,
        ),
        (Hello, "421 4.7.0 Try again later, closing connection. (EHLO)", C::Throttled, connection),
        (Auth, "454 4.7.0 Too many login attempts, please try again later.", C::Throttled, provider),
        (Rcpt, "555 5.5.2 Syntax error, goodbye.", C::Permanent, message),
        // Microsoft
        (Mail, "432 4.3.2 Concurrent connections limit exceeded.", C::Unavailable, connection),
        (
            Content,
            "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
            C::Unavailable,
            connection,
        ),
        (
            Hello,
            "421 4.3.2 The maximum number of concurrent connections has exceeded a limit",
            C::Unavailable,
            connection,
        ),
        (Auth, "535 5.7.3 Authentication unsuccessful", C::Misconfigured, provider),
        (Rcpt, "550 5.7.3 Requested action aborted; user not authenticated", C::Misconfigured, provider),
        (
            Content,
            "550 5.1.90 Your message can't be sent because you've reached your daily limit",
            C::Throttled,
            provider,
        ),
        (
            Content,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            C::Throttled,
            provider,
        ),
        (
            Content,
            "550 5.7.60 Client does not have permissions to send as this sender",
            C::Misconfigured,
            message,
        ),
        // Yahoo, SendGrid, Postfix, Dovecot, others
        (Mail, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", C::Throttled, provider),
        (Auth, "451 Authentication failed: Maximum credits exceeded", C::Throttled, provider),
        (
            Hello,
            "421 4.7.0 mx.example.com Error: too many connections from 192.0.2.1",
            C::Unavailable,
            connection,
        ),
        (Mail, "450 4.7.1 Error: too much mail from 192.0.2.1", C::Throttled, provider),
        (Rcpt, "450 4.3.2 Service currently unavailable", C::Throttled, provider),
        (Auth, "500 The number of sessions exceeds the maximum (10)", C::Unavailable, connection),
        (Rcpt, "421 Trop de connexions, veuillez verifier votre configuration.", C::Unavailable, connection),
        (Rcpt, "421 4.7.0 Too many concurrent sessions", C::Unavailable, connection),
        (Hello, "554 5.7.0 Too many connections", C::Unavailable, connection),
        (
            Auth,
            "454 4.7.0 Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
            C::Unavailable,
            connection,
        ),
        // What costs the connection, and is no number of them
        (
            Auth,
            "421 4.7.0 Too many failed authentication attempts, closing connection",
            C::Throttled,
            provider,
        ),
        (Auth, "454 4.7.0 Too many wrong passwords in this session", C::Throttled, provider),
        (Auth, "554 5.7.0 Too many login failures, connection closed", C::Misconfigured, provider),
        (Auth, "550 Logon limit exceeded, closing connection", C::Misconfigured, provider),
        (Hello, "500 Too many unrecognized commands, closing connection", C::Misconfigured, provider),
        (Rcpt, "421 Limit of 10 errors exceeded in this session", C::Unavailable, message),
        (Mail, "421 4.4.2 mx Error: timeout exceeded, closing connection", C::Unavailable, provider),
        (Mail, "421 Connection timed out: limit of 300 s", C::Unavailable, provider),
        (Mail, "421 4.2.1 Session time limit exceeded", C::Unavailable, provider),
        (Rcpt, "421 The session exceeded the maximum idle period", C::Unavailable, message),
        (Rcpt, "452 4.5.3 Too many recipients in this session", C::Transient, message),
        (Rcpt, "451 4.7.1 Greylisted, try again later", C::Throttled, message),
        (Rcpt, "452 4.2.2 The mailbox is over its limit", C::Transient, message),
        // The name in EHLO
        (
            Rcpt,
            "504 5.5.2 <4c01db0b339c>: Helo command rejected: need fully-qualified hostname",
            C::Misconfigured,
            provider,
        ),
        (Rcpt, "550 5.7.1 <a_b>: Helo command rejected: Host not found", C::Misconfigured, provider),
        (Mail, "450 4.7.1 <x>: Helo command rejected: Host not found", C::Misconfigured, provider),
        (
            Rcpt,
            "504 5.5.2 <a@b>: Recipient address rejected: need fully-qualified address",
            C::Permanent,
            message,
        ),
    ] {
        let (code, text) = said.split_once(' ').expect("a code");
        let code = code.parse().expect("digits");
        assert_eq!(class_of(phase, reply(code, text), text), (class, whose), "{phase:?} {said}");
    }
}

#[test]
fn an_answer_that_did_not_come_is_unavailable_before_the_content_and_ambiguous_after() {
    for phase in Phase::ALL {
        let class = |answer| class_of(phase, answer, "").0;
        let content = phase == Phase::Content;
        let late = matches!(phase, Phase::Rcpt | Phase::Data | Phase::Content);
        let whose = if late { W::Message } else { W::Provider };
        assert_eq!(class_of(phase, Answer::Lost, "").1, whose, "{phase:?}");
        assert_eq!(class(Answer::Lost), if content { C::Ambiguous } else { C::Unavailable });
        let garbled = match phase {
            Phase::Content => C::Ambiguous,
            Phase::Rcpt | Phase::Data => C::Transient,
            _ => C::Unavailable,
        };
        assert_eq!(class(Answer::Garbled), garbled);
        assert_eq!(
            class(Answer::NotOffered),
            if phase == Phase::Rcpt { C::Permanent } else { C::Misconfigured }
        );
    }
}

#[test]
fn every_row_decides_something() {
    let answers = |row: &Row| match row.answer {
        Pattern::Codes(codes) => (reply(codes[0], ""), ""),
        Pattern::Details(d, s, details) => {
            (reply(d[0] * 100 + 50, &format!("{}.{s}.{}", d[0], details[0])), "")
        }
        Pattern::CodeWith(code, s) => (reply(code, &format!("{}.{s}.0", code / 100)), ""),
        Pattern::Subject(d, s) => (reply(d * 100 + 50, &format!("{d}.{s}.0")), ""),
        Pattern::Says(d, phrases) => (reply(d[0] * 100 + 50, ""), phrases[0]),
        Pattern::Crowded(d) => (reply(d[d.len() - 1] * 100 + 50, ""), "too many connections"),
        Pattern::Digit(d) => (reply(d * 100 + 50, ""), ""),
        Pattern::Lost => (Answer::Lost, ""),
        Pattern::Garbled => (Answer::Garbled, ""),
        Pattern::NotOffered => (Answer::NotOffered, ""),
    };
    for (i, row) in rows().enumerate() {
        let phases = if row.phases.is_empty() { &Phase::ALL[..] } else { row.phases };
        let (answer, text) = answers(row);
        let decides = |phase: &Phase| std::ptr::eq(row_of(*phase, answer, text), row);
        assert!(phases.iter().any(decides), "row {i} is shadowed by those above it: {row:?}");
        assert!(!row.source.is_empty() && !row.why.is_empty(), "{row:?}");
    }
}

#[test]
fn an_enhanced_code_must_agree_with_its_reply() {
    let e = |class, subject, detail| Some(Enhanced { class, subject, detail });
    assert_eq!(Enhanced::parse(550, "5.1.1 no such user"), e(5, 1, 1));
    assert_eq!(Enhanced::parse(550, "5.1.10"), e(5, 1, 10));
    assert_eq!(Enhanced::parse(550, "#5.1.0 Address rejected."), e(5, 1, 0));
    assert_eq!(Enhanced::parse(550, "5.1.1: no such user"), e(5, 1, 1));
    assert_eq!(Enhanced::parse(550, "5.1.1\tno such user"), e(5, 1, 1));
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
