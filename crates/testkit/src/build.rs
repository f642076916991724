//! Short ways to the values that tests need.

use std::time::Duration;

use posthaste_core::broker::ClaimRequest;
use posthaste_core::{
    Claimed, Json, Kind, LeaseRef, LeaseToken, NewTask, QueueName, RetryPolicy, TaskId, Timestamp, WorkerId,
};
use serde_json::Value;

use crate::clock::START;

/// The kind of this name.
///
/// # Panics
/// When it is no name.
pub fn kind(name: &str) -> Kind {
    Kind::new(name).expect("a test names a valid kind")
}

/// The queue of this name.
///
/// # Panics
/// When it is no name.
pub fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a test names a valid queue")
}

/// A task of a kind with a payload, due now.
pub fn task(kind_name: &str, payload: Value) -> NewTask {
    NewTask::new(kind(kind_name), Json::from(payload))
}

/// A task of a kind in a lane (`target` or `target/tenant`), due now.
///
/// # Panics
/// When `lane` is no lane key.
pub fn task_in_lane(kind_name: &str, lane: &str, payload: Value) -> NewTask {
    NewTask { lane: Some(lane.parse().expect("a test names a valid lane")), ..task(kind_name, payload) }
}

/// What a worker asks for that takes at most `n` tasks of the queue `default` and starts all of them.
///
/// # Panics
/// Never: the names are fixed.
pub fn claim_of(n: usize) -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::new("test:1:a").expect("a fixed, valid name"),
        queues: vec![QueueName::default()],
        max: n,
        start: n,
        lease: Duration::from_secs(60),
        per_target: None,
        held: vec![],
    }
}

/// What a worker would hand to a handler: the first attempt of a new task, with a fixed id and lease.
pub fn claimed(kind_name: &str, payload: Value) -> Claimed {
    let id: TaskId = "0198f7a0-0000-7000-8000-000000000001".parse().expect("a fixed, valid id");
    Claimed {
        lease: LeaseRef { task: id, token: LeaseToken { epoch: 1, nonce: 1 } },
        started: true,
        kind: kind(kind_name),
        queue: QueueName::default(),
        lane: None,
        tenant: None,
        priority: Default::default(),
        payload: Json::from(payload),
        attempt: 1,
        failures: 0,
        generation: 1,
        policy: RetryPolicy::default(),
        created_at: START,
        due_at: START,
        expires_at: None::<Timestamp>,
        trace: None,
    }
}
