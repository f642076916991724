//! Statistics.

pub(crate) mod get;
