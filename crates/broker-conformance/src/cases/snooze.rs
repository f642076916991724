//! Tasks whose handler puts them off.

use posthaste_core::broker::{Cancelled, Settled};
use posthaste_core::limits::BREAKER_THRESHOLD;
use posthaste_core::{
    AttemptOutcome, Claimed, EndReason, FailureClass, NewTask, Outcome, RetryPolicy, State,
};

use crate::rig::*;

async fn snooze(r: &Rig, c: &Claimed, delay: std::time::Duration) -> State {
    match r.end(c.lease, Outcome::Snooze { delay }).await {
        Settled::Settled(state) => state,
        other => panic!("the lease holds, but the snooze was answered {other:?}"),
    }
}

pub(crate) async fn a_snoozed_task_comes_back_after_its_delay(r: &mut Rig) {
    let id = r.put(task()).await;
    assert_eq!(snooze(r, &r.take().await, MINUTE).await, State::Retrying);
    let t = r.task(id).await;
    assert_eq!(t.state, State::Retrying);
    assert!(t.due_at > r.now().await.plus(secs(55)) && t.due_at <= r.now().await.plus(MINUTE));
    r.pass(secs(57)).await;
    assert!(r.claim(10).await.is_empty(), "handed out before its delay was over");
    r.pass(secs(4)).await;
    let again = r.take().await;
    assert_eq!((again.lease.task, again.attempt, again.failures), (id, 2, 0));
    r.done(&again).await;
}

pub(crate) async fn a_snooze_counts_nothing(r: &mut Rig) {
    let policy = RetryPolicy { max_failures: 2, ..delays(&[1_000, 600_000]) };
    let id = r.put(NewTask { policy, ..task() }).await;
    for _ in 0..5 {
        assert_eq!(snooze(r, &r.take().await, SECOND).await, State::Retrying);
        r.pass(secs(3)).await;
    }
    assert_eq!(r.task(id).await.failures, 0);
    // Had a snooze counted as a try that ended in a class, the second delay would follow.
    assert_eq!(r.fail(&r.take().await, FailureClass::Transient).await, State::Retrying);
    r.pass(secs(3)).await;
    assert_eq!(snooze(r, &r.take().await, SECOND).await, State::Retrying);
    let t = r.task(id).await;
    assert_eq!((t.failures, t.error.and_then(|e| e.class)), (1, Some(FailureClass::Transient)));
    let log = r.log(id).await;
    let last = log.last().expect("a log");
    assert_eq!((last.outcome, last.counted, last.class), (AttemptOutcome::Released, false, None));
    let now = r.now().await;
    let request =
        posthaste_core::broker::SeriesRequest { from: now.minus(HOUR), until: now.plus(HOUR), queue: None };
    let retried: u64 = r.store().series(request).await.expect("series").iter().map(|p| p.retried).sum();
    assert_eq!(retried, 1, "only the failure is a retry");
}

pub(crate) async fn a_snooze_past_max_age_ends_as_max_age(r: &mut Rig) {
    let policy = RetryPolicy { max_age: HOUR, ..RetryPolicy::default() };
    let id = r.put(NewTask { policy, ..task() }).await;
    assert_eq!(snooze(r, &r.take().await, HOUR - MINUTE).await, State::Retrying);
    r.leap(HOUR - SECOND).await;
    assert_eq!(snooze(r, &r.take().await, MINUTE).await, State::Retrying, "not old enough yet");
    r.leap(MINUTE + SECOND).await;
    assert_eq!(snooze(r, &r.take().await, SECOND).await, State::Failed);
    let t = r.task(id).await;
    assert_eq!((t.failures, t.error.and_then(|e| e.reason)), (0, Some(EndReason::MaxAge)));
}

pub(crate) async fn a_snooze_past_the_expiry_expires(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(MINUTE));
    let id = r.put(NewTask { expires_at, ..task() }).await;
    assert_eq!(snooze(r, &r.take().await, SECOND * 30).await, State::Retrying);
    r.pass(secs(33)).await;
    assert_eq!(snooze(r, &r.take().await, MINUTE).await, State::Expired);
    assert_eq!(r.task(id).await.error.and_then(|e| e.reason), Some(EndReason::Expired));
}

pub(crate) async fn a_stale_snooze_is_lease_lost(r: &mut Rig) {
    r.put(task()).await;
    let old = r.take().await;
    r.lose_leases().await;
    let new = r.take().await;
    let late = Outcome::Snooze { delay: MINUTE };
    assert_eq!(r.end(old.lease, late.clone()).await, Settled::LeaseLost);
    assert_eq!(r.state(new.lease.task).await, State::Running);
    assert_eq!(snooze(r, &new, MINUTE).await, State::Retrying);
    assert_eq!(r.end(new.lease, late).await, Settled::AlreadySettled);
}

pub(crate) async fn a_snooze_touches_no_breaker(r: &mut Rig) {
    let policy = delays(&[1]);
    let n = BREAKER_THRESHOLD as usize;
    r.put_n(n + 2, &NewTask { policy, ..in_lane("a") }).await;
    let claimed = r.claim(n + 2).await;
    for c in &claimed[..n - 1] {
        r.fail(c, FailureClass::Unavailable).await;
    }
    // Neither an answer of the target, which would start the count again, nor one more without an answer.
    assert_eq!(snooze(r, &claimed[n - 1], HOUR).await, State::Retrying);
    let paused = |lanes: Vec<posthaste_core::broker::LaneInfo>| lanes.iter().any(|l| l.paused.is_some());
    assert!(!paused(r.store().lanes(None).await.expect("lanes")));
    r.fail(&claimed[n], FailureClass::Unavailable).await;
    assert!(paused(r.store().lanes(None).await.expect("lanes")), "the count went on over the snooze");
    snooze(r, &claimed[n + 1], HOUR).await;
    assert!(paused(r.store().lanes(None).await.expect("lanes")), "a snooze closed the breaker");
}

pub(crate) async fn a_snooze_after_a_cancel_cancels(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    assert_eq!(r.cancel(id).await, Cancelled::Requested);
    assert_eq!(snooze(r, &c, MINUTE).await, State::Cancelled);
    assert_eq!(r.task(id).await.error.and_then(|e| e.reason), Some(EndReason::Cancelled));
}
