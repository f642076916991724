//! The driver's own faults: it goes on, and no task is held for ever.

use std::time::Duration;

use posthaste_core::{Broker, Outcome, State};
use posthaste_testkit::task;
use serde_json::json;

use super::{Rig, eager, handler, until_stats};

#[tokio::test]
async fn a_driver_that_panics_goes_on_and_what_went_astray_is_run_again() {
    for panics in [1, 2, 5] {
        let rig = Rig::new().await;
        let worker = rig.worker(handler(|_| async { Outcome::done() }), eager(4, 2)).await;
        // The answers to so many calls are lost: claims, outcomes, or both.
        worker.trip().set(panics);
        let ids = rig.enqueue_all((0..20).map(|n| task("t", json!(n))).collect()).await;
        until_stats(&worker, |_| worker.trip().is_sprung()).await;
        loop {
            until_stats(&worker, |s| s.running == 0 && s.prefetched == 0 && s.unsettled == 0).await;
            let tasks = rig.store.get(&ids).await.expect("read");
            if tasks.iter().flatten().all(|t| t.state == State::Succeeded) {
                break;
            }
            // Leases that nobody extends any more run out.
            rig.pass(Duration::from_secs(16)).await;
        }
        assert_eq!(worker.shutdown().await.left, 0, "what went astray is still held");
    }
}

#[tokio::test]
async fn a_driver_that_panics_again_and_again_can_be_stopped() {
    let rig = Rig::new().await;
    let worker = rig.worker(handler(|_| async { Outcome::done() }), eager(1, 0)).await;
    worker.trip().set(1_000);
    rig.enqueue(task("t", json!(null))).await;
    worker.abort_handle().cancel();
    worker.shutdown().await;
}
