//! Every way a worker stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use posthaste_core::{
    AttemptOutcome, Broker, EndReason, Failure, FailureClass, NewTask, OnAmbiguous, Outcome, RetryPolicy,
    State,
};
use posthaste_testkit::{Fault, Method, task};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use super::{Rig, eager, gated, handler};
use crate::{MarkError, ShutdownReport, WorkerConfig};

const LONG: Duration = Duration::from_secs(3600);

fn grace(shutdown_grace: Duration) -> WorkerConfig {
    WorkerConfig { shutdown_grace, ..eager(1, 10) }
}

#[tokio::test]
async fn an_idle_worker_stops_at_once_and_takes_its_registration_back() {
    let rig = Rig::new().await;
    let worker = rig.worker(handler(|_| async { Outcome::done() }), grace(LONG)).await;
    let workers = rig.store.workers().await.expect("answers");
    assert_eq!(workers.iter().map(|w| &w.id).collect::<Vec<_>>(), [worker.id()]);
    assert_eq!(worker.shutdown().await, ShutdownReport::default());
    assert!(rig.store.workers().await.expect("answers").is_empty());
}

#[tokio::test]
async fn what_is_not_marked_at_the_end_of_the_grace_is_given_back_uncounted() {
    let rig = Rig::new().await;
    let (registry, mut starts, _go) = gated();
    let worker = rig.worker(registry, grace(Duration::from_millis(50))).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    let report = worker.shutdown().await;
    assert_eq!(report, ShutdownReport { released: 1, ..ShutdownReport::default() });
    let back = rig.task(id).await;
    assert_eq!((back.state, back.failures), (State::Queued, 0));
    let attempts = rig.store.attempts(id).await.expect("answers").expect("is there");
    assert_eq!((attempts[0].outcome, attempts[0].counted), (AttemptOutcome::Released, false));
}

#[tokio::test]
async fn prefetched_tasks_are_given_back_and_the_running_one_finishes() {
    let rig = Rig::new().await;
    let (registry, mut starts, go) = gated();
    let ids = rig.enqueue_all((0..5).map(|n| task("t", json!(n))).collect()).await;
    let worker = rig.worker(registry, grace(LONG)).await;
    starts.recv().await.expect("the first one starts");
    let stopped = tokio::spawn(worker.shutdown());
    rig.store.wait_ended(Method::Release, 1).await;
    go.notify_one();
    let report = stopped.await.expect("it stops");
    assert_eq!(report, ShutdownReport { finished: 1, released: 4, ..ShutdownReport::default() });
    assert_eq!(rig.task(ids[0]).await.state, State::Succeeded);
    for id in &ids[1..] {
        assert_eq!(rig.task(*id).await.state, State::Queued);
    }
}

#[tokio::test]
async fn what_is_marked_finishes_within_the_grace_and_is_sent_once() {
    let rig = Rig::new().await;
    let (go, sent) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (marked, mut marks) = mpsc::unbounded_channel();
    let (wait, count) = (go.clone(), sent.clone());
    let registry = handler(move |cx| {
        let (wait, count, marked) = (wait.clone(), count.clone(), marked.clone());
        async move {
            cx.mark().await.expect("granted");
            marked.send(()).expect("the test listens");
            wait.notified().await;
            count.fetch_add(1, Ordering::SeqCst);
            Outcome::done()
        }
    });
    let worker = rig.worker(registry, grace(LONG)).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    marks.recv().await.expect("it marks");
    let stopped = tokio::spawn(worker.shutdown());
    go.notify_one();
    let report = stopped.await.expect("it stops");
    assert_eq!(report, ShutdownReport { finished: 1, ..ShutdownReport::default() });
    assert_eq!(rig.task(id).await.state, State::Succeeded);
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_marked_and_too_slow_is_settled_as_ambiguous() {
    let rig = Rig::new().await;
    let (marked, mut marks) = mpsc::unbounded_channel();
    let registry = handler(move |cx| {
        let marked = marked.clone();
        async move {
            cx.mark().await.expect("granted");
            marked.send(()).expect("the test listens");
            std::future::pending().await
        }
    });
    let worker = rig.worker(registry, grace(Duration::from_millis(50))).await;
    let policy = RetryPolicy { on_ambiguous: OnAmbiguous::Hold, ..RetryPolicy::default() };
    let id = rig.enqueue(NewTask { policy, ..task("t", json!(null)) }).await;
    marks.recv().await.expect("it marks");
    let report = worker.shutdown().await;
    assert_eq!(report, ShutdownReport { ambiguous: 1, ..ShutdownReport::default() });
    let failed = rig.task(id).await;
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.error.and_then(|e| e.reason), Some(EndReason::Ambiguous));
}

#[tokio::test]
async fn a_second_signal_ends_the_grace() {
    let rig = Rig::new().await;
    let (registry, mut starts, _go) = gated();
    let worker = rig.worker(registry, grace(LONG)).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    let abort = worker.abort_handle();
    let stopped = tokio::spawn(worker.shutdown());
    abort.cancel();
    let report = stopped.await.expect("it stops");
    assert_eq!(report, ShutdownReport { released: 1, ..ShutdownReport::default() });
    assert_eq!(rig.task(id).await.state, State::Queued);
}

#[tokio::test]
async fn a_handler_that_listens_ends_in_its_own_words() {
    let rig = Rig::new().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let registry = handler(move |cx| {
        started.send(()).expect("the test listens");
        async move {
            cx.cancellation().cancelled().await;
            Outcome::done()
        }
    });
    let worker = rig.worker(registry, grace(Duration::from_millis(50))).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    let report = worker.shutdown().await;
    assert_eq!(report, ShutdownReport { finished: 1, ..ShutdownReport::default() });
    assert_eq!(rig.task(id).await.state, State::Succeeded);
}

#[tokio::test]
async fn a_handler_that_gives_up_when_told_is_no_failure_of_its_task() {
    let rig = Rig::new().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let registry = handler(move |cx| {
        started.send(()).expect("the test listens");
        async move {
            cx.cancellation().cancelled().await;
            Outcome::Failure(Failure::new(FailureClass::Transient, "told to stop"))
        }
    });
    let worker = rig.worker(registry, grace(Duration::from_millis(50))).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    let report = worker.shutdown().await;
    assert_eq!(report, ShutdownReport { released: 1, ..ShutdownReport::default() });
    let back = rig.task(id).await;
    assert_eq!((back.state, back.failures), (State::Queued, 0));
}

#[tokio::test]
async fn a_store_that_hangs_does_not_hold_the_shutdown_beyond_its_grace() {
    let rig = Rig::new().await;
    let (registry, mut starts, go) = gated();
    let worker = rig.worker(registry, grace(Duration::from_millis(100))).await;
    rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    for method in [Method::Settle, Method::Release, Method::Heartbeat, Method::Extend] {
        rig.store.always(method, Fault::Hang);
    }
    go.notify_one();
    let report = worker.shutdown().await;
    assert_eq!(report, ShutdownReport { left: 1, ..ShutdownReport::default() });
    rig.store.heal();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_its_thread_is_left_behind_and_cannot_mark_any_more() {
    let rig = Rig::new().await;
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (late, mut answers) = mpsc::unbounded_channel();
    let (started, mut starts) = mpsc::unbounded_channel();
    let registry = handler(move |cx| {
        let (gate, late, started) = (gate.clone(), late.clone(), started.clone());
        async move {
            started.send(()).expect("the test listens");
            gate.lock().expect("one at a time").recv().expect("the test opens the gate");
            late.send(cx.mark().await).expect("the test listens");
            Outcome::done()
        }
    });
    let worker = rig.worker(registry, grace(Duration::from_millis(50))).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    let report = worker.shutdown().await;
    assert_eq!(report, ShutdownReport { released: 1, ..ShutdownReport::default() });
    assert_eq!(rig.task(id).await.state, State::Queued);
    go.send(()).expect("the handler waits");
    assert_eq!(answers.recv().await, Some(Err(MarkError::LeaseLost)));
}
