//! The worker runtime: claim loop, slots, lease keeper, maintenance, graceful shutdown.

pub mod handler;

pub use handler::{Context, Handler, MarkError, Marker, Registry};
