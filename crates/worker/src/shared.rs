//! What the parts of one worker share.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::{Store, WorkerId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::config::WorkerConfig;
use crate::handler::Registry;
use crate::mark::MarkSender;
use crate::running::Leases;
use crate::stats::Counters;
use crate::timings::Timings;

/// What the parts of one worker share.
pub(crate) struct Shared {
    pub(crate) id: WorkerId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) config: WorkerConfig,
    pub(crate) board: Board,
    pub(crate) leases: Leases,
    pub(crate) counters: Counters,
    pub(crate) timings: Arc<Timings>,
    pub(crate) marks: MarkSender,
    /// Stop claiming, finish what runs.
    pub(crate) stop: CancellationToken,
    /// The second signal: no grace.
    pub(crate) abort: CancellationToken,
    /// Drop the handlers now.
    pub(crate) kill: CancellationToken,
    /// Something may have become due sooner than the ticker knows.
    pub(crate) tick: Notify,
    /// Something may have become claimable.
    pub(crate) work: Notify,
    /// Where tests have the driver panic.
    #[cfg(test)]
    pub(crate) trip: Trip,
}

/// Panics as often as it was set, where it is asked.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Trip(std::sync::atomic::AtomicUsize);

#[cfg(test)]
impl Trip {
    pub(crate) fn set(&self, times: usize) {
        self.0.store(times, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn is_sprung(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::SeqCst) == 0
    }

    pub(crate) fn spring(&self) {
        let order = std::sync::atomic::Ordering::SeqCst;
        let left = self.0.fetch_update(order, order, |n| n.checked_sub(1));
        assert!(left.is_err(), "a fault of the driver, made by a test");
    }
}

impl Shared {
    /// How long one call of the store may take before its answer is given up: well within a lease,
    /// so that a hanging store is noticed and asked again while the leases live.
    pub(crate) fn patience(&self) -> Duration {
        self.config.lease * 2 / 3
    }
}
