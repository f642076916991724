//! Finished tasks go by age or by count, and what belongs to them goes with them.

use posthaste_core::limits::{MAX_ATTEMPTS_KEPT, Retention, WORKER_KEPT};
use posthaste_core::{FailureClass, Kept, NewTask, Outcome, RecordKind, RetryPolicy, State};

use crate::rig::*;

pub(crate) async fn each_end_has_its_age(r: &mut Rig) {
    let succeeded = r.make(State::Succeeded).await.id;
    let cancelled = r.make(State::Cancelled).await.id;
    let expired = r.make(State::Expired).await.id;
    let failed = r.make(State::Failed).await.id;
    let queued = r.make(State::Queued).await.id;
    r.leap(HOUR * 23).await;
    for id in [succeeded, cancelled, expired, failed] {
        assert!(r.find(id).await.is_some(), "pruned before its day was over");
    }
    r.leap(HOUR * 2).await;
    for id in [succeeded, cancelled, expired] {
        assert!(r.find(id).await.is_none(), "kept for more than a day");
    }
    assert!(r.find(failed).await.is_some());
    r.leap(HOUR * 24 * 14).await;
    assert!(r.find(failed).await.is_none(), "kept for more than 14 days");
    assert!(r.find(queued).await.is_some(), "a waiting task was pruned");
}

pub(crate) async fn each_end_has_its_count(r: &mut Rig) {
    let retention = Retention { succeeded_count: 5, failed_count: 3, ..Retention::default() };
    let r = r.open_with(retention).await;
    let ids = r.put_n(40, &task()).await;
    for (i, c) in r.claim(40).await.iter().enumerate() {
        r.pass(SECOND).await;
        if i % 2 == 0 {
            r.done(c).await;
        } else {
            r.fail(c, FailureClass::Permanent).await;
        }
        if i == 9 {
            break;
        }
    }
    r.tick_all().await;
    assert_eq!((r.count(State::Succeeded).await, r.count(State::Failed).await), (5, 3));
    for (i, id) in ids[..10].iter().enumerate() {
        let kept = i % 2 == 0 || i >= 4;
        assert_eq!(r.find(*id).await.is_some(), kept, "number {i}: the oldest go first");
    }
}

pub(crate) async fn everything_goes_with_its_task(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    let kept = Kept { kind: RecordKind::SandboxMessage, body: json("{}") };
    r.end(c.lease, Outcome::Success { result: Some(json("1")), kept: Some(kept) }).await;
    r.leap(HOUR * 25).await;
    assert!(r.find(id).await.is_none());
    assert!(r.store().attempts(id).await.expect("attempts").is_none());
    let name = id.to_string();
    let record = r.store().get_record(RecordKind::SandboxMessage, &name).await.expect("get_record");
    assert!(record.is_none(), "a held message outlived its task");
    let counts = r.store().counts().await.expect("counts");
    assert!(counts.iter().all(|q| q.held == 0 && q.of(State::Succeeded) == 0));
}

pub(crate) async fn a_retried_task_is_not_pruned(r: &mut Rig) {
    let made = r.make(State::Cancelled).await;
    r.leap(HOUR * 23).await;
    r.again(made.id).await;
    r.leap(HOUR * 3).await;
    assert_eq!(r.state(made.id).await, State::Queued);
}

pub(crate) async fn a_second_end_starts_the_age_again(r: &mut Rig) {
    let made = r.make(State::Cancelled).await;
    r.leap(HOUR * 23).await;
    r.again(made.id).await;
    r.cancel(made.id).await;
    r.leap(HOUR * 2).await;
    assert_eq!(r.state(made.id).await, State::Cancelled);
    r.leap(HOUR * 23).await;
    assert!(r.find(made.id).await.is_none());
}

pub(crate) async fn a_tick_reports_what_it_pruned(r: &mut Rig) {
    let ids = r.put_n(20, &task()).await;
    r.store().cancel(&ids).await.expect("cancel");
    r.advance(HOUR * 25);
    assert_eq!(r.tick_all().await.pruned, 20);
    assert_eq!(r.tick_all().await.pruned, 0);
}

pub(crate) async fn the_log_keeps_the_last_fifty_attempts(r: &mut Rig) {
    let policy = RetryPolicy { max_failures: 100, ..delays(&[1]) };
    let id = r.put(NewTask { policy, ..task() }).await;
    for _ in 0..MAX_ATTEMPTS_KEPT + 5 {
        r.fail(&r.take().await, FailureClass::Transient).await;
        r.pass(SECOND).await;
    }
    let log = r.log(id).await;
    assert_eq!(log.len(), MAX_ATTEMPTS_KEPT);
    assert_eq!((log[0].attempt, log[MAX_ATTEMPTS_KEPT - 1].attempt), (6, 55));
    assert_eq!(r.task(id).await.attempt, 55);
}

pub(crate) async fn workers_are_listed_until_they_are_silent(r: &mut Rig) {
    r.heartbeat("w1").await;
    r.pass(WORKER_KEPT / 2).await;
    r.heartbeat("w2").await;
    let workers = r.store().workers().await.expect("workers");
    assert_eq!(workers.len(), 2);
    let w2 = workers.iter().find(|w| w.id == worker("w2")).expect("listed");
    assert_eq!((w2.host.as_str(), w2.slots, w2.queues.len(), w2.kinds.len()), ("host", 8, 1, 1));
    assert!(w2.seen_at >= workers.iter().find(|w| w.id == worker("w1")).expect("listed").seen_at);
    r.pass(WORKER_KEPT / 2 + secs(2)).await;
    let workers = r.store().workers().await.expect("workers");
    assert_eq!(workers.iter().map(|w| w.id.clone()).collect::<Vec<_>>(), [worker("w2")]);
    let mut gone = worker_info("w2", r.now().await);
    gone.queues.clear();
    gone.slots = 0;
    gone.stopping = true;
    r.store().heartbeat(gone).await.expect("heartbeat");
    assert!(r.store().workers().await.expect("workers").is_empty(), "a worker that left is still listed");
}
