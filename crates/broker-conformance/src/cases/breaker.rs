//! What failures do to a target: throttled, misconfigured, unavailable.

use std::time::Duration;

use posthaste_core::limits::{
    BREAKER_BASE, BREAKER_CAP, BREAKER_THRESHOLD, DEFAULT_THROTTLE, MISCONFIGURED_PROBE,
};
use posthaste_core::{Claimed, Failure, FailureClass, NewTask, PauseReason, QueueName, RetryPolicy, State};

use crate::rig::*;

/// A task of target `a` that is soon tried again.
fn quick() -> NewTask {
    NewTask { policy: RetryPolicy { max_failures: 100, ..delays(&[1]) }, ..in_lane("a/x") }
}

async fn paused(r: &Rig) -> Option<PauseReason> {
    let lanes = r.store().lanes(Some(&QueueName::default())).await.expect("lanes");
    lanes
        .iter()
        .filter(|l| l.lane.as_ref().is_some_and(|k| k.target.as_str() == "a"))
        .find_map(|l| l.paused.as_ref().map(|p| p.reason))
}

/// Fails `n` tries of target `a` in a row as unavailable.
async fn unavailable(r: &Rig, n: u32) {
    for i in 0..n {
        r.pass(secs(1)).await;
        let claimed = r.claim(1).await;
        assert_eq!(claimed.len(), 1, "the breaker opened after {i}");
        r.fail(&claimed[0], FailureClass::Unavailable).await;
    }
}

/// Opens the breaker of target `a`, which has `tasks` tasks.
async fn open(r: &Rig, tasks: usize) {
    r.put_n(tasks, &quick()).await;
    unavailable(r, BREAKER_THRESHOLD).await;
    assert!(r.claim(10).await.is_empty(), "the breaker did not open");
}

/// Waits out `open_for` and takes the probe, which must be one.
async fn probe(r: &Rig, open_for: Duration) -> Claimed {
    r.pass(open_for - secs(1)).await;
    assert!(r.claim(10).await.is_empty(), "a probe went out before its time");
    r.pass(secs(2)).await;
    let mut probes = r.claim(10).await;
    assert_eq!(probes.len(), 1, "half-open hands out one");
    assert!(r.claim(10).await.is_empty(), "a second probe went out beside the first");
    probes.remove(0)
}

pub(crate) async fn throttled_pauses_until_the_latest_time(r: &mut Rig) {
    r.put_n(4, &in_lane("a/x")).await;
    r.put_n(2, &in_lane("a/y")).await;
    let first = r.take().await;
    let second = r.take().await;
    let wait = |s| Failure::new(FailureClass::Throttled, "slow down").with_retry_after(secs(s));
    assert_eq!(r.fail_as(&first, wait(60)).await, State::Queued);
    assert_eq!(r.fail_as(&second, wait(10)).await, State::Queued);
    assert_eq!(r.task(first.lease.task).await.failures, 0);
    let neighbour = r.put(in_lane("b")).await;
    let flows = r.claim(10).await;
    let got: Vec<_> = flows.iter().map(|c| c.lease.task).collect();
    assert_eq!(got, [neighbour], "the whole target is paused, and no other");
    r.done(&flows[0]).await;
    r.pass(secs(12)).await;
    let mut other = claim_of(10);
    other.worker = worker("w2");
    assert!(r.claim_as(other).await.is_empty(), "the latest time holds for every worker");
    assert_eq!(paused(r).await, Some(PauseReason::Throttled));
    r.pass(secs(49)).await;
    assert_eq!(r.claim(10).await.len(), 6);
}

pub(crate) async fn throttled_without_a_time_pauses_a_minute(r: &mut Rig) {
    r.put_n(2, &in_lane("a")).await;
    r.fail(&r.take().await, FailureClass::Throttled).await;
    r.pass(DEFAULT_THROTTLE - secs(1)).await;
    assert!(r.claim(10).await.is_empty());
    r.pass(secs(2)).await;
    assert_eq!(r.claim(10).await.len(), 2);
}

pub(crate) async fn a_parked_task_is_first_of_its_lane(r: &mut Rig) {
    let ids = r.put_n(3, &in_lane("a")).await;
    let c = r.take().await;
    assert_eq!(r.fail(&c, FailureClass::Throttled).await, State::Queued);
    r.pass(DEFAULT_THROTTLE + secs(1)).await;
    assert_eq!(r.ids(10).await, ids);
}

pub(crate) async fn throttled_in_the_default_lane_pauses_it(r: &mut Rig) {
    r.put_n(2, &task()).await;
    r.fail(&r.take().await, FailureClass::Throttled).await;
    let laned = r.put(in_lane("a")).await;
    let flows = r.take().await;
    assert_eq!(flows.lease.task, laned);
    assert!(r.claim(10).await.is_empty());
    r.done(&flows).await;
    r.pass(DEFAULT_THROTTLE + secs(1)).await;
    assert_eq!(r.claim(10).await.len(), 2);
}

pub(crate) async fn misconfigured_pauses_until_a_person_resumes(r: &mut Rig) {
    let ids = r.put_n(3, &in_lane("a")).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Misconfigured).await, State::Queued);
    assert_eq!(r.task(ids[0]).await.failures, 0);
    assert_eq!(paused(r).await, Some(PauseReason::Misconfigured));
    r.pass(MINUTE).await;
    assert!(r.claim(10).await.is_empty());
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.ids(10).await, ids);
}

pub(crate) async fn misconfigured_is_probed_every_five_minutes(r: &mut Rig) {
    let ids = r.put_n(3, &in_lane("a")).await;
    r.fail(&r.take().await, FailureClass::Misconfigured).await;
    let first = probe(r, MISCONFIGURED_PROBE).await;
    assert_eq!(first.lease.task, ids[0]);
    r.fail(&first, FailureClass::Misconfigured).await;
    let second = probe(r, MISCONFIGURED_PROBE).await;
    r.done(&second).await;
    assert_eq!(paused(r).await, None);
    assert_eq!(r.claim(10).await.len(), 2, "a probe that gets through resumes the target");
}

pub(crate) async fn five_unavailable_in_a_row_open_the_breaker(r: &mut Rig) {
    r.put_n(30, &quick()).await;
    unavailable(r, BREAKER_THRESHOLD - 1).await;
    r.pass(secs(1)).await;
    r.done(&r.take().await).await;
    unavailable(r, BREAKER_THRESHOLD - 1).await;
    assert_eq!(paused(r).await, None, "a success between them starts the count again");
    let neighbour = r.put(in_lane("b")).await;
    unavailable_of_a(r).await;
    assert_eq!(paused(r).await, Some(PauseReason::Breaker));
    let got = r.ids(10).await;
    assert!(got.is_empty() || got == [neighbour], "an open breaker let a task out");
}

/// One more unavailable try of target `a`, whatever else is claimed on the way.
async fn unavailable_of_a(r: &Rig) {
    r.pass(secs(1)).await;
    let claimed = r.claim(2).await;
    let a = claimed.iter().find(|c| c.lane == Some(lane("a/x"))).expect("target a is not held");
    r.fail(a, FailureClass::Unavailable).await;
}

pub(crate) async fn half_open_hands_out_one_and_a_success_closes(r: &mut Rig) {
    open(r, 20).await;
    let p = probe(r, BREAKER_BASE).await;
    r.done(&p).await;
    assert_eq!(paused(r).await, None);
    assert_eq!(r.claim(10).await.len(), 10);
}

pub(crate) async fn half_open_is_closed_by_a_transient_failure(r: &mut Rig) {
    open(r, 20).await;
    let p = probe(r, BREAKER_BASE).await;
    r.fail(&p, FailureClass::Transient).await;
    assert_eq!(r.claim(10).await.len(), 10, "the target answered, so it is there");
}

pub(crate) async fn the_breaker_doubles_up_to_five_minutes(r: &mut Rig) {
    open(r, 20).await;
    let mut open_for = BREAKER_BASE;
    for _ in 0..8 {
        let p = probe(r, open_for).await;
        r.fail(&p, FailureClass::Unavailable).await;
        open_for = (open_for * 2).min(BREAKER_CAP);
    }
    assert_eq!(open_for, BREAKER_CAP);
    // Closed and opened again, it starts from the beginning.
    let p = probe(r, open_for).await;
    r.done(&p).await;
    unavailable(r, BREAKER_THRESHOLD).await;
    let p = probe(r, BREAKER_BASE).await;
    r.done(&p).await;
}

pub(crate) async fn a_person_closes_the_breaker(r: &mut Rig) {
    open(r, 20).await;
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.claim(10).await.len(), 10);
}

pub(crate) async fn a_lost_probe_is_followed_by_another(r: &mut Rig) {
    open(r, 20).await;
    let lost = probe(r, BREAKER_BASE).await;
    r.lose_leases().await;
    assert_eq!(r.state(lost.lease.task).await, State::Queued);
    r.pass(BREAKER_CAP).await;
    assert_eq!(r.claim(10).await.len(), 1, "a probe whose worker died blocked the target");
}

pub(crate) async fn the_breaker_of_one_target_leaves_others_alone(r: &mut Rig) {
    open(r, 10).await;
    let ids = r.put_n(5, &in_lane("b/x")).await;
    assert_eq!(r.ids(10).await, ids);
}

pub(crate) async fn a_throttle_that_is_over_lets_the_breaker_open(r: &mut Rig) {
    r.put_n(20, &quick()).await;
    r.fail(&r.take().await, FailureClass::Throttled).await;
    r.pass(DEFAULT_THROTTLE + secs(1)).await;
    unavailable(r, BREAKER_THRESHOLD).await;
    assert_eq!(paused(r).await, Some(PauseReason::Breaker));
    assert!(r.claim(10).await.is_empty());
    r.done(&probe(r, BREAKER_BASE).await).await;
    assert_eq!(paused(r).await, None);
}
