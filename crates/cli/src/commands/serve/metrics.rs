//! The worker's numbers for `/metrics`; docs/METRICS.md says what each means.

use posthaste_api::metrics::Sample;
use posthaste_core::FailureClass;
use posthaste_worker::{Timed, Timing, WorkerStats};

/// Appends the numbers of a worker with this many slots.
pub(crate) fn worker(stats: &WorkerStats, slots: usize, out: &mut Vec<Sample>) {
    let plain = [
        ("posthaste_worker_slots", slots as u64),
        ("posthaste_worker_running", stats.running),
        ("posthaste_worker_prefetched", stats.prefetched),
        ("posthaste_worker_unsettled", stats.unsettled),
        ("posthaste_worker_claimed_total", stats.claimed),
        ("posthaste_worker_panics_total", stats.panicked),
        ("posthaste_worker_timeouts_total", stats.timed_out),
        ("posthaste_worker_store_errors_total", stats.store_errors),
    ];
    let outcomes = [
        ("succeeded", stats.succeeded),
        ("failed", stats.failed),
        ("retried", stats.retried),
        ("cancelled", stats.cancelled),
        ("expired", stats.expired),
        ("lease_lost", stats.lease_lost),
        ("unknown_kind", stats.unknown_kind),
        ("released", stats.released),
        ("detached", stats.detached),
    ];
    out.extend(plain.map(|(name, n)| Sample::new(name, n as f64)));
    out.extend(outcomes.map(|(outcome, n)| {
        Sample::new("posthaste_worker_outcomes_total", n as f64).with("outcome", outcome)
    }));
    out.extend(FailureClass::ALL.iter().zip(stats.by_class).map(|(class, n)| {
        Sample::new("posthaste_worker_failures_total", n as f64).with("class", class.as_str())
    }));
}

/// Appends how long things took.
pub(crate) fn timings(timings: Vec<Timing>, out: &mut Vec<Sample>) {
    out.extend(timings.into_iter().map(|timing| {
        let (name, label) = match timing.what {
            Timed::Wait => ("posthaste_worker_wait_seconds", "queue"),
            Timed::Run => ("posthaste_worker_run_seconds", "kind"),
            Timed::Store => ("posthaste_worker_store_seconds", "call"),
        };
        Sample::histogram(name, timing.counted).with(label, timing.of)
    }));
}
