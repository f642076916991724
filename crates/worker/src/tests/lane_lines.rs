//! What the log says about lanes that outcomes paused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthaste_core::{
    Broker, Failure, FailureClass, LaneFault, LaneKey, NewTask, Outcome, QueueName, Scope, State,
};
use posthaste_testkit::task;
use serde_json::json;

use super::{Log, Rig, at_once, eager, handler, until_stats};

/// The log of one task in the lane `mail:x/acme`, which fails in each of these and then succeeds. Between its tries five minutes
/// pass; a person ends what pauses the lane if `resumed`.
async fn log_of(failures: Vec<Failure>, resumed: bool) -> String {
    let (log, _logging) = Log::of_this_thread();
    let rig = Rig::new().await;
    let outcomes = Arc::new(Mutex::new(failures.into_iter()));
    let registry = handler(move |_| {
        let next = outcomes.lock().expect("no handler panics").next();
        async { next.map_or(Outcome::done(), Outcome::Failure) }
    });
    let worker = rig.worker(registry, eager(1, 0)).await;
    let lane: LaneKey = "mail:x/acme".parse().expect("valid");
    let new = NewTask { lane: Some(lane.clone()), policy: at_once(), ..task("t", json!(1)) };
    let id = rig.enqueue(new).await;
    let target = Scope::Lane(QueueName::default(), LaneKey::target(lane.target));
    let mut tries = 0;
    loop {
        let ended = rig.until(id, |t| t.attempt > tries && t.state != State::Running).await;
        tries = ended.attempt;
        if ended.state.is_final() {
            break;
        }
        if resumed {
            rig.store.resume(&target).await.expect("the store takes it");
        }
        rig.clock.advance(Duration::from_secs(301));
        rig.store.tick().await.expect("the store ticks");
    }
    until_stats(&worker, |s| s.succeeded == 1).await;
    assert_eq!(worker.shutdown().await.left, 0);
    log.text()
}

#[tokio::test]
async fn the_log_tells_why_a_lane_is_paused_once_a_minute_and_names_no_address() {
    let refused = Failure::new(FailureClass::Misconfigured, "mx answered AUTH with 535 for me@example.com");
    let slow = Failure::new(FailureClass::Throttled, "slow down").with_retry_after(Duration::from_secs(90));
    let of_lane = Failure::new(FailureClass::Transient, "greylisted").with_lane(LaneFault::Throttled);
    let text = log_of(vec![refused.clone(), refused.clone(), slow, of_lane, refused], true).await;
    let told: Vec<&str> = text.lines().filter(|l| l.contains("paused")).collect();
    assert_eq!(told.len(), 2, "each kind once a minute: {text}");
    for part in ["WARN", "refuses our configuration", "lane=\"mail:x\"", "535", "task_id=", "until=\"20"] {
        assert!(told[0].contains(part), "{part}: {text}");
    }
    assert!(told[1].contains("asks to be left alone") && told[1].contains("slow down"), "{text}");
    assert!(!text.contains('@'), "{text}");
}

#[tokio::test]
async fn the_log_tells_that_a_breaker_opened_and_closed() {
    let gone = Failure::new(FailureClass::Unavailable, "connection refused");
    let text = log_of(vec![gone; 6], false).await;
    let told: Vec<&str> = text.lines().filter(|l| l.contains("breaker")).collect();
    assert_eq!(told.len(), 2, "{text}");
    assert!(told[0].contains("WARN") && told[0].contains("opened") && told[0].contains("refused"), "{text}");
    assert!(told[1].contains("INFO") && told[1].contains("closed"), "{text}");
    assert!(told.iter().all(|l| l.contains("lane=\"mail:x\"") && l.contains("task_id=")), "{text}");
}

#[tokio::test]
async fn the_log_tells_that_a_provider_takes_messages_again() {
    let refused = Failure::new(FailureClass::Misconfigured, "535");
    let text = log_of(vec![refused], false).await;
    let told: Vec<&str> = text.lines().filter(|l| l.contains("lane=")).collect();
    assert_eq!(told.len(), 2, "{text}");
    assert!(told[1].contains("INFO") && told[1].contains("takes messages again"), "{text}");
}
