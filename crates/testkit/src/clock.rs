//! A clock that stands still until a test moves it, so that no lease runs out because a machine is slow.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::{Clock, OffsetClock, Timestamp};

/// 2026-01-31T12:00:00Z: where [`frozen_clock`] starts.
pub const START: Timestamp = Timestamp::from_millis(1_769_860_800_000);

struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        START
    }

    fn monotonic(&self) -> Duration {
        // Not zero, so that a store may subtract from it.
        Duration::from_secs(3_600)
    }
}

/// A clock that moves only by [`OffsetClock::advance`] and [`OffsetClock::jump_wall`].
pub fn frozen_clock() -> OffsetClock {
    OffsetClock::new(Arc::new(Still))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_when_told() {
        let clock = frozen_clock();
        assert_eq!(clock.wall().to_string(), "2026-01-31T12:00:00.000Z");
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.wall().since(START), Duration::from_secs(5));
        assert_eq!(clock.monotonic(), Duration::from_secs(3_605));
        clock.jump_wall(-5_000);
        assert_eq!(clock.wall(), START);
        assert_eq!(clock.monotonic(), Duration::from_secs(3_605));
    }
}
