//! The contract of a channel over HTTP, run on each of them with a real HTTP server that plays its
//! provider. A new channel is one more [`Case`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use posthaste_core::{Claimed, Failure, FailureClass as C, Outcome, RetryPolicy};
use posthaste_notify::channels::page::{ANSWERS, Answers, markdown};
use posthaste_notify::channels::rows::{Code, GENERIC, Row, Status};
use posthaste_notify::channels::telegram::SAYINGS;
use posthaste_notify::channels::web_push::VapidKey;
use posthaste_notify::{
    ChannelKind, Notification, NotifyConfig, NotifyHandler, NotifyResult, Secret, Service, ServiceKind,
};
use posthaste_testkit::{HttpAction, HttpReply, HttpSink, SunkRequest};
use posthaste_worker::{Context, Handler, MarkError, Marker};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::common::{Marks, name};

/// A secret that every provider here signs in with, or has in its URL.
const HUSH: &str = "hush0123456789abcdef";

/// One way to a channel.
pub(crate) struct Case {
    pub(crate) channel: ChannelKind,
    pub(crate) way: &'static str,
    /// The service whose provider is the sink.
    service: fn(&HttpSink) -> ServiceKind,
    /// A recipient.
    to: fn(&HttpSink) -> String,
    /// The provider's answer to a message that it took, and its id there.
    taken: fn() -> HttpReply,
    id: &'static str,
    /// The provider's answer with one of its error codes.
    pub(crate) error: fn(u16, &str) -> HttpReply,
    /// The status with which it sends error codes.
    pub(crate) errors: u16,
    /// Whether a 2xx says in its body if it went well.
    says_in_body: bool,
    /// What must be in the request for "Subject" and "Text".
    shape: fn(&SunkRequest),
    /// Text that is too long for the channel, though not for a notification.
    too_long: usize,
}

fn word(status: u16, code: &str) -> HttpReply {
    HttpReply::text(status, code)
}

const VAPID_PUBLIC: &str =
    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
const VAPID_PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
pub(crate) const BROWSER: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

fn nobody(_: &HttpSink) -> String {
    String::new()
}

fn hush_url(sink: &HttpSink) -> Secret {
    Secret::new(sink.url(&format!("/hooks/{HUSH}")))
}

fn bearer(r: &SunkRequest) {
    assert_eq!(r.header("authorization"), Some(format!("Bearer {HUSH}").as_str()));
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            channel: ChannelKind::Slack,
            way: "an incoming webhook",
            service: |s| ServiceKind::SlackWebhook { url: hush_url(s) },
            to: nobody,
            taken: || HttpReply::text(200, "ok"),
            id: "ok",
            error: word,
            errors: 400,
            says_in_body: false,
            shape: |r| {
                assert_eq!(
                    (&r.json()["text"], &r.json()["mrkdwn"]),
                    (&json!("Subject\n\nText"), &json!(false))
                );
            },
            too_long: 40_001,
        },
        Case {
            channel: ChannelKind::Slack,
            way: "a bot's token",
            service: |s| ServiceKind::SlackBot {
                token: Secret::new(HUSH),
                api: s.url("/api"),
                channel: None,
            },
            to: |_| "#ops".into(),
            taken: || HttpReply::json(200, &json!({"ok": true, "ts": "1503435956.000247"})),
            id: "1503435956.000247",
            error: |status, code| match code {
                "unreadable" => HttpReply::text(200, "<html>"),
                code => HttpReply::json(status, &json!({"ok": false, "error": code})),
            },
            errors: 200,
            says_in_body: true,
            shape: |r| {
                bearer(r);
                assert_eq!(r.path(), "/api/chat.postMessage");
                assert_eq!(
                    (&r.json()["channel"], &r.json()["text"]),
                    (&json!("#ops"), &json!("Subject\n\nText"))
                );
                assert_eq!(r.json()["mrkdwn"], false);
            },
            too_long: 40_001,
        },
        Case {
            channel: ChannelKind::Discord,
            way: "",
            service: |s| ServiceKind::Discord { url: hush_url(s) },
            to: nobody,
            taken: || HttpReply::json(200, &json!({"id": "812", "content": "x".repeat(8_000)})),
            id: "812",
            error: |status, code| {
                HttpReply::json(status, &json!({"code": code.parse::<u64>().unwrap_or(0), "message": "no"}))
            },
            errors: 400,
            says_in_body: false,
            shape: |r| {
                assert_eq!(r.target, format!("/hooks/{HUSH}?wait=true"));
                assert_eq!(r.json()["content"], "Subject\n\nText");
                assert_eq!(r.json()["allowed_mentions"], json!({"parse": []}));
            },
            too_long: 2_001,
        },
        Case {
            channel: ChannelKind::Teams,
            way: "",
            service: |s| ServiceKind::Teams { url: hush_url(s) },
            to: nobody,
            taken: || HttpReply::status(202),
            id: "",
            error: |status, code| {
                if code.starts_with("HTTP error") {
                    return HttpReply::text(
                        200,
                        &format!(
                            "Webhook message delivery failed with error: Microsoft Teams endpoint returned {code} with ContextId x"
                        ),
                    );
                }
                HttpReply::json(status, &json!({"error": {"code": code, "message": "no"}}))
            },
            errors: 400,
            says_in_body: false,
            shape: |r| {
                let body = r.json();
                let blocks = &body["attachments"][0]["content"]["body"];
                assert_eq!((&blocks[0]["text"], &blocks[1]["text"]), (&json!("Subject"), &json!("Text")));
            },
            too_long: 28 * 1024,
        },
        Case {
            channel: ChannelKind::Telegram,
            way: "",
            service: |s| ServiceKind::Telegram {
                token: Secret::new(format!("12345:{HUSH}")),
                api: s.url(""),
                chat: None,
            },
            to: |_| "-100123".into(),
            taken: || {
                HttpReply::json(
                    200,
                    &json!({"ok": true, "result": {"message_id": 42, "text": "x".repeat(8_000)}}),
                )
            },
            id: "42",
            error: |status, code| {
                if code == "unreadable" {
                    return HttpReply::text(200, "<html>");
                }
                let said = SAYINGS.iter().find(|(_, c)| *c == code).map_or("Weird", |(words, _)| words);
                HttpReply::json(
                    status,
                    &json!({"ok": false, "error_code": status, "description": format!("Bad Request: {said}")}),
                )
            },
            errors: 400,
            says_in_body: true,
            shape: |r| {
                assert_eq!(r.path(), format!("/bot12345:{HUSH}/sendMessage"));
                assert_eq!(
                    (&r.json()["chat_id"], &r.json()["text"]),
                    (&json!("-100123"), &json!("Subject\n\nText"))
                );
            },
            too_long: 4_097,
        },
        Case {
            channel: ChannelKind::Ntfy,
            way: "",
            service: |s| ServiceKind::Ntfy { url: s.url("/"), token: Some(Secret::new(HUSH)), topic: None },
            to: |_| "alerts".into(),
            taken: || HttpReply::json(200, &json!({"id": "hwQ2YpKdmg"})),
            id: "hwQ2YpKdmg",
            error: |status, code| {
                HttpReply::json(status, &json!({"code": code.parse::<u64>().unwrap(), "error": "no"}))
            },
            errors: 400,
            says_in_body: false,
            shape: |r| {
                bearer(r);
                let body = r.json();
                assert_eq!(
                    (&body["topic"], &body["title"], &body["message"]),
                    (&json!("alerts"), &json!("Subject"), &json!("Text"))
                );
            },
            too_long: 4_097,
        },
        Case {
            channel: ChannelKind::Gotify,
            way: "",
            service: |s| ServiceKind::Gotify { url: s.url("/"), token: Secret::new(HUSH) },
            to: nobody,
            taken: || HttpReply::json(200, &json!({"id": 25})),
            id: "25",
            error: word,
            errors: 400,
            says_in_body: false,
            shape: |r| {
                assert_eq!((r.path(), r.header("x-gotify-key")), ("/message", Some(HUSH)));
                assert_eq!((&r.json()["title"], &r.json()["message"]), (&json!("Subject"), &json!("Text")));
            },
            too_long: 33_000,
        },
        Case {
            channel: ChannelKind::Sms,
            way: "Twilio",
            service: |s| ServiceKind::Twilio {
                account: "AC1".into(),
                token: Secret::new(HUSH),
                from: "+15005550006".into(),
                api: s.url(""),
            },
            to: |_| "+491711234567".into(),
            taken: || {
                HttpReply::json(
                    201,
                    &json!({"sid": "SM90c6fc909d8504d45ecdb3a3d5b3556e", "status": "queued"}),
                )
            },
            id: "SM90c6fc909d8504d45ecdb3a3d5b3556e",
            error: |status, code| {
                HttpReply::json(status, &json!({"code": code.parse::<u64>().unwrap(), "message": "no"}))
            },
            errors: 400,
            says_in_body: false,
            shape: |r| {
                assert_eq!(r.path(), "/2010-04-01/Accounts/AC1/Messages.json");
                assert_eq!(r.text(), "To=%2B491711234567&From=%2B15005550006&Body=Text");
                assert!(r.header("authorization").unwrap().starts_with("Basic "));
            },
            too_long: 1_601,
        },
        Case {
            channel: ChannelKind::WebPush,
            way: "",
            service: |_| ServiceKind::WebPush {
                subject: "mailto:ops@example.com".into(),
                key: VapidKey::new(VAPID_PUBLIC, VAPID_PRIVATE).unwrap(),
            },
            to: |s| {
                json!({"endpoint": s.url(&format!("/push/{HUSH}")), "keys": {"p256dh": BROWSER, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}).to_string()
            },
            taken: || HttpReply::status(201),
            id: "",
            error: word,
            errors: 400,
            says_in_body: false,
            shape: |r| {
                assert_eq!(
                    (r.header("content-encoding"), r.header("ttl")),
                    (Some("aes128gcm"), Some("86400"))
                );
                assert!(r.header("authorization").unwrap().starts_with("vapid t="));
                assert!(r.body.len() <= 4_096 && r.body[20] == 65);
            },
            too_long: 4_000,
        },
    ]
}

impl Case {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.channel, self.way)
    }

    fn table(&self) -> &'static [Row] {
        let mine = |a: &&Answers| a.channel == self.channel && a.way == self.way;
        ANSWERS.iter().find(mine).expect("each way has a table").rows
    }

    pub(crate) fn config(&self, sink: &HttpSink) -> NotifyConfig {
        let service = Service { name: name("here"), kind: (self.service)(sink) };
        NotifyConfig {
            services: [(service.name.clone(), service)].into(),
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..NotifyConfig::default()
        }
    }

    fn note(&self, sink: &HttpSink, subject: &str, text: &str) -> Notification {
        let mut wire = json!({"channel": self.channel.as_str(), "to": (self.to)(sink), "message": text});
        if self.channel.limits().subject > 0 {
            wire["subject"] = subject.into();
        }
        serde_json::from_value(wire).unwrap()
    }
}

/// A provider and the handler that sends to it.
pub(crate) struct Rig<'c> {
    pub(crate) case: &'c Case,
    pub(crate) sink: HttpSink,
    pub(crate) handler: NotifyHandler,
}

impl<'c> Rig<'c> {
    pub(crate) async fn new(case: &'c Case) -> Self {
        let sink = HttpSink::start().await;
        let handler = NotifyHandler::new(case.config(&sink));
        Self { case, sink, handler }
    }

    pub(crate) async fn run(&self, n: Notification, timeout: Duration, marks: Arc<Marks>) -> Outcome {
        let policy = RetryPolicy { timeout, ..RetryPolicy::default() };
        let task = posthaste_testkit::claimed("notify", Value::Null);
        let task = Claimed { payload: n.into_task().payload, policy, ..task };
        self.handler
            .run(Context::new(Arc::new(task), CancellationToken::new(), marks as Arc<dyn Marker>))
            .await
    }

    async fn send(&self, subject: &str, text: &str) -> (Result<NotifyResult, Failure>, usize) {
        let marks = Arc::new(Marks::default());
        let n = self.case.note(&self.sink, subject, text);
        let outcome = self.run(n, Duration::from_secs(30), Arc::clone(&marks)).await;
        let marked = marks.granted.load(Ordering::SeqCst);
        match outcome {
            Outcome::Success { result: Some(result), kept: None } => (Ok(result.parse().unwrap()), marked),
            Outcome::Failure(failure) => (Err(failure), marked),
            other => panic!("{}: {other:?}", self.case.name()),
        }
    }

    /// The failure that this answer makes of an attempt.
    async fn failing(&self, action: impl Into<HttpAction>) -> Failure {
        self.sink.then(action);
        self.send("Subject", "Text").await.0.expect_err(&self.case.name())
    }
}

#[tokio::test]
async fn a_message_that_is_taken_has_a_receipt_and_one_mark() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        rig.sink.then((case.taken)());
        let (result, marks) = rig.send("Subject", "Text").await;
        let result = result.unwrap_or_else(|e| panic!("{}: {e:?}", case.name()));
        assert_eq!((marks, rig.sink.taken()), (1, 1), "{}", case.name());
        assert_eq!(result.provider.as_deref(), Some("here"), "{}", case.name());
        assert_eq!(result.response.unwrap_or_default(), case.id, "{}", case.name());
        assert!(!result.message.contains(HUSH), "{}", result.message);
        let request = &rig.sink.requests()[0];
        assert_eq!(request.method, "POST");
        (case.shape)(request);
    }
}

#[tokio::test]
async fn every_documented_answer_has_its_class() {
    let mut seen = 0;
    for case in cases() {
        let rig = Rig::new(&case).await;
        for row in case.table() {
            let codes = match row.code {
                Code::Is(codes) => codes.to_vec(),
                Code::Given => vec!["9999999"],
                Code::Any => vec![""],
            };
            for code in codes {
                let status = match row.status {
                    Status::Any => case.errors,
                    Status::Is(status) | Status::Asking(status) => status,
                    Status::Digit(digit) => digit * 100,
                };
                // A last row about errors inside a 2xx that cannot come about otherwise.
                if row.code == Code::Given && !case.says_in_body {
                    continue;
                }
                let mut reply =
                    if code.is_empty() { HttpReply::status(status) } else { (case.error)(status, code) };
                if matches!(row.status, Status::Asking(_)) {
                    reply = reply.header("retry-after", "7");
                }
                let failure = rig.failing(reply.clone()).await;
                let what = format!("{}: {} {code}: {}", case.name(), reply.status, failure.message);
                assert_eq!(failure.class, row.class, "{what}");
                let shown = failure.code.unwrap();
                assert!(shown.starts_with(&reply.status.to_string()), "{what}");
                assert!(code == "9999999" || shown.ends_with(code), "{what}: {shown}");
                seen += 1;
            }
        }
        // What the provider does not document.
        for row in GENERIC {
            let (Status::Is(status) | Status::Asking(status)) = row.status else { continue };
            let mine = [Status::Is(status), Status::Asking(status)];
            let own = case.table().iter().any(|r| mine.contains(&r.status) && r.code == Code::Any);
            if own {
                continue;
            }
            let mut reply = HttpReply::status(status);
            if matches!(row.status, Status::Asking(_)) {
                reply = reply.header("retry-after", "7");
            }
            assert_eq!(rig.failing(reply).await.class, row.class, "{} {status}", case.name());
            seen += 1;
        }
        for (status, class) in [
            (302, C::Permanent),
            (418, C::Permanent),
            (500, C::Transient),
            (503, C::Transient),
            (599, C::Transient),
        ] {
            let reply = HttpReply::status(status).header("location", &rig.sink.url("/elsewhere"));
            assert_eq!(rig.failing(reply).await.class, class, "{} {status}", case.name());
        }
        assert!(rig.sink.requests().iter().all(|r| r.path() != "/elsewhere"), "{}", case.name());
    }
    assert!(seen > 150, "{seen}");
}

#[tokio::test]
async fn a_provider_that_asks_for_a_pause_is_given_it() {
    let s = |n| Some(Duration::from_secs(n));
    // Zero, a date that has passed and what cannot be read name no time.
    for case in cases().into_iter().filter(|c| c.channel != ChannelKind::WebPush) {
        let rig = Rig::new(&case).await;
        for (status, header, asked) in [
            (429, Some("7"), s(7)),
            (429, None, None),
            (429, Some("0"), s(60)),
            (429, Some("a while"), s(60)),
            (503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), s(60)),
            (503, Some("-1"), s(60)),
            (503, Some("999999999"), s(24 * 3600)),
        ] {
            let reply = HttpReply::status(status);
            let reply = match header {
                Some(value) => reply.header("retry-after", value),
                None => reply,
            };
            let failure = rig.failing(reply).await;
            let what = format!("{} {status} {header:?}", case.name());
            assert_eq!((failure.class, failure.retry_after), (C::Throttled, asked), "{what}");
        }
    }
}

#[tokio::test]
async fn providers_may_ask_in_their_own_way() {
    let all = cases();
    let of = |channel| all.iter().find(|c| c.channel == channel).unwrap();
    let rig = Rig::new(of(ChannelKind::Telegram)).await;
    let body = json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 35", "parameters": {"retry_after": 35}});
    let failure = rig.failing(HttpReply::json(429, &body)).await;
    assert_eq!((failure.class, failure.retry_after), (C::Throttled, Some(Duration::from_secs(35))));
    let body = json!({"ok": false, "error_code": 429, "parameters": {"retry_after": 0}});
    let failure = rig.failing(HttpReply::json(429, &body)).await;
    assert_eq!((failure.class, failure.retry_after), (C::Throttled, None), "zero names no time");
    let rig = Rig::new(of(ChannelKind::Discord)).await;
    let body = json!({"message": "You are being rate limited.", "retry_after": 0.5, "global": false});
    let failure = rig.failing(HttpReply::json(429, &body).header("retry-after", "1")).await;
    assert_eq!((failure.class, failure.retry_after), (C::Throttled, Some(Duration::from_millis(500))));
}

#[tokio::test]
async fn an_unreachable_provider_is_unavailable_and_a_silent_one_ambiguous() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        assert_eq!(rig.failing(HttpAction::Cut).await.class, C::Ambiguous, "{}", case.name());
        let garbage = HttpAction::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
        assert_eq!(rig.failing(garbage).await.class, C::Ambiguous, "{}", case.name());
        rig.sink.then(HttpAction::Hang);
        let marks = Arc::new(Marks::default());
        let n = case.note(&rig.sink, "Subject", "Text");
        let outcome = rig.run(n, Duration::from_millis(500), Arc::clone(&marks)).await;
        let Outcome::Failure(failure) = outcome else { panic!("{}: {outcome:?}", case.name()) };
        assert_eq!(failure.class, C::Ambiguous, "{}: {}", case.name(), failure.message);
        assert_eq!(marks.granted.load(Ordering::SeqCst), 1, "{}", case.name());

        let n = case.note(&rig.sink, "Subject", "Text");
        // A handler of its own: one that knows the provider might still have a connection to it.
        let handler = NotifyHandler::new(case.config(&rig.sink));
        rig.sink.stop().await;
        let task = posthaste_testkit::claimed("notify", Value::Null);
        let task = Claimed { payload: n.into_task().payload, ..task };
        let marks = Arc::new(Marks::default());
        let outcome = handler.run(Context::new(Arc::new(task), CancellationToken::new(), marks)).await;
        let Outcome::Failure(failure) = outcome else { panic!("{}: {outcome:?}", case.name()) };
        assert_eq!(failure.class, C::Unavailable, "{}: {}", case.name(), failure.message);
        assert!(!failure.message.contains(HUSH), "{}", failure.message);
    }
}

#[tokio::test]
async fn without_a_mark_nothing_is_sent() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        for (refusal, class) in
            [(MarkError::LeaseLost, C::Transient), (MarkError::StoreUnavailable, C::Unavailable)]
        {
            let marks = Arc::new(Marks { refuse: Some(refusal), ..Marks::default() });
            let n = case.note(&rig.sink, "Subject", "Text");
            let outcome = rig.run(n, Duration::from_secs(30), marks).await;
            let Outcome::Failure(failure) = outcome else { panic!("{}: {outcome:?}", case.name()) };
            assert_eq!(failure.class, class, "{}", case.name());
        }
        assert_eq!(rig.sink.taken(), 0, "{}", case.name());
    }
}

#[tokio::test]
async fn an_endless_answer_holds_nothing_up_and_its_status_counts() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        for action in [HttpAction::Flood(200, 100 * 1024 * 1024), HttpAction::Drip(200)] {
            rig.sink.then(action.clone());
            let (result, marks) = rig.send("Subject", "Text").await;
            assert_eq!(marks, 1);
            match result {
                Ok(_) => assert!(!case.says_in_body, "{}: {action:?}", case.name()),
                // It cannot be known whether it went well.
                Err(e) => assert_eq!(
                    (e.class, case.says_in_body),
                    (C::Ambiguous, true),
                    "{}: {action:?}",
                    case.name()
                ),
            }
        }
        rig.sink.wait_left(2).await;
        assert_eq!(rig.failing(HttpAction::Flood(500, 100 * 1024 * 1024)).await.class, C::Transient);
    }
}

#[tokio::test]
async fn no_secret_gets_into_an_error_even_if_the_provider_repeats_it() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        assert!(!format!("{:?}", rig.handler.config()).contains(HUSH), "{}", case.name());
        let repeat = |status: u16| {
            HttpAction::With(Arc::new(move |r: &SunkRequest| {
                let headers: Vec<String> = r.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
                let all = format!("http://{}{} {}", r.header("host").unwrap(), r.target, headers.join(" "));
                let body = json!({"ok": false, "error": all, "description": all, "message": all, "code": 1, "errorDescription": all});
                // As a text and as each field in which a provider explains itself.
                if status.is_multiple_of(2) {
                    HttpReply::text(status, &all)
                } else {
                    HttpReply::json(status, &body)
                }
            }))
        };
        for status in [400, 403, 500, 501] {
            let failure = rig.failing(repeat(status)).await;
            assert!(!failure.message.contains(HUSH), "{}: {}", case.name(), failure.message);
            // Nor in the form in which a user and a password go together.
            assert!(!failure.message.contains("QUMxOmh1c2gw"), "{}: {}", case.name(), failure.message);
            assert!(!failure.code.unwrap().contains(HUSH), "{}", case.name());
        }
        rig.sink.then(repeat(200));
        if let (Ok(result), _) = rig.send("Subject", "Text").await {
            assert!(!serde_json::to_string(&result).unwrap().contains(HUSH), "{}", case.name());
        }
    }
}

#[tokio::test]
async fn what_somebody_wrote_is_text_and_nothing_else() {
    let nasty = "a\r\nX-Evil: 1\r\n\r\nPOST /evil HTTP/1.1\r\n<!channel> <@1> @everyone [a](https://evil.example) *b* \"}]}";
    let plain = serde_json::to_string("a").unwrap();
    for case in cases() {
        let rig = Rig::new(&case).await;
        let quiet = rig.send("a", &plain).await.1;
        let _ = rig.send("\"}],\"x\":[{\"<!channel>", nasty).await;
        let requests = rig.sink.requests();
        assert_eq!((quiet, requests.len()), (1, 2), "{}", case.name());
        let names = |r: &SunkRequest| r.headers.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        assert_eq!(names(&requests[0]), names(&requests[1]), "{}", case.name());
        assert_eq!(requests[0].target, requests[1].target, "{}", case.name());
        let body = requests[1].text();
        match case.channel {
            ChannelKind::Slack => {
                assert!(body.contains("&lt;!channel&gt;") && !body.contains("<!channel>"), "{body}")
            }
            ChannelKind::Discord | ChannelKind::Teams => {
                assert!(
                    body.contains(r"\\[a\\](https://evil")
                        && body.contains(r"\\*b\\*")
                        && body.contains(r"\\<!channel"),
                    "{body}"
                );
            }
            ChannelKind::Telegram => assert!(requests[1].json().get("parse_mode").is_none()),
            ChannelKind::Ntfy | ChannelKind::Gotify => assert_eq!(requests[1].json()["message"], nasty),
            ChannelKind::Sms => {
                assert!(body.contains("Body=a%0D%0AX-Evil") && body.matches('&').count() == 2, "{body}")
            }
            ChannelKind::WebPush => assert!(requests[1].body.len() <= 4_096),
            ChannelKind::Email | ChannelKind::Webhook => unreachable!("not here"),
        }
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_before_anything_is_sent() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        // One that would grow by being escaped, and one that is long as it is.
        for text in ["x".repeat(case.too_long), "*".repeat(case.too_long / 2 + 1)] {
            let grows = matches!(case.channel, ChannelKind::Discord | ChannelKind::Teams);
            if text.starts_with('*') && !grows {
                continue;
            }
            let (result, marks) = rig.send("", &text).await;
            assert_eq!(result.expect_err(&case.name()).class, C::Permanent, "{}", case.name());
            assert_eq!((marks, rig.sink.taken()), (0, 0), "{}", case.name());
        }
    }
}

#[tokio::test]
async fn the_guard_is_asked_about_every_provider() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        let config = NotifyConfig { allow: Vec::new(), ..case.config(&rig.sink) };
        let rig = Rig { handler: NotifyHandler::new(config), ..rig };
        let (result, marks) = rig.send("Subject", "Text").await;
        // A provider's address is configuration; a subscription's is the message's.
        let class = if case.channel == ChannelKind::WebPush { C::Permanent } else { C::Misconfigured };
        assert_eq!(result.expect_err(&case.name()).class, class, "{}", case.name());
        assert_eq!((marks, rig.sink.connections()), (0, 0), "{}", case.name());
    }
}

#[tokio::test]
async fn without_a_provider_it_is_misconfigured() {
    for case in cases() {
        let rig = Rig::new(&case).await;
        let rig = Rig { handler: NotifyHandler::new(NotifyConfig::default()), ..rig };
        let (result, marks) = rig.send("Subject", "Text").await;
        assert_eq!((result.expect_err(&case.name()).class, marks), (C::Misconfigured, 0), "{}", case.name());
    }
}

#[test]
fn channels_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate/channels.md");
    let page = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).expect("docs/ is writable");
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    let how = "run UPDATE_DOCS=1 cargo test --workspace --test it channels_page";
    assert_eq!(stored, page, "docs/operate/channels.md is stale: {how}");
}

#[test]
fn no_row_hides_another() {
    for table in ANSWERS {
        let mut seen = Vec::new();
        for row in table.rows {
            let Code::Is(codes) = row.code else { continue };
            for code in codes {
                assert!(!seen.contains(code), "{}: {code} is in two rows", table.channel);
                seen.push(code);
            }
        }
    }
}
