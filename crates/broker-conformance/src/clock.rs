//! A clock that stands still, for stores that read time from a [`Clock`].

use std::time::Duration;

use posthaste_core::{Clock, Timestamp};

/// Stands still: inside an [`posthaste_core::OffsetClock`], time moves only when a case moves it, so
/// that a slow machine changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock {
    wall: Timestamp,
    monotonic: Duration,
}

impl FixedClock {
    /// Stands at this wall time. `reboots` sets the monotonic half apart: it counts from nowhere in
    /// particular, and from elsewhere after each restart of the machine.
    pub fn at(wall: Timestamp, reboots: u32) -> Self {
        Self { wall, monotonic: Duration::from_secs(1_000_000 / (u64::from(reboots) + 1)) }
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        // 2027-01-15T08:00:00Z, a full minute.
        Self::at(Timestamp::from_millis(1_800_000_000_000), 0)
    }
}

impl Clock for FixedClock {
    fn wall(&self) -> Timestamp {
        self.wall
    }

    fn monotonic(&self) -> Duration {
        self.monotonic
    }
}
