//! The HTTP API over the real embedded store and a real listening server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

mod audit;
mod batches;
mod documents;
mod events;
mod faults;
mod guard;
mod idempotency;
mod keys;
mod old_routes;
mod queues;
mod refusals;
mod serving;
mod tasks;
mod tenants;
