//! What is claimed, in which order, and how much of it at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthaste_core::{Broker, NewTask, Outcome, State, TaskId};
use posthaste_testkit::{Method, kind, queue, task, task_in_lane};
use serde_json::json;
use tokio::sync::{Barrier, mpsc};

use super::{Fun, Rig, eager, gated, handler, weighted};
use crate::{Registry, WorkerConfig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_task_of_a_backlog_runs_once() {
    const TASKS: usize = 3_000;
    let rig = Rig::new().await;
    let (ran, mut runs) = mpsc::unbounded_channel::<TaskId>();
    let registry = handler(move |cx| {
        let ran = ran.clone();
        async move {
            // Every third one waits for another thread, the others end at their first poll.
            if cx.task().lease.task.as_bytes()[15].is_multiple_of(3) {
                tokio::task::spawn_blocking(|| ()).await.expect("nothing to fail");
            }
            ran.send(cx.task().lease.task).expect("the test listens");
            Outcome::done()
        }
    });
    let mut ids = Vec::new();
    for part in 0..TASKS / 1_000 {
        ids.extend(rig.enqueue_all((0..1_000).map(|n| task("t", json!([part, n]))).collect()).await);
    }
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let mut seen: HashMap<TaskId, usize> = HashMap::new();
    for _ in 0..TASKS {
        *seen.entry(runs.recv().await.expect("all run")).or_default() += 1;
    }
    for id in &ids {
        rig.until_state(*id, State::Succeeded).await;
        assert_eq!(seen.get(id), Some(&1));
    }
    assert!(runs.try_recv().is_err());
    let stats = worker.stats();
    assert_eq!((stats.claimed, stats.lease_lost), (TASKS as u64, 0));
    assert_eq!(worker.shutdown().await.left, 0);
}

#[tokio::test]
async fn no_more_handlers_run_than_there_are_slots() {
    let rig = Rig::new().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (n, m, all) = (now.clone(), most.clone(), Arc::new(Barrier::new(4)));
    let registry = handler(move |_| {
        let (now, most, all) = (n.clone(), m.clone(), all.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Nobody goes on before all four slots are in use.
            all.wait().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Outcome::done()
        }
    });
    let ids = rig.enqueue_all((0..100).map(|n| task("t", json!(n))).collect()).await;
    let worker = rig.worker(registry, eager(4, 20)).await;
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
    worker.shutdown().await;
}

#[tokio::test]
async fn a_target_that_hangs_never_takes_all_slots() {
    let rig = Rig::new().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let hang = Fun(move |_cx| {
        let started = started.clone();
        Box::pin(async move {
            started.send(()).expect("the test listens");
            std::future::pending().await
        }) as futures_util::future::BoxFuture<'static, Outcome>
    });
    let registry = handler(|_| async { Outcome::done() }).with(kind("hang"), Arc::new(hang));
    rig.enqueue_all((0..40).map(|n| task_in_lane("hang", "dead", json!(n))).collect()).await;
    let config = WorkerConfig { shutdown_grace: Duration::from_millis(50), ..eager(8, 16) };
    let worker = rig.worker(registry, config).await;
    for _ in 0..6 {
        starts.recv().await.expect("three quarters of the slots start");
    }
    let ids = rig.enqueue_all((0..40).map(|n| task_in_lane("t", "alive", json!(n))).collect()).await;
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert!(starts.try_recv().is_err(), "more than three quarters of the slots went to one target");
    let stats = worker.stats();
    assert_eq!((stats.running, stats.prefetched), (6, 0));
    assert_eq!(worker.shutdown().await.released, 6);
}

#[tokio::test]
async fn heavier_queues_are_served_more_often() {
    let rig = Rig::new().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    let registry = handler(move |cx| {
        seen.lock().expect("whole").push(cx.task().queue.as_str().to_owned());
        async { Outcome::done() }
    });
    let of = |q: &str| {
        let q = queue(q);
        (0..20).map(move |n| NewTask { queue: q.clone(), ..task("t", json!(n)) }).collect::<Vec<_>>()
    };
    let mut ids = rig.enqueue_all(of("heavy")).await;
    ids.extend(rig.enqueue_all(of("light")).await);
    let config = WorkerConfig { queues: vec![weighted("heavy", 3), weighted("light", 1)], ..eager(1, 0) };
    let worker = rig.worker(registry, config).await;
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    let order = order.lock().expect("whole").clone();
    assert_eq!(order[..20].iter().filter(|q| *q == "heavy").count(), 15);
    worker.shutdown().await;
}

#[tokio::test]
async fn an_unknown_kind_is_given_back_uncounted_for_longer_each_time() {
    let rig = Rig::new().await;
    let worker = rig.worker(Registry::new(), WorkerConfig::default()).await;
    let id = rig.enqueue(task("strange", json!(null))).await;
    for (attempt, delay_s) in [(1, 5), (2, 10), (3, 20)] {
        let back = rig.until(id, |t| t.attempt == attempt && t.state != State::Running).await;
        assert_eq!(back.failures, 0);
        let start = posthaste_testkit::clock::START;
        let waits = back.due_at.since(start) - rig.clock_since_start();
        assert_eq!(waits, Duration::from_secs(delay_s));
        rig.clock.advance(waits);
        rig.store.tick().await.expect("ticks");
    }
    assert!(worker.stats().unknown_kind >= 3);
    assert_eq!(worker.stats().claimed, worker.stats().unknown_kind);
    worker.shutdown().await;
    let knows = rig
        .worker(super::handler_of("strange", |_| async { Outcome::done() }), WorkerConfig::default())
        .await;
    rig.clock.advance(Duration::from_secs(300));
    rig.store.tick().await.expect("ticks");
    rig.until_state(id, State::Succeeded).await;
    knows.shutdown().await;
}

#[tokio::test]
async fn a_task_that_is_due_later_runs_when_its_time_has_come() {
    let rig = Rig::new().await;
    let worker = rig.worker(handler(|_| async { Outcome::done() }), WorkerConfig::default()).await;
    let due = posthaste_core::Due::After(Duration::from_secs(3600));
    let id = rig.enqueue(NewTask { due, ..task("t", json!(null)) }).await;
    assert_eq!(rig.task(id).await.state, State::Scheduled);
    rig.clock.advance(Duration::from_secs(3601));
    rig.until_state(id, State::Succeeded).await;
    worker.shutdown().await;
}

#[tokio::test]
async fn a_freed_slot_takes_the_next_task_without_a_new_wake_up() {
    let rig = Rig::new().await;
    let (registry, mut starts, go) = gated();
    let ids = rig.enqueue_all((0..6).map(|n| task_in_lane("t", "one", json!(n))).collect()).await;
    // One slot, and so a bulkhead of one: the store hands out one at a time.
    let worker = rig.worker(registry, eager(1, 0)).await;
    for id in ids {
        assert_eq!(starts.recv().await, Some(id), "in order");
        go.notify_one();
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(rig.store.begun(Method::Claim), 0, "claims travel with settlements");
    worker.shutdown().await;
}
