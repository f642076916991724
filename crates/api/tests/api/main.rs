//! The HTTP API over the real stores and a real listening server. What asks a store runs once on each of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::duplicate_mod, reason = "the same tests, compiled for each store")]

mod documents;
mod operations;
mod stores;

#[path = "each.rs"]
mod embedded;
#[path = "each.rs"]
mod redis;
