//! How far ahead a worker claims, and how long it waits after a failure of the store.

use std::time::Duration;

use tokio::time::Instant;

/// Measured over at least this long.
const STEP: Duration = Duration::from_millis(20);

/// Claims ahead what is finished in one window: fast tasks never wait for the store, slow ones are
/// left to other workers.
pub(crate) struct Pace {
    window: Duration,
    max: usize,
    since: Instant,
    finished: usize,
    ahead: usize,
}

impl Pace {
    pub(crate) fn new(window: Duration, max: usize, now: Instant) -> Self {
        let ahead = if window == Duration::MAX { max } else { 0 };
        Self { window, max, since: now, finished: 0, ahead }
    }

    pub(crate) fn finished(&mut self, n: usize) {
        self.finished += n;
    }

    /// How many tasks to hold beyond the slots.
    pub(crate) fn ahead(&mut self, now: Instant) -> usize {
        let elapsed = now.duration_since(self.since);
        if self.window != Duration::MAX && elapsed >= STEP {
            let per_window = self.finished as f64 * self.window.as_secs_f64() / elapsed.as_secs_f64();
            self.ahead = (per_window as usize).min(self.max);
            self.since = now;
            self.finished = 0;
        }
        self.ahead
    }
}

/// First wait after a failed call; it doubles up to [`RETRY_CAP`].
const RETRY_BASE: Duration = Duration::from_millis(20);
/// Longest wait between calls of a store that fails: work resumes within two seconds of its answering,
/// the time that its connection takes to come back included.
const RETRY_CAP: Duration = Duration::from_secs(1);

/// When to ask a failing store again.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// The store answered. `true` when it had failed before.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.until = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// The store failed. `true` when it is the first failure in a row.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let delay = RETRY_BASE.saturating_mul(1 << self.failures.min(16)).min(RETRY_CAP);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + delay);
        self.failures == 1
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Until when nothing is sent.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_claims_ahead_what_a_window_takes() {
        let t0 = Instant::now();
        let mut pace = Pace::new(Duration::from_millis(50), 256, t0);
        assert_eq!(pace.ahead(t0), 0);
        pace.finished(40);
        assert_eq!(pace.ahead(t0 + Duration::from_millis(10)), 0, "too early to tell");
        assert_eq!(pace.ahead(t0 + Duration::from_millis(40)), 50);
        pace.finished(100_000);
        assert_eq!(pace.ahead(t0 + Duration::from_secs(1)), 256, "never more than the maximum");
        assert_eq!(pace.ahead(t0 + Duration::from_secs(2)), 0, "nothing finished");
    }

    #[test]
    fn an_endless_window_always_claims_all() {
        let t0 = Instant::now();
        let mut pace = Pace::new(Duration::MAX, 7, t0);
        assert_eq!(pace.ahead(t0 + Duration::from_secs(9)), 7);
    }

    #[test]
    fn waits_double_up_to_the_cap_and_start_anew_after_a_success() {
        let t0 = Instant::now();
        let mut b = Backoff::default();
        assert!(!b.succeeded());
        assert!(b.failed(t0));
        assert_eq!(b.until(), Some(t0 + RETRY_BASE));
        for _ in 0..40 {
            assert!(!b.failed(t0));
        }
        assert_eq!(b.until(), Some(t0 + RETRY_CAP));
        assert!(b.is_failing());
        assert!(b.succeeded());
        assert_eq!(b.until(), None);
    }
}
