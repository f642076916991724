//! The code of an answer decides, whatever its text looks like: every step of the dialogue, every odd form that a
//! reply can have, against the sink. And the ways in which servers are asked.

use crate::common::*;
use posthaste_core::{FailureClass as C, Outcome};
use posthaste_notify::{EhloName, EmailProvider, NotifyHandler};
use posthaste_testkit::smtp::{Action, SinkOptions, SmtpSink, Stage};

/// A form of a reply: its name, and its bytes for a code and the words of its lines.
type Form = (&'static str, fn(u16, &[&str]) -> Vec<u8>);

/// Lines as a server would write them.
fn lines(code: u16, words: &[&str], space: &str, end: &str) -> Vec<u8> {
    let (last, first) = words.split_last().expect("a line");
    let first: String = first.iter().map(|w| format!("{code}-{w}{end}")).collect();
    format!("{first}{code}{space}{last}{end}").into_bytes()
}

/// With `bytes` behind the text of the last line, and then `end`.
fn ending(code: u16, words: &[&str], bytes: &[u8], end: &str) -> Vec<u8> {
    let mut all = lines(code, words, " ", "\r\n");
    all.truncate(all.len() - 2);
    all.extend_from_slice(bytes);
    all.extend_from_slice(end.as_bytes());
    all
}

const FORMS: &[Form] = &[
    ("no text", |code, words| match words {
        [_] => format!("{code}\r\n").into_bytes(),
        more => lines(code, more, " ", "\r\n"),
    }),
    ("code alone behind the others", |code, words| {
        let mut all: Vec<u8> = words.iter().flat_map(|w| format!("{code}-{w}\r\n").into_bytes()).collect();
        all.extend_from_slice(format!("{code}\r\n").as_bytes());
        all
    }),
    ("Latin-1", |code, words| ending(code, words, b" accept\xe9", "\r\n")),
    ("GBK", |code, words| ending(code, words, b" \xc7\xeb\xca\xb9\xd3\xc3", "\r\n")),
    ("600 bytes", |code, words| ending(code, words, &[b'x'; 600], "\r\n")),
    ("ten continuations", |code, words| {
        let more = ["and so on"; 10];
        lines(code, &[words, &more].concat(), " ", "\r\n")
    }),
    ("empty continuations", |code, words| lines(code, &[words, &["", "", ""]].concat(), " ", "\r\n")),
    ("tab", |code, words| lines(code, words, "\t", "\r\n")),
    ("LF alone", |code, words| lines(code, words, " ", "\n")),
    ("lower case", |code, words| lines(code, words, " ", "\r\n").to_ascii_lowercase()),
    ("other bytes", |code, words| ending(code, words, b" \x00\x1b\xff\xfe", "\r\n")),
];

const STAGES: [Stage; 9] = [
    Stage::Greeting,
    Stage::Ehlo,
    Stage::StartTls,
    Stage::Auth,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::FinalDot,
    Stage::Rset,
];

/// The ordinary answer at a stage.
fn ordinary(stage: Stage) -> (u16, &'static [&'static str]) {
    match stage {
        Stage::Greeting => (220, &["mx.example.com"]),
        Stage::Ehlo => (250, &["mx.example.com", "8BITMIME", "STARTTLS", "AUTH PLAIN LOGIN", "SIZE 0"]),
        Stage::StartTls => (220, &["2.0.0 go"]),
        Stage::Auth => (235, &["2.7.0 welcome"]),
        Stage::Data => (354, &["go on"]),
        _ => (250, &["2.0.0 ok"]),
    }
}

struct Server {
    sink: SmtpSink,
    handler: NotifyHandler,
}

/// A server that wants TLS and a sign-in, so that every stage is reached.
async fn server() -> Server {
    let credentials = Some(("me".to_owned(), "p@ss".to_owned()));
    let sink =
        SmtpSink::start_with(SinkOptions { starttls: true, credentials, ..SinkOptions::default() }).await;
    let url = format!("smtp+starttls://me:p%40ss@{}", sink.authority());
    let trust = Some(sink.certificate_pem().to_owned());
    let patience = std::time::Duration::ZERO;
    let provider = EmailProvider { trust, patience, ..provider_at("default", &url) };
    Server { sink, handler: NotifyHandler::new(config([provider])) }
}

/// Runs a message as its retries would, until it is sent or cannot be: the classes before, and whether it was sent.
async fn deliver(handler: &NotifyHandler) -> (Vec<C>, bool) {
    let mut classes = Vec::new();
    for _ in 0..4 {
        match attempt(handler, &note()).await.0 {
            Outcome::Success { .. } => return (classes, true),
            Outcome::Failure(failure) => {
                classes.push(failure.class);
                if matches!(failure.class, C::Permanent | C::Suppress | C::Misconfigured) {
                    return (classes, false);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    (classes, false)
}

#[tokio::test]
async fn yes_is_yes_at_every_step_in_every_form_and_leaves_one_copy() {
    for stage in STAGES {
        for (form, write) in FORMS {
            let what = format!("{stage:?}, {form}");
            let Server { sink, handler } = server().await;
            let (code, words) = ordinary(stage);
            sink.always(stage, Action::Raw(write(code, words)));
            if stage == Stage::Rset {
                // RSET comes after a message that was refused.
                sink.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
                assert_eq!(deliver(&handler).await, (vec![C::Suppress], false), "{what}");
            }
            assert_eq!(deliver(&handler).await, (vec![], true), "{what}");
            assert_eq!(sink.messages().len(), 1, "{what}");
            assert_eq!(sink.connections(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn no_is_no_at_every_step_in_every_form() {
    for (stage, code, text, class) in [
        (Stage::Greeting, 554, "5.7.1 not you", C::Misconfigured),
        (Stage::Ehlo, 550, "5.7.1 not you", C::Misconfigured),
        (Stage::StartTls, 501, "5.5.4 what", C::Misconfigured),
        (Stage::Auth, 535, "5.7.8 wrong", C::Misconfigured),
        (Stage::Mail, 550, "5.1.8 bad sender", C::Misconfigured),
        (Stage::Rcpt, 550, "5.1.1 unknown", C::Suppress),
        (Stage::Data, 554, "5.5.1 no", C::Permanent),
        (Stage::FinalDot, 552, "5.3.4 too big", C::Permanent),
    ] {
        for (form, write) in FORMS {
            let what = format!("{stage:?}, {form}");
            let Server { sink, handler } = server().await;
            // A code without text has no enhanced code either.
            let class = if *form == "no text" && class == C::Suppress { C::Permanent } else { class };
            sink.then(stage, Action::Raw(write(code, &[text])));
            assert_eq!(deliver(&handler).await, (vec![class], false), "{what}");
            assert!(sink.messages().is_empty(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_behind_its_answer_has_answered() {
    for stage in STAGES {
        let (code, words) = ordinary(stage);
        for (form, said) in [
            ("whole", lines(code, words, " ", "\r\n")),
            ("without its line end", ending(code, words, b"", "")),
            ("in its midst", format!("{code}-2.0.0 taken\r\n").into_bytes()),
            ("behind the code", code.to_string().into_bytes()),
        ] {
            let what = format!("{stage:?}, {form}");
            let Server { sink, handler } = server().await;
            sink.then(stage, Action::Last(said));
            if stage == Stage::Rset {
                sink.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
                assert_eq!(deliver(&handler).await, (vec![C::Suppress], false), "{what}");
            }
            let (classes, sent) = deliver(&handler).await;
            assert!(sent, "{what}: {classes:?}");
            // Nothing was sent before the content; behind it, it was taken. From the answer to MAIL on the end is seen at RCPT
            // or later, and may be the recipient's own.
            let expected: &[&[C]] = match stage {
                Stage::FinalDot | Stage::Rset => &[&[]],
                // As the end was seen before the content was written, or not.
                Stage::Data => &[&[C::Ambiguous], &[C::Transient]],
                Stage::Mail | Stage::Rcpt => &[&[C::Transient]],
                _ => &[&[C::Unavailable]],
            };
            assert!(expected.contains(&classes.as_slice()), "{what}: {classes:?}");
            assert_eq!(sink.messages().len(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn what_a_server_says_while_it_hangs_up_on_the_content_is_heard() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Content, Action::Last(b"552 5.3.4 too big\r\n".to_vec()));
    let (failure, _) = failing(&handler(&sink), &note()).await;
    assert_eq!((failure.class, failure.code.as_deref()), (C::Permanent, Some("552 5.3.4")));
}

#[tokio::test]
async fn answers_to_nothing_are_not_taken_for_one_to_the_message() {
    let sink = SmtpSink::start().await;
    // Three answers to RCPT: taken one by one, the last would say that the message was taken.
    sink.then(Stage::Rcpt, Action::Raw(b"250 ok\r\n354 go\r\n250 taken\r\n".to_vec()));
    let handler = handler(&sink);
    let (failure, _) = failing(&handler, &note()).await;
    assert_eq!(failure.class, C::Transient, "{}", failure.message);
    assert!(sink.messages().is_empty());
    sent(&handler, &note()).await;
    assert_eq!((sink.messages().len(), sink.connections()), (1, 2));
}

#[tokio::test]
async fn a_yes_that_is_too_long_leaves_one_copy() {
    let wide = "x".repeat(296);
    for said in [lines(250, &["more"; 300], " ", "\r\n"), lines(250, &[wide.as_str(); 220], " ", "\r\n")] {
        let sink = SmtpSink::start().await;
        sink.then(Stage::FinalDot, Action::Raw(said));
        let handler = handler(&sink);
        sent(&handler, &note()).await;
        // What is left of the answer is not taken for one to the next message.
        sent(&handler, &note()).await;
        assert_eq!((sink.messages().len(), sink.connections()), (2, 2));
    }
}

#[tokio::test]
async fn keywords_and_mechanisms_count_in_any_case() {
    for auth in ["auth plain login", "Auth Plain Login", "AUTH plain", "AUTH=LOGIN PLAIN", "auth=login"] {
        let login_only = !auth.to_ascii_lowercase().contains("plain");
        let credentials = Some(("me".to_owned(), "p@ss".to_owned()));
        let options = SinkOptions { starttls: true, credentials, login_only, ..SinkOptions::default() };
        let sink = SmtpSink::start_with(options).await;
        sink.always(Stage::Ehlo, Action::reply(&format!("250 mx\n250 starttls\n250 {auth}\n250 8bitMime")));
        let url = format!("smtp+starttls://me:p%40ss@{}", sink.authority());
        let trust = Some(sink.certificate_pem().to_owned());
        let provider = EmailProvider { trust, ..provider_at("default", &url) };
        sent(&NotifyHandler::new(config([provider])), &note()).await;
        assert_eq!(sink.messages().len(), 1, "{auth}");
    }
}

#[tokio::test]
async fn prompts_of_the_sign_in_say_nothing() {
    for prompts in [
        ["334 VXNlcjo=", "334 UGFzczo="],
        ["334 bG9naW46", "334 cGFzc3dvcmQ6"],
        ["334 ", "334 "],
        ["334", "334"],
        ["334 Username:", "334 Password:"],
        ["334 UGFzc3dvcmQ6", "334 VXNlcm5hbWU6"],
    ] {
        let options = SinkOptions {
            credentials: Some(("me".into(), "p@ss".into())),
            login_only: true,
            prompts: Some(prompts.map(str::to_owned)),
            ..SinkOptions::default()
        };
        let sink = SmtpSink::start_with(options).await;
        let at = |user: &str| provider_at("default", &format!("smtp+plain://{user}@{}", sink.authority()));
        sent(&NotifyHandler::new(config([at("me:p%40ss")])), &note()).await;
        assert_eq!(class_of(&NotifyHandler::new(config([at("me:wrong")])), &note()).await, C::Misconfigured);
        assert_eq!(sink.messages().len(), 1, "{prompts:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_ehlo_is_asked_with_helo() {
    for reply in ["500 Command unrecognized", "502 5.5.1 Command not implemented", "500"] {
        let sink = SmtpSink::start().await;
        sink.then(Stage::Ehlo, Action::reply(reply));
        sent(&handler(&sink), &note()).await;
        let verbs: Vec<_> = sink.hellos().iter().map(|line| line[..4].to_owned()).collect();
        assert_eq!(
            (verbs, sink.messages().len()),
            (vec!["EHLO".to_owned(), "HELO".to_owned()], 1),
            "{reply}"
        );
        // Not where it would lose the protection or the sign-in that the URL asks for.
        for (scheme, user) in [("smtp+starttls", ""), ("smtp+plain", "me:p@")] {
            let sink = SmtpSink::start().await;
            sink.then(Stage::Ehlo, Action::reply(reply));
            let provider = provider_at("default", &format!("{scheme}://{user}{}", sink.authority()));
            let class = class_of(&NotifyHandler::new(config([provider])), &note()).await;
            assert_eq!((class, sink.hellos().len()), (C::Misconfigured, 1), "{scheme} {reply}");
        }
    }
}

#[tokio::test]
async fn ehlo_says_a_full_name_or_an_address() {
    let sink = SmtpSink::start().await;
    sent(&handler(&sink), &note()).await;
    for (set, name) in [("app.example.com", "app.example.com"), ("[192.0.2.1]", "[192.0.2.1]")] {
        let url = format!("smtp+plain://{}?ehlo={set}", sink.authority());
        sent(&NotifyHandler::new(config([provider_at("default", &url)])), &note()).await;
        assert_eq!(sink.hellos().last().map(String::as_str), Some(format!("EHLO {name}").as_str()));
    }
    let first = sink.hellos().remove(0);
    let name = first.strip_prefix("EHLO ").expect("EHLO");
    assert!(name.parse::<EhloName>().is_ok(), "{name}");
    if EhloName::of_this_machine().is_none() {
        assert_eq!(name, "[127.0.0.1]");
    }
}

#[tokio::test]
async fn an_answer_about_our_name_is_about_us_wherever_it_comes() {
    for stage in [Stage::Ehlo, Stage::Mail, Stage::Rcpt] {
        for said in [
            "504 5.5.2 <4c01db0b339c>: Helo command rejected: need fully-qualified hostname",
            "504",
            "501 5.5.2 <a_b>: Invalid name",
            "550 5.7.1 <4c01db0b339c>: Helo command rejected: Access denied",
            "450 4.7.1 <4c01db0b339c>: Helo command rejected: Host not found",
            "450 4.5.2 <a_b>: name",
        ] {
            let sink = SmtpSink::start().await;
            sink.then(stage, Action::reply(said));
            let (failure, marks) = failing(&handler(&sink), &note()).await;
            assert_eq!(
                (failure.class, marks),
                (C::Misconfigured, 0),
                "{stage:?} {said}: {}",
                failure.message
            );
            assert!(failure.message.contains("`ehlo`"), "{}", failure.message);
        }
    }
}
