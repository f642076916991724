//! A clock that stands still, for stores that read time from a [`Clock`].

use std::time::Duration;

use posthaste_core::{Clock, Timestamp};

/// Stands still: inside an [`posthaste_core::OffsetClock`], time moves only when a case moves it, so
/// that a slow machine changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixedClock;

impl Clock for FixedClock {
    fn wall(&self) -> Timestamp {
        // 2027-01-15T08:00:00Z, a full minute.
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000_000)
    }
}
