//! Outcomes: success, failure by class, counters, delays, ends.

use std::time::Duration;

use posthaste_core::broker::{SettleRequest, Settled, Settlement};
use posthaste_core::limits::{MAX_ERROR_BYTES, MAX_RESULT_BYTES, MAX_RESULT_DEPTH};
use posthaste_core::{
    AttemptOutcome, Backoff, BrokerError, EndReason, Failure, FailureClass, Json, Kept, NewTask, OnAmbiguous,
    Outcome, RecordKind, RetryPolicy, State,
};

use crate::rig::*;

pub(crate) async fn a_success_keeps_its_result(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    let settled = r.end(c.lease, Outcome::result(json(r#"{"ok":true}"#))).await;
    assert_eq!(settled, Settled::Settled(State::Succeeded));
    let t = r.task(id).await;
    assert_eq!((t.state, t.result), (State::Succeeded, Some(json(r#"{"ok":true}"#))));
    assert!(t.finished_at.is_some() && t.error.is_none());
    let log = r.log(id).await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].attempt, log[0].outcome), (1, AttemptOutcome::Succeeded));
    assert_eq!(log[0].worker, worker("w1"));
}

pub(crate) async fn each_success_keeps_its_held_message(r: &mut Rig) {
    let ids = r.put_n(2, &task()).await;
    let leases: Vec<_> = r.claim(2).await.iter().map(|c| c.lease).collect();
    let held = |body| Outcome::Success {
        result: None,
        kept: Some(Kept { kind: RecordKind::SandboxMessage, body: json(body) }),
    };
    r.settle(vec![(leases[0], held(r#"{"to":"x"}"#)), (leases[1], held(r#"{"to":"y"}"#))]).await;
    for (id, body) in ids.iter().zip([r#"{"to":"x"}"#, r#"{"to":"y"}"#]) {
        let name = id.to_string();
        let record = r.store().get_record(RecordKind::SandboxMessage, &name).await.expect("get_record");
        assert_eq!(record.map(|x| x.body), Some(json(body)));
    }
    let counts = r.store().counts().await.expect("counts");
    assert_eq!((counts[0].held, counts[0].of(State::Succeeded)), (2, 2));
}

pub(crate) async fn stale_outcome_in_a_batch_leaves_the_other_99_settled(r: &mut Rig) {
    let first = r.put(NewTask { ..task() }).await;
    let stale = r.take().await;
    r.lose_leases().await;
    r.put_n(99, &task()).await;
    let mut claimed = r.claim(100).await;
    assert_eq!(claimed.len(), 100);
    let held = claimed.iter().position(|c| c.lease.task == first).expect("claimed again");
    claimed[held].lease = stale.lease;
    let settled = r.settle(claimed.iter().map(|c| (c.lease, Outcome::done())).collect()).await;
    for (c, s) in claimed.iter().zip(settled) {
        let expected =
            if c.lease.task == first { Settled::LeaseLost } else { Settled::Settled(State::Succeeded) };
        assert_eq!(s, expected);
    }
    assert_eq!(r.count(State::Succeeded).await, 99);
    assert_eq!(r.state(first).await, State::Running);
}

pub(crate) async fn only_the_last_settled_token_is_known(r: &mut Rig) {
    r.put(NewTask { policy: delays(&[1]), ..task() }).await;
    let first = r.take().await;
    r.fail(&first, FailureClass::Transient).await;
    assert_eq!(r.end(first.lease, Outcome::done()).await, Settled::AlreadySettled);
    r.pass(SECOND).await;
    let second = r.take().await;
    r.done(&second).await;
    assert_eq!(r.end(second.lease, Outcome::done()).await, Settled::AlreadySettled);
    assert_eq!(r.end(first.lease, Outcome::done()).await, Settled::LeaseLost);
    assert_eq!(r.state(first.lease.task).await, State::Succeeded);
}

pub(crate) async fn one_lease_twice_in_a_call_settles_once(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    let failure = Outcome::Failure(Failure::new(FailureClass::Permanent, "no"));
    let settled = r.settle(vec![(c.lease, Outcome::done()), (c.lease, failure)]).await;
    assert_eq!(settled, [Settled::Settled(State::Succeeded), Settled::AlreadySettled]);
    assert_eq!(r.state(c.lease.task).await, State::Succeeded);
}

pub(crate) async fn a_result_too_large_refuses_the_call(r: &mut Rig) {
    r.put_n(2, &task()).await;
    let claimed = r.claim(2).await;
    let huge = Json::from_trusted(format!("\"{}\"", "x".repeat(MAX_RESULT_BYTES)));
    let settlements = vec![
        Settlement { lease: claimed[0].lease, outcome: Outcome::done() },
        Settlement { lease: claimed[1].lease, outcome: Outcome::result(huge) },
    ];
    let refused = r.store().settle(SettleRequest { settlements, ..SettleRequest::default() }).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { index: 1, .. })), "{refused:?}");
    assert_eq!(r.count(State::Running).await, 2, "something of a refused call was stored");
    let nested = |n: usize| Json::from_trusted(format!("{}{}", "[".repeat(n), "]".repeat(n)));
    let outcome = Outcome::result(nested(MAX_RESULT_DEPTH + 1));
    let settlements = vec![Settlement { lease: claimed[0].lease, outcome }];
    let refused = r.store().settle(SettleRequest { settlements, ..SettleRequest::default() }).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { field: "result", .. })), "{refused:?}");
    assert_eq!(r.count(State::Running).await, 2, "something of a refused call was stored");
    r.end(claimed[0].lease, Outcome::result(nested(MAX_RESULT_DEPTH))).await;
    let largest = Json::from_trusted(format!("\"{}\"", "x".repeat(MAX_RESULT_BYTES - 2)));
    r.end(claimed[1].lease, Outcome::result(largest)).await;
    assert_eq!(r.state(claimed[1].lease.task).await, State::Succeeded);
}

pub(crate) async fn a_failure_is_told_with_its_class_and_code(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    let failure = Failure::new(FailureClass::Suppress, "no such user").with_code("550 5.1.1");
    assert_eq!(r.fail_as(&c, failure).await, State::Failed);
    let t = r.task(id).await;
    let error = t.error.expect("an error");
    assert_eq!((error.reason, error.class), (Some(EndReason::Suppressed), Some(FailureClass::Suppress)));
    assert_eq!((error.message.as_str(), error.code.as_deref()), ("no such user", Some("550 5.1.1")));
    let a = r.log(id).await.remove(0);
    assert_eq!((a.outcome, a.class), (AttemptOutcome::Failed, Some(FailureClass::Suppress)));
    assert_eq!((a.message.as_deref(), a.code.as_deref()), (Some("no such user"), Some("550 5.1.1")));
}

pub(crate) async fn long_messages_are_cut_at_a_character(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.fail_as(&c, Failure::new(FailureClass::Permanent, format!("x{}", "ä".repeat(MAX_ERROR_BYTES)))).await;
    let kept = r.task(id).await.error.expect("an error").message;
    assert!(kept.len() <= MAX_ERROR_BYTES && kept.len() > MAX_ERROR_BYTES / 2, "{} bytes", kept.len());
    assert!(kept.starts_with("xää"));
}

pub(crate) async fn the_try_that_reaches_max_failures_is_the_last(r: &mut Rig) {
    let id = r.put(NewTask { policy: RetryPolicy { max_failures: 3, ..delays(&[1]) }, ..in_lane("a") }).await;
    for n in 1..=3 {
        let c = r.take().await;
        assert_eq!((c.attempt, c.failures), (2 * n - 1, n - 1));
        r.fail(&c, FailureClass::Unavailable).await;
        r.pass(SECOND).await;
        let c = r.take().await;
        let expected = if n == 3 { State::Failed } else { State::Retrying };
        assert_eq!(r.fail(&c, FailureClass::Transient).await, expected);
        r.pass(SECOND).await;
    }
    let t = r.task(id).await;
    assert_eq!((t.attempt, t.failures), (6, 3));
    assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::MaxFailures));
    let counted: Vec<_> = r.log(id).await.iter().map(|a| a.counted).collect();
    assert_eq!(counted, [false, true, false, true, false, true]);
}

pub(crate) async fn delays_follow_the_tries_that_ended_in_a_class(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[10_000, 20_000, 40_000]), ..in_lane("a") }).await;
    let steps = [
        (FailureClass::Transient, 10),
        (FailureClass::Unavailable, 20),
        (FailureClass::Transient, 40),
        (FailureClass::Ambiguous, 40),
    ];
    for (class, delay) in steps {
        // A release ends in no class, so it does not move the schedule on.
        r.release(r.take().await.lease).await;
        let now = r.now().await;
        r.fail(&r.take().await, class).await;
        let wait = r.task(id).await.due_at.since(now);
        assert!(wait >= secs(delay) && wait < secs(delay + 5), "{class}: {wait:?} instead of {delay} s");
        r.pass(secs(delay - 1)).await;
        assert_eq!(r.state(id).await, State::Retrying);
        r.pass(secs(2)).await;
    }
}

pub(crate) async fn policies_are_kept_and_followed(r: &mut Rig) {
    let policies = [
        RetryPolicy::default(),
        RetryPolicy::email(),
        RetryPolicy::webhook(),
        RetryPolicy::http(),
        delays(&[77_000]),
    ];
    let mut ids = Vec::new();
    for policy in policies.clone() {
        ids.push(r.put(NewTask { policy, ..task() }).await);
    }
    let now = r.now().await;
    let claimed = r.claim(policies.len()).await;
    for (policy, id) in policies.into_iter().zip(ids) {
        let c = claimed.iter().find(|c| c.lease.task == id).expect("each is claimed");
        assert_eq!((&c.policy, &r.task(id).await.policy), (&policy, &policy));
        r.fail(c, FailureClass::Transient).await;
        let wait = r.task(id).await.due_at.since(now);
        let most = policy.backoff.delay(0, 1.0);
        let least = if matches!(policy.backoff, Backoff::Listed { .. }) { most } else { Duration::ZERO };
        assert!(wait >= least && wait < most + secs(5), "{wait:?} after {policy:?}");
    }
}

pub(crate) async fn exponential_delays_stay_within_their_bound(r: &mut Rig) {
    let backoff = Backoff::Exponential { base_ms: 1_000, cap_ms: 4_000 };
    let policy = RetryPolicy { backoff, ..RetryPolicy::default() };
    r.put_n(50, &NewTask { policy, ..task() }).await;
    for bound in [1_000, 2_000, 4_000, 4_000] {
        let mut waits = Vec::new();
        let now = r.now().await;
        for c in r.claim(50).await {
            r.fail(&c, FailureClass::Transient).await;
            waits.push(r.task(c.lease.task).await.due_at.since(now).as_millis());
        }
        assert_eq!(waits.len(), 50);
        assert!(waits.iter().all(|w| *w <= bound + 1_000), "{waits:?} beyond {bound} ms");
        let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
        assert!(distinct.len() > 10, "full jitter spreads tries out: {waits:?}");
        r.pass(secs(6)).await;
    }
}

pub(crate) async fn a_longer_delay_asked_for_wins(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[10_000]), ..task() }).await;
    for (asked, delay) in [(60, 60), (2, 10)] {
        let now = r.now().await;
        let failure = Failure::new(FailureClass::Transient, "later").with_retry_after(secs(asked));
        r.fail_as(&r.take().await, failure).await;
        let wait = r.task(id).await.due_at.since(now);
        assert!(wait >= secs(delay) && wait < secs(delay + 5), "{wait:?} instead of {delay} s");
        r.pass(secs(delay + 1)).await;
    }
}

pub(crate) async fn ambiguous_is_retried_or_held_by_policy(r: &mut Rig) {
    for (on_ambiguous, state, reason) in [
        (OnAmbiguous::Retry, State::Retrying, None),
        (OnAmbiguous::Hold, State::Failed, Some(EndReason::Ambiguous)),
    ] {
        let policy = RetryPolicy { on_ambiguous, ..delays(&[60_000]) };
        let id = r.put(NewTask { policy, ..task() }).await;
        assert_eq!(r.fail(&r.take().await, FailureClass::Ambiguous).await, state);
        let t = r.task(id).await;
        assert_eq!((t.failures, t.error.and_then(|e| e.reason)), (1, reason));
    }
}

pub(crate) async fn a_next_try_after_expiry_expires_now(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(MINUTE));
    let id = r.put(NewTask { expires_at, policy: delays(&[61_000]), ..task() }).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Transient).await, State::Expired);
    assert_eq!(r.task(id).await.error.and_then(|e| e.reason), Some(EndReason::Expired));
    let id = r.put(NewTask { expires_at, policy: delays(&[30_000]), ..task() }).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Transient).await, State::Retrying);
    assert_eq!(r.state(id).await, State::Retrying);
}

pub(crate) async fn max_age_ends_tries_that_count_nothing(r: &mut Rig) {
    let policy = RetryPolicy { max_age: HOUR, ..delays(&[1]) };
    let id = r.put(NewTask { policy, ..in_lane("a") }).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Unavailable).await, State::Retrying);
    r.leap(HOUR + SECOND).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Transient).await, State::Retrying, "a counted try");
    r.pass(SECOND).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Unavailable).await, State::Failed);
    assert_eq!(r.task(id).await.error.and_then(|e| e.reason), Some(EndReason::MaxAge));
}

pub(crate) async fn max_age_runs_from_the_first_due_time(r: &mut Rig) {
    let policy = RetryPolicy { max_age: HOUR, ..delays(&[1]) };
    let due = posthaste_core::Due::After(HOUR * 5);
    r.put(NewTask { policy, due, ..in_lane("a") }).await;
    r.leap(HOUR * 5 + SECOND).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Unavailable).await, State::Retrying);
}

pub(crate) async fn a_retry_forgets_no_token(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.fail(&c, FailureClass::Permanent).await;
    r.again(id).await;
    assert_eq!(r.end(c.lease, Outcome::done()).await, Settled::AlreadySettled);
    assert_eq!(r.state(id).await, State::Queued);
}
