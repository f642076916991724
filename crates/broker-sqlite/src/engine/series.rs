//! Pre-aggregated series: one point per queue and minute, gathered in memory and stored by the
//! sweep. A crash loses at most what happened since the last sweep (a second); counters do not.

use std::time::Duration;

use posthaste_core::broker::{SERIES_BUCKETS, SeriesPoint};
use posthaste_core::limits::SERIES_STEP;
use rusqlite::OptionalExtension;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{Done, Tx};

/// One minute of one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) enqueued: u64,
    pub(crate) claimed: u64,
    pub(crate) succeeded: u64,
    pub(crate) held: u64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    pub(crate) wait: [u64; SERIES_BUCKETS],
    pub(crate) run: [u64; SERIES_BUCKETS],
}

impl From<&SeriesPoint> for Point {
    fn from(p: &SeriesPoint) -> Self {
        Self {
            enqueued: p.enqueued,
            claimed: p.claimed,
            succeeded: p.succeeded,
            held: p.held,
            failed: p.failed,
            retried: p.retried,
            cancelled: p.cancelled,
            expired: p.expired,
            wait: p.wait_ms,
            run: p.run_ms,
        }
    }
}

impl Point {
    fn add(&mut self, other: &Self) {
        self.enqueued += other.enqueued;
        self.claimed += other.claimed;
        self.succeeded += other.succeeded;
        self.held += other.held;
        self.failed += other.failed;
        self.retried += other.retried;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        for (a, b) in self.wait.iter_mut().zip(&other.wait) {
            *a += b;
        }
        for (a, b) in self.run.iter_mut().zip(&other.run) {
            *a += b;
        }
    }
}

/// Points that the table does not hold yet, by minute and queue.
#[derive(Default)]
pub(crate) struct Gathered {
    /// What stored transactions did.
    kept: Points,
    /// What the transaction on its way does: gone with it if it fails.
    fresh: Points,
    /// Whether the transaction on its way writes `kept` into the table.
    written: bool,
}

type Points = FxHashMap<(i64, i64), Point>;

impl Gathered {
    /// The transaction on its way is stored.
    pub(crate) fn stored(&mut self) {
        if std::mem::take(&mut self.written) {
            self.kept.clear();
        }
        for (key, point) in self.fresh.drain() {
            self.kept.entry(key).or_default().add(&point);
        }
    }

    /// The transaction on its way failed.
    pub(crate) fn undone(&mut self) {
        self.written = false;
        self.fresh.clear();
    }

    /// Takes what the transaction on its way must add to the table.
    fn take_unwritten(&mut self) -> Points {
        let mut points = std::mem::take(&mut self.fresh);
        if !std::mem::replace(&mut self.written, true) {
            for (key, point) in &self.kept {
                points.entry(*key).or_default().add(point);
            }
        }
        points
    }
}

/// The bucket of a duration: `i` counts those below `2^i` ms.
pub(crate) fn bucket(d: Duration) -> usize {
    let ms = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    ((u64::BITS - ms.leading_zeros()) as usize).min(SERIES_BUCKETS - 1)
}

impl Tx<'_> {
    /// Changes the point of this minute and `lane`'s queue.
    pub(crate) fn point(&mut self, lane: usize, change: impl FnOnce(&mut Point)) {
        let step = SERIES_STEP.as_millis() as i64;
        let minute = self.now.as_millis().div_euclid(step) * step;
        let queue = self.mem.lanes[lane].queue;
        change(self.mem.series.fresh.entry((minute, queue)).or_default());
    }

    /// Stores the points gathered since the last call.
    pub(crate) fn flush_series(&mut self) -> Done<()> {
        for ((at, queue), mut point) in self.mem.series.take_unwritten() {
            let stored: Option<String> = self
                .db
                .prepare_cached("SELECT data FROM series WHERE at = ?1 AND queue = ?2")?
                .query_row([at, queue], |r| r.get(0))
                .optional()?;
            if let Some(text) = stored {
                point.add(&serde_json::from_str(&text)?);
            }
            self.db
                .prepare_cached("INSERT OR REPLACE INTO series (at, queue, data) VALUES (?1, ?2, ?3)")?
                .execute((at, queue, serde_json::to_string(&point)?))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_double() {
        for (ms, want) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1023, 10), (1024, 11), (u64::MAX, 23)] {
            assert_eq!(bucket(Duration::from_millis(ms)), want, "{ms} ms");
        }
    }
}
