//! The worker runtime: claim loop, slots, lease keeper, maintenance, graceful shutdown.
//!
//! [`Worker::start`] spawns a *driver* (stores outcomes and claims work in one call of the store),
//! *runners* (poll handlers), a *marker* (gathers marks), the maintenance roles (tick, schedules)
//! and, on an OS thread of its own, the *lease keeper*.

mod attempt;
mod board;
mod calls;
mod config;
mod driver;
mod expression;
mod failed_lines;
pub mod handler;
mod keeper;
mod lane_lines;
mod maintenance;
mod mark;
mod pace;
mod queues;
mod running;
pub mod schedule;
mod shared;
mod stats;
mod stopping;
mod times;
mod timings;
mod told;
mod traced;
mod worker;

#[cfg(test)]
mod tests;

pub use config::{QueueWeight, WorkerConfig};
pub use handler::{Context, Handler, MarkError, Marker, Registry};
pub use maintenance::unserved::watch as watch_unserved_queues;
pub use stats::WorkerStats;
pub use stopping::ShutdownReport;
pub use timings::{Timed, Timing};
pub use worker::Worker;
