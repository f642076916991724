//! Builders, clocks, fault injection and real sinks, for tests only.

pub mod build;
pub mod clock;
pub mod fault;
pub mod smtp;

pub use build::{claimed, kind, queue, task, task_in_lane};
pub use clock::frozen_clock;
pub use fault::{Fault, FaultStore, Method};
