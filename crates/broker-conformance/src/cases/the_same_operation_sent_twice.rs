//! A reply may be lost, so every operation may be sent twice: one case per operation.

use posthaste_core::broker::{Cancelled, Extended, Fenced, Retried, Settled, TickReport};
use posthaste_core::{
    BrokerError, Due, Expect, Failure, FailureClass, LaneLimits, NewTask, Outcome, RecordKind, State, TaskId,
};

use crate::rig::*;

pub(crate) async fn enqueue(r: &mut Rig) {
    let id: TaskId = "01890000-0000-7000-8000-000000000001".parse().expect("a UUID");
    let own = NewTask { id: Some(id), ..task() };
    r.put(own.clone()).await;
    let again = r.try_enqueue(vec![own], None).await;
    assert!(matches!(again, Err(BrokerError::IdExists { id: taken }) if taken == id), "{again:?}");
    r.try_enqueue(vec![task()], idem("a")).await.expect("stored");
    assert!(r.try_enqueue(vec![task()], idem("a")).await.expect("replayed").replayed);
    assert_eq!(r.count(State::Queued).await, 2);
}

pub(crate) async fn claim(r: &mut Rig) {
    let ids = r.put_n(4, &task()).await;
    assert_eq!(r.ids(2).await, ids[..2]);
    assert_eq!(r.ids(2).await, ids[2..], "a repeat is a new claim");
    // The tasks of the lost reply come back, uncounted, since their worker lives.
    r.pass_alive(secs(17), &[]).await;
    let t = r.task(ids[0]).await;
    assert_eq!((t.state, t.failures), (State::Queued, 0));
}

pub(crate) async fn settle(r: &mut Rig) {
    r.put_n(3, &NewTask { policy: delays(&[60_000]), ..task() }).await;
    let claimed = r.claim(3).await;
    let failure = |class| Outcome::Failure(Failure::new(class, "no"));
    let outcomes = [Outcome::done(), failure(FailureClass::Transient), failure(FailureClass::Permanent)];
    let batch: Vec<_> = claimed.iter().map(|c| c.lease).zip(outcomes).collect();
    let first = r.settle(batch.clone()).await;
    let states = [State::Succeeded, State::Retrying, State::Failed];
    assert_eq!(first, states.map(Settled::Settled));
    let ids: Vec<_> = claimed.iter().map(|c| c.lease.task).collect();
    let before = format!("{:?}", r.store().get(&ids).await.expect("get"));
    assert_eq!(r.settle(batch).await, [Settled::AlreadySettled; 3]);
    let after = format!("{:?}", r.store().get(&ids).await.expect("get"));
    assert_eq!(before, after);
    for c in &claimed {
        assert_eq!(r.log(c.lease.task).await.len(), 1);
    }
}

pub(crate) async fn mark(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    assert_eq!(r.mark(c.lease).await, Fenced::Granted);
    assert_eq!(r.mark(c.lease).await, Fenced::Granted);
    r.done(&c).await;
    assert_eq!(r.mark(c.lease).await, Fenced::LeaseLost);
}

pub(crate) async fn extend(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    for _ in 0..2 {
        let answer = r.extend(&[c.lease]).await;
        assert_eq!(answer, [Extended { lease: Fenced::Granted, cancel_requested: false }]);
    }
    r.pass(secs(12)).await;
    assert_eq!(r.state(c.lease.task).await, State::Running);
    r.pass(secs(6)).await;
    assert_eq!(r.state(c.lease.task).await, State::Queued, "two extends do not add up");
}

pub(crate) async fn cancel_flags(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    r.cancel(c.lease.task).await;
    assert_eq!((r.flag(c.lease).await, r.flag(c.lease).await), (true, true));
}

pub(crate) async fn release(r: &mut Rig) {
    r.put(task()).await;
    let c = r.take().await;
    assert_eq!(r.release(c.lease).await, Fenced::Granted);
    assert_eq!(r.release(c.lease).await, Fenced::LeaseLost);
    assert_eq!(r.claim(10).await.len(), 1);
}

pub(crate) async fn cancel(r: &mut Rig) {
    let id = r.put(task()).await;
    assert_eq!(r.cancel(id).await, Cancelled::Done);
    assert_eq!(r.cancel(id).await, Cancelled::AlreadyFinal(State::Cancelled));
    let id = r.put(task()).await;
    r.take().await;
    assert_eq!(r.cancel(id).await, Cancelled::Requested);
    assert_eq!(r.cancel(id).await, Cancelled::Requested);
    assert_eq!(r.store().cancel(&[id, id]).await.expect("cancel"), [Cancelled::Requested; 2]);
}

pub(crate) async fn retry(r: &mut Rig) {
    let id = r.put(task()).await;
    r.cancel(id).await;
    assert!(matches!(r.retry(id).await, Retried::Done { .. }));
    assert_eq!(r.retry(id).await, Retried::NotRetryable(State::Queued));
    r.take().await;
    assert_eq!(r.retry(id).await, Retried::NotRetryable(State::Running));
    assert!(r.claim(10).await.is_empty());
}

pub(crate) async fn tick(r: &mut Rig) {
    r.put(NewTask { due: Due::After(SECOND), ..task() }).await;
    r.advance(SECOND);
    assert_eq!(r.tick().await.due, 1);
    let again = r.tick().await;
    assert_eq!(again, TickReport { next: again.next, ..TickReport::default() });
    assert_eq!(r.claim(10).await.len(), 1);
}

pub(crate) async fn pause(r: &mut Rig) {
    r.put(in_lane("a")).await;
    r.pause(lane_scope("a"), None).await;
    r.pause(lane_scope("a"), None).await;
    assert!(r.claim(10).await.is_empty());
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.claim(10).await.len(), 1, "one resume ends two pauses");
}

pub(crate) async fn resume(r: &mut Rig) {
    r.put(in_lane("a")).await;
    r.resume(&lane_scope("a")).await;
    r.pause(lane_scope("a"), None).await;
    assert!(r.claim(10).await.is_empty(), "an earlier resume undid a later pause");
    r.resume(&lane_scope("a")).await;
    r.resume(&lane_scope("a")).await;
    assert_eq!(r.claim(10).await.len(), 1);
    r.resume(&lane_scope("never")).await;
}

pub(crate) async fn set_limits(r: &mut Rig) {
    r.put_n(5, &in_lane("a")).await;
    for _ in 0..2 {
        r.store().set_limits(&lane_scope("a"), LaneLimits::concurrency(2)).await.expect("set_limits");
    }
    assert_eq!(r.claim(10).await.len(), 2);
    r.store().set_limits(&lane_scope("a"), LaneLimits::concurrency(2)).await.expect("set_limits");
    assert!(r.claim(10).await.is_empty(), "a repeat forgot what runs");
}

pub(crate) async fn heartbeat(r: &mut Rig) {
    r.heartbeat("w1").await;
    r.heartbeat("w1").await;
    assert_eq!(r.store().workers().await.expect("workers").len(), 1);
}

pub(crate) async fn put_record(r: &mut Rig) {
    let put = |expect| {
        let store = r.store();
        async move { store.put_record(RecordKind::Setting, "a", json("1"), expect).await }
    };
    assert_eq!(put(Expect::Absent).await.expect("put"), 1);
    assert!(matches!(put(Expect::Absent).await, Err(BrokerError::VersionConflict { found: Some(1) })));
    assert_eq!(put(Expect::Version(1)).await.expect("put"), 2);
    assert!(matches!(put(Expect::Version(1)).await, Err(BrokerError::VersionConflict { found: Some(2) })));
}

pub(crate) async fn delete_record(r: &mut Rig) {
    r.store().put_record(RecordKind::Setting, "a", json("1"), Expect::Any).await.expect("put");
    assert!(r.store().delete_record(RecordKind::Setting, "a", Expect::Any).await.expect("delete"));
    assert!(!r.store().delete_record(RecordKind::Setting, "a", Expect::Any).await.expect("delete"));
}
