//! Handing out work: order, priorities, queues, slots.

use std::collections::BTreeSet;

use posthaste_core::broker::{ClaimRequest, Extend, SettleRequest, Settlement};
use posthaste_core::limits::{LEASE, LOW_PRIORITY_TURN, MAX_CLAIM};
use posthaste_core::{NewTask, Outcome, Priority, QueueName, State};

use crate::rig::*;

pub(crate) async fn a_claimed_task_is_running_under_its_worker(r: &mut Rig) {
    let new = NewTask { lane: Some(lane("a/x")), trace: Some("t".to_owned()), ..task() };
    let id = r.put(NewTask { payload: json("[1]"), tenant: tenant("acme"), ..new }).await;
    let before = r.task(id).await;
    let c = r.take().await;
    assert_eq!((c.lease.task, c.started), (id, true));
    assert_eq!((c.attempt, c.failures, c.generation), (1, 0, 1));
    assert_eq!((c.kind, c.queue, c.lane), (kind("job"), QueueName::default(), Some(lane("a/x"))));
    assert_eq!((c.tenant, c.priority), (tenant("acme"), Priority::Normal));
    assert_eq!((c.payload, c.trace.as_deref()), (json("[1]"), Some("t")));
    assert_eq!((c.policy, c.expires_at), (before.policy, None));
    assert_eq!((c.created_at, c.due_at), (before.created_at, before.due_at));
    let t = r.task(id).await;
    assert_eq!((t.state, t.attempt, t.worker), (State::Running, 1, Some(worker("w1"))));
    assert!(t.started_at.is_some_and(|s| s >= t.created_at));
}

pub(crate) async fn first_in_first_out_within_lane_and_priority(r: &mut Rig) {
    let ids = r.put_n(30, &task()).await;
    assert_eq!(r.ids(7).await, ids[..7]);
    assert_eq!(r.ids(100).await, ids[7..]);
    let more = r.put_n(5, &in_lane("a")).await;
    assert_eq!(r.ids(5).await, more);
}

pub(crate) async fn the_more_urgent_goes_first(r: &mut Rig) {
    let mut ids = Vec::new();
    for priority in [Priority::Low, Priority::Normal, Priority::High, Priority::Critical] {
        ids.push(r.put(NewTask { priority, ..task() }).await);
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(r.take().await.lease.task);
    }
    ids.reverse();
    assert_eq!(order, ids);
}

pub(crate) async fn every_eighth_turn_serves_the_lowest_priority(r: &mut Rig) {
    r.put_n(100, &NewTask { priority: Priority::Critical, ..task() }).await;
    r.put_n(30, &NewTask { priority: Priority::Normal, ..task() }).await;
    let low = r.put_n(20, &NewTask { priority: Priority::Low, ..task() }).await;
    let low: BTreeSet<_> = low.into_iter().collect();
    let turns = 8 * LOW_PRIORITY_TURN as usize;
    let mut served = 0;
    for _ in 0..turns {
        served += usize::from(low.contains(&r.take().await.lease.task));
    }
    assert_eq!(served, 8, "of {turns} turns");
}

pub(crate) async fn the_lowest_turn_goes_to_the_lowest_that_waits(r: &mut Rig) {
    r.put_n(100, &NewTask { priority: Priority::Critical, ..task() }).await;
    let normal = r.put_n(20, &task()).await;
    let normal: BTreeSet<_> = normal.into_iter().collect();
    let mut served = 0;
    for _ in 0..4 * LOW_PRIORITY_TURN {
        served += usize::from(normal.contains(&r.take().await.lease.task));
    }
    assert_eq!(served, 4);
}

pub(crate) async fn one_large_claim_serves_the_lowest_too(r: &mut Rig) {
    r.put_n(200, &NewTask { priority: Priority::Critical, ..task() }).await;
    let low = r.put_n(20, &NewTask { priority: Priority::Low, ..task() }).await;
    let ids = r.ids(64).await;
    assert_eq!(ids.len(), 64);
    let served = ids.iter().filter(|id| low.contains(id)).count();
    assert!((1..=16).contains(&served), "{served} of 64 were of the lowest priority");
}

pub(crate) async fn a_claim_hands_each_task_out_once(r: &mut Rig) {
    let ids = r.put_n(30, &task()).await;
    let claimed = r.ids(50).await;
    assert_eq!(claimed, ids);
    assert!(r.claim(50).await.is_empty(), "a running task was handed out");
}

pub(crate) async fn callers_at_the_same_moment_never_share(r: &mut Rig) {
    let ids = r.put_n(100, &task()).await;
    let claims = join_all((0..8).map(|_| r.ids(20))).await;
    let all: Vec<_> = claims.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "a task was handed out twice");
    assert_eq!(distinct, ids.into_iter().collect());
}

pub(crate) async fn queues_are_served_in_the_order_asked_for(r: &mut Rig) {
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        ids.extend(r.put_n(2, &NewTask { queue: queue(name), ..task() }).await);
    }
    let request = |names: &[&str], max| ClaimRequest {
        queues: names.iter().map(|n| queue(n)).collect(),
        ..claim_of(max)
    };
    let got: Vec<_> = r.claim_as(request(&["three", "one"], 3)).await;
    let mut got: Vec<_> = got.iter().map(|c| c.lease.task).collect();
    if r.harness().has_one_order() {
        assert_eq!(got, [ids[4], ids[5], ids[0]]);
        assert_eq!(r.claim_as(request(&["one", "none"], 10)).await.len(), 1, "only the queues named");
    } else {
        got.extend(r.claim_as(request(&["one", "three", "none"], 10)).await.iter().map(|c| c.lease.task));
        let got: BTreeSet<_> = got.into_iter().collect();
        assert_eq!(got, [ids[0], ids[1], ids[4], ids[5]].into(), "only the queues named");
    }
    assert_eq!(r.claim_as(request(&["two"], 10)).await.len(), 2);
}

pub(crate) async fn a_claim_has_a_largest_size(r: &mut Rig) {
    r.put_n(MAX_CLAIM + 10, &task()).await;
    assert_eq!(r.claim(0).await.len(), 0);
    assert_eq!(r.claim(3).await.len(), 3);
    let most = r.store().claim(claim_of(MAX_CLAIM * 5)).await;
    // Refusing it is as good as serving the most that is allowed.
    assert!(most.is_err() || most.is_ok_and(|c| c.len() <= MAX_CLAIM));
}

pub(crate) async fn free_slots_start_and_the_rest_is_prefetched(r: &mut Rig) {
    r.put_n(5, &task()).await;
    let claimed = r.claim_as(ClaimRequest { start: 2, ..claim_of(5) }).await;
    let started: Vec<_> = claimed.iter().map(|c| c.started).collect();
    assert_eq!(started, [true, true, false, false, false]);
    assert_eq!(r.count(State::Running).await, 5, "a prefetched task is leased");
}

pub(crate) async fn settle_claims_in_the_same_call(r: &mut Rig) {
    let ids = r.put_n(3, &task()).await;
    let first = r.claim_as(ClaimRequest { start: 1, ..claim_of(2) }).await;
    let request = SettleRequest {
        settlements: vec![Settlement { lease: first[0].lease, outcome: Outcome::done() }],
        started: vec![first[1].lease],
        claim: Some(claim_of(5)),
    };
    let reply = r.store().settle(request).await.expect("settle");
    assert_eq!(reply.settled.len(), 1);
    assert_eq!(reply.claimed.len(), 1);
    assert_eq!((reply.claimed[0].lease.task, reply.claimed[0].started), (ids[2], true));
    assert_eq!(r.state(ids[0]).await, State::Succeeded);
    assert_eq!(r.state(ids[2]).await, State::Running);
}

pub(crate) async fn what_a_settle_frees_it_can_claim(r: &mut Rig) {
    let scope = lane_scope("a");
    let limits = posthaste_core::LaneLimits::concurrency(1);
    r.store().set_limits(&scope, limits).await.expect("set_limits");
    r.put_n(2, &in_lane("a")).await;
    let first = r.take().await;
    let request = SettleRequest {
        settlements: vec![Settlement { lease: first.lease, outcome: Outcome::done() }],
        started: Vec::new(),
        claim: Some(claim_of(5)),
    };
    let reply = r.store().settle(request).await.expect("settle");
    assert_eq!(reply.claimed.len(), 1, "outcomes are stored before the claim");
}

pub(crate) async fn tokens_are_never_given_twice(r: &mut Rig) {
    r.put_n(40, &task()).await;
    let mut tokens = BTreeSet::new();
    for _ in 0..4 {
        let claimed = r.claim(10).await;
        for c in &claimed {
            assert!(c.lease.token.nonce != 0, "a token can be guessed");
        }
        tokens.insert(claimed[0].lease.token.to_bytes());
        let leases: Vec<_> = claimed.iter().map(|c| c.lease).collect();
        for lease in leases {
            r.release(lease).await;
        }
    }
    assert_eq!(tokens.len(), 4, "two claims had the same token");
}

pub(crate) async fn an_extend_reports_what_has_started(r: &mut Rig) {
    r.put(NewTask { ..task() }).await;
    for _ in 0..4 {
        let c = r.claim_as(ClaimRequest { start: 0, ..claim_of(1) }).await.remove(0);
        assert!(!c.started);
        r.store()
            .extend(&[Extend { lease: c.lease, started: true, detached: false }], LEASE)
            .await
            .expect("extend");
        r.lose_leases().await;
    }
    // Three rescues of started attempts, then given up; prefetched ones would go round for ever.
    assert_eq!(r.count(State::Failed).await, 1);
}
