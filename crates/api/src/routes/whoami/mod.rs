//! `/v1/whoami`.

pub(crate) mod get;
