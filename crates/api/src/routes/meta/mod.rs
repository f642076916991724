//! About the server itself: health, metrics, documentation.

pub(crate) mod docs;
pub(crate) mod healthz;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod readyz;
