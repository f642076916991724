//! The store fails, hangs or loses its answers, and the runtime is blocked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use posthaste_core::broker::ReleaseReason;
use posthaste_core::{Broker, NewTask, Outcome, State};
use posthaste_testkit::{Fault, Method, task};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Log, Rig, at_once, eager, gated, handler, until_stats};
use crate::{Registry, Worker, WorkerConfig};

/// A handler that counts its runs and ends at once.
fn counting() -> (Registry, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let registry = handler(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Outcome::done() }
    });
    (registry, runs)
}

#[tokio::test]
async fn outcomes_outlive_a_store_that_fails_for_a_while() {
    let rig = Rig::new().await;
    let (registry, runs) = counting();
    let ids = rig.enqueue_all((0..50).map(|n| task("t", json!(n))).collect()).await;
    // The first call claims, the following ones would store what came of it.
    for n in 2..8 {
        rig.store.at(Method::Settle, n, Fault::Fail);
    }
    let worker = rig.worker(registry, eager(4, 6)).await;
    rig.store.wait_ended(Method::Settle, 7).await;
    let stats = worker.stats();
    assert!(stats.claimed <= 10, "held back while outcomes wait: {stats:?}");
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(runs.load(Ordering::SeqCst), 50);
    assert!(worker.stats().store_errors >= 6);
    assert_eq!(worker.shutdown().await.left, 0);
}

#[tokio::test]
async fn a_lost_answer_is_no_second_run() {
    let rig = Rig::new().await;
    let (registry, runs) = counting();
    let worker = rig.worker(registry, eager(1, 0)).await;
    // The claim comes back, the settle that follows does not.
    rig.store.wait_ended(Method::Settle, 1).await;
    rig.store.at(Method::Settle, 2, Fault::LoseReply);
    let id = rig.enqueue(task("t", json!(null))).await;
    rig.until_state(id, State::Succeeded).await;
    let stats = until_stats(&worker, |s| s.succeeded == 1).await;
    assert_eq!((stats.store_errors, stats.lease_lost, runs.load(Ordering::SeqCst)), (1, 0, 1));
    assert_eq!(worker.shutdown().await.left, 0);
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_and_sent_again() {
    let rig = Rig::new().await;
    let (registry, runs) = counting();
    let ids = rig.enqueue_all((0..5).map(|n| task("t", json!(n))).collect()).await;
    rig.store.at(Method::Settle, 2, Fault::Hang);
    // The patience with a call is two thirds of a lease. The store's clock stands still meanwhile.
    let config = WorkerConfig { lease: Duration::from_millis(90), ..eager(5, 0) };
    let worker = rig.worker(registry, config).await;
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    assert_eq!(worker.shutdown().await.left, 0);
}

#[tokio::test]
async fn a_release_that_fails_is_sent_again() {
    let rig = Rig::new().await;
    rig.store.at(Method::Release, 1, Fault::Fail);
    let config = WorkerConfig { shutdown_grace: Duration::from_secs(5), ..eager(1, 1) };
    let (registry, mut starts, _go) = gated();
    let worker = rig.worker(registry, config).await;
    let id = rig.enqueue(NewTask { policy: at_once(), ..task("t", json!(null)) }).await;
    starts.recv().await.expect("it starts");
    worker.abort_handle().cancel();
    assert_eq!(worker.shutdown().await.released, 1);
    assert_eq!(rig.task(id).await.state, State::Queued);
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_no_shutdown() {
    let rig = Rig::new().await;
    let (registry, mut starts, _go) = gated();
    // The keeper's patience with one call is a third of a lease.
    let config = WorkerConfig {
        lease: Duration::from_secs(60),
        shutdown_grace: Duration::from_secs(1),
        ..eager(1, 0)
    };
    let worker = rig.worker(registry, config).await;
    rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    rig.store.always(Method::Extend, Fault::Hang);
    let began = rig.store.begun(Method::Extend);
    worker.keep_now();
    rig.store.wait_begun(Method::Extend, began + 1).await;
    worker.abort_handle().cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(10), worker.shutdown()).await;
    assert!(stopped.is_ok(), "the shutdown waits for a keeper that waits for the store");
}

/// Everything that a worker asks of its store.
const ASKED: [Method; 7] = [
    Method::Claim,
    Method::Settle,
    Method::Extend,
    Method::CancelFlags,
    Method::Heartbeat,
    Method::Release,
    Method::Tick,
];

#[tokio::test]
async fn an_outage_is_outlived_without_a_second_run_and_work_goes_on_by_itself() {
    let rig = Rig::new().await;
    let (registry, mut starts, go) = gated();
    let worker = rig.worker(registry, eager(2, 0)).await;
    let running = rig.enqueue(task("t", json!(1))).await;
    starts.recv().await.expect("it starts");
    let extended = rig.store.ended(Method::Extend);
    let beaten = rig.store.ended(Method::Heartbeat);
    ASKED.iter().for_each(|m| rig.store.always(*m, Fault::Fail));
    worker.keep_now();
    // Each is tried again and again, though nobody asks the keeper a second time.
    rig.store.wait_ended(Method::Extend, extended + 3).await;
    rig.store.wait_ended(Method::Heartbeat, beaten + 2).await;
    // Its ring is lost: nothing tells the worker of this one when the store is back.
    let waiting = rig.enqueue(task("t", json!(2))).await;
    rig.store.heal();
    starts.recv().await.expect("work goes on");
    rig.store.wait_ended(Method::Extend, rig.store.ended(Method::Extend) + 1).await;
    go.notify_one();
    go.notify_one();
    for id in [running, waiting] {
        let done = rig.until_state(id, State::Succeeded).await;
        assert_eq!(done.attempt, 1, "no healthy handler runs twice");
    }
    assert_eq!(until_stats(&worker, |s| s.succeeded == 2).await.lease_lost, 0);
    assert_eq!(worker.shutdown().await.left, 0);
}

#[tokio::test]
async fn a_late_outcome_is_refused_alone_and_the_log_says_so() {
    let (log, _logging) = Log::of_this_thread();
    let rig = Rig::new().await;
    let (registry, mut starts, go) = gated();
    let leases = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = leases.clone();
    let inner = registry.get(&posthaste_testkit::kind("t")).expect("it is registered").clone();
    let registry = handler(move |cx| {
        seen.lock().expect("no handler panics").push(cx.task().lease);
        let inner = inner.clone();
        async move { inner.run(cx).await }
    });
    let worker = rig.worker(registry, eager(2, 0)).await;
    let ids = rig.enqueue_all(vec![task("t", json!(1)), task("t", json!(2))]).await;
    for _ in 0..2 {
        starts.recv().await.expect("it starts");
    }
    // As after a freeze: one of them runs elsewhere by now.
    let lost = leases.lock().expect("no handler panics")[0];
    rig.store.release(&[lost], ReleaseReason::Shutdown).await.expect("the store takes it");
    go.notify_one();
    go.notify_one();
    let stats = until_stats(&worker, |s| s.succeeded + s.lease_lost == 2).await;
    assert_eq!((stats.succeeded, stats.lease_lost), (1, 1), "{stats:?}");
    // The one that was lost runs again, and its new outcome counts.
    starts.recv().await.expect("it starts again");
    go.notify_one();
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(worker.shutdown().await.left, 0);
    let text = log.text();
    let told: Vec<&str> = text.lines().filter(|l| l.contains("the leases were lost")).collect();
    assert_eq!(told.len(), 1, "{text}");
    assert!(told[0].contains("count=1") && told[0].contains(&lost.task.to_string()), "{text}");
}

#[tokio::test]
async fn a_worker_does_not_start_without_its_store() {
    let rig = Rig::new().await;
    rig.store.always(Method::Heartbeat, Fault::Fail);
    let store = rig.store.clone();
    assert!(Worker::start(store, Registry::new(), WorkerConfig::default()).await.is_err());
}

#[tokio::test]
async fn a_worker_serves_at_least_one_queue() {
    let rig = Rig::new().await;
    let config = WorkerConfig { queues: Vec::new(), ..WorkerConfig::default() };
    assert!(Worker::start(rig.store.clone(), Registry::new(), config).await.is_err());
}

/// The whole runtime of the worker is one thread, and its handler blocks it for several leases.
#[test]
fn leases_outlive_a_blocked_runtime() {
    let outside = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rig = outside.block_on(Rig::new());
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (started, mut starts) = mpsc::unbounded_channel();
    let registry = handler(move |_| {
        let (gate, started) = (gate.clone(), started.clone());
        async move {
            started.send(()).expect("the test listens");
            gate.lock().expect("one at a time").recv().expect("the test opens the gate");
            Outcome::done()
        }
    });
    let (ready, worker) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let store = rig.store.clone();
    let blocked = std::thread::spawn(move || {
        let inside = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        inside.block_on(async move {
            let worker = Worker::start(store, registry, WorkerConfig::default()).await.expect("starts");
            let worker = Arc::new(worker);
            assert!(ready.send(worker.clone()).is_ok());
            let _ = ended.await;
            let worker = Arc::into_inner(worker).expect("the test let go of it");
            worker.shutdown().await
        })
    });
    outside.block_on(async {
        let worker = worker.await.expect("it starts");
        let id = rig.enqueue(task("t", json!(null))).await;
        starts.recv().await.expect("the handler blocks");
        for _ in 0..12 {
            rig.clock.advance(Duration::from_secs(5));
            let n = rig.store.ended(Method::Extend);
            worker.keep_now();
            rig.store.wait_ended(Method::Extend, n + 1).await;
            assert_eq!(rig.store.tick().await.expect("ticks").rescued, 0);
        }
        let running = rig.task(id).await;
        assert_eq!((running.state, running.attempt), (State::Running, 1));
        open.send(()).expect("the handler waits");
        let done = rig.until_state(id, State::Succeeded).await;
        assert_eq!(done.attempt, 1);
        drop(worker);
        end.send(()).expect("the other thread waits");
    });
    assert_eq!(blocked.join().expect("it stops").left, 0);
}
