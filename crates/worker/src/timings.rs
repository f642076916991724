//! How long things take, for `/metrics`: each is counted by what the configuration names, so that nobody can make
//! histograms without bound.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use posthaste_core::{Claimed, Kind, QueueName};
use posthaste_telemetry::{Counted, Histogram};

use crate::config::WorkerConfig;
use crate::handler::Registry;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// From when a try was due until it was claimed, by queue.
    Wait,
    /// From when a handler was started until it ended, by kind.
    Run,
    /// A call of the store, by call.
    Store,
}

/// A histogram of a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// What was timed.
    pub what: Timed,
    /// Of which queue, kind or call.
    pub of: String,
    /// How long it took.
    pub counted: Counted,
}

/// The calls of the store that are timed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreCall {
    /// Outcomes stored, with or without a claim in the same call.
    Settle,
    /// A claim alone.
    Claim,
    /// Points of no return.
    Mark,
    /// Leases.
    Extend,
}

impl StoreCall {
    const ALL: [Self; 4] = [Self::Settle, Self::Claim, Self::Mark, Self::Extend];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Claim => "claim",
            Self::Mark => "mark",
            Self::Extend => "extend",
        }
    }
}

/// The histograms of one worker.
pub(crate) struct Timings {
    waits: BTreeMap<QueueName, Histogram>,
    runs: BTreeMap<Kind, Histogram>,
    store: [Histogram; StoreCall::ALL.len()],
}

impl Timings {
    pub(crate) fn new(config: &WorkerConfig, registry: &Registry) -> Self {
        Self {
            waits: config.queues.iter().map(|q| (q.queue.clone(), Histogram::default())).collect(),
            runs: registry.kinds().map(|k| (k.clone(), Histogram::default())).collect(),
            store: Default::default(),
        }
    }

    /// Counts how long these waited, by this machine's clock: once per claim, whose tasks come together.
    pub(crate) fn claimed(&self, tasks: &[Claimed]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for task in tasks {
            if let Some(histogram) = self.waits.get(&task.queue) {
                let due = Duration::from_millis(u64::try_from(task.due_at.as_millis()).unwrap_or(0));
                histogram.observe(now.saturating_sub(due));
            }
        }
    }

    pub(crate) fn ran(&self, kind: &Kind, took: Duration) {
        if let Some(histogram) = self.runs.get(kind) {
            histogram.observe(took);
        }
    }

    pub(crate) fn called(&self, call: StoreCall, took: Duration) {
        self.store[call as usize].observe(took);
    }

    pub(crate) fn all(&self) -> Vec<Timing> {
        let timing = |what, of: &str, histogram: &Histogram| Timing {
            what,
            of: of.to_owned(),
            counted: histogram.counted(),
        };
        let waits = self.waits.iter().map(|(queue, h)| timing(Timed::Wait, queue.as_str(), h));
        let runs = self.runs.iter().map(|(kind, h)| timing(Timed::Run, kind.as_str(), h));
        let calls = StoreCall::ALL.iter().zip(&self.store);
        let calls = calls.map(|(call, h)| timing(Timed::Store, call.as_str(), h));
        waits.chain(runs).chain(calls).collect()
    }
}
