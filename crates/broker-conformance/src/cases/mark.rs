//! The point of no return.

use posthaste_core::broker::{Fenced, Settled};
use posthaste_core::limits::LEASE;
use posthaste_core::{
    AttemptOutcome, EndReason, FailureClass, NewTask, OnAmbiguous, Outcome, RetryPolicy, State,
};

use crate::rig::*;

fn with(on_ambiguous: OnAmbiguous) -> NewTask {
    NewTask { policy: RetryPolicy { on_ambiguous, ..delays(&[60_000]) }, ..task() }
}

pub(crate) async fn a_mark_is_granted_to_the_lease_that_holds(r: &mut Rig) {
    let id = r.put(task()).await;
    let old = r.take().await.lease;
    r.lose_leases().await;
    let new = r.take().await.lease;
    assert_eq!(r.mark(old).await, Fenced::LeaseLost, "a worker that lost its task must not send");
    assert_eq!(r.mark(new).await, Fenced::Granted);
    assert_eq!(r.mark(new).await, Fenced::Granted, "a repeat");
    // The refused mark must not have marked anything either: only the new worker's counts.
    assert_eq!(r.state(id).await, State::Running);
}

pub(crate) async fn a_refused_mark_marks_nothing(r: &mut Rig) {
    let id = r.put(with(OnAmbiguous::Hold)).await;
    let old = r.take().await.lease;
    r.lose_leases().await;
    r.take().await;
    r.mark(old).await;
    r.lose_leases().await;
    assert_eq!(r.state(id).await, State::Queued, "the new attempt was never marked");
}

pub(crate) async fn a_lease_lost_after_its_mark_is_ambiguous(r: &mut Rig) {
    let id = r.put(with(OnAmbiguous::Retry)).await;
    assert_eq!(r.mark(r.take().await.lease).await, Fenced::Granted);
    r.lose_leases().await;
    let t = r.task(id).await;
    assert_eq!((t.state, t.failures), (State::Retrying, 1));
    assert_eq!(t.error.and_then(|e| e.class), Some(FailureClass::Ambiguous));
    let log = r.log(id).await;
    assert_eq!((log[0].outcome, log[0].counted), (AttemptOutcome::LeaseExpired, true));
    assert_eq!(log[0].class, Some(FailureClass::Ambiguous));
}

pub(crate) async fn a_late_word_on_it_is_refused(r: &mut Rig) {
    for policy in [OnAmbiguous::Retry, OnAmbiguous::Hold] {
        let id = r.put(with(policy)).await;
        let lease = r.take().await.lease;
        assert_eq!(r.mark(lease).await, Fenced::Granted);
        r.lose_leases().await;
        let before = r.state(id).await;
        let late = r.end(lease, Outcome::Success { result: None, kept: None }).await;
        assert_eq!(late, Settled::LeaseLost, "its worker must not take it for done");
        assert_eq!((r.state(id).await, r.log(id).await.len()), (before, 1));
    }
}

pub(crate) async fn held_if_its_policy_says_so(r: &mut Rig) {
    let id = r.put(with(OnAmbiguous::Hold)).await;
    assert_eq!(r.mark(r.take().await.lease).await, Fenced::Granted);
    r.lose_leases().await;
    let t = r.task(id).await;
    assert_eq!(t.state, State::Failed);
    assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::Ambiguous));
}

pub(crate) async fn every_lease_of_a_call_is_marked(r: &mut Rig) {
    let ids = r.put_n(5, &with(OnAmbiguous::Hold)).await;
    let leases: Vec<_> = r.claim(5).await.iter().map(|c| c.lease).collect();
    let answers = r.store().mark(&leases).await.expect("mark");
    assert_eq!(answers, [Fenced::Granted; 5]);
    r.lose_leases().await;
    for id in ids {
        assert_eq!(r.state(id).await, State::Failed, "a marked task was handed out again");
    }
}

pub(crate) async fn a_mark_ends_with_its_attempt(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[1]), ..task() }).await;
    let c = r.take().await;
    r.mark(c.lease).await;
    r.fail(&c, FailureClass::Transient).await;
    r.pass(SECOND).await;
    r.take().await;
    r.lose_leases().await;
    let t = r.task(id).await;
    assert_eq!((t.state, t.failures), (State::Queued, 1), "the second attempt was not marked");
}

pub(crate) async fn a_marked_release_is_ambiguous(r: &mut Rig) {
    let hold = r.put(with(OnAmbiguous::Hold)).await;
    let c = r.take().await;
    r.mark(c.lease).await;
    assert_eq!(r.release(c.lease).await, Fenced::Granted);
    assert_eq!(r.state(hold).await, State::Failed);
    let retry = r.put(with(OnAmbiguous::Retry)).await;
    let c = r.take().await;
    r.mark(c.lease).await;
    assert_eq!(r.release(c.lease).await, Fenced::Granted);
    let t = r.task(retry).await;
    assert_eq!((t.state, t.failures), (State::Retrying, 1));
}

pub(crate) async fn a_class_wins_over_the_mark(r: &mut Rig) {
    r.put(with(OnAmbiguous::Hold)).await;
    let c = r.take().await;
    r.mark(c.lease).await;
    assert_eq!(r.fail(&c, FailureClass::Transient).await, State::Retrying);
}

pub(crate) async fn a_mark_does_not_lengthen_the_lease(r: &mut Rig) {
    let id = r.put(with(OnAmbiguous::Hold)).await;
    let c = r.take().await;
    r.pass(LEASE - secs(2)).await;
    r.mark(c.lease).await;
    r.pass(secs(4)).await;
    assert_eq!(r.state(id).await, State::Failed);
}
