//! `/health`.

pub(crate) mod get;
