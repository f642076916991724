//! Batches: tasks that were enqueued together.

pub(crate) mod cancel;
pub(crate) mod get;
