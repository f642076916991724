//! The two clocks of a store, behind one trait so that tests can move them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::Timestamp;

/// What a store reads time from. `wall` may jump; `monotonic` never goes back.
///
/// The embedded store uses `monotonic` for leases and limits and `wall` for everything that a
/// person wrote down (due, expiry, retention). Redis uses its server's `TIME` plus the same offset.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time.
    fn wall(&self) -> Timestamp;
    /// Time since an arbitrary fixed point.
    fn monotonic(&self) -> Duration;
}

/// A clock that runs with another one, moved by offsets that only tests change.
#[derive(Clone)]
pub struct OffsetClock {
    inner: Arc<dyn Clock>,
    wall_ms: Arc<AtomicI64>,
    mono_ms: Arc<AtomicU64>,
}

impl OffsetClock {
    /// Runs with `inner`, offsets at zero.
    pub fn new(inner: Arc<dyn Clock>) -> Self {
        Self { inner, wall_ms: Arc::default(), mono_ms: Arc::default() }
    }

    /// Lets time pass: both clocks move forward by `d`.
    pub fn advance(&self, d: Duration) {
        let ms = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        self.mono_ms.fetch_add(ms, Ordering::SeqCst);
        self.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the wall clock forward or back without time passing, as an administrator or NTP does.
    pub fn jump_wall(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for OffsetClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.inner.wall().as_millis() + self.wall_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic() + Duration::from_millis(self.mono_ms.load(Ordering::SeqCst))
    }
}
