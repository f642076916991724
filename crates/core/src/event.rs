//! What a store tells the living: task events for watchers, wake-ups for workers. Both are hints;
//! a watcher or worker that missed one reads the store again.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{FailureClass, Kind, QueueName, State, TaskId, Timestamp};

/// A task changed state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which task.
    pub id: TaskId,
    /// Its kind.
    pub kind: Kind,
    /// Its queue.
    pub queue: QueueName,
    /// The state it is in now.
    pub state: State,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Its attempt number now.
    pub attempt: u32,
    /// Its generation now.
    pub generation: u32,
    /// The class of the failure that led here, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// When the next try is due, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// What a subscription hands out.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Events in order.
    Events(Arc<[Event]>),
    /// Some were dropped because the watcher was slow: read the store again.
    Missed,
}

/// A stream of events; dropping it unsubscribes.
#[async_trait]
pub trait Subscription: Send {
    /// The next delivery; `None` when the store closed. Cancel safe: no event is lost by dropping
    /// the future.
    async fn next(&mut self) -> Option<Delivery>;
}

/// Tells a worker that there may be work.
#[async_trait]
pub trait Wakeups: Send {
    /// Returns when work may have become claimable since the last return; at once if it did in
    /// between. May wake for nothing. Pends for ever once the store closed. Cancel safe.
    async fn wait(&mut self);
}
