//! Token buckets: so many a second, and so many at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many requests a key may make. Counted by each process for itself: behind `n` of them a key
/// gets up to `n` times as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests a second, over time.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub per_second: u32,
    /// Requests at once, after a rest.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub burst: u32,
}

/// A bucket: full at first, one taken per event, refilled with time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: f64,
    at_ms: u64,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(burst: f64, now_ms: u64) -> Self {
        Self { left: burst, at_ms: now_ms }
    }

    /// What is in it now.
    pub(crate) fn level(&self, per_second: f64, burst: f64, now_ms: u64) -> f64 {
        let ms = now_ms.saturating_sub(self.at_ms) as f64;
        (self.left + ms * per_second / 1000.0).min(burst)
    }

    /// Takes one, or says how long until there is one.
    pub(crate) fn take(&mut self, per_second: f64, burst: f64, now_ms: u64) -> Result<(), Duration> {
        self.left = self.level(per_second, burst, now_ms);
        self.at_ms = now_ms.max(self.at_ms);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(3.0, 0);
        for _ in 0..3 {
            assert!(bucket.take(2.0, 3.0, 0).is_ok());
        }
        assert_eq!(bucket.take(2.0, 3.0, 0), Err(Duration::from_millis(500)));
        assert!(bucket.take(2.0, 3.0, 499).is_err());
        assert!(bucket.take(2.0, 3.0, 500).is_ok());
        assert!(bucket.take(2.0, 3.0, 501).is_err());
        // A long rest fills it up to the burst, not beyond.
        for _ in 0..3 {
            assert!(bucket.take(2.0, 3.0, 1_000_000).is_ok());
        }
        assert!(bucket.take(2.0, 3.0, 1_000_000).is_err());
    }
}
