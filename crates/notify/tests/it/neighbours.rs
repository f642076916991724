//! One recipient is never the provider: what one is answered holds up nobody else, and what several different ones are
//! answered in a row is the provider's all the same.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::limits::BREAKER_THRESHOLD;
use posthaste_core::{Broker, FailureClass as C, NewTask, PauseReason, State, Store, Task, Tenant};
use posthaste_notify::{EmailAddress, Notification, fingerprints};
use posthaste_testkit::smtp::{Action, SmtpSink, Stage};

use crate::common::*;
use crate::delivery::Rig;

const LANE: &str = "email:default";

fn to(who: &str) -> Notification {
    let to: EmailAddress = format!("{who}@example.com").parse().unwrap();
    Notification { message: Some("How are you?".into()), ..Notification::to(to) }
}

async fn rig(sink: &SmtpSink) -> Rig {
    Rig::new(config([provider("default", sink)])).await
}

/// Sends to `who`, whose try fails and has a backoff of its own.
async fn refused(rig: &Rig, who: &str) -> Task {
    let id = rig.send(to(who)).await;
    rig.until(id, |t| t.attempt == 1 && t.state != State::Running).await
}

async fn taken(rig: &Rig, who: &str) {
    let id = rig.send(to(who)).await;
    rig.until_state(id, State::Succeeded).await;
}

/// Answers from RCPT on that would be the provider's if several recipients were given them, and what they would do to its lane.
const OF_ONE: &[(Stage, &str, PauseReason)] = &[
    (Stage::Rcpt, "451 4.7.1 Greylisted, try again later", PauseReason::Throttled),
    (Stage::Rcpt, "450 4.7.1 Greylisted, try again in 90 seconds", PauseReason::Throttled),
    (Stage::Rcpt, "450 4.7.1 See https://example.com/in/90/minutes", PauseReason::Throttled),
    (Stage::Rcpt, "550 5.1.8 Sender address rejected: not wanted here", PauseReason::Misconfigured),
    (Stage::Rcpt, "550 5.1.7 bad sender", PauseReason::Misconfigured),
    (Stage::Data, "451 4.7.1 not now", PauseReason::Throttled),
    (Stage::FinalDot, "451 4.7.1 not this one now", PauseReason::Throttled),
    (Stage::FinalDot, "550 5.1.8 not from you", PauseReason::Misconfigured),
];

#[tokio::test]
async fn what_one_recipient_is_answered_holds_up_nobody() {
    for (stage, answer, _) in OF_ONE {
        let sink = SmtpSink::start().await;
        let rig = rig(&sink).await;
        for times in 1..=4u32 {
            sink.then(*stage, Action::reply(answer));
            let task = match times {
                1 => refused(&rig, "odd").await,
                _ => {
                    rig.pass(Duration::from_secs(3 * 3600)).await;
                    let odd = rig.ids().await[0];
                    rig.until(odd, |t| t.attempt == times && t.state != State::Running).await
                }
            };
            assert_eq!((task.state, task.failures), (State::Retrying, times), "{answer}");
            assert_eq!(task.error.and_then(|e| e.class), Some(C::Transient), "{answer}");
            assert_eq!(rig.pause_of(LANE).await, None, "{answer}");
        }
        for n in 0..10 {
            taken(&rig, &format!("a{n}")).await;
        }
    }
}

#[tokio::test]
async fn what_three_different_ones_are_answered_in_a_row_is_the_providers() {
    for (stage, answer, reason) in OF_ONE {
        let sink = SmtpSink::start().await;
        let rig = rig(&sink).await;
        let fail = async |who: &str| {
            sink.then(*stage, Action::reply(answer));
            let task = refused(&rig, who).await;
            assert_eq!((task.state, task.failures), (State::Retrying, 1), "{answer}");
            rig.pause_of(LANE).await
        };
        assert_eq!(fail("a").await, None);
        assert_eq!(fail("b").await, None);
        taken(&rig, "c").await;
        assert_eq!(fail("d").await, None, "a success between: {answer}");
        assert_eq!(fail("e").await, None);
        assert_eq!(fail("f").await, Some(*reason), "{answer}");
    }
}

/// How a message may end before its content, without a word about whose fault it is.
const LOST: &[(Stage, Option<&str>)] = &[
    (Stage::Rcpt, None),
    (Stage::Data, None),
    (Stage::Rcpt, Some("421 4.3.0 closing")),
    (Stage::Data, Some("421 closing")),
];

fn ending(said: Option<&str>) -> Action {
    said.map_or(Action::Cut, Action::reply)
}

#[tokio::test]
async fn a_connection_that_ends_at_one_recipient_holds_up_nobody() {
    for (stage, said) in LOST {
        let sink = SmtpSink::start().await;
        let rig = rig(&sink).await;
        for _ in 0..2 * BREAKER_THRESHOLD {
            sink.then(*stage, ending(*said));
            let task = refused(&rig, "odd").await;
            assert_eq!((task.state, task.failures), (State::Retrying, 1), "{stage:?} {said:?}");
            assert_eq!(task.error.and_then(|e| e.class), Some(C::Transient), "{stage:?} {said:?}");
            assert_eq!(rig.pause_of(LANE).await, None, "{stage:?} {said:?}");
        }
        taken(&rig, "other").await;
    }
}

#[tokio::test]
async fn however_many_recipients_of_one_tenant_end_it_the_others_go_on() {
    let sink = SmtpSink::start().await;
    let rig = rig(&sink).await;
    for n in 0..2 * BREAKER_THRESHOLD {
        sink.then(Stage::Rcpt, Action::Cut);
        let tenant = Some(Tenant::new("acme").unwrap());
        let id = rig.enqueue(vec![NewTask { tenant, ..to(&format!("a{n}")).into_task() }]).await[0];
        rig.until(id, |t| t.attempt == 1 && t.state != State::Running).await;
        assert_eq!(rig.pause_of(LANE).await, None, "{n}");
    }
    taken(&rig, "other").await;
}

#[tokio::test]
async fn a_connection_that_ends_at_different_ones_in_a_row_is_the_providers() {
    for (stage, said) in LOST {
        let sink = SmtpSink::start().await;
        let rig = rig(&sink).await;
        // The first two are their own; then each counts for the breaker.
        for n in 0..BREAKER_THRESHOLD + 2 {
            assert_eq!(rig.pause_of(LANE).await, None, "{stage:?} {said:?}");
            sink.then(*stage, ending(*said));
            let task = refused(&rig, &format!("a{n}")).await;
            let class = if n < 2 { C::Transient } else { C::Unavailable };
            assert_eq!(task.error.and_then(|e| e.class), Some(class), "{stage:?} {said:?}: {n}");
        }
        assert_eq!(rig.pause_of(LANE).await, Some(PauseReason::Breaker), "{stage:?} {said:?}");
    }
}

#[tokio::test]
async fn a_copy_at_which_the_server_leaves_is_not_left_out() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Rcpt, Action::Accept).then(Stage::Rcpt, Action::reply("421 closing"));
    let rig = rig(&sink).await;
    let id = rig.send(Notification { cc: vec!["copy@example.com".parse().unwrap()], ..to("a") }).await;
    let task = rig.until(id, |t| t.attempt == 1 && t.state != State::Running).await;
    assert_eq!((task.state, sink.reached(Stage::Data)), (State::Retrying, 0));
}

#[tokio::test]
async fn a_providers_own_words_pause_it_at_once() {
    for (stage, answer, reason) in [
        (Stage::Rcpt, "454 Throttling failure: Maximum sending rate exceeded.", PauseReason::Throttled),
        (Stage::FinalDot, "452 4.7.28 too fast", PauseReason::Throttled),
        (Stage::Rcpt, "530 5.7.0 sign in first", PauseReason::Misconfigured),
        (Stage::Mail, "550 5.1.8 bad sender", PauseReason::Misconfigured),
    ] {
        let sink = SmtpSink::start().await;
        sink.then(stage, Action::reply(answer));
        let rig = rig(&sink).await;
        refused(&rig, "a").await;
        assert_eq!(rig.pause_of(LANE).await, Some(reason), "{answer}");
    }
}

#[tokio::test]
async fn corrected_settings_end_the_pause_at_the_start_and_others_do_not() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Mail, Action::reply("535 5.7.8 not you"));
    let rig = rig(&sink).await;
    let id = rig.send(to("a")).await;
    rig.until(id, |t| t.attempt == 1 && t.state == State::Queued).await;
    assert_eq!(rig.pause_of(LANE).await, Some(PauseReason::Misconfigured));
    let lift = async |config| {
        let settings = fingerprints(&config, Arc::clone(&rig.store) as Arc<dyn Store>).await.unwrap();
        rig.store.lift(&settings).await.unwrap()
    };
    // A rolling deployment starts processes with the same settings, and processes of other providers.
    assert_eq!(lift(config([provider("default", &sink)])).await, 0);
    assert_eq!(lift(config([provider("other", &sink)])).await, 0);
    assert_eq!(rig.pause_of(LANE).await, Some(PauseReason::Misconfigured));
    let mended = provider_at("default", &format!("smtp+plain://me:mended1@{}", sink.authority()));
    assert_eq!(lift(config([mended])).await, 1);
    rig.until_state(id, State::Succeeded).await;
    assert_eq!(rig.pause_of(LANE).await, None);
}
