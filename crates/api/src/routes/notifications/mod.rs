//! `/v1/notifications`: messages to people and programs, over any channel.

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
