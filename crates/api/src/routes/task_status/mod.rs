//! `/task_status`.

pub(crate) mod get;
