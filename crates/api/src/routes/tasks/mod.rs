//! `/v1/tasks`.

pub(crate) mod attempts;
pub(crate) mod batch;
pub(crate) mod bulk;
pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod events;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod message;
pub(crate) mod retry;
