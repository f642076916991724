//! What was sent to somebody.

pub(crate) mod erase;
pub(crate) mod get;
