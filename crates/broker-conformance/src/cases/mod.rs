//! The cases, by theme. `list.rs` names each with its rule.

pub(crate) mod breaker;
pub(crate) mod cancel;
pub(crate) mod claim;
pub(crate) mod clock;
pub(crate) mod enqueue;
pub(crate) mod events;
pub(crate) mod idempotency;
pub(crate) mod lanes;
pub(crate) mod lease;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod mark;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod numbers;
pub(crate) mod portable;
pub(crate) mod records;
pub(crate) mod restart;
pub(crate) mod retention;
pub(crate) mod retry;
pub(crate) mod settle;
pub(crate) mod snooze;
pub(crate) mod tables;
pub(crate) mod the_same_operation_sent_twice;
pub(crate) mod tick;
pub(crate) mod unique;
