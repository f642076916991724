//! Counters of this process, and the table of every metric that `/metrics` shows.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// One value of a metric that another part of the program measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name, one of the table's.
    pub name: &'static str,
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub value: f64,
}

type Source = Box<dyn Fn(&mut Vec<Sample>) + Send + Sync>;

/// Counters of this process.
#[derive(Default)]
pub(crate) struct Metrics {
    accepted: AtomicU64,
    sources: Mutex<Vec<Source>>,
}

impl Metrics {
    /// Asks `source` at each scrape, for example for the worker's numbers.
    pub(crate) fn register(&self, source: impl Fn(&mut Vec<Sample>) + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(Box::new(source));
    }

    pub(crate) fn accepted(&self, n: u64) {
        self.accepted.fetch_add(n, Ordering::Relaxed);
    }
}
