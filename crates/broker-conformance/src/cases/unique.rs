//! Unique keys: no second task beside the holder.

use posthaste_core::limits::MAX_UNIQUE_HOLD;
use posthaste_core::{BrokerError, FailureClass, NewTask, Outcome, State, TaskId, Unique, UniqueHold};

use crate::rig::*;

fn keyed() -> NewTask {
    NewTask { unique: unique("u"), policy: delays(&[60_000]), ..task() }
}

/// Tries to enqueue another one with the key: the holder, if there is one.
async fn holder(r: &Rig) -> Option<TaskId> {
    let reply = r.enqueue(vec![keyed()]).await;
    let t = reply.tasks[0];
    t.duplicate.then_some(t.id)
}

pub(crate) async fn a_duplicate_answers_the_holder_and_changes_nothing(r: &mut Rig) {
    let id = r.put(keyed()).await;
    let before = format!("{:?}", r.task(id).await);
    let reply = r.enqueue(vec![NewTask { payload: json("2"), ..keyed() }]).await;
    assert_eq!((reply.tasks[0].id, reply.tasks[0].duplicate), (id, true));
    assert_eq!(reply.tasks[0].state, State::Queued);
    assert!(!reply.replayed);
    assert_eq!(format!("{:?}", r.task(id).await), before);
    assert_eq!(r.task(id).await.payload, Some(json("{}")));
    assert_eq!(r.count(State::Queued).await, 1);
    let claimed = r.take().await;
    assert_eq!(r.enqueue(vec![keyed()]).await.tasks[0].state, State::Running);
    r.done(&claimed).await;
}

pub(crate) async fn the_scope_is_tenant_kind_and_key(r: &mut Rig) {
    let a = r.put(keyed()).await;
    r.put(NewTask { tenant: tenant("acme"), ..keyed() }).await;
    r.put(NewTask { tenant: tenant("other"), ..keyed() }).await;
    r.put(NewTask { kind: kind("other"), ..keyed() }).await;
    r.put(NewTask { unique: unique("u2"), ..keyed() }).await;
    let reply = r.enqueue(vec![NewTask { queue: queue("elsewhere"), ..keyed() }]).await;
    assert_eq!((reply.tasks[0].id, reply.tasks[0].duplicate), (a, true), "the queue is not in the scope");
}

pub(crate) async fn a_key_is_held_until_final(r: &mut Rig) {
    let id = r.put(NewTask { due: posthaste_core::Due::After(SECOND), ..keyed() }).await;
    assert_eq!(holder(r).await, Some(id), "scheduled");
    r.pass(SECOND).await;
    assert_eq!(holder(r).await, Some(id), "queued");
    let claimed = r.take().await;
    assert_eq!(holder(r).await, Some(id), "running");
    assert_eq!(r.fail(&claimed, FailureClass::Transient).await, State::Retrying);
    assert_eq!(holder(r).await, Some(id), "retrying");
}

pub(crate) async fn each_final_state_frees_the_key(r: &mut Rig) {
    for end in [State::Succeeded, State::Failed, State::Cancelled, State::Expired] {
        let r = r.another().await;
        let expires_at = Some(r.now().await.plus(secs(10)));
        let id = r.put(NewTask { expires_at, ..keyed() }).await;
        match end {
            State::Succeeded => r.done(&r.take().await).await,
            State::Failed => {
                r.fail(&r.take().await, FailureClass::Permanent).await;
            }
            State::Cancelled => {
                r.cancel(id).await;
            }
            _ => r.pass(secs(11)).await,
        }
        assert_eq!(r.state(id).await, end);
        assert_eq!(holder(&r).await, None, "{end} still holds the key");
    }
}

pub(crate) async fn a_key_is_held_for_a_stated_period(r: &mut Rig) {
    let hold = UniqueHold::For(MINUTE * 10);
    let timed = NewTask { unique: Some(Unique { key: "u".to_owned(), hold }), ..keyed() };
    let id = r.put(timed.clone()).await;
    r.done(&r.take().await).await;
    r.leap(MINUTE * 9).await;
    assert_eq!(holder(r).await, Some(id), "a success ended the period");
    r.leap(MINUTE * 2).await;
    assert_eq!(holder(r).await, None, "the period did not end");
}

pub(crate) async fn a_period_ends_while_its_task_waits(r: &mut Rig) {
    let hold = UniqueHold::For(MINUTE);
    r.put(NewTask { unique: Some(Unique { key: "u".to_owned(), hold }), ..keyed() }).await;
    r.leap(MINUTE * 2).await;
    assert_eq!(holder(r).await, None, "the period did not end");
    assert_eq!(r.count(State::Queued).await, 2);
}

pub(crate) async fn a_period_has_a_longest_length(r: &mut Rig) {
    let hold = UniqueHold::For(MAX_UNIQUE_HOLD + MINUTE);
    let long = NewTask { unique: Some(Unique { key: "u".to_owned(), hold }), ..task() };
    let refused = r.try_enqueue(vec![long], None).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "{refused:?}");
}

pub(crate) async fn duplicates_within_one_request_are_found(r: &mut Rig) {
    let reply = r.enqueue(vec![keyed(), task(), keyed()]).await;
    assert!(!reply.tasks[0].duplicate && !reply.tasks[1].duplicate);
    assert_eq!((reply.tasks[2].id, reply.tasks[2].duplicate), (reply.tasks[0].id, true));
    assert_eq!(r.count(State::Queued).await, 2);
}

pub(crate) async fn the_end_of_an_old_holder_frees_nothing_of_the_new(r: &mut Rig) {
    let hold = UniqueHold::For(MINUTE);
    r.put(NewTask { unique: Some(Unique { key: "u".to_owned(), hold }), ..keyed() }).await;
    r.leap(MINUTE * 2).await;
    let new = r.put(keyed()).await;
    let old = r.take().await;
    r.end(old.lease, Outcome::done()).await;
    assert_eq!(holder(r).await, Some(new), "the end of the old holder freed the new one's key");
}
