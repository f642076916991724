//! Counters of a worker, cheap enough to be kept always.

use std::sync::atomic::{AtomicU64, Ordering};

use posthaste_core::broker::Settled;
use posthaste_core::{FailureClass, State};

/// What a worker did since its start and holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Tasks claimed.
    pub claimed: u64,
    /// Tasks settled as succeeded.
    pub succeeded: u64,
    /// Tasks settled as failed for good.
    pub failed: u64,
    /// Tries that failed and are tried again.
    pub retried: u64,
    /// Tasks that ended cancelled.
    pub cancelled: u64,
    /// Tasks that ended expired.
    pub expired: u64,
    /// Outcomes that the store refused because the lease was not ours any more.
    pub lease_lost: u64,
    /// Tasks given back because no handler knows their kind.
    pub unknown_kind: u64,
    /// Tasks given back untried by a shutdown.
    pub released: u64,
    /// Tasks let go of, for somebody else to settle.
    pub detached: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Handlers that ran into their timeout.
    pub timed_out: u64,
    /// Calls of the store that failed.
    pub store_errors: u64,
    /// Attempts that failed, by the code of their class.
    pub by_class: [u64; FailureClass::ALL.len()],
    /// Handlers that run now.
    pub running: u64,
    /// Tasks claimed whose handler has not started.
    pub prefetched: u64,
    /// Outcomes that are not stored yet.
    pub unsettled: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) claimed: AtomicU64,
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) lease_lost: AtomicU64,
    pub(crate) unknown_kind: AtomicU64,
    pub(crate) released: AtomicU64,
    pub(crate) detached: AtomicU64,
    pub(crate) panicked: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) store_errors: AtomicU64,
    pub(crate) by_class: [AtomicU64; FailureClass::ALL.len()],
    pub(crate) unsettled: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

impl Counters {
    /// Counts the answers of one settle.
    pub(crate) fn count(&self, settled: &[Settled]) {
        let mut by_state = [0usize; 8];
        let mut lost = 0;
        for s in settled {
            match s {
                Settled::Settled(state) => by_state[usize::from(state.code())] += 1,
                // Counted when it was settled; only its answer was lost.
                Settled::AlreadySettled | Settled::Unanswered => {}
                Settled::LeaseLost => lost += 1,
            }
        }
        let of = |s: State| by_state[usize::from(s.code())];
        add(&self.succeeded, of(State::Succeeded));
        add(&self.failed, of(State::Failed));
        // A task parked in its paused lane is queued again: also another try.
        add(&self.retried, of(State::Retrying) + of(State::Queued));
        add(&self.cancelled, of(State::Cancelled));
        add(&self.expired, of(State::Expired));
        add(&self.lease_lost, lost);
    }

    pub(crate) fn snapshot(&self, running: usize, prefetched: usize) -> WorkerStats {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        WorkerStats {
            claimed: get(&self.claimed),
            succeeded: get(&self.succeeded),
            failed: get(&self.failed),
            retried: get(&self.retried),
            cancelled: get(&self.cancelled),
            expired: get(&self.expired),
            lease_lost: get(&self.lease_lost),
            unknown_kind: get(&self.unknown_kind),
            released: get(&self.released),
            detached: get(&self.detached),
            panicked: get(&self.panicked),
            timed_out: get(&self.timed_out),
            store_errors: get(&self.store_errors),
            by_class: std::array::from_fn(|class| get(&self.by_class[class])),
            running: running as u64,
            prefetched: prefetched as u64,
            unsettled: get(&self.unsettled),
        }
    }
}
