//! What failures do to a target: throttled, misconfigured, unavailable.

use std::time::Duration;

use posthaste_core::broker::{SettleRequest, Settlement};
use posthaste_core::limits::{
    BREAKER_BASE, BREAKER_CAP, BREAKER_THRESHOLD, DEFAULT_THROTTLE, MISCONFIGURED_PROBE,
};
use posthaste_core::{
    Claimed, Failure, FailureClass, LaneFault, NewTask, Outcome, PauseReason, QueueName, RetryPolicy, State,
};

use super::portable::{elsewhere, export, import};
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

pub(crate) async fn a_parked_task_lets_others_go_first(r: &mut Rig) {
    r.put_n(5, &in_lane("a")).await;
    let first = r.take().await;
    let mut parked = vec![first.lease.task];
    assert_eq!(r.fail(&first, FailureClass::Throttled).await, State::Queued);
    r.pass(DEFAULT_THROTTLE + secs(1)).await;
    let second = r.take().await;
    assert!(!parked.contains(&second.lease.task), "what caused a pause came first after it");
    r.fail(&second, FailureClass::Misconfigured).await;
    parked.push(second.lease.task);
    let third = probe(r, MISCONFIGURED_PROBE).await;
    assert!(!parked.contains(&third.lease.task), "what caused a pause was its probe");
    r.fail(&third, FailureClass::Misconfigured).await;
    parked.push(third.lease.task);
    let fourth = probe(r, MISCONFIGURED_PROBE).await;
    assert!(!parked.contains(&fourth.lease.task), "what failed as a probe was the next one");
    r.done(&fourth).await;
    let rest = r.ids(10).await;
    assert_eq!(rest.len(), 4);
    assert!(!parked.contains(&rest[0]) || !r.harness().has_one_order(), "who never had a turn is first");
}

pub(crate) async fn a_time_of_zero_is_none(r: &mut Rig) {
    let listed = NewTask { policy: delays(&[90_000]), ..in_lane("a") };
    let id = r.put(listed.clone()).await;
    let wait = |s| Failure::new(FailureClass::Throttled, "slow down").with_retry_after(secs(s));
    // Sooner than its backoff: the task waits that long, its target does not.
    assert_eq!(r.fail_as(&r.take().await, wait(0)).await, State::Retrying);
    assert_eq!(r.task(id).await.failures, 0);
    let other = r.put(in_lane("a")).await;
    r.pass(DEFAULT_THROTTLE - secs(1)).await;
    assert!(r.claim(10).await.is_empty(), "zero was taken for a time");
    r.pass(secs(2)).await;
    let next = r.take().await;
    assert_eq!(next.lease.task, other);
    assert_eq!(r.fail_as(&next, wait(0)).await, State::Queued);
    r.pass(secs(28)).await;
    assert!(r.claim(10).await.is_empty(), "a pause holds what is due, too");
    r.pass(secs(33)).await;
    assert_eq!(r.claim(10).await.len(), 2);
}

pub(crate) async fn a_fault_of_the_lane_pauses_it_and_the_task_follows_its_own_class(r: &mut Rig) {
    let quick = NewTask { policy: RetryPolicy { max_failures: 2, ..delays(&[1_000]) }, ..in_lane("a") };
    let ids = r.put_n(4, &quick).await;
    let fault = |fault| Failure::new(FailureClass::Transient, "not now").with_lane(fault);
    let first = r.take().await;
    let throttled = fault(LaneFault::Throttled).with_retry_after(secs(30));
    assert_eq!(r.fail_as(&first, throttled.clone()).await, State::Retrying);
    assert_eq!(paused(r).await, Some(PauseReason::Throttled));
    let task = r.task(first.lease.task).await;
    assert_eq!((task.failures, task.error.and_then(|e| e.class)), (1, Some(FailureClass::Transient)));
    r.pass(secs(29)).await;
    assert!(r.claim(10).await.is_empty(), "the lane is paused as long as was asked for");
    r.pass(secs(2)).await;
    let second = r.take().await;
    assert_ne!(second.lease.task, first.lease.task);
    assert_eq!(r.fail_as(&second, fault(LaneFault::Misconfigured)).await, State::Retrying);
    assert_eq!(paused(r).await, Some(PauseReason::Misconfigured));
    let third = probe(r, MISCONFIGURED_PROBE).await;
    // A failure of its own that shows no fault of the lane is an answer.
    let permanent = Failure::new(FailureClass::Permanent, "no").with_lane(LaneFault::Misconfigured);
    assert_eq!(r.fail_as(&third, permanent).await, State::Failed);
    assert_eq!(paused(r).await, Some(PauseReason::Misconfigured), "the probe showed it again");
    let fourth = probe(r, MISCONFIGURED_PROBE).await;
    r.fail(&fourth, FailureClass::Transient).await;
    assert_eq!(paused(r).await, None);
    // Counted, so the second of its own tries is the last.
    r.pass(secs(2)).await;
    let again = r.claim(10).await;
    let first = again.iter().find(|c| c.lease.task == first.lease.task).expect("it is due");
    assert_eq!(r.fail_as(first, throttled).await, State::Failed);
    assert_eq!(r.state(ids[0]).await, State::Failed);
}

pub(crate) async fn a_settle_tells_which_pauses_it_began_and_ended(r: &mut Rig) {
    // Taken first: of several shards a claim may empty one before it comes to the next.
    r.put(in_lane("b")).await;
    let of_b = r.take().await;
    r.put_n(30, &quick()).await;
    let told = async |r: &Rig, outcomes: Vec<(&Claimed, Outcome)>| {
        let settlements =
            outcomes.into_iter().map(|(c, outcome)| Settlement { lease: c.lease, outcome }).collect();
        let request = SettleRequest { settlements, ..SettleRequest::default() };
        let reply = r.store().settle(request).await.expect("settle");
        let mut news: Vec<_> =
            reply.lanes.into_iter().map(|n| (n.at, n.paused.map(|p| p.reason), n.before)).collect();
        news.sort_by_key(|n| n.0);
        news
    };
    let failed = |class| Outcome::Failure(Failure::new(class, "it went wrong"));
    let claimed = r.claim(10).await;
    let mut of_a = claimed.iter();
    let mut next = || of_a.next().expect("there are enough");
    let batch = vec![(next(), Outcome::done()), (&of_b, failed(FailureClass::Throttled))];
    assert_eq!(told(r, batch).await, [(1, Some(PauseReason::Throttled), None)]);
    let batch = vec![
        (next(), failed(FailureClass::Misconfigured)),
        (next(), failed(FailureClass::Permanent)),
        (next(), failed(FailureClass::Transient)),
    ];
    let misconfigured = Some(PauseReason::Misconfigured);
    assert_eq!(told(r, batch).await, [(0, misconfigured, None), (1, None, misconfigured)]);
    let mut last = Vec::new();
    for _ in 0..BREAKER_THRESHOLD {
        r.pass(secs(1)).await;
        let one = r.claim(1).await.remove(0);
        last = told(r, vec![(&one, failed(FailureClass::Unavailable))]).await;
    }
    assert_eq!(last, [(0, Some(PauseReason::Breaker), None)]);
    let p = probe(r, BREAKER_BASE).await;
    assert_eq!(told(r, vec![(&p, Outcome::done())]).await, [(0, None, Some(PauseReason::Breaker))]);
}

pub(crate) async fn other_settings_lift_the_pause_of_a_misconfigured_target(r: &mut Rig) {
    let refused = |settings: Option<&str>| Failure {
        settings: settings.map(str::to_owned),
        ..Failure::new(FailureClass::Misconfigured, "535")
    };
    let lift = async |r: &Rig, settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        r.store().lift(&settings).await.expect("lift")
    };
    let held = async |r: &Rig| {
        let lanes = r.store().lanes(None).await.expect("lanes");
        let paused = lanes.iter().filter(|l| l.paused.is_some());
        let mut names: Vec<String> = paused.filter_map(|l| Some(l.lane.as_ref()?.to_string())).collect();
        // Of several shards each tells of its own.
        names.sort_unstable();
        names
    };
    // Its target is not named as its provider is: the pause says whose settings were refused.
    for (lane, settings) in [("a", Some("a one")), ("b@host", Some("b one")), ("c", None)] {
        r.put_n(2, &in_lane(lane)).await;
        let c = r.claim(10).await;
        let (first, rest) = c.split_first().expect("two wait");
        r.fail_as(first, refused(settings)).await;
        for c in rest {
            r.release(c.lease).await;
        }
    }
    let there = elsewhere(r).await;
    import(&there, &export(r).await).await;
    assert_eq!(
        lift(&there, &["b one", "c one"]).await,
        1,
        "a pause that moved keeps its settings, or has none"
    );
    assert_eq!(lift(&there, &["b two"]).await, 1);
    r.put(in_lane("d")).await;
    r.fail(&r.take().await, FailureClass::Throttled).await;
    r.pause(lane_scope("a"), None).await;
    assert_eq!(held(r).await, ["a", "b@host", "c", "d"]);
    assert_eq!(lift(r, &["a one", "b one", "d one", "other two"]).await, 0, "under these it was refused");
    assert_eq!(lift(r, &["b two", "d two"]).await, 1);
    assert_eq!(held(r).await, ["a", "c", "d"]);
    assert_eq!(r.claim(10).await.len(), 2, "its tasks go out at once");
    assert_eq!(lift(r, &["b two", "c one"]).await, 1, "an older pause says nothing: its lane decides");
    assert_eq!(lift(r, &["a two"]).await, 1);
    assert_eq!(held(r).await, ["a", "d"], "a person's pause and a throttle stay");
    assert_eq!(lift(r, &["a two", "d three"]).await, 0);
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
    assert_eq!(r.ids(10).await.len(), ids.len());
}

pub(crate) async fn misconfigured_is_probed_every_five_minutes(r: &mut Rig) {
    r.put_n(3, &in_lane("a")).await;
    r.fail(&r.take().await, FailureClass::Misconfigured).await;
    let first = probe(r, MISCONFIGURED_PROBE).await;
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
