//! Short words for what cases are made of.

use std::future::Future;
use std::time::Duration;

use posthaste_core::broker::{ClaimRequest, WorkerInfo};
use posthaste_core::limits::LEASE;
use posthaste_core::{
    Backoff, IdempotencyKey, Json, Kind, LaneKey, NewTask, QueueName, RetryPolicy, Scope, Tenant, Timestamp,
    Unique, UniqueHold, WorkerId,
};

pub(crate) use futures_util::future::join_all;

/// After this long in real time a signal that has not come will not come.
const GIVE_UP: Duration = Duration::from_secs(5);

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Waits for a signal that must come.
pub(crate) async fn must<T>(what: &str, signal: impl Future<Output = T>) -> T {
    match tokio::time::timeout(GIVE_UP, signal).await {
        Ok(t) => t,
        Err(_) => panic!("{what} did not come"),
    }
}

pub(crate) fn kind(name: &str) -> Kind {
    Kind::new(name).expect("a valid name")
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a valid name")
}

pub(crate) fn tenant(name: &str) -> Option<Tenant> {
    Some(Tenant::new(name).expect("a valid name"))
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).expect("a valid name")
}

pub(crate) fn lane(key: &str) -> LaneKey {
    key.parse().expect("a valid lane key")
}

pub(crate) fn lane_scope(key: &str) -> Scope {
    Scope::Lane(QueueName::default(), lane(key))
}

pub(crate) fn json(text: &str) -> Json {
    Json::from_text(text.to_owned()).expect("valid JSON")
}

pub(crate) fn number(n: usize) -> Json {
    Json::from_trusted(n.to_string())
}

/// A task of kind `job`, due now.
pub(crate) fn task() -> NewTask {
    NewTask::new(kind("job"), json("{}"))
}

pub(crate) fn in_lane(key: &str) -> NewTask {
    NewTask { lane: Some(lane(key)), ..task() }
}

/// A policy with these delays in milliseconds.
pub(crate) fn delays(ms: &[u64]) -> RetryPolicy {
    RetryPolicy { backoff: Backoff::Listed { delays_ms: ms.to_vec() }, ..RetryPolicy::default() }
}

pub(crate) fn unique(key: &str) -> Option<Unique> {
    Some(Unique { key: key.to_owned(), hold: UniqueHold::UntilFinal })
}

pub(crate) fn idem(key: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { tenant: None, operation: "enqueue", key: key.to_owned(), fingerprint: [7; 32] })
}

pub(crate) fn claim_of(max: usize) -> ClaimRequest {
    ClaimRequest {
        worker: worker("w1"),
        queues: vec![QueueName::default()],
        max,
        start: max,
        lease: LEASE,
        per_target: None,
        held: Vec::new(),
    }
}

pub(crate) fn worker_info(id: &str, now: Timestamp) -> WorkerInfo {
    WorkerInfo {
        id: worker(id),
        host: "host".to_owned(),
        pid: 1,
        version: "1".to_owned(),
        queues: vec![QueueName::default()],
        kinds: vec![kind("job")],
        slots: 8,
        running: 0,
        started_at: now,
        seen_at: now,
        stopping: false,
    }
}
