//! Cancelling.

use posthaste_core::broker::{Cancelled, Fenced, Retried, Settled};
use posthaste_core::{
    AttemptOutcome, EndReason, FailureClass, NewTask, OnAmbiguous, Outcome, RetryPolicy, State,
};

use crate::rig::*;

pub(crate) async fn a_waiting_task_is_cancelled_at_once(r: &mut Rig) {
    for from in [State::Scheduled, State::Queued, State::Retrying] {
        let made = r.make(from).await;
        assert_eq!(r.cancel(made.id).await, Cancelled::Done, "{from}");
        let t = r.task(made.id).await;
        assert_eq!(t.state, State::Cancelled, "{from}");
        assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::Cancelled));
        assert!(t.finished_at.is_some());
        r.leap(HOUR + MINUTE).await;
        let mut request = claim_of(10);
        request.queues = vec![made.queue];
        assert!(r.claim_as(request).await.is_empty(), "a cancelled task was handed out");
    }
}

pub(crate) async fn cancel_flags_tell_a_running_task(r: &mut Rig) {
    r.put_n(2, &task()).await;
    let claimed = r.claim(2).await;
    let leases = [claimed[0].lease, claimed[1].lease];
    assert_eq!(r.store().cancel_flags(&leases).await.expect("cancel_flags"), [false, false]);
    assert_eq!(r.cancel(leases[1].task).await, Cancelled::Requested);
    assert_eq!(r.store().cancel_flags(&leases).await.expect("cancel_flags"), [false, true]);
}

pub(crate) async fn an_extend_tells_it_too(r: &mut Rig) {
    r.put_n(2, &task()).await;
    let claimed = r.claim(2).await;
    r.cancel(claimed[1].lease.task).await;
    let answers = r.extend(&[claimed[0].lease, claimed[1].lease]).await;
    assert!(answers.iter().all(|a| a.lease == Fenced::Granted), "a cancel request takes no lease away");
    assert_eq!((answers[0].cancel_requested, answers[1].cancel_requested), (false, true));
    assert!(r.task(claimed[1].lease.task).await.cancel_requested);
}

pub(crate) async fn a_lost_lease_is_told_to_stop(r: &mut Rig) {
    r.put(task()).await;
    let old = r.take().await.lease;
    r.lose_leases().await;
    assert!(r.flag(old).await, "queued again");
    let new = r.take().await.lease;
    assert!(r.flag(old).await, "running elsewhere");
    assert!(!r.flag(new).await);
}

pub(crate) async fn a_success_stands_after_a_cancel(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.cancel(id).await;
    assert_eq!(r.end(c.lease, Outcome::done()).await, Settled::Settled(State::Succeeded));
    let t = r.task(id).await;
    assert_eq!(t.state, State::Succeeded);
    assert!(t.error.is_none());
}

pub(crate) async fn any_failure_after_a_cancel_cancels(r: &mut Rig) {
    for class in FailureClass::ALL {
        let id = r.put(NewTask { policy: delays(&[60_000]), ..in_lane(class.as_str()) }).await;
        let c = r.take().await;
        assert_eq!(r.cancel(id).await, Cancelled::Requested);
        assert_eq!(r.fail(&c, class).await, State::Cancelled, "{class}");
        let t = r.task(id).await;
        assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::Cancelled), "{class}");
    }
}

pub(crate) async fn a_lost_lease_after_a_cancel_cancels(r: &mut Rig) {
    let id = r.put(task()).await;
    r.take().await;
    r.cancel(id).await;
    r.lose_leases().await;
    assert_eq!(r.state(id).await, State::Cancelled);
    let policy = RetryPolicy { on_ambiguous: OnAmbiguous::Hold, ..delays(&[60_000]) };
    let marked = r.put(NewTask { policy, ..task() }).await;
    let c = r.take().await;
    r.mark(c.lease).await;
    r.cancel(marked).await;
    r.lose_leases().await;
    assert_eq!(r.state(marked).await, State::Cancelled, "after its mark too");
}

pub(crate) async fn a_release_after_a_cancel_cancels(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.cancel(id).await;
    assert_eq!(r.release(c.lease).await, Fenced::Granted);
    assert_eq!(r.state(id).await, State::Cancelled);
    assert!(r.claim(10).await.is_empty());
    assert_ne!(r.log(id).await[0].outcome, AttemptOutcome::Running);
}

pub(crate) async fn a_final_task_stays_as_it_ended(r: &mut Rig) {
    for state in [State::Succeeded, State::Failed, State::Cancelled, State::Expired] {
        let made = r.make(state).await;
        assert_eq!(r.cancel(made.id).await, Cancelled::AlreadyFinal(state));
        assert_eq!(r.state(made.id).await, state);
    }
}

pub(crate) async fn many_are_answered_in_order(r: &mut Rig) {
    let done = r.make(State::Succeeded).await.id;
    let running = r.make(State::Running).await.id;
    let queued = r.make(State::Queued).await.id;
    let unknown = "01890000-0000-7000-8000-000000000099".parse().expect("a UUID");
    let answers = r.store().cancel(&[unknown, queued, done, running]).await.expect("cancel");
    let expected = [
        Cancelled::NotFound,
        Cancelled::Done,
        Cancelled::AlreadyFinal(State::Succeeded),
        Cancelled::Requested,
    ];
    assert_eq!(answers, expected);
}

pub(crate) async fn cancel_retry_claim_ten_gives_one_attempt(r: &mut Rig) {
    let id = r.put(task()).await;
    assert_eq!(r.cancel(id).await, Cancelled::Done);
    assert!(matches!(r.retry(id).await, Retried::Done { .. }));
    let claimed = r.claim(10).await;
    assert_eq!(claimed.len(), 1, "the entry of the old generation was handed out too");
    assert_eq!((claimed[0].lease.task, claimed[0].attempt), (id, 1));
    assert!(r.claim(10).await.is_empty());
    assert_eq!(r.log(id).await.len(), 1);
}

pub(crate) async fn a_cancel_request_ends_with_its_attempt(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    r.cancel(id).await;
    r.fail(&c, FailureClass::Transient).await;
    r.again(id).await;
    assert!(!r.task(id).await.cancel_requested);
    let c = r.take().await;
    assert!(!r.flag(c.lease).await, "the request of the last generation is still there");
    assert_eq!(r.fail(&c, FailureClass::Transient).await, State::Retrying);
}
