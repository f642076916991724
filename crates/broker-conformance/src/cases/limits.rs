//! Rate and concurrency of lanes, and the bulkhead of a worker.

use posthaste_core::broker::{ClaimRequest, Held};
use posthaste_core::{FailureClass, LaneLimits, NewTask, QueueName, Scope};

use crate::rig::*;

async fn limit(r: &Rig, key: &str, limits: LaneLimits) {
    r.store().set_limits(&lane_scope(key), limits).await.expect("set_limits");
}

fn held(queue_name: &QueueName, target: &str, count: u32) -> Held {
    Held { queue: queue_name.clone(), target: lane(target).target, count }
}

pub(crate) async fn a_rate_bounds_what_starts(r: &mut Rig) {
    limit(r, "a", LaneLimits::rate(5, secs(10))).await;
    r.put_n(200, &in_lane("a")).await;
    let neighbours = r.put_n(3, &in_lane("b")).await;
    let first = r.claim(100).await;
    let of_a = first.iter().filter(|c| c.lane == Some(lane("a"))).count();
    assert!((1..=5).contains(&of_a), "{of_a} started at once");
    assert_eq!(first.len() - of_a, neighbours.len(), "a lane at its rate held up another");
    for c in &first {
        r.done(c).await;
    }
    let mut total = of_a;
    for _ in 0..60 {
        r.pass(SECOND).await;
        for c in r.claim(100).await {
            total += 1;
            r.done(&c).await;
        }
    }
    // 6 periods of 5, and what was saved up before them.
    assert!((28..=35).contains(&total), "{total} started in a minute at 5 per 10 s");
}

pub(crate) async fn a_concurrency_bounds_what_runs(r: &mut Rig) {
    limit(r, "a", LaneLimits::concurrency(3)).await;
    r.put_n(20, &in_lane("a")).await;
    let neighbours = r.put_n(4, &in_lane("b")).await;
    let claimed = r.claim(100).await;
    assert_eq!(claimed.len(), 3 + neighbours.len());
    assert!(r.claim(100).await.is_empty());
    let mine: Vec<_> = claimed.iter().filter(|c| c.lane == Some(lane("a"))).collect();
    r.done(mine[0]).await;
    assert_eq!(r.claim(100).await.len(), 1, "a success frees a place");
    r.fail(mine[1], FailureClass::Transient).await;
    assert_eq!(r.claim(100).await.len(), 1, "a failure frees a place");
    r.release(mine[2].lease).await;
    assert_eq!(r.claim(100).await.len(), 1, "a release frees a place");
    r.lose_leases().await;
    assert_eq!(
        r.claim(100).await.iter().filter(|c| c.lane == Some(lane("a"))).count(),
        3,
        "a rescue frees places"
    );
}

pub(crate) async fn limits_of_a_target_hold_for_its_tenants(r: &mut Rig) {
    limit(r, "a", LaneLimits::concurrency(4)).await;
    for key in ["a/1", "a/2", "a/3"] {
        r.put_n(10, &in_lane(key)).await;
    }
    assert_eq!(r.claim(100).await.len(), 4);
    let r = r.another().await;
    limit(&r, "a", LaneLimits::rate(4, HOUR)).await;
    for key in ["a/1", "a/2", "a/3"] {
        r.put_n(10, &in_lane(key)).await;
    }
    let started = r.claim(100).await.len() + r.claim(100).await.len();
    assert!((1..=4).contains(&started), "{started} started of a target that may start 4");
}

pub(crate) async fn limits_of_a_tenant_hold_for_it_alone(r: &mut Rig) {
    limit(r, "a/1", LaneLimits::concurrency(1)).await;
    r.put_n(10, &in_lane("a/1")).await;
    r.put_n(10, &in_lane("a/2")).await;
    assert_eq!(r.claim(100).await.len(), 11);
}

pub(crate) async fn limits_of_a_queue_are_those_of_its_default_lane(r: &mut Rig) {
    let scope = Scope::Queue(QueueName::default());
    r.store().set_limits(&scope, LaneLimits::concurrency(2)).await.expect("set_limits");
    r.put_n(10, &task()).await;
    r.put_n(10, &in_lane("a")).await;
    assert_eq!(r.claim(100).await.len(), 12);
}

pub(crate) async fn limits_can_be_lifted_and_are_shown(r: &mut Rig) {
    limit(r, "a", LaneLimits::concurrency(1)).await;
    r.put_n(10, &in_lane("a")).await;
    assert_eq!(r.claim(100).await.len(), 1);
    let lanes = r.store().lanes(None).await.expect("lanes");
    let a = lanes.iter().find(|l| l.lane == Some(lane("a"))).expect("listed");
    assert_eq!(a.limits.concurrency, Some(1));
    limit(r, "a", LaneLimits { per_ms: 1_000, ..LaneLimits::default() }).await;
    assert_eq!(r.claim(100).await.len(), 9);
}

pub(crate) async fn a_prefetched_task_takes_a_place(r: &mut Rig) {
    limit(r, "a", LaneLimits::concurrency(2)).await;
    r.put_n(10, &in_lane("a")).await;
    assert_eq!(r.claim_as(ClaimRequest { start: 0, ..claim_of(10) }).await.len(), 2);
    assert!(r.claim(10).await.is_empty());
}

pub(crate) async fn a_bulkhead_bounds_each_target(r: &mut Rig) {
    r.put_n(10, &in_lane("a/1")).await;
    r.put_n(10, &in_lane("a/2")).await;
    r.put_n(10, &in_lane("b")).await;
    r.put_n(10, &task()).await;
    let claimed = r.claim_as(ClaimRequest { per_target: Some(3), ..claim_of(100) }).await;
    let of =
        |t: &str| claimed.iter().filter(|c| c.lane.as_ref().is_some_and(|l| l.target.as_str() == t)).count();
    assert_eq!((of("a"), of("b")), (3, 3));
    let default = claimed.iter().filter(|c| c.lane.is_none()).count();
    assert_eq!(default, 10, "the default lane has no target");
    assert_eq!(r.claim(100).await.len(), 24, "the bulkhead is the worker's own");
}

pub(crate) async fn a_bulkhead_counts_what_the_worker_holds(r: &mut Rig) {
    r.put_n(10, &in_lane("a")).await;
    r.put_n(10, &NewTask { queue: queue("other"), ..in_lane("a") }).await;
    let request = ClaimRequest {
        queues: vec![QueueName::default(), queue("other")],
        per_target: Some(3),
        held: vec![held(&QueueName::default(), "a", 2)],
        ..claim_of(100)
    };
    let claimed = r.claim_as(request).await;
    let default = claimed.iter().filter(|c| c.queue == QueueName::default()).count();
    assert_eq!(default, 1, "two of three are held");
    assert_eq!(claimed.len() - default, 3, "the same name in another queue is another target");
    let full = ClaimRequest {
        per_target: Some(3),
        held: vec![held(&QueueName::default(), "a", 5)],
        ..claim_of(100)
    };
    assert!(r.claim_as(full).await.is_empty());
}

pub(crate) async fn a_lower_rate_holds_from_now_on(r: &mut Rig) {
    limit(r, "a", LaneLimits::rate(1_000, SECOND)).await;
    r.put_n(1_100, &in_lane("a")).await;
    for c in r.claim(1_000).await {
        r.done(&c).await;
    }
    limit(r, "a", LaneLimits::rate(2, MINUTE)).await;
    let at_once = r.claim(100).await.len();
    assert!(at_once <= 2, "{at_once} started at once");
    r.pass(MINUTE * 2).await;
    let later = r.claim(100).await.len();
    assert!((1..=4).contains(&later), "{later} started two minutes later at 2 a minute");
}
