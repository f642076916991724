//! `/v1/queues`.

pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod resume;
