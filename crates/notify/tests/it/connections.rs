//! Servers that grant few connections: a refused one says nothing about the message.

use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use posthaste_core::{Claimed, FailureClass as C, Outcome, RetryPolicy};
use posthaste_notify::{EmailProvider, NotifyHandler};
use posthaste_testkit::smtp::{Action, ConnectionLimit, SinkOptions, SmtpSink, Stage};
use posthaste_worker::{Context, Handler};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);

fn start(handler: &Arc<NotifyHandler>) -> JoinHandle<(Outcome, usize)> {
    let handler = Arc::clone(handler);
    tokio::spawn(async move { attempt(&handler, &note()).await })
}

/// One attempt that may take this long.
async fn within(timeout: Duration, handler: &NotifyHandler) -> Outcome {
    let mut task: Claimed = claimed(note().into_task().payload);
    task.policy = RetryPolicy { timeout, ..task.policy };
    let marks = Arc::new(Marks::default());
    handler.run(Context::new(Arc::new(task), CancellationToken::new(), marks)).await
}

fn is_sent((outcome, _): &(Outcome, usize)) -> bool {
    matches!(outcome, Outcome::Success { .. })
}

#[tokio::test]
async fn many_messages_go_through_the_few_connections_that_are_granted() {
    for (at, reply) in [
        (Stage::Greeting, "421 4.3.2 too many concurrent connections"),
        (Stage::Greeting, "421 4.7.0 mx Error: too many connections from 192.0.2.1"),
        (Stage::Greeting, "450 Zu viele Verbindungen"),
        (Stage::Greeting, "452 try later"),
        (Stage::Greeting, "554 5.7.0 Too many connections"),
        (Stage::Ehlo, "421 Connection refused, too many sessions"),
        (Stage::Auth, "454 4.7.0 Maximum number of connections from user+IP exceeded"),
        (Stage::Mail, "432 4.3.2 Concurrent connections limit exceeded"),
        (Stage::Rcpt, "421 4.7.0 too many connections"),
        (Stage::FinalDot, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"),
    ] {
        let limit = Some(ConnectionLimit { connections: 3, at, reply: reply.to_owned() });
        let credentials = Some(("me".to_owned(), "p".to_owned()));
        let sink = SmtpSink::start_with(SinkOptions { limit, credentials, ..SinkOptions::default() }).await;
        let url = format!("smtp+plain://me:p@{}", sink.authority());
        let provider = EmailProvider { grow: HOUR, patience: HOUR, ..provider_at("default", &url) };
        let handler = Arc::new(NotifyHandler::new(config([provider])));
        let sends: Vec<_> = (0..60).map(|_| start(&handler)).collect();
        for send in sends {
            let done = send.await.unwrap();
            assert!(is_sent(&done), "{at:?} {reply}: {done:?}");
        }
        assert_eq!(sink.messages().len(), 60, "{at:?} {reply}");
        // The first ten at once, and hardly one that took a kept connection for one that stands.
        assert!(sink.connections() <= 20, "{at:?} {reply}: {} were tried", sink.connections());
    }
}

#[tokio::test]
async fn as_many_connections_as_are_set_are_used_at_once() {
    for connections in [1, 3, 64] {
        let sink = SmtpSink::start().await;
        let (gate, opened) = Action::gate();
        sink.always(Stage::FinalDot, gate);
        let url = format!("smtp+plain://{}?connections={connections}", sink.authority());
        let handler = Arc::new(NotifyHandler::new(config([provider_at("default", &url)])));
        let sends: Vec<_> = (0..70).map(|_| start(&handler)).collect();
        sink.wait_reached(Stage::FinalDot, connections).await;
        assert_eq!(sink.connections(), connections);
        opened.add_permits(1000);
        for send in sends {
            assert!(is_sent(&send.await.unwrap()));
        }
        assert_eq!((sink.connections(), sink.messages().len()), (connections, 70));
    }
}

#[tokio::test]
async fn one_more_is_tried_after_a_while() {
    for (grow, more) in [(Duration::ZERO, true), (HOUR, false)] {
        let sink = SmtpSink::start().await;
        let (gate, opened) = Action::gate();
        sink.then(Stage::FinalDot, gate);
        sink.then(Stage::Greeting, Action::Accept);
        sink.then(Stage::Greeting, Action::reply("421 4.3.2 too many connections"));
        let provider = EmailProvider { connections: 2, grow, ..provider("default", &sink) };
        let handler = Arc::new(NotifyHandler::new(config([provider])));
        let held = start(&handler);
        sink.wait_reached(Stage::FinalDot, 1).await;
        // Refused while the first one stands: it waits, or asks once more if it may.
        let second = start(&handler);
        sink.wait_reached(Stage::Greeting, 2).await;
        if more {
            assert!(is_sent(&second.await.unwrap()));
            assert!(!held.is_finished());
            opened.add_permits(1);
        } else {
            opened.add_permits(1);
            assert!(is_sent(&second.await.unwrap()));
        }
        assert!(is_sent(&held.await.unwrap()));
        assert_eq!(sink.connections(), if more { 3 } else { 2 });
    }
}

#[tokio::test]
async fn a_connection_that_carried_its_share_is_gone_before_the_next_one_is_asked_for() {
    let limit = Some(ConnectionLimit {
        connections: 1,
        at: Stage::Greeting,
        reply: "421 too many connections".into(),
    });
    let sink = SmtpSink::start_with(SinkOptions { limit, ..SinkOptions::default() }).await;
    let provider = EmailProvider {
        connections: 1,
        messages_per_connection: 2,
        patience: Duration::ZERO,
        ..provider("default", &sink)
    };
    let handler = Arc::new(NotifyHandler::new(config([provider])));
    for _ in 0..6 {
        assert!(is_sent(&start(&handler).await.unwrap()));
    }
    assert_eq!((sink.messages().len(), sink.connections()), (6, 3));
}

#[tokio::test]
async fn where_none_is_granted_at_all_the_provider_is_unavailable() {
    for (reply, class) in [
        ("421 4.3.2 too many connections", C::Unavailable),
        ("421 Service not available", C::Unavailable),
        ("450 4.7.1 try again later", C::Throttled),
    ] {
        let sink = SmtpSink::start().await;
        sink.always(Stage::Greeting, Action::reply(reply));
        let provider = EmailProvider { patience: Duration::ZERO, ..provider("default", &sink) };
        let (failure, marks) = failing(&NotifyHandler::new(config([provider])), &note()).await;
        assert_eq!((failure.class, marks), (class, 0), "{reply}: {}", failure.message);
        assert!(failure.message.contains(reply.split_once(' ').unwrap().1), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_refusal_that_passes_costs_the_message_nothing() {
    for reply in ["421 4.3.2 too many connections", "432 4.3.2 slow", "554 Too many sessions open"] {
        let sink = SmtpSink::start().await;
        sink.then_times(2, Stage::Greeting, &Action::reply(reply));
        sent(&handler(&sink), &note()).await;
        assert_eq!((sink.connections(), sink.messages().len()), (3, 1), "{reply}");
    }
}

#[tokio::test]
async fn a_message_that_waited_in_vain_for_a_connection_is_put_back() {
    let sink = SmtpSink::start().await;
    let (gate, opened) = Action::gate();
    sink.then(Stage::FinalDot, gate);
    let provider = EmailProvider { connections: 1, ..provider("default", &sink) };
    let handler = Arc::new(NotifyHandler::new(config([provider])));
    let held = start(&handler);
    sink.wait_reached(Stage::FinalDot, 1).await;
    let outcome = within(Duration::from_millis(100), &handler).await;
    assert!(matches!(outcome, Outcome::Snooze { .. }), "{outcome:?}");
    opened.add_permits(1);
    assert!(is_sent(&held.await.unwrap()));
}

#[tokio::test]
async fn time_that_kept_connections_took_is_not_held_against_a_server_that_nobody_asked() {
    let sink = SmtpSink::start().await;
    let handler = handler(&sink);
    for stage in [Stage::Mail, Stage::Rset] {
        sent(&handler, &note()).await;
        let connections = sink.connections();
        if stage == Stage::Rset {
            sink.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
            assert_eq!(class_of(&handler, &note()).await, C::Suppress);
        }
        sink.then(stage, Action::Hang);
        let outcome = within(Duration::from_millis(200), &handler).await;
        assert!(matches!(outcome, Outcome::Snooze { .. }), "{stage:?}: {outcome:?}");
        assert_eq!(sink.connections(), connections, "{stage:?}");
    }
}
