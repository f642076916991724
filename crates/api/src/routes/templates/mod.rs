//! Templates of messages.

pub(crate) mod body;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod put;
pub(crate) mod versions;
