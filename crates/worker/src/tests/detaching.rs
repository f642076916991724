//! Handlers that hand their lease token on: the worker lets go of the task, and somebody else settles it.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::{Extend, Fenced, SettleRequest, Settled, Settlement};
use posthaste_core::{Backoff, Broker, FailureClass, Json, LeaseRef, NewTask, Outcome, RetryPolicy, State};
use posthaste_testkit::{Fault, Method, task};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Rig, handler, until_stats};
use crate::{Registry, WorkerConfig};

/// A handler that marks, tells its lease and lets go.
fn detaching() -> (Registry, mpsc::UnboundedReceiver<LeaseRef>) {
    let (tell, told) = mpsc::unbounded_channel();
    let registry = handler(move |cx| {
        let tell = tell.clone();
        async move {
            cx.mark().await.expect("the lease holds");
            tell.send(cx.task().lease).expect("the test listens");
            Outcome::Detached
        }
    });
    (registry, told)
}

fn one_slot() -> WorkerConfig {
    WorkerConfig { concurrency: 1, prefetch: 0, ..WorkerConfig::default() }
}

fn minutes(n: u64) -> RetryPolicy {
    let backoff = Backoff::Listed { delays_ms: vec![3_600_000] };
    RetryPolicy { timeout: Duration::from_secs(60 * n), backoff, ..RetryPolicy::default() }
}

async fn settle(rig: &Rig, lease: LeaseRef, outcome: Outcome) -> Settled {
    let settlements = vec![Settlement { lease, outcome }];
    let request = SettleRequest { settlements, ..SettleRequest::default() };
    rig.store.settle(request).await.expect("the store answers").settled[0]
}

#[tokio::test]
async fn a_detached_task_frees_its_slot_and_is_settled_by_its_token() {
    let rig = Rig::new().await;
    let (registry, mut told) = detaching();
    let worker = rig.worker(registry, one_slot()).await;
    let ids = rig.enqueue_all(vec![NewTask { policy: minutes(5), ..task("t", json!(null)) }; 3]).await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(told.recv().await.expect("with one slot, each runs once the last let go"));
    }
    let stats = until_stats(&worker, |s| s.detached == 3).await;
    assert_eq!((stats.running, stats.unsettled), (0, 0));
    // Far longer than a lease, and nobody extends it: the worker is gone.
    worker.shutdown().await;
    assert_eq!(rig.pass(Duration::from_secs(4 * 60)).await, 0);
    for id in &ids {
        assert_eq!(rig.task(*id).await.state, State::Running);
    }
    assert_eq!(
        settle(&rig, leases[0], Outcome::result(Json::from_trusted("7".into()))).await,
        Settled::Settled(State::Succeeded)
    );
    let extend = Extend { lease: leases[1], started: true, detached: true };
    let answer = rig.store.extend(&[extend], Duration::from_secs(300)).await.expect("answers");
    assert_eq!(answer[0].lease, Fenced::Granted);
    // The third was never heard of again.
    assert_eq!(rig.pass(Duration::from_secs(62)).await, 1);
    assert_eq!(rig.task(leases[1].task).await.state, State::Running);
    let lost = rig.task(leases[2].task).await;
    assert_eq!(
        (lost.state, lost.error.and_then(|e| e.class)),
        (State::Retrying, Some(FailureClass::Ambiguous))
    );
}

#[tokio::test]
async fn what_was_settled_before_it_was_let_go_is_let_go_all_the_same() {
    let rig = Rig::new().await;
    let (registry, mut told) = detaching();
    rig.store.at(Method::Extend, 1, Fault::Fail);
    let worker = rig.worker(registry, one_slot()).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    let lease = told.recv().await.expect("it runs");
    assert_eq!(settle(&rig, lease, Outcome::done()).await, Settled::Settled(State::Succeeded));
    until_stats(&worker, |s| s.detached == 1).await;
    let report = worker.shutdown().await;
    assert_eq!(report.left, 0);
    assert_eq!(rig.task(id).await.state, State::Succeeded);
}

#[tokio::test]
async fn a_store_that_fails_is_told_again() {
    let rig = Rig::new().await;
    let (registry, mut told) = detaching();
    for n in 1..=3 {
        rig.store.at(Method::Extend, n, Fault::Fail);
    }
    let worker = rig.worker(registry, one_slot()).await;
    let id = rig.enqueue(NewTask { policy: minutes(10), ..task("t", json!(null)) }).await;
    told.recv().await.expect("it runs");
    let stats = until_stats(&worker, |s| s.detached == 1).await;
    assert!(stats.store_errors >= 3, "{stats:?}");
    drop(Arc::new(worker));
    assert_eq!(rig.pass(Duration::from_secs(9 * 60)).await, 0);
    assert_eq!(rig.task(id).await.state, State::Running);
}
