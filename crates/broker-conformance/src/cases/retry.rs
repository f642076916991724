//! Another generation of a final task.

use std::collections::BTreeSet;

use posthaste_core::broker::Retried;
use posthaste_core::{FailureClass, NewTask, RetryPolicy, State};

use crate::rig::*;

pub(crate) async fn a_retry_starts_a_new_generation(r: &mut Rig) {
    let id = r.put(task()).await;
    for generation in 2..=4 {
        r.fail(&r.take().await, FailureClass::Permanent).await;
        assert_eq!(r.retry(id).await, Retried::Done { generation });
        let t = r.task(id).await;
        assert_eq!((t.state, t.generation, t.attempt, t.failures), (State::Queued, generation, 0, 0));
        assert!(t.finished_at.is_none() && t.worker.is_none());
    }
    let c = r.take().await;
    assert_eq!((c.generation, c.attempt, c.failures), (4, 1, 0));
}

pub(crate) async fn history_is_kept_over_generations(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[1]), ..task() }).await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    r.pass(SECOND).await;
    r.fail(&r.take().await, FailureClass::Permanent).await;
    r.again(id).await;
    r.done(&r.take().await).await;
    let log: Vec<_> = r.log(id).await.iter().map(|a| (a.generation, a.attempt)).collect();
    assert_eq!(log, [(1, 1), (1, 2), (2, 1)]);
}

pub(crate) async fn only_failed_cancelled_and_expired_are_retried(r: &mut Rig) {
    for state in State::ALL {
        let made = r.make(state).await;
        let answer = r.retry(made.id).await;
        if matches!(state, State::Failed | State::Cancelled | State::Expired) {
            assert!(matches!(answer, Retried::Done { .. }), "{state}: {answer:?}");
            assert_eq!(r.state(made.id).await, State::Queued);
        } else {
            assert_eq!(answer, Retried::NotRetryable(state));
            assert_eq!(r.state(made.id).await, state);
        }
    }
    let unknown = "01890000-0000-7000-8000-000000000099".parse().expect("a UUID");
    assert_eq!(r.retry(unknown).await, Retried::NotFound);
}

pub(crate) async fn a_retry_clears_the_expiry(r: &mut Rig) {
    let made = r.make(State::Expired).await;
    assert!(r.task(made.id).await.expires_at.is_some());
    r.again(made.id).await;
    assert_eq!(r.task(made.id).await.expires_at, None);
    r.leap(HOUR).await;
    assert_eq!(r.state(made.id).await, State::Queued, "the old expiry still ends it");
}

pub(crate) async fn or_sets_the_one_given(r: &mut Rig) {
    let made = r.make(State::Failed).await;
    let expires_at = Some(r.now().await.plus(MINUTE));
    r.store().retry(&[made.id], expires_at).await.expect("retry");
    assert_eq!(r.task(made.id).await.expires_at, expires_at);
    r.pass(MINUTE + SECOND).await;
    assert_eq!(r.state(made.id).await, State::Expired);
}

pub(crate) async fn a_held_unique_key_refuses_a_retry(r: &mut Rig) {
    let new = NewTask { unique: unique("u"), ..task() };
    let first = r.put(new.clone()).await;
    r.cancel(first).await;
    let holder = r.put(new).await;
    assert_eq!(r.retry(first).await, Retried::UniqueHeld { by: holder });
    assert_eq!(r.state(first).await, State::Cancelled);
    r.cancel(holder).await;
    r.again(first).await;
}

pub(crate) async fn a_retry_holds_its_unique_key_again(r: &mut Rig) {
    let new = NewTask { unique: unique("u"), ..task() };
    let first = r.put(new.clone()).await;
    r.cancel(first).await;
    r.again(first).await;
    let reply = r.enqueue(vec![new]).await;
    assert_eq!((reply.tasks[0].id, reply.tasks[0].duplicate), (first, true));
}

pub(crate) async fn two_retries_in_a_call_share_no_unique_key(r: &mut Rig) {
    let new = NewTask { unique: unique("u"), ..task() };
    let first = r.put(new.clone()).await;
    r.cancel(first).await;
    let second = r.put(new).await;
    r.cancel(second).await;
    let answers = r.store().retry(&[first, second], None).await.expect("retry");
    assert!(matches!(answers[0], Retried::Done { .. }), "{answers:?}");
    assert_eq!(answers[1], Retried::UniqueHeld { by: first });
}

pub(crate) async fn max_age_starts_again(r: &mut Rig) {
    let policy = RetryPolicy { max_age: HOUR, ..delays(&[1]) };
    let id = r.put(NewTask { policy, ..in_lane("a") }).await;
    r.fail(&r.take().await, FailureClass::Permanent).await;
    r.leap(HOUR * 2).await;
    r.again(id).await;
    assert_eq!(r.fail(&r.take().await, FailureClass::Unavailable).await, State::Retrying);
}

pub(crate) async fn many_are_retried_and_run_once_each(r: &mut Rig) {
    let ids = r.put_n(50, &task()).await;
    r.store().cancel(&ids).await.expect("cancel");
    let answers = r.store().retry(&ids, None).await.expect("retry");
    assert!(answers.iter().all(|a| matches!(a, Retried::Done { .. })));
    let got = r.ids(100).await;
    assert_eq!(got.len(), 50);
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), ids.into_iter().collect());
}

pub(crate) async fn the_delays_start_again(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[10_000, 600_000]), ..task() }).await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    r.cancel(id).await;
    r.again(id).await;
    let now = r.now().await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    let wait = r.task(id).await.due_at.since(now);
    assert!(wait < MINUTE, "{wait:?}: tries of the last generation count");
}
