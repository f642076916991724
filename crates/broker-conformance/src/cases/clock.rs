//! The wall clock jumps; time does not.

use posthaste_core::broker::Fenced;
use posthaste_core::limits::LEASE;
use posthaste_core::{Due, FailureClass, NewTask, State};

use crate::rig::*;

const HOUR_MS: i64 = 3_600_000;

/// Leases hold and end by time that passes, whatever the wall clock says.
async fn leases_after_a_jump(r: &mut Rig, by_ms: i64) {
    let ids = r.put_n(2, &task()).await;
    let dead = r.take().await;
    let healthy = r.take().await;
    r.pass_alive(secs(3), &[dead.lease, healthy.lease]).await;
    r.jump_wall(by_ms);
    assert_eq!(r.tick_all().await.rescued, 0, "the jump took healthy tasks from their worker");
    r.pass_alive(LEASE - secs(2), &[healthy.lease]).await;
    assert_eq!(r.state(ids[1]).await, State::Running);
    // The jump may look like a gap of the store, which holds rescue back for one lease, no more.
    r.pass_alive(LEASE + secs(4), &[healthy.lease]).await;
    assert_eq!(r.state(ids[0]).await, State::Queued, "the jump kept a dead worker's lease alive");
    assert_eq!(r.extend(&[healthy.lease]).await[0].lease, Fenced::Granted);
    r.done(&healthy).await;
}

pub(crate) async fn clock_back_an_hour(r: &mut Rig) {
    leases_after_a_jump(r, -HOUR_MS).await;
    let r = r.another().await;
    let before = r.put(task()).await;
    let soon = r.put(NewTask { due: Due::After(secs(10)), ..task() }).await;
    r.jump_wall(-HOUR_MS);
    let after = r.put(task()).await;
    r.tick_all().await;
    let mut got = r.ids(10).await;
    got.sort();
    let mut expected = [before, after];
    expected.sort();
    assert_eq!(got, expected, "what was ready stays ready");
    assert_eq!(r.state(soon).await, State::Scheduled);
    r.leap(HOUR + secs(11)).await;
    assert_eq!(r.state(soon).await, State::Queued, "a due time is a time that a person wrote down");
}

pub(crate) async fn clock_forward_an_hour(r: &mut Rig) {
    leases_after_a_jump(r, HOUR_MS).await;
    let r = r.another().await;
    let expires_at = Some(r.now().await.plus(HOUR * 3));
    let soon = r.put(NewTask { due: Due::After(MINUTE * 30), expires_at, ..task() }).await;
    let later = r.put(NewTask { due: Due::After(HOUR * 2), ..task() }).await;
    r.jump_wall(HOUR_MS);
    r.tick_all().await;
    assert_eq!((r.state(soon).await, r.state(later).await), (State::Queued, State::Scheduled));
    let c = r.take().await;
    assert_eq!(c.lease.task, soon);
    r.done(&c).await;
}

pub(crate) async fn limits_run_by_time_that_passes(r: &mut Rig) {
    let limits = posthaste_core::LaneLimits::rate(2, MINUTE);
    r.store().set_limits(&lane_scope("a"), limits).await.expect("set_limits");
    r.put_n(20, &in_lane("a")).await;
    let first = r.claim(10).await.len();
    assert!((1..=2).contains(&first), "{first} started at once");
    r.jump_wall(-HOUR_MS);
    let mut more = 0;
    for _ in 0..120 {
        r.pass(SECOND).await;
        more += r.claim(10).await.len();
    }
    assert!((3..=5).contains(&more), "{more} started in two minutes at 2 a minute");
}

pub(crate) async fn history_survives_a_jump_back(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[1_000]), ..task() }).await;
    let c = r.take().await;
    r.jump_wall(-HOUR_MS);
    assert_eq!(r.fail(&c, FailureClass::Transient).await, State::Retrying);
    r.pass(secs(2)).await;
    let c = r.take().await;
    assert_eq!((c.lease.task, c.attempt), (id, 2));
    r.done(&c).await;
    assert_eq!(r.log(id).await.len(), 2);
}

pub(crate) async fn a_clock_set_back_prolongs_no_pause(r: &mut Rig) {
    r.put(in_lane("a")).await;
    r.put(NewTask { queue: queue("other"), ..task() }).await;
    r.put_n(10, &NewTask { policy: delays(&[1]), ..in_lane("b") }).await;
    r.pause(lane_scope("a"), Some(secs(10))).await;
    r.pause(posthaste_core::Scope::Queue(queue("other")), Some(secs(10))).await;
    for _ in 0..posthaste_core::limits::BREAKER_THRESHOLD {
        r.fail(&r.take().await, FailureClass::Unavailable).await;
    }
    r.jump_wall(-HOUR_MS);
    r.tick_all().await;
    let everything = || {
        let mut request = claim_of(20);
        request.queues.push(queue("other"));
        request
    };
    assert!(r.claim_as(everything()).await.is_empty(), "the pauses hold");
    if r.harness().has_one_clock() {
        // Nothing tells a clock that was set back from one that was ahead; what was written down holds.
        r.leap(HOUR).await;
    }
    r.pass(secs(12)).await;
    // Of the broken target, the one that finds out.
    assert_eq!(r.claim_as(everything()).await.len(), 3);
}
