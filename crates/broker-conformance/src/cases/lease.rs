//! Leases: fencing, extending, rescue, release, gaps of the store.

use posthaste_core::broker::{
    ClaimRequest, Extend, Fenced, ReleaseReason, SettleRequest, Settled, Settlement,
};
use posthaste_core::limits::{LEASE, MAX_DETACHED_LEASE, MAX_RESCUES};
use posthaste_core::{
    AttemptOutcome, BrokerError, EndReason, FailureClass, LeaseRef, LeaseToken, NewTask, Outcome, State,
};

use crate::rig::*;

/// A lease that was lost to a later claim, and the lease of that claim.
async fn lost_and_held(r: &Rig) -> (LeaseRef, LeaseRef) {
    r.put(task()).await;
    let old = r.take().await;
    r.lose_leases().await;
    let new = r.take().await;
    assert_eq!(old.lease.task, new.lease.task);
    assert_ne!(old.lease.token, new.lease.token);
    (old.lease, new.lease)
}

pub(crate) async fn a_lost_lease_is_rescued_to_the_front(r: &mut Rig) {
    let ids = r.put_n(3, &task()).await;
    let c = r.take().await;
    r.lose_leases().await;
    let t = r.task(ids[0]).await;
    assert_eq!((t.state, t.attempt, t.failures), (State::Queued, 1, 0));
    assert!(t.worker.is_none());
    let again = r.take().await;
    assert_eq!((again.lease.task, again.attempt), (c.lease.task, 2));
    let log = r.log(ids[0]).await;
    assert_eq!((log[0].outcome, log[0].counted), (AttemptOutcome::LeaseExpired, false));
    assert!(log[0].ended_at.is_some());
}

pub(crate) async fn every_task_of_a_lost_claim_is_rescued(r: &mut Rig) {
    let ids = r.put_n(10, &task()).await;
    r.claim(10).await;
    r.lose_leases().await;
    assert_eq!(r.count(State::Queued).await, 10);
    assert_eq!(r.ids(20).await, ids, "in the order they had");
}

pub(crate) async fn rescue_comes_within_the_lease_and_two_seconds(r: &mut Rig) {
    let id = r.put(task()).await;
    r.take().await;
    r.pass(LEASE - SECOND).await;
    assert_eq!(r.state(id).await, State::Running, "rescued before its lease ended");
    r.pass(secs(3)).await;
    assert_eq!(r.state(id).await, State::Queued);
}

pub(crate) async fn a_lease_lasts_as_long_as_asked_for(r: &mut Rig) {
    let short = r.put(task()).await;
    r.claim_as(ClaimRequest { lease: secs(5), ..claim_of(1) }).await;
    let long = r.put(task()).await;
    r.claim_as(ClaimRequest { lease: MINUTE, ..claim_of(1) }).await;
    r.pass(secs(8)).await;
    assert_eq!((r.state(short).await, r.state(long).await), (State::Queued, State::Running));
    r.pass(secs(50)).await;
    assert_eq!(r.state(long).await, State::Running);
    r.pass(secs(5)).await;
    assert_eq!(r.state(long).await, State::Queued);
}

pub(crate) async fn an_extended_lease_is_kept(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    for _ in 0..12 {
        r.pass(secs(5)).await;
        assert_eq!(r.extend(&[c.lease]).await[0].lease, Fenced::Granted);
    }
    r.done(&c).await;
    assert_eq!(r.log(c.lease.task).await.len(), 1);
}

pub(crate) async fn a_stale_settle_changes_nothing(r: &mut Rig) {
    let (old, new) = lost_and_held(r).await;
    assert_eq!(r.end(old, Outcome::done()).await, Settled::LeaseLost);
    assert_eq!(r.state(old.task).await, State::Running);
    assert_eq!(r.end(new, Outcome::done()).await, Settled::Settled(State::Succeeded));
}

pub(crate) async fn a_stale_failure_changes_nothing(r: &mut Rig) {
    let (old, new) = lost_and_held(r).await;
    let failure = posthaste_core::Failure::new(FailureClass::Permanent, "late");
    assert_eq!(r.end(old, Outcome::Failure(failure)).await, Settled::LeaseLost);
    assert_eq!(r.state(new.task).await, State::Running);
}

pub(crate) async fn a_guessed_token_is_refused(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    let token = LeaseToken { nonce: c.lease.token.nonce ^ 1, ..c.lease.token };
    let guessed = LeaseRef { token, ..c.lease };
    assert_eq!(r.end(guessed, Outcome::done()).await, Settled::LeaseLost);
    assert_eq!(r.mark(guessed).await, Fenced::LeaseLost);
    assert_eq!(r.extend(&[guessed]).await[0].lease, Fenced::LeaseLost);
    let unknown =
        LeaseRef { task: "01890000-0000-7000-8000-000000000099".parse().expect("a UUID"), ..c.lease };
    assert_eq!(r.end(unknown, Outcome::done()).await, Settled::LeaseLost);
    assert_eq!(r.state(id).await, State::Running);
}

pub(crate) async fn a_stale_extend_is_refused(r: &mut Rig) {
    let (old, new) = lost_and_held(r).await;
    let answers = r.extend(&[old, new]).await;
    assert_eq!((answers[0].lease, answers[1].lease), (Fenced::LeaseLost, Fenced::Granted));
}

pub(crate) async fn a_stale_extend_keeps_nothing_alive(r: &mut Rig) {
    let (old, new) = lost_and_held(r).await;
    for _ in 0..4 {
        r.pass(secs(5)).await;
        r.extend(&[old]).await;
    }
    assert_eq!(r.state(new.task).await, State::Queued, "a stale lease held the task");
}

pub(crate) async fn a_stale_release_changes_nothing(r: &mut Rig) {
    let (old, new) = lost_and_held(r).await;
    assert_eq!(r.release(old).await, Fenced::LeaseLost);
    let t = r.task(new.task).await;
    assert_eq!((t.state, t.attempt), (State::Running, 2));
}

pub(crate) async fn a_settled_lease_extends_nothing(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    r.done(&c).await;
    assert_eq!(r.extend(&[c.lease]).await[0].lease, Fenced::LeaseLost);
    assert_eq!(r.state(c.lease.task).await, State::Succeeded);
}

pub(crate) async fn a_dead_worker_is_given_up_after_three_rescues(r: &mut Rig) {
    let id = r.put(task()).await;
    r.heartbeat("w1").await;
    for n in 1..=MAX_RESCUES {
        r.pass(SECOND).await;
        r.take().await;
        r.lose_leases().await;
        assert_eq!(r.state(id).await, State::Queued, "rescue {n}");
    }
    r.take().await;
    r.lose_leases().await;
    let t = r.task(id).await;
    assert_eq!((t.state, t.failures), (State::Failed, 0));
    assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::WorkerLost));
}

pub(crate) async fn leases_lost_by_a_living_worker_count_nothing(r: &mut Rig) {
    let id = r.put(task()).await;
    for _ in 0..MAX_RESCUES + 3 {
        r.take().await;
        r.pass_alive(LEASE + secs(2), &[]).await;
        assert_eq!(r.state(id).await, State::Queued);
    }
    assert_eq!(r.task(id).await.failures, 0);
}

pub(crate) async fn lost_prefetched_tasks_count_nothing(r: &mut Rig) {
    let id = r.put(task()).await;
    for _ in 0..MAX_RESCUES + 3 {
        let claimed = r.claim_as(ClaimRequest { start: 0, ..claim_of(1) }).await;
        assert_eq!(claimed.len(), 1);
        r.lose_leases().await;
        assert_eq!(r.state(id).await, State::Queued, "its worker never started it");
    }
}

pub(crate) async fn a_retry_forgets_earlier_rescues(r: &mut Rig) {
    let id = r.put(task()).await;
    for _ in 0..=MAX_RESCUES {
        r.take().await;
        r.lose_leases().await;
    }
    assert_eq!(r.state(id).await, State::Failed);
    r.again(id).await;
    r.take().await;
    r.lose_leases().await;
    assert_eq!(r.state(id).await, State::Queued);
}

pub(crate) async fn a_store_gap_longer_than_the_lease_reruns_nothing_healthy(r: &mut Rig) {
    r.put_n(10, &task()).await;
    let claimed = r.claim(10).await;
    let leases: Vec<_> = claimed.iter().map(|c| c.lease).collect();
    r.pass_alive(secs(3), &leases).await;
    // Nobody could reach the store: no tick, no extend.
    r.advance(LEASE * 4);
    assert_eq!(r.tick_all().await.rescued, 0, "healthy tasks were taken from their workers");
    r.pass(secs(4)).await;
    assert!(r.extend(&leases).await.iter().all(|e| e.lease == Fenced::Granted));
    r.pass(LEASE - SECOND).await;
    for c in &claimed {
        r.done(c).await;
    }
    assert!(r.claim(10).await.is_empty(), "a healthy task ran twice");
}

pub(crate) async fn after_a_gap_dead_workers_are_found_one_lease_later(r: &mut Rig) {
    let id = r.put(task()).await;
    r.take().await;
    r.pass(secs(3)).await;
    r.advance(LEASE * 4);
    r.tick_all().await;
    r.pass(LEASE - secs(2)).await;
    assert_eq!(r.state(id).await, State::Running, "rescue waits one full lease");
    r.pass(secs(4)).await;
    assert_eq!(r.state(id).await, State::Queued);
}

pub(crate) async fn a_release_goes_to_the_front_uncounted(r: &mut Rig) {
    let ids = r.put_n(3, &task()).await;
    let claimed = r.claim(2).await;
    let leases: Vec<_> = claimed.iter().map(|c| c.lease).collect();
    let answers = r.store().release(&leases, ReleaseReason::Shutdown).await.expect("release");
    assert_eq!(answers, [Fenced::Granted, Fenced::Granted]);
    let t = r.task(ids[0]).await;
    assert_eq!((t.state, t.failures, t.worker), (State::Queued, 0, None));
    assert_eq!(r.log(ids[0]).await[0].outcome, AttemptOutcome::Released);
    assert!(!r.log(ids[0]).await[0].counted);
    assert_eq!(r.ids(10).await, ids, "released tasks keep their order, before the rest");
    assert_eq!(r.task(ids[0]).await.attempt, 2);
}

pub(crate) async fn an_unknown_kind_waits_and_counts_nothing(r: &mut Rig) {
    let policy = posthaste_core::RetryPolicy { max_failures: 2, ..delays(&[1]) };
    let id = r.put(NewTask { policy, ..task() }).await;
    for _ in 0..4 {
        let c = r.take().await;
        let reason = ReleaseReason::UnknownKind { delay: secs(30) };
        let answers = r.store().release(&[c.lease], reason).await.expect("release");
        assert_eq!(answers, [Fenced::Granted]);
        let t = r.task(id).await;
        assert_eq!((t.state, t.failures), (State::Retrying, 0));
        r.pass(secs(28)).await;
        assert_eq!(r.state(id).await, State::Retrying);
        r.pass(secs(3)).await;
        assert_eq!(r.state(id).await, State::Queued);
    }
}

pub(crate) async fn an_extend_is_for_each_lease_alone(r: &mut Rig) {
    r.put_n(3, &task()).await;
    let claimed = r.claim(3).await;
    r.done(&claimed[1]).await;
    let extend: Vec<_> =
        claimed.iter().map(|c| Extend { lease: c.lease, started: true, detached: false }).collect();
    let answers = r.store().extend(&extend, LEASE).await.expect("extend");
    let held: Vec<_> = answers.iter().map(|a| a.lease == Fenced::Granted).collect();
    assert_eq!(held, [true, false, true]);
    assert!(answers.iter().all(|a| a.lease == Fenced::LeaseLost || !a.cancel_requested));
}

pub(crate) async fn a_detached_lease_outlives_its_worker(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    assert_eq!(r.mark(c.lease).await, Fenced::Granted);
    assert_eq!(r.detach(c.lease, MINUTE * 5).await.lease, Fenced::Granted);
    r.pass(MINUTE * 5 - SECOND).await;
    assert_eq!(r.state(id).await, State::Running);
    assert_eq!(r.detach(c.lease, MINUTE * 5).await.lease, Fenced::Granted, "extended by who has the token");
    r.pass(MINUTE * 4).await;
    assert_eq!(r.end(c.lease, Outcome::result(json("1"))).await, Settled::Settled(State::Succeeded));
    assert_eq!(r.detach(c.lease, MINUTE).await.lease, Fenced::LeaseLost);
}

pub(crate) async fn an_extend_of_its_worker_leaves_a_detached_lease_alone(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.detach(c.lease, MINUTE * 2).await;
    assert_eq!(r.extend(&[c.lease]).await[0].lease, Fenced::Granted);
    r.pass(MINUTE * 2 - SECOND).await;
    assert_eq!(r.state(id).await, State::Running, "the worker's round cut it short");
    assert_eq!(r.extend(&[c.lease]).await[0].lease, Fenced::Granted);
    r.pass(secs(4)).await;
    assert_eq!(r.state(id).await, State::Queued, "the worker's round kept it alive");
}

pub(crate) async fn a_detached_lease_that_runs_out_is_lost(r: &mut Rig) {
    let marked = r.put(NewTask { policy: delays(&[60_000]), ..task() }).await;
    let plain = r.put(NewTask { policy: delays(&[60_000]), ..task() }).await;
    let claimed = r.claim(2).await;
    r.mark(claimed[0].lease).await;
    for c in &claimed {
        r.detach(c.lease, MINUTE).await;
    }
    r.pass(MINUTE - SECOND).await;
    assert_eq!((r.state(marked).await, r.state(plain).await), (State::Running, State::Running));
    r.pass(secs(3)).await;
    assert_eq!((r.state(marked).await, r.state(plain).await), (State::Retrying, State::Queued));
    let t = r.task(marked).await;
    assert_eq!((t.failures, t.error.and_then(|e| e.class)), (1, Some(FailureClass::Ambiguous)));
    assert_eq!(r.end(claimed[0].lease, Outcome::done()).await, Settled::LeaseLost);
}

pub(crate) async fn a_detached_lease_has_a_longest_length(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.detach(c.lease, HOUR * 24).await;
    r.pass(MAX_DETACHED_LEASE - SECOND).await;
    assert_eq!(r.state(id).await, State::Running);
    r.pass(secs(3)).await;
    assert_eq!(r.state(id).await, State::Queued);
}

pub(crate) async fn a_detached_task_can_be_cancelled(r: &mut Rig) {
    for ends_by_word in [true, false] {
        let id = r.put(task()).await;
        let c = r.take().await;
        r.mark(c.lease).await;
        assert!(!r.detach(c.lease, MINUTE).await.cancel_requested);
        r.cancel(id).await;
        assert!(r.detach(c.lease, MINUTE).await.cancel_requested);
        if ends_by_word {
            assert_eq!(r.fail(&c, FailureClass::Transient).await, State::Cancelled);
        } else {
            r.pass(MINUTE + secs(2)).await;
        }
        assert_eq!(r.state(id).await, State::Cancelled);
    }
}

pub(crate) async fn detached_is_no_outcome(r: &mut Rig) {
    r.put_n(2, &task()).await;
    let claimed = r.claim(2).await;
    let settlements = vec![
        Settlement { lease: claimed[0].lease, outcome: Outcome::done() },
        Settlement { lease: claimed[1].lease, outcome: Outcome::Detached },
    ];
    let refused = r.store().settle(SettleRequest { settlements, ..SettleRequest::default() }).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { index: 1, .. })), "{refused:?}");
    assert_eq!(r.count(State::Running).await, 2);
}
