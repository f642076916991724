//! Closing and opening again, as after a crash: what was answered is there.

use posthaste_core::broker::{Fenced, Settled};
use posthaste_core::limits::{BREAKER_THRESHOLD, LEASE};
use posthaste_core::{
    Due, EndReason, Expect, FailureClass, LaneLimits, NewTask, OnAmbiguous, Outcome, RecordKind, RetryPolicy,
    State,
};

use super::numbers::{counted, recount};
use crate::rig::*;

pub(crate) async fn tasks_are_as_they_were(r: &mut Rig) {
    let mut made = Vec::new();
    for state in State::ALL {
        if state != State::Running {
            made.push(r.make(state).await.id);
        }
    }
    let before = format!("{:?}", r.store().get(&made).await.expect("get"));
    let counts = counted(r).await;
    r.reopen().await;
    assert_eq!(format!("{:?}", r.store().get(&made).await.expect("get")), before);
    assert_eq!(counted(r).await, counts);
    assert_eq!(recount(r).await, counts);
}

pub(crate) async fn order_and_schedule_go_on(r: &mut Rig) {
    let ids = r.put_n(5, &task()).await;
    let later = r.put(NewTask { due: Due::After(secs(10)), ..task() }).await;
    r.reopen().await;
    assert_eq!(r.ids(10).await, ids);
    r.pass(secs(11)).await;
    assert!(r.ids(10).await.contains(&later));
}

/// The workers from before the restart are gone: an embedded store knows that at open, a shared one when nobody extends
/// their leases.
async fn workers_are_gone(r: &Rig) {
    if r.harness().is_embedded() {
        r.tick_all().await;
    } else {
        r.lose_leases().await;
    }
}

pub(crate) async fn leases_end_with_their_process(r: &mut Rig) {
    let id = r.put(task()).await;
    let old = r.take().await;
    r.reopen().await;
    r.tick_all().await;
    if !r.harness().is_embedded() {
        assert_eq!(r.state(id).await, State::Running, "taken from a worker that lives elsewhere");
        assert_eq!(r.extend(&[old.lease]).await[0].lease, Fenced::Granted);
        r.pass_alive(LEASE * 2, &[old.lease]).await;
        assert_eq!(r.state(id).await, State::Running);
        workers_are_gone(r).await;
    }
    assert_eq!(r.state(id).await, State::Queued, "its worker is gone");
    assert_eq!(r.extend(&[old.lease]).await[0].lease, Fenced::LeaseLost);
    let again = r.take().await;
    assert_eq!((again.lease.task, again.attempt, again.failures), (id, 2, 0));
}

pub(crate) async fn marked_leases_are_not_run_again_unasked(r: &mut Rig) {
    let policy = RetryPolicy { on_ambiguous: OnAmbiguous::Hold, ..delays(&[60_000]) };
    let id = r.put(NewTask { policy, ..task() }).await;
    let c = r.take().await;
    assert_eq!(r.mark(c.lease).await, Fenced::Granted);
    r.reopen().await;
    workers_are_gone(r).await;
    let t = r.task(id).await;
    assert_eq!(t.state, State::Failed);
    assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::Ambiguous));
}

pub(crate) async fn a_cancel_request_outlives_it(r: &mut Rig) {
    let id = r.put(task()).await;
    r.take().await;
    r.cancel(id).await;
    r.reopen().await;
    workers_are_gone(r).await;
    assert_eq!(r.state(id).await, State::Cancelled);
}

pub(crate) async fn pauses_and_limits_go_on(r: &mut Rig) {
    r.put_n(5, &in_lane("a/x")).await;
    r.put_n(5, &in_lane("b")).await;
    r.pause(lane_scope("a"), None).await;
    r.store().set_limits(&lane_scope("b"), LaneLimits::concurrency(2)).await.expect("set_limits");
    r.reopen().await;
    let claimed = r.claim(100).await;
    assert_eq!(claimed.len(), 2);
    assert!(claimed.iter().all(|c| c.lane == Some(lane("b"))));
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.claim(100).await.len(), 5);
}

pub(crate) async fn an_open_breaker_goes_on(r: &mut Rig) {
    let policy = RetryPolicy { max_failures: 100, ..delays(&[1]) };
    r.put_n(10, &NewTask { policy, ..in_lane("a") }).await;
    for _ in 0..BREAKER_THRESHOLD {
        r.pass(SECOND).await;
        r.fail(&r.take().await, FailureClass::Unavailable).await;
    }
    r.reopen().await;
    r.tick_all().await;
    assert!(r.claim(10).await.is_empty(), "a restart closed the breaker");
    r.pass(secs(6)).await;
    assert_eq!(r.claim(10).await.len(), 1);
}

pub(crate) async fn places_are_counted_again(r: &mut Rig) {
    r.store().set_limits(&lane_scope("a"), LaneLimits::concurrency(2)).await.expect("set_limits");
    r.put_n(5, &in_lane("a")).await;
    assert_eq!(r.claim(10).await.len(), 2);
    r.reopen().await;
    workers_are_gone(r).await;
    assert_eq!(r.claim(10).await.len(), 2, "leases of a dead process hold places for ever");
    assert!(r.claim(10).await.is_empty());
}

pub(crate) async fn keys_and_records_are_there(r: &mut Rig) {
    let id = r.put(NewTask { unique: unique("u"), ..task() }).await;
    r.store().put_record(RecordKind::Setting, "a", json("1"), Expect::Any).await.expect("put_record");
    r.reopen().await;
    let reply = r.enqueue(vec![NewTask { unique: unique("u"), ..task() }]).await;
    assert_eq!((reply.tasks[0].id, reply.tasks[0].duplicate), (id, true));
    let record = r.store().get_record(RecordKind::Setting, "a").await.expect("get_record").expect("stored");
    assert_eq!((record.version, record.body), (1, json("1")));
}

pub(crate) async fn a_token_fits_no_later_lease(r: &mut Rig) {
    let id = r.put(task()).await;
    let old = r.take().await.lease;
    r.reopen().await;
    if !r.harness().is_embedded() {
        assert_eq!(r.mark(old).await, Fenced::Granted, "its lease goes on");
    }
    workers_are_gone(r).await;
    r.leap(HOUR).await;
    let new = r.take().await.lease;
    assert_ne!(old.token, new.token);
    assert_eq!(r.mark(old).await, Fenced::LeaseLost);
    assert_eq!(r.mark(new).await, Fenced::Granted);
    r.pass_alive(LEASE * 2, &[new]).await;
    assert_eq!(r.state(id).await, State::Running);
}

pub(crate) async fn ten_restarts_lose_nothing(r: &mut Rig) {
    let mut stored = Vec::new();
    for n in 0..10 {
        stored.extend(r.put_n(20, &task()).await);
        for c in r.claim(10).await.iter().take(5) {
            r.done(c).await;
        }
        r.reopen().await;
        workers_are_gone(r).await;
        assert_eq!(r.count(State::Succeeded).await, 5 * (n + 1));
    }
    let found = r.store().get(&stored).await.expect("get");
    assert!(found.iter().all(Option::is_some));
    assert_eq!(r.count(State::Queued).await, 150);
}

pub(crate) async fn detached_leases_go_on(r: &mut Rig) {
    let ids = r.put_n(2, &NewTask { policy: delays(&[3_600_000]), ..task() }).await;
    let claimed = r.claim(2).await;
    for c in &claimed {
        r.mark(c.lease).await;
        r.detach(c.lease, MINUTE * 5).await;
    }
    r.pass(MINUTE).await;
    r.reopen().await;
    r.tick_all().await;
    r.pass(MINUTE * 3).await;
    assert_eq!(r.state(ids[0]).await, State::Running, "a restart took a detached lease");
    assert_eq!(r.end(claimed[0].lease, Outcome::done()).await, Settled::Settled(State::Succeeded));
    r.pass(MINUTE + secs(5)).await;
    assert_eq!(r.state(ids[1]).await, State::Retrying, "a restart prolonged a detached lease");
}
