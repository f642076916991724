//! Webhook endpoints: where customers want to be called.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod enable;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod rotate;
pub(crate) mod secret;
pub(crate) mod test;
pub(crate) mod update;
