//! Storing tasks.

use std::collections::BTreeSet;

use posthaste_core::limits::{
    MAX_ENQUEUE, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH, MAX_SCHEDULE_AHEAD,
};
use posthaste_core::{
    BatchId, BrokerError, Due, Json, NewTask, OnAmbiguous, Priority, RetryPolicy, State, TaskId,
};

use crate::rig::*;

fn id(n: u128) -> TaskId {
    format!("01890000-0000-7000-8000-{n:012x}").parse().expect("a UUID")
}

pub(crate) async fn due_now_is_queued(r: &mut Rig) {
    let policy = RetryPolicy { max_failures: 3, on_ambiguous: OnAmbiguous::Hold, ..delays(&[5]) };
    let batch: BatchId = "01890000-0000-7000-8000-0000000000b0".parse().expect("a UUID");
    let now = r.now().await;
    let mut new = NewTask {
        id: Some(id(1)),
        queue: queue("mail"),
        lane: Some(lane("smtp:a/acme")),
        tenant: tenant("acme"),
        priority: Priority::High,
        payload: json(r#"{"to":["ä"]}"#),
        expires_at: Some(now.plus(HOUR)),
        policy: policy.clone(),
        unique: unique("k"),
        batch: Some(batch),
        trace: Some("00-11-22-01".to_owned()),
        ..task()
    };
    if !r.harness().has_one_order() {
        // Either says in which part the task lies, so it has one of them.
        let refused = r.try_enqueue(vec![new.clone()], None).await;
        assert!(matches!(refused, Err(BrokerError::Invalid { field: "id", .. })), "{refused:?}");
        new.id = None;
    }
    let own = new.id;
    let reply = r.enqueue(vec![new]).await;
    assert_eq!((reply.tasks[0].state, reply.tasks[0].duplicate), (State::Queued, false));
    assert!(!reply.replayed);
    assert!(own.is_none_or(|own| own == reply.tasks[0].id));
    let t = r.task(reply.tasks[0].id).await;
    assert_eq!((t.state, t.generation, t.attempt, t.failures), (State::Queued, 1, 0, 0));
    assert_eq!((t.kind, t.queue, t.lane), (kind("job"), queue("mail"), Some(lane("smtp:a/acme"))));
    assert_eq!((t.tenant, t.priority, t.policy), (tenant("acme"), Priority::High, policy));
    assert_eq!(t.payload, Some(json(r#"{"to":["ä"]}"#)));
    assert_eq!((t.expires_at, t.batch), (Some(now.plus(HOUR)), Some(batch)));
    assert_eq!((t.unique.as_deref(), t.trace.as_deref()), (Some("k"), Some("00-11-22-01")));
    assert!(t.created_at >= now && t.due_at >= now);
    assert!(t.started_at.is_none() && t.finished_at.is_none() && t.worker.is_none());
    assert!(t.error.is_none() && t.result.is_none() && !t.cancel_requested);
}

pub(crate) async fn due_later_is_scheduled(r: &mut Rig) {
    let now = r.now().await;
    let after = r.put(NewTask { due: Due::After(MINUTE), ..task() }).await;
    let at = r.put(NewTask { due: Due::At(now.plus(HOUR)), ..task() }).await;
    assert_eq!((r.state(after).await, r.state(at).await), (State::Scheduled, State::Scheduled));
    assert_eq!(r.task(at).await.due_at, now.plus(HOUR));
    assert!(r.task(after).await.due_at >= now.plus(MINUTE));
    assert!(r.claim(10).await.is_empty(), "a scheduled task was handed out");
}

pub(crate) async fn a_due_time_that_has_passed_is_now(r: &mut Rig) {
    let past = r.now().await.minus(HOUR);
    let reply = r.enqueue(vec![NewTask { due: Due::At(past), ..task() }]).await;
    assert_eq!(reply.tasks[0].state, State::Queued);
    assert_eq!(r.take().await.lease.task, reply.tasks[0].id);
}

pub(crate) async fn ids_are_answered_in_order(r: &mut Rig) {
    let ids = r.put_n(MAX_ENQUEUE, &task()).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), MAX_ENQUEUE, "minted ids repeat");
    for i in [0, 1, 499, 999] {
        assert_eq!(r.task(ids[i]).await.payload, Some(number(i)));
    }
    assert_eq!(r.count(State::Queued).await, MAX_ENQUEUE as u64);
}

pub(crate) async fn one_bad_task_refuses_all(r: &mut Rig) {
    let bad = NewTask { policy: RetryPolicy { max_failures: 0, ..RetryPolicy::default() }, ..task() };
    let refused = r.try_enqueue(vec![task(), task(), bad], None).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid { index: 2, field: "max_failures", .. })),
        "{refused:?}"
    );
    assert_eq!(r.count(State::Queued).await, 0, "something of a refused request was stored");
}

pub(crate) async fn a_bad_request_never_fails_its_neighbours(r: &mut Rig) {
    let good = (0..20).map(|_| r.try_enqueue(vec![task()], None));
    let huge = Json::from_trusted(format!("\"{}\"", "x".repeat(MAX_PAYLOAD_BYTES)));
    let bad = (0..20).map(|_| r.try_enqueue(vec![NewTask { payload: huge.clone(), ..task() }], None));
    let (good, bad) = tokio::join!(join_all(good), join_all(bad));
    assert!(good.iter().all(Result::is_ok), "a good request failed beside bad ones");
    assert!(bad.iter().all(Result::is_err));
    assert_eq!(r.count(State::Queued).await, 20);
}

pub(crate) async fn too_many_at_once_are_refused(r: &mut Rig) {
    let refused = r.try_enqueue(vec![task(); MAX_ENQUEUE + 1], None).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "{refused:?}");
    assert_eq!(r.count(State::Queued).await, 0);
}

pub(crate) async fn payloads_have_a_largest_size(r: &mut Rig) {
    let text = |n: usize| Json::from_trusted(format!("\"{}\"", "x".repeat(n - 2)));
    let id = r.put(NewTask { payload: text(MAX_PAYLOAD_BYTES), ..task() }).await;
    assert_eq!(r.task(id).await.payload.map(|p| p.len()), Some(MAX_PAYLOAD_BYTES));
    let refused = r.try_enqueue(vec![NewTask { payload: text(MAX_PAYLOAD_BYTES + 1), ..task() }], None).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { field: "payload", .. })), "{refused:?}");
    let nested = |n: usize| Json::from_trusted(format!("{}{}", "[".repeat(n), "]".repeat(n)));
    let id = r.put(NewTask { payload: nested(MAX_PAYLOAD_DEPTH), ..task() }).await;
    assert_eq!(r.task(id).await.payload.map(|p| p.depth()), Some(MAX_PAYLOAD_DEPTH));
    let deep = NewTask { payload: nested(MAX_PAYLOAD_DEPTH + 1), ..task() };
    let refused = r.try_enqueue(vec![deep], None).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { field: "payload", .. })), "{refused:?}");
}

pub(crate) async fn a_schedule_has_a_furthest_time(r: &mut Rig) {
    let far = NewTask { due: Due::After(MAX_SCHEDULE_AHEAD + HOUR), ..task() };
    let refused = r.try_enqueue(vec![far], None).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "{refused:?}");
}

pub(crate) async fn keys_have_a_longest_length(r: &mut Rig) {
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let refused = r.try_enqueue(vec![NewTask { unique: unique(&long), ..task() }], None).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "unique: {refused:?}");
    let refused = r.try_enqueue(vec![task()], idem(&long)).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "idempotency: {refused:?}");
    let longest = "k".repeat(MAX_KEY_BYTES);
    r.try_enqueue(vec![NewTask { unique: unique(&longest), ..task() }], idem(&longest))
        .await
        .expect("stored");
}

pub(crate) async fn an_own_id_is_kept_and_taken_once(r: &mut Rig) {
    let own = |n| NewTask { id: Some(id(n)), ..task() };
    assert_eq!(r.put(own(1)).await, id(1));
    let refused = r.try_enqueue(vec![own(2), own(1)], None).await;
    assert!(matches!(refused, Err(BrokerError::IdExists { id: taken }) if taken == id(1)), "{refused:?}");
    assert!(r.find(id(2)).await.is_none(), "the neighbour of a taken id was stored");
    let refused = r.try_enqueue(vec![own(3), own(3)], None).await;
    assert!(refused.is_err(), "one id was taken twice in a request");
    assert!(r.find(id(3)).await.is_none());
}
