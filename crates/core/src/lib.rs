//! The domain of Posthaste: tasks, states, failure classes, the retry decision, lanes, limits, and
//! the three traits that a store implements ([`Broker`], [`Records`] and [`Portable`]).
//!
//! This crate does no I/O, reads no clock and draws no randomness: time and jitter are arguments.
//! Everything that decides what happens to a task is here as data or as a pure function, so that
//! every store encodes the same rules and one conformance suite can prove it.

pub mod broker;
pub mod clock;
pub mod error;
pub mod event;
pub mod json;
pub mod lane;
pub mod limits;
pub mod name;
pub mod portable;
pub mod records;
pub mod task;
pub mod time;
pub mod validate;

pub use broker::{Broker, Store};
pub use clock::{Clock, OffsetClock};
pub use error::{BrokerError, ErrorClass};
pub use event::{Delivery, Event, Subscription, Wakeups};
pub use json::Json;
pub use lane::{LaneKey, LaneLimits, Pause, PauseReason, Scope};
pub use name::{Kind, Name, NameError, QueueName, Tenant, WorkerId};
pub use portable::Portable;
pub use records::{Expect, Record, RecordKind, RecordOrder, Records};
pub use task::class::FailureClass;
pub use task::policy::{Backoff, OnAmbiguous, RetryPolicy};
pub use task::state::State;
pub use task::{
    Attempt, AttemptOutcome, BatchId, Claimed, Due, EndReason, Failure, IdempotencyKey, Kept, LaneFault,
    LeaseRef, LeaseToken, NewTask, Outcome, Priority, Task, TaskEnd, TaskId, Unique, UniqueHold,
};
pub use time::Timestamp;
