//! What time it is at the store, as far as this process knows: for calls that must not be carried out late.
//!
//! A server that was stopped, paused or cut off carries out what lies in its buffers when it goes on. Whoever sent it was told long
//! ago that the store does not answer: a claim would then hold tasks that nobody runs, an enqueue store what was refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::open::StoreClock;
use crate::shards::Shards;

/// How long a caller waits for an answer: the response timeout of the link.
const PATIENCE: Duration = Duration::from_secs(10);

/// When each shard last told its time, and which: on a Cluster their servers have clocks of their own.
#[derive(Default)]
pub(crate) struct StoreTime(Mutex<HashMap<u16, (Instant, i64)>>);

impl StoreTime {
    /// A shard has told its time, in milliseconds.
    pub(crate) fn learn(&self, shard: u16, now_ms: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shard, (Instant::now(), now_ms));
    }

    /// The store's time after which nobody waits for a call that is made now, as an argument of a script; empty when the
    /// store has not told its time yet, or a test tells it.
    pub(crate) fn latest(&self, shards: &Shards, shard: u16) -> String {
        if matches!(shards.clock(), StoreClock::Given(_)) {
            return String::new();
        }
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&shard).copied();
        last.map(|(at, ms)| {
            let ahead = i64::try_from((at.elapsed() + PATIENCE).as_millis()).unwrap_or(i64::MAX);
            ms.saturating_add(ahead).to_string()
        })
        .unwrap_or_default()
    }
}
