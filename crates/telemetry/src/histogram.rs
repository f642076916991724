//! A histogram of durations that costs two additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of its buckets, in milliseconds; the last bucket has none.
const BOUNDS_MS: [f64; 17] =
    [0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5];

/// Counts durations by size.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Upper bound in seconds, and how many were in that bucket alone. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all, in seconds.
    pub sum: f64,
    /// How many.
    pub count: u64,
}

impl Histogram {
    /// Counts one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use posthaste_telemetry::Histogram;
    ///
    /// let histogram = Histogram::default();
    /// histogram.observe(Duration::from_millis(3));
    /// histogram.observe(Duration::from_secs(3600));
    /// let counted = histogram.counted();
    /// assert_eq!((counted.count, counted.sum), (2, 3600.003));
    /// assert_eq!(counted.buckets[3], (0.005, 1));
    /// assert_eq!(counted.buckets.last(), Some(&(f64::INFINITY, 1)));
    /// ```
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let ms = us as f64 / 1e3;
        let at = BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BOUNDS_MS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn counted(&self) -> Counted {
        let bounds = BOUNDS_MS.iter().map(|ms| ms / 1e3).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(&self.buckets).map(|(bound, n)| (bound, n.load(Ordering::Relaxed))).collect();
        // Summed up rather than counted apart, so that the buckets always add up to it.
        let count = buckets.iter().map(|(_, n)| n).sum();
        Counted { buckets, sum: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6, count }
    }
}
