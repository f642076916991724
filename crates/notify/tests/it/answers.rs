//! What each answer of a server, and each silence, makes of an attempt: the whole handler against a
//! real SMTP server that misbehaves on demand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::*;
use posthaste_core::{FailureClass as C, Outcome};
use posthaste_notify::channels::email::SmtpTimeouts;
use posthaste_notify::{EmailProvider, NotifyHandler};
use posthaste_testkit::smtp::{Action, SinkOptions, SmtpSink, Stage};
use posthaste_worker::{Handler, MarkError, Marker};
use tokio_util::sync::CancellationToken;

struct Case {
    stage: Stage,
    action: Action,
    class: C,
    code: Option<&'static str>,
    /// Whether the attempt was marked before it failed.
    marks: usize,
}

fn reply(stage: Stage, text: &'static str, class: C, code: &'static str) -> Case {
    let marks = usize::from(matches!(stage, Stage::Data | Stage::Content | Stage::FinalDot));
    Case { stage, action: Action::reply(text), class, code: Some(code), marks }
}

fn silence(stage: Stage, action: Action, class: C) -> Case {
    Case { code: None, ..Case { action, ..reply(stage, "", class, "") } }
}

#[tokio::test]
async fn every_answer_has_its_class_and_the_mark_falls_before_data() {
    let cases = [
        reply(Stage::Greeting, "421 4.3.2 closing", C::Unavailable, "421 4.3.2"),
        reply(Stage::Greeting, "554 5.7.1 your kind is not served", C::Misconfigured, "554 5.7.1"),
        reply(Stage::Greeting, "450 busy", C::Unavailable, "450"),
        silence(Stage::Greeting, Action::Cut, C::Unavailable),
        reply(Stage::Ehlo, "550 5.5.1 who?", C::Misconfigured, "550 5.5.1"),
        silence(Stage::Ehlo, Action::Cut, C::Unavailable),
        reply(Stage::Mail, "451 4.3.0 later", C::Unavailable, "451 4.3.0"),
        reply(Stage::Mail, "421 4.3.2 closing", C::Unavailable, "421 4.3.2"),
        reply(Stage::Mail, "530 5.7.0 sign in first", C::Misconfigured, "530 5.7.0"),
        reply(Stage::Mail, "550 5.1.8 bad sender", C::Misconfigured, "550 5.1.8"),
        reply(Stage::Mail, "552 5.2.3 no", C::Misconfigured, "552 5.2.3"),
        silence(Stage::Mail, Action::Cut, C::Unavailable),
        reply(Stage::Rcpt, "550 5.1.1 no such user", C::Suppress, "550 5.1.1"),
        reply(Stage::Rcpt, "556 5.1.10 null MX", C::Suppress, "556 5.1.10"),
        reply(Stage::Rcpt, "550 no such user", C::Permanent, "550"),
        reply(Stage::Rcpt, "550 5.7.1 not by policy", C::Permanent, "550 5.7.1"),
        reply(Stage::Rcpt, "550 5.1.7 bad sender", C::Transient, "550 5.1.7"),
        reply(Stage::Rcpt, "450 4.2.1 busy mailbox", C::Transient, "450 4.2.1"),
        reply(Stage::Rcpt, "450-4.7.1 slow\n450 4.7.1 down", C::Transient, "450 4.7.1"),
        reply(Stage::Rcpt, "421 4.7.0 too much", C::Throttled, "421 4.7.0"),
        silence(Stage::Rcpt, Action::Cut, C::Transient),
        reply(Stage::Rcpt, "421 4.3.2 closing", C::Transient, "421 4.3.2"),
        silence(Stage::Rcpt, Action::Raw(b"Empf\xe4nger?\r\n".to_vec()), C::Transient),
        reply(Stage::Data, "451 4.3.0 later", C::Transient, "451 4.3.0"),
        reply(Stage::Data, "554 5.5.1 no valid recipients", C::Permanent, "554 5.5.1"),
        reply(Stage::Data, "421 4.3.2 closing", C::Transient, "421 4.3.2"),
        silence(Stage::Data, Action::Cut, C::Transient),
        silence(Stage::Data, Action::Raw(b"250 what?\r\n".to_vec()), C::Transient),
        // A cut while the content goes out cannot be told from one after the final dot.
        silence(Stage::Content, Action::Cut, C::Ambiguous),
        silence(Stage::FinalDot, Action::Cut, C::Ambiguous),
        silence(Stage::FinalDot, Action::Raw(b"thank you\r\n".to_vec()), C::Ambiguous),
        silence(Stage::FinalDot, Action::Raw(b"2500 \xff\r\n".to_vec()), C::Ambiguous),
        silence(Stage::FinalDot, Action::Raw(b"354 go on\r\n".to_vec()), C::Ambiguous),
        reply(Stage::FinalDot, "451 4.3.0 later", C::Transient, "451 4.3.0"),
        reply(Stage::FinalDot, "421 4.3.2 closing", C::Throttled, "421 4.3.2"),
        reply(Stage::FinalDot, "452 4.7.28 too fast", C::Throttled, "452 4.7.28"),
        reply(Stage::FinalDot, "552 5.3.4 too big", C::Permanent, "552 5.3.4"),
        reply(Stage::FinalDot, "535 5.7.8 not you", C::Misconfigured, "535 5.7.8"),
    ];
    for case in cases {
        let what = format!("{:?} {:?}", case.stage, case.action);
        let sink = SmtpSink::start().await;
        sink.then(case.stage, case.action);
        // Without patience, so that what a refused connection leads to in the end is seen at once.
        let provider = EmailProvider { patience: Duration::ZERO, ..provider("default", &sink) };
        let (failure, marks) = failing(&NotifyHandler::new(config([provider])), &note()).await;
        assert_eq!(failure.class, case.class, "{what}: {}", failure.message);
        assert_eq!(failure.code.as_deref(), case.code, "{what}");
        assert_eq!(marks, case.marks, "{what}");
        let data = usize::from(matches!(case.stage, Stage::Data | Stage::Content | Stage::FinalDot));
        assert_eq!(sink.reached(Stage::Data), data, "{what}");
        assert!(sink.messages().iter().all(|_| case.class == C::Ambiguous), "{what}: taken all the same");
    }
}

#[tokio::test]
async fn later_and_later_then_taken() {
    let sink = SmtpSink::start().await;
    sink.then_times(2, Stage::Rcpt, &Action::reply("451 4.3.0 later"));
    let handler = handler(&sink);
    for _ in 0..2 {
        assert_eq!(class_of(&handler, &note()).await, C::Transient);
    }
    let result = sent(&handler, &note()).await;
    assert_eq!(result.message, "Notification sent to dev@example.com");
    assert_eq!((result.provider.as_deref(), result.code.as_deref()), (Some("default"), Some("250")));
    assert_eq!(result.response.as_deref(), Some("2.0.0 taken as 1"));
    // The refused tries left a connection that RSET made fit for the next.
    assert_eq!((sink.connections(), sink.reached(Stage::Rset)), (1, 2));
}

#[tokio::test]
async fn the_time_that_a_server_asks_for_is_handed_on() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Rcpt, Action::reply("450 4.7.1 greylisted, try again in 300 seconds"));
    sink.then(Stage::Rcpt, Action::reply("450 4.7.1 slow down"));
    let handler = handler(&sink);
    let (failure, _) = failing(&handler, &note()).await;
    assert_eq!((failure.class, failure.retry_after), (C::Transient, Some(Duration::from_secs(300))));
    let (failure, _) = failing(&handler, &note()).await;
    assert_eq!((failure.class, failure.retry_after), (C::Transient, None));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let closed = posthaste_testkit::ClosedPort::take();
    let port = closed.port();
    for url in [
        format!("smtp+plain://127.0.0.1:{port}"),
        format!("smtp+starttls://127.0.0.1:{port}"),
        format!("smtps://127.0.0.1:{port}"),
        "smtp+plain://no-such-host.invalid".to_owned(),
    ] {
        let handler = NotifyHandler::new(config([provider_at("default", &url)]));
        let (failure, marks) = failing(&handler, &note()).await;
        assert_eq!((failure.class, marks), (C::Unavailable, 0), "{url}: {}", failure.message);
        assert!(failure.message.contains("could not be reached"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_hang_before_rcpt_is_unavailable_and_one_after_data_ambiguous() {
    let short = Duration::from_millis(100);
    let ordinary = SmtpTimeouts::default();
    for (stage, timeouts, class, marks) in [
        (Stage::Greeting, SmtpTimeouts { command: short, ..ordinary }, C::Unavailable, 0),
        (Stage::Data, SmtpTimeouts { data: short, ..ordinary }, C::Transient, 1),
        (Stage::Content, SmtpTimeouts { final_dot: short, ..ordinary }, C::Ambiguous, 1),
        (Stage::FinalDot, SmtpTimeouts { final_dot: short, ..ordinary }, C::Ambiguous, 1),
    ] {
        let sink = SmtpSink::start().await;
        sink.then(stage, Action::Hang);
        let (failure, taken) = failing(&handler_with(&sink, timeouts), &note()).await;
        assert_eq!((failure.class, taken), (class, marks), "{stage:?}: {}", failure.message);
    }
}

#[tokio::test]
async fn nothing_is_sent_unless_the_mark_is_granted() {
    for (refusal, class) in
        [(MarkError::LeaseLost, C::Transient), (MarkError::StoreUnavailable, C::Unavailable)]
    {
        let sink = SmtpSink::start().await;
        let handler = handler(&sink);
        let marks = Arc::new(Marks { refuse: Some(refusal), ..Marks::default() });
        let cx = context(&note(), marks as Arc<dyn Marker>, CancellationToken::new());
        let Outcome::Failure(failure) = handler.run(cx).await else { panic!("it was sent") };
        assert_eq!(failure.class, class);
        assert_eq!((sink.reached(Stage::Rcpt), sink.reached(Stage::Data)), (1, 0));
        // The connection serves the next message, which arrives alone.
        sent(&handler, &note()).await;
        assert_eq!((sink.connections(), sink.messages().len()), (1, 1));
    }
}

/// Looks at the sink at the moment of the mark.
struct Watching {
    sink: Arc<SmtpSink>,
    seen: std::sync::Mutex<Vec<(usize, usize)>>,
}

#[async_trait::async_trait]
impl Marker for Watching {
    async fn mark(&self) -> Result<(), MarkError> {
        let now = (self.sink.reached(Stage::Rcpt), self.sink.reached(Stage::Data));
        self.seen.lock().unwrap().push(now);
        Ok(())
    }
}

#[tokio::test]
async fn the_mark_is_taken_after_the_recipient_was_accepted_and_before_data() {
    let sink = Arc::new(SmtpSink::start().await);
    let marker = Arc::new(Watching { sink: Arc::clone(&sink), seen: std::sync::Mutex::default() });
    let cx = context(&note(), Arc::clone(&marker) as Arc<dyn Marker>, CancellationToken::new());
    assert!(matches!(handler(&sink).run(cx).await, Outcome::Success { .. }));
    assert_eq!(*marker.seen.lock().unwrap(), [(1, 0)]);
}

#[tokio::test]
async fn a_cancel_before_the_mark_sends_nothing_and_one_after_it_changes_nothing() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Rcpt, Action::Hang);
    let (gate, opened) = Action::gate();
    sink.then(Stage::FinalDot, gate);
    let handler = Arc::new(handler(&sink));

    let (marks, cancel) = (Arc::new(Marks::default()), CancellationToken::new());
    let cx = context(&note(), Arc::clone(&marks) as Arc<dyn Marker>, cancel.clone());
    let running = tokio::spawn({
        let handler = Arc::clone(&handler);
        async move { handler.run(cx).await }
    });
    sink.wait_reached(Stage::Rcpt, 1).await;
    cancel.cancel();
    assert!(matches!(running.await.unwrap(), Outcome::Failure(_)));
    assert_eq!((marks.granted.load(Ordering::SeqCst), sink.reached(Stage::Data)), (0, 0));

    let cancel = CancellationToken::new();
    let cx = context(&note(), Arc::clone(&marks) as Arc<dyn Marker>, cancel.clone());
    let running = tokio::spawn(async move { handler.run(cx).await });
    sink.wait_reached(Stage::FinalDot, 1).await;
    cancel.cancel();
    opened.add_permits(1);
    assert!(matches!(running.await.unwrap(), Outcome::Success { .. }));
    assert_eq!(sink.messages().len(), 1);
}

#[tokio::test]
async fn one_hanging_provider_does_not_hold_up_another() {
    let (dead, alive) = (SmtpSink::start().await, SmtpSink::start().await);
    dead.always(Stage::Greeting, Action::Hang);
    let handler = Arc::new(NotifyHandler::new(config([provider("dead", &dead), provider("alive", &alive)])));
    let to = |p: &str| posthaste_notify::Notification { provider: Some(name(p)), ..note() };
    let hanging: Vec<_> = (0..20)
        .map(|_| {
            let (handler, n) = (Arc::clone(&handler), to("dead"));
            tokio::spawn(async move { attempt(&handler, &n).await })
        })
        .collect();
    // As many connections as the pool allows, and no more.
    dead.wait_reached(Stage::Greeting, 10).await;
    for _ in 0..5 {
        assert_eq!(sent(&handler, &to("alive")).await.provider.as_deref(), Some("alive"));
    }
    assert_eq!((dead.connections(), alive.connections()), (10, 1));
    assert!(hanging.iter().all(|h| !h.is_finished()));
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced_without_a_failure() {
    for gone in [Action::Cut, Action::reply("421 4.4.2 idle for too long")] {
        let sink = SmtpSink::start().await;
        let handler = handler(&sink);
        sent(&handler, &note()).await;
        sent(&handler, &note()).await;
        assert_eq!(sink.connections(), 1);
        sink.then(Stage::Mail, gone);
        sent(&handler, &note()).await;
        assert_eq!((sink.connections(), sink.messages().len()), (2, 3));
    }
}

#[tokio::test]
async fn the_pool_is_bounded_and_a_connection_carries_so_many_messages() {
    let sink = SmtpSink::start().await;
    let narrow = EmailProvider { connections: 1, messages_per_connection: 10, ..provider("default", &sink) };
    let handler = Arc::new(NotifyHandler::new(config([narrow])));
    let sends: Vec<_> = (0..21)
        .map(|_| {
            let handler = Arc::clone(&handler);
            tokio::spawn(async move { sent(&handler, &note()).await })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    let by_connection = |n| sink.messages().iter().filter(|m| m.connection == n).count();
    assert_eq!((by_connection(1), by_connection(2), by_connection(3)), (10, 10, 1));
    assert_eq!(sink.connections(), 3);
}

#[tokio::test]
async fn a_connection_unused_for_too_long_is_not_used_again() {
    let sink = SmtpSink::start().await;
    let restless = EmailProvider { idle: Duration::ZERO, ..provider("default", &sink) };
    let handler = NotifyHandler::new(config([restless]));
    sent(&handler, &note()).await;
    sent(&handler, &note()).await;
    assert_eq!((sink.connections(), sink.messages().len()), (2, 2));
}

#[tokio::test]
async fn credentials_are_used_and_their_refusal_is_a_misconfiguration() {
    let options =
        SinkOptions { credentials: Some(("me@example.com".into(), "p@ss".into())), ..SinkOptions::default() };
    let sink = SmtpSink::start_with(options).await;
    let at = |userinfo: &str| {
        let url = format!("smtp+plain://{userinfo}{}", sink.authority());
        NotifyHandler::new(config([provider_at("default", &url)]))
    };
    sent(&at("me%40example.com:p%40ss@"), &note()).await;
    let (failure, marks) = failing(&at("me%40example.com:wrong@"), &note()).await;
    assert_eq!((failure.class, failure.code.as_deref(), marks), (C::Misconfigured, Some("535 5.7.8"), 0));
    assert!(!failure.message.contains("wrong@") && !failure.message.contains("p@ss"));
    let (failure, _) = failing(&at(""), &note()).await;
    assert_eq!((failure.class, failure.code.as_deref()), (C::Misconfigured, Some("530 5.7.0")));

    sink.then(Stage::Auth, Action::reply("454 4.7.0 temporary authentication failure"));
    assert_eq!(class_of(&at("me%40example.com:p%40ss@"), &note()).await, C::Throttled);

    let credentials = Some(("me".into(), "secret".into()));
    let options = SinkOptions { credentials, login_only: true, ..SinkOptions::default() };
    let login = SmtpSink::start_with(options).await;
    for (password, class) in [("secret", None), ("wrong", Some(C::Misconfigured))] {
        let url = format!("smtp+plain://me:{password}@{}", login.authority());
        let handler = NotifyHandler::new(config([provider_at("default", &url)]));
        match (attempt(&handler, &note()).await, class) {
            ((Outcome::Success { .. }, 1), None) => {}
            ((Outcome::Failure(f), 0), Some(class)) => assert_eq!(f.class, class),
            (other, _) => panic!("{password}: {other:?}"),
        }
    }

    let open = SmtpSink::start().await;
    let url = format!("smtp+plain://me:secret@{}", open.authority());
    let handler = NotifyHandler::new(config([provider_at("default", &url)]));
    assert_eq!(class_of(&handler, &note()).await, C::Misconfigured);
    assert_eq!(open.reached(Stage::Mail), 0, "nothing is sent unsigned");
}

#[tokio::test]
async fn a_provider_that_is_not_configured_is_a_misconfiguration() {
    let sink = SmtpSink::start().await;
    let handler = handler(&sink);
    let n = posthaste_notify::Notification { provider: Some(name("ses")), ..note() };
    let (failure, _) = failing(&handler, &n).await;
    assert_eq!(failure.class, C::Misconfigured);
    assert!(failure.message.contains("ses") && failure.message.contains("default"), "{}", failure.message);
    let (failure, _) = failing(&NotifyHandler::new(config([])), &note()).await;
    assert_eq!(failure.class, C::Misconfigured);
    assert!(failure.message.contains("POSTHASTE_SMTP_URL"));
    assert_eq!(sink.connections(), 0);
}
