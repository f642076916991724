//! Lanes: pauses, and turns of the ring.

use posthaste_core::broker::PauseRequest;
use posthaste_core::limits::MAX_PAUSE;
use posthaste_core::{
    BrokerError, LaneLimits, NewTask, Outcome, PauseReason, QueueName, Scope, State, TaskId,
};

use crate::rig::*;

/// How many of the claimed wait in each of these lanes.
async fn shares(r: &Rig, max: usize, lanes: &[&str]) -> Vec<usize> {
    let claimed = r.claim(max).await;
    let of =
        |key: &str| claimed.iter().filter(|c| c.lane.as_ref().is_some_and(|l| l.to_string() == key)).count();
    lanes.iter().map(|k| of(k)).collect()
}

/// Claims until nothing comes; how many came of each of these lanes.
async fn drained(r: &Rig, lanes: &[&str]) -> Vec<usize> {
    let mut sums = vec![0; lanes.len()];
    loop {
        let got = shares(r, 100, lanes).await;
        if got.iter().all(|n| *n == 0) {
            return sums;
        }
        for (sum, n) in sums.iter_mut().zip(got) {
            *sum += n;
        }
    }
}

pub(crate) async fn a_paused_lane_does_not_delay_its_neighbours(r: &mut Rig) {
    r.put_n(500, &in_lane("a/x")).await;
    let neighbours = r.put_n(5, &in_lane("a/y")).await;
    let other = r.put_n(5, &in_lane("b")).await;
    let default = r.put_n(5, &task()).await;
    r.pause(lane_scope("a/x"), None).await;
    let mut got = r.ids(20).await;
    let mut expected = [neighbours, other, default].concat();
    got.sort();
    expected.sort();
    assert_eq!(got, expected, "one claim gets everything outside the paused lane, and nothing of it");
    r.resume(&lane_scope("a/x")).await;
    assert_eq!(r.claim(20).await.len(), 20);
}

pub(crate) async fn a_paused_queue_hands_out_nothing(r: &mut Rig) {
    r.put_n(3, &task()).await;
    r.put_n(3, &in_lane("a")).await;
    let other = r.put(NewTask { queue: queue("other"), ..task() }).await;
    let scope = Scope::Queue(QueueName::default());
    r.pause(scope.clone(), None).await;
    assert!(r.claim(10).await.is_empty());
    let mut request = claim_of(10);
    request.queues.push(queue("other"));
    let claimed = r.claim_as(request).await;
    assert_eq!(claimed.iter().map(|c| c.lease.task).collect::<Vec<_>>(), [other]);
    r.put(task()).await;
    assert!(r.claim(10).await.is_empty(), "a task enqueued into a paused queue was handed out");
    r.resume(&scope).await;
    assert_eq!(r.claim(10).await.len(), 7);
}

pub(crate) async fn a_pause_of_a_target_holds_its_tenants(r: &mut Rig) {
    for key in ["a", "a/x", "a/y"] {
        r.put_n(2, &in_lane(key)).await;
    }
    let other = r.put_n(2, &in_lane("ab/x")).await;
    r.pause(lane_scope("a"), None).await;
    assert_eq!(r.ids(20).await, other);
    r.put(in_lane("a/new")).await;
    assert!(r.claim(20).await.is_empty(), "a lane that is new under a paused target");
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.claim(20).await.len(), 7);
}

pub(crate) async fn a_pause_holds_in_its_queue_alone(r: &mut Rig) {
    r.put(in_lane("a")).await;
    let other = r.put(NewTask { queue: queue("other"), ..in_lane("a") }).await;
    r.pause(lane_scope("a"), None).await;
    let mut request = claim_of(10);
    request.queues.push(queue("other"));
    let claimed = r.claim_as(request).await;
    assert_eq!(claimed.iter().map(|c| c.lease.task).collect::<Vec<_>>(), [other]);
}

pub(crate) async fn a_timed_pause_ends_by_itself(r: &mut Rig) {
    r.put_n(2, &in_lane("a")).await;
    r.pause(lane_scope("a"), Some(secs(10))).await;
    r.pass(secs(9)).await;
    assert!(r.claim(10).await.is_empty());
    r.pass(secs(2)).await;
    assert_eq!(r.claim(10).await.len(), 2);
}

pub(crate) async fn the_latest_end_of_a_pause_wins(r: &mut Rig) {
    r.put_n(2, &in_lane("a")).await;
    r.pause(lane_scope("a"), Some(MINUTE)).await;
    r.pause(lane_scope("a"), Some(secs(10))).await;
    r.pass(secs(30)).await;
    assert!(r.claim(10).await.is_empty(), "a shorter pause shortened the one in force");
    r.pass(secs(31)).await;
    assert_eq!(r.claim(10).await.len(), 2);
}

pub(crate) async fn running_tasks_go_on_in_a_paused_lane(r: &mut Rig) {
    let id = r.put(in_lane("a")).await;
    let c = r.take().await;
    r.pause(lane_scope("a"), None).await;
    assert!(!r.flag(c.lease).await);
    r.pass_alive(secs(20), &[c.lease]).await;
    r.end(c.lease, Outcome::done()).await;
    assert_eq!(r.state(id).await, State::Succeeded);
}

pub(crate) async fn due_tasks_of_a_paused_lane_wait_in_it(r: &mut Rig) {
    r.pause(lane_scope("a"), None).await;
    let id = r.put(NewTask { due: posthaste_core::Due::After(SECOND), ..in_lane("a") }).await;
    r.pass(secs(2)).await;
    assert_eq!(r.state(id).await, State::Queued);
    assert!(r.claim(10).await.is_empty());
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.ids(10).await, [id]);
}

pub(crate) async fn the_ring_turns_over_targets(r: &mut Rig) {
    for key in ["a", "b", "c"] {
        r.put_n(30, &in_lane(key)).await;
    }
    if !r.harness().has_one_order() {
        assert_eq!(drained(r, &["a", "b", "c"]).await, [30, 30, 30]);
        return;
    }
    assert_eq!(shares(r, 30, &["a", "b", "c"]).await, [10, 10, 10]);
    let mut one_by_one = Vec::new();
    for _ in 0..6 {
        one_by_one.push(r.take().await.lane.map(|l| l.to_string()).unwrap_or_default());
    }
    assert_eq!(one_by_one[..3], one_by_one[3..], "single claims turn too");
    one_by_one.sort();
    assert_eq!(one_by_one, ["a", "a", "b", "b", "c", "c"]);
}

pub(crate) async fn then_over_the_tenants_of_a_target(r: &mut Rig) {
    for key in ["a/1", "a/2", "a/3", "a/4", "b/1"] {
        r.put_n(30, &in_lane(key)).await;
    }
    let got = shares(r, 32, &["a/1", "a/2", "a/3", "a/4", "b/1"]).await;
    if !r.harness().has_one_order() {
        assert_eq!(got.iter().sum::<usize>(), 32);
        let (most, least) = (got[..4].iter().max(), got[..4].iter().min());
        assert!(most.copied() <= least.map(|n| n + 1), "the tenants of a target take turns: {got:?}");
        return;
    }
    assert_eq!(got, [4, 4, 4, 4, 16], "four tenants of one target get what one of another gets");
}

pub(crate) async fn a_lane_that_empties_leaves_its_turn_to_others(r: &mut Rig) {
    r.put_n(2, &in_lane("a")).await;
    r.put_n(20, &in_lane("b")).await;
    if !r.harness().has_one_order() {
        assert_eq!(drained(r, &["a", "b"]).await, [2, 20]);
        r.put_n(2, &in_lane("a")).await;
        assert_eq!(drained(r, &["a", "b"]).await, [2, 0], "a lane that fills again gets its turns back");
        return;
    }
    assert_eq!(shares(r, 10, &["a", "b"]).await, [2, 8]);
    r.put_n(2, &in_lane("a")).await;
    assert_eq!(shares(r, 4, &["a", "b"]).await, [2, 2], "a lane that fills again gets its turns back");
}

/// More than a store looks at in one step.
const MANY: usize = 300;

/// Tasks in that many lanes, each of them paused, and behind them one that is free.
async fn behind_many(r: &Rig, key: impl Fn(usize) -> String) -> TaskId {
    for i in 0..MANY {
        let key = key(i);
        r.put(in_lane(&key)).await;
        r.pause(lane_scope(&key), None).await;
    }
    r.put(in_lane(&key(MANY))).await
}

pub(crate) async fn many_held_up_targets_hide_no_free_one(r: &mut Rig) {
    let free = behind_many(r, |i| format!("t{i}")).await;
    assert_eq!(r.ids(10).await, [free]);
}

pub(crate) async fn many_held_up_tenants_hide_no_free_one(r: &mut Rig) {
    for i in 0..MANY {
        let key = format!("t/{i}");
        r.put_n(2, &in_lane(&key)).await;
        r.store().set_limits(&lane_scope(&key), LaneLimits::concurrency(1)).await.expect("set_limits");
    }
    // Each tenant has one that runs, and one that waits for its place.
    while !r.claim(100).await.is_empty() {}
    let free = r.put(in_lane("t/free")).await;
    assert_eq!(r.ids(10).await, [free]);
}

pub(crate) async fn held_up_targets_wake_nobody(r: &mut Rig) {
    let free = behind_many(r, |i| format!("t{i}")).await;
    assert_eq!(r.ids(10).await, [free]);
    let mut bell = r.store().wakeups();
    assert!(r.claim(10).await.is_empty());
    assert!(!super::events::rang(&mut bell).await, "a worker that is woken by its own claim claims for ever");
}

pub(crate) async fn a_lane_whose_tasks_were_cancelled_has_one_turn(r: &mut Rig) {
    for _ in 0..20 {
        let id = r.put(in_lane("t/a")).await;
        r.cancel(id).await;
    }
    r.put_n(20, &in_lane("t/a")).await;
    r.put_n(20, &in_lane("t/b")).await;
    if r.harness().has_one_order() {
        assert_eq!(shares(r, 10, &["t/a", "t/b"]).await, [5, 5]);
    } else {
        // Their turns are of different parts of the store; all of it comes out.
        assert_eq!(drained(r, &["t/a", "t/b"]).await, [20, 20]);
    }
}

pub(crate) async fn lanes_are_listed_with_what_holds_them(r: &mut Rig) {
    r.put_n(2, &in_lane("a/x")).await;
    r.put(NewTask { queue: queue("other"), ..in_lane("z") }).await;
    r.take().await;
    let request = PauseRequest {
        scope: lane_scope("a"),
        reason: PauseReason::Manual,
        for_: None,
        message: Some("maintenance".to_owned()),
    };
    r.store().pause(request).await.expect("pause");
    let lanes = r.store().lanes(Some(&QueueName::default())).await.expect("lanes");
    let x = lanes.iter().find(|l| l.lane == Some(lane("a/x"))).expect("the lane is listed");
    assert_eq!((x.running, x.waiting), (1, true));
    let z = r.store().lanes(Some(&queue("other"))).await.expect("lanes");
    assert_eq!((z[0].waiting, z[0].waiting_since), (true, Some(r.now().await)));
    let pause = x.paused.as_ref().expect("the pause of its target is shown");
    assert_eq!((pause.reason, pause.until), (PauseReason::Manual, None));
    assert_eq!(pause.message.as_deref(), Some("maintenance"));
    assert!(lanes.iter().all(|l| l.queue == QueueName::default()), "of one queue only");
    let all = r.store().lanes(None).await.expect("lanes");
    assert!(all.iter().any(|l| l.queue == queue("other") && l.lane == Some(lane("z"))));
}

pub(crate) async fn a_pause_without_a_readable_end_is_refused(r: &mut Rig) {
    r.put(in_lane("a")).await;
    for for_ in [MAX_PAUSE + SECOND, std::time::Duration::MAX] {
        let request = PauseRequest {
            scope: lane_scope("a"),
            reason: PauseReason::Manual,
            for_: Some(for_),
            message: None,
        };
        let refused = r.store().pause(request).await;
        assert!(matches!(refused, Err(BrokerError::Invalid { field: "for_ms", .. })), "{refused:?}");
    }
    r.pause(lane_scope("a"), Some(MAX_PAUSE)).await;
    r.reopen().await;
    assert!(r.claim(10).await.is_empty());
}
