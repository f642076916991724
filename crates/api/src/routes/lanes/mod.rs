//! `/v1/lanes` and the lanes of a queue.

pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod resume;
