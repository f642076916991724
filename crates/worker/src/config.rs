//! What a worker is told at its start.

use std::time::Duration;

use posthaste_core::QueueName;
use posthaste_core::limits::LEASE;
use posthaste_telemetry::Tracer;

/// A queue that a worker serves, and how much of its turns the queue gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueWeight {
    /// The queue.
    pub queue: QueueName,
    /// Its share of the turns; 0 counts as 1.
    pub weight: u32,
}

/// What a worker is told at its start.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The queues to serve; a queue with twice the weight is first in line twice as often.
    pub queues: Vec<QueueWeight>,
    /// Slots: so many handlers run at once. At least 1.
    pub concurrency: usize,
    /// Claims at most this many tasks ahead of free slots.
    pub prefetch: usize,
    /// Claims no more tasks ahead than were finished in a period of this length, so that slow tasks
    /// are left to other workers. [`Duration::MAX`] always claims the whole `prefetch`.
    pub prefetch_window: Duration,
    /// How long a claim lasts without being extended; it is extended three times in that time.
    pub lease: Duration,
    /// How long running handlers may go on when the worker stops.
    pub shutdown_grace: Duration,
    /// The name of this machine, for people.
    pub host: String,
    /// The version of this program, for people.
    pub version: String,
    /// Records a span of each attempt; off unless said.
    pub tracer: Tracer,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            queues: vec![QueueWeight { queue: QueueName::default(), weight: 1 }],
            concurrency: 64,
            prefetch: 1024,
            prefetch_window: Duration::from_millis(50),
            lease: LEASE,
            shutdown_grace: Duration::from_secs(25),
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tracer: Tracer::off(),
        }
    }
}

impl WorkerConfig {
    /// Slots, at least one.
    pub(crate) fn slots(&self) -> usize {
        self.concurrency.max(1)
    }

    /// Most tasks of one target that this worker holds: three quarters of its slots, so that a
    /// target that hangs leaves slots to the others. At least one.
    pub(crate) fn per_target(&self) -> usize {
        (self.slots() * 3 / 4).max(1)
    }
}

/// The host's name as far as it can be known without a system call of our own.
fn host_name() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|h| h.trim().to_owned())
        .filter(|h| !h.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
