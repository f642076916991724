//! Idempotency keys: a repeat of one request answers as the first did.

use posthaste_core::limits::{IDEMPOTENCY_KEPT, Retention};
use posthaste_core::{BrokerError, IdempotencyKey, NewTask, RetryPolicy, State};

use crate::rig::*;

pub(crate) async fn a_repeat_answers_as_the_first(r: &mut Rig) {
    let first = r.try_enqueue(vec![task(), task()], idem("a")).await.expect("stored");
    assert!(!first.replayed);
    let claimed = r.take().await;
    let second = r.try_enqueue(vec![task(), task()], idem("a")).await.expect("replayed");
    assert!(second.replayed);
    assert_eq!(second.tasks.len(), 2);
    for (a, b) in first.tasks.iter().zip(&second.tasks) {
        assert_eq!((a.id, b.duplicate), (b.id, false));
        let now = if b.id == claimed.lease.task { State::Running } else { State::Queued };
        assert_eq!(b.state, now, "a replay says the state now");
    }
    assert_eq!(r.count(State::Queued).await + r.count(State::Running).await, 2);
}

pub(crate) async fn another_request_under_the_same_key_is_refused(r: &mut Rig) {
    r.try_enqueue(vec![task()], idem("a")).await.expect("stored");
    let other = idem("a").map(|k| IdempotencyKey { fingerprint: [8; 32], ..k });
    let refused = r.try_enqueue(vec![task()], other).await;
    assert!(matches!(refused, Err(BrokerError::IdempotencyMismatch)), "{refused:?}");
    assert_eq!(r.count(State::Queued).await, 1);
}

pub(crate) async fn the_scope_is_tenant_operation_and_key(r: &mut Rig) {
    let a = idem("a");
    let keys = [
        a.clone(),
        a.clone().map(|k| IdempotencyKey { tenant: tenant("acme"), ..k }),
        a.clone().map(|k| IdempotencyKey { operation: "notify", ..k }),
        a.map(|k| IdempotencyKey { key: "b".to_owned(), ..k }),
    ];
    for (i, key) in keys.iter().enumerate() {
        let reply = r.try_enqueue(vec![task()], key.clone()).await.expect("stored");
        assert!(!reply.replayed, "key {i} was taken for another one");
    }
    for key in keys {
        assert!(r.try_enqueue(vec![task()], key).await.expect("replayed").replayed);
    }
}

pub(crate) async fn a_key_outlives_its_pruned_task(r: &mut Rig) {
    let r = r.open_with(Retention { succeeded_age: MINUTE, ..Retention::default() }).await;
    let first = r.try_enqueue(vec![task()], idem("a")).await.expect("stored");
    r.done(&r.take().await).await;
    r.leap(HOUR).await;
    assert!(r.find(first.tasks[0].id).await.is_none(), "the task should be pruned by now");
    let second = r.try_enqueue(vec![task()], idem("a")).await.expect("replayed");
    assert!(second.replayed, "the key went with its task");
    assert_eq!(second.tasks[0].id, first.tasks[0].id);
    assert!(r.claim(1).await.is_empty(), "a pruned task was stored again");
}

pub(crate) async fn a_key_is_kept_24_hours(r: &mut Rig) {
    let first = r.try_enqueue(vec![task()], idem("a")).await.expect("stored");
    r.leap(IDEMPOTENCY_KEPT - MINUTE).await;
    assert!(r.try_enqueue(vec![task()], idem("a")).await.expect("replayed").replayed);
    // From its first use: the replay a minute ago does not lengthen it.
    r.leap(MINUTE * 2).await;
    let later = r.try_enqueue(vec![task()], idem("a")).await.expect("stored");
    assert!(!later.replayed, "the key outlived its day");
    assert_ne!(later.tasks[0].id, first.tasks[0].id);
}

pub(crate) async fn it_is_looked_at_before_the_unique_key(r: &mut Rig) {
    let new = NewTask { unique: unique("u"), ..task() };
    let first = r.try_enqueue(vec![new.clone()], idem("a")).await.expect("stored");
    let second = r.try_enqueue(vec![new.clone()], idem("a")).await.expect("replayed");
    assert!(second.replayed && !second.tasks[0].duplicate, "a replay was taken for a duplicate");
    assert_eq!(second.tasks[0].id, first.tasks[0].id);
    let other = idem("a").map(|k| IdempotencyKey { fingerprint: [8; 32], ..k });
    let refused = r.try_enqueue(vec![new], other).await;
    assert!(matches!(refused, Err(BrokerError::IdempotencyMismatch)), "{refused:?}");
}

pub(crate) async fn repeats_at_the_same_moment_store_one(r: &mut Rig) {
    let replies = join_all((0..16).map(|_| r.try_enqueue(vec![task()], idem("a")))).await;
    let replies: Vec<_> = replies.into_iter().map(|x| x.expect("answered")).collect();
    assert!(replies.iter().all(|x| x.tasks[0].id == replies[0].tasks[0].id));
    assert_eq!(replies.iter().filter(|x| !x.replayed).count(), 1);
    assert_eq!(r.count(State::Queued).await, 1);
}

pub(crate) async fn a_refused_request_leaves_its_key_free(r: &mut Rig) {
    let bad = NewTask { policy: RetryPolicy { max_failures: 0, ..RetryPolicy::default() }, ..task() };
    r.try_enqueue(vec![bad], idem("a")).await.expect_err("refused");
    let other = idem("a").map(|k| IdempotencyKey { fingerprint: [8; 32], ..k });
    let reply = r.try_enqueue(vec![task()], other).await.expect("the key is free");
    assert!(!reply.replayed);
}

pub(crate) async fn a_key_outlives_a_restart(r: &mut Rig) {
    let first = r.try_enqueue(vec![task()], idem("a")).await.expect("stored");
    r.reopen().await;
    let second = r.try_enqueue(vec![task()], idem("a")).await.expect("replayed");
    assert!(second.replayed);
    assert_eq!(second.tasks[0].id, first.tasks[0].id);
}

pub(crate) async fn a_duplicate_replays_with_its_holder(r: &mut Rig) {
    let new = NewTask { unique: unique("u"), ..task() };
    let holder = r.put(new.clone()).await;
    let first = r.try_enqueue(vec![new.clone()], idem("a")).await.expect("answered");
    assert_eq!((first.tasks[0].id, first.tasks[0].duplicate), (holder, true));
    let second = r.try_enqueue(vec![new], idem("a")).await.expect("replayed");
    assert!(second.replayed);
    assert_eq!(second.tasks[0].id, holder);
    assert_eq!(r.count(State::Queued).await, 1);
}

pub(crate) async fn a_key_is_looked_up_by_a_request_of_no_tasks(r: &mut Rig) {
    let unknown = r.try_enqueue(vec![], idem("a")).await.expect("answered");
    assert!(!unknown.replayed && unknown.tasks.is_empty(), "{unknown:?}");
    let first = r.try_enqueue(vec![task(), task()], idem("a")).await.expect("stored");
    assert!(!first.replayed, "to ask about a key is not to use it");
    let claimed = r.take().await;
    let found = r.try_enqueue(vec![], idem("a")).await.expect("replayed");
    assert!(found.replayed);
    for (a, b) in first.tasks.iter().zip(&found.tasks) {
        let now = if b.id == claimed.lease.task { State::Running } else { State::Queued };
        assert_eq!((a.id, b.state), (b.id, now));
    }
    assert_eq!(found.tasks.len(), 2);
    let other = idem("a").map(|k| IdempotencyKey { fingerprint: [8; 32], ..k });
    let refused = r.try_enqueue(vec![], other).await;
    assert!(matches!(refused, Err(BrokerError::IdempotencyMismatch)), "{refused:?}");
    // Of a batch whose tasks may lie apart from their key.
    let spread: Vec<_> = (0..8).map(|n| NewTask { lane: Some(lane(&format!("t{n}"))), ..task() }).collect();
    let first = r.try_enqueue(spread, idem("b")).await.expect("stored");
    let found = r.try_enqueue(vec![], idem("b")).await.expect("replayed");
    assert!(found.replayed);
    assert_eq!(found.tasks, first.tasks);
}
