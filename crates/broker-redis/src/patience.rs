//! How long a claim waits for one server of a Cluster, the others having work too.
//!
//! What a look hands out too late is given back. Where claims steadily take longer than that, because the server is far
//! away or has much to do, nothing would ever be handed out: so a look that answers late doubles the wait. A server that
//! stands still answers nothing, and the wait for it stays as it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::link::RESPONSE_TIMEOUT;

/// The wait at first, and the shortest.
const SHORTEST: Duration = Duration::from_millis(300);
/// After so many answers in a row that took less than half of the wait, it is halved.
const CALM: u64 = 16;

/// The wait for one shard.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Milliseconds beyond the shortest wait.
    more: AtomicU64,
    /// Answers in a row that took less than half of it.
    calm: AtomicU64,
}

impl Patience {
    /// How long to wait now.
    pub(crate) fn now(&self) -> Duration {
        SHORTEST + Duration::from_millis(self.more.load(Ordering::Relaxed))
    }

    /// A look for which it was waited as long as `given` has answered after that. Several of the same moment count once.
    pub(crate) fn late(&self, given: Duration) {
        let doubled = (given * 2).min(RESPONSE_TIMEOUT);
        self.calm.store(0, Ordering::Relaxed);
        self.more.fetch_max(beyond_shortest(doubled), Ordering::Relaxed);
    }

    /// A look has answered in time, after `took`. What takes about as long as is waited must not shorten that.
    pub(crate) fn in_time(&self, took: Duration) {
        let wait = self.now();
        if wait == SHORTEST {
            return;
        }
        if took > wait / 2 {
            self.calm.store(0, Ordering::Relaxed);
            return;
        }
        if self.calm.fetch_add(1, Ordering::Relaxed) + 1 >= CALM {
            self.calm.store(0, Ordering::Relaxed);
            self.more.store(beyond_shortest(wait / 2), Ordering::Relaxed);
        }
    }
}

fn beyond_shortest(wait: Duration) -> u64 {
    u64::try_from(wait.saturating_sub(SHORTEST).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn answers_that_come_late_are_waited_for_longer() {
        let patience = Patience::default();
        assert_eq!(patience.now(), SHORTEST);
        let given = patience.now();
        // Three workers looked at the same moment.
        for _ in 0..3 {
            patience.late(given);
        }
        assert_eq!(patience.now(), ms(600));
        // Claims that steadily take half a second are answered in time from now on, and it stays so.
        for _ in 0..100 {
            patience.in_time(ms(500));
        }
        assert_eq!(patience.now(), ms(600));
        for _ in 0..10 {
            patience.late(patience.now());
        }
        assert_eq!(patience.now(), RESPONSE_TIMEOUT, "no answer comes after that");
    }

    #[test]
    fn quick_answers_bring_the_wait_back_slowly() {
        let patience = Patience::default();
        patience.late(ms(600));
        for _ in 1..CALM {
            patience.in_time(ms(10));
        }
        assert_eq!(patience.now(), ms(1_200));
        patience.in_time(ms(1_000));
        patience.in_time(ms(10));
        assert_eq!(patience.now(), ms(1_200), "they were not in a row");
        for _ in 1..CALM {
            patience.in_time(ms(10));
        }
        assert_eq!(patience.now(), ms(600));
        for _ in 0..3 * CALM {
            patience.in_time(ms(10));
        }
        assert_eq!(patience.now(), SHORTEST, "and no further");
    }
}
