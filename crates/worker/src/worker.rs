//! Starting and stopping a worker.

use std::sync::Arc;

use posthaste_core::{BrokerError, Store, Timestamp, WorkerId};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::board::Board;
use crate::config::WorkerConfig;
use crate::driver::Driver;
use crate::handler::Registry;
use crate::keeper::{Keeper, registration};
use crate::shared::Shared;
use crate::stats::WorkerStats;
use crate::stopping::ShutdownReport;
use crate::timings::{Timing, Timings};
use crate::{maintenance, mark};

/// Claims tasks, runs their handlers and stores what became of them.
///
/// Dropping it without [`Worker::shutdown`] stops it as a second signal does, without waiting.
pub struct Worker {
    shared: Arc<Shared>,
    driver: Option<JoinHandle<ShutdownReport>>,
    helpers: Vec<JoinHandle<()>>,
    keeper: Option<Keeper>,
}

impl Worker {
    /// Registers with the store and begins to claim. Must be called within a tokio runtime with
    /// time enabled.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] when no queue is named; what the store answers to the registration.
    pub async fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        config: WorkerConfig,
    ) -> Result<Self, BrokerError> {
        if config.queues.is_empty() {
            return Err(BrokerError::invalid(0, "queues", "a worker must serve at least one queue"));
        }
        if config.lease.is_zero() {
            return Err(BrokerError::invalid(0, "lease", "must be longer than nothing"));
        }
        let (marks, mark_requests) = mpsc::unbounded_channel();
        let runners = tokio::runtime::Handle::current().metrics().num_workers();
        let shared = Arc::new(Shared {
            id: worker_id(&config.host),
            board: Board::new(config.slots(), config.per_target(), runners),
            timings: Arc::new(Timings::new(&config, &registry)),
            store,
            registry,
            config,
            leases: Default::default(),
            counters: Default::default(),
            marks,
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            kill: CancellationToken::new(),
            tick: Notify::new(),
            work: Notify::new(),
            #[cfg(test)]
            trip: Default::default(),
        });
        let started_at = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        shared.store.heartbeat(registration(&shared, started_at)).await?;
        let keeper = Keeper::start(shared.clone(), started_at)
            .map_err(|e| BrokerError::Unavailable { why: format!("the lease keeper did not start: {e}") })?;
        let mut helpers = maintenance::start(&shared);
        let give_up = shared.config.lease.saturating_mul(mark::LEASES);
        helpers.push(tokio::spawn(mark::serve(
            shared.store.clone(),
            shared.timings.clone(),
            mark_requests,
            shared.patience(),
            give_up,
        )));
        let driver = tokio::spawn(Driver::new(shared.clone()).run());
        Ok(Self { shared, driver: Some(driver), helpers, keeper: Some(keeper) })
    }

    /// Its id.
    pub fn id(&self) -> &WorkerId {
        &self.shared.id
    }

    /// What it did and holds.
    pub fn stats(&self) -> WorkerStats {
        let filled = self.shared.board.filled();
        self.shared.counters.snapshot(filled.running, filled.pending)
    }

    /// How long things took, since it started.
    pub fn timings(&self) -> Vec<Timing> {
        self.shared.timings.all()
    }

    /// Cancel it to end the grace of a shutdown now, as a second signal does. Without a shutdown on
    /// its way it begins one.
    pub fn abort_handle(&self) -> CancellationToken {
        self.shared.abort.clone()
    }

    /// Stops claiming, gives back what has not started, lets running handlers go on for the grace
    /// of the configuration, then drops them: what is not marked is given back, what is marked is
    /// settled as `ambiguous`. Returns as soon as all is stored, and whatever the store does within
    /// the grace (within two seconds of a shorter one).
    ///
    /// Not cancel safe: dropped, it goes on as a second signal would.
    pub async fn shutdown(mut self) -> ShutdownReport {
        self.shared.stop.cancel();
        let report = match self.driver.take() {
            Some(driver) => driver.await.unwrap_or_else(|error| {
                // A fault of the driver itself: leases run out, and other workers take over.
                error!(%error, "the driver of the worker ended early");
                ShutdownReport::default()
            }),
            None => ShutdownReport::default(),
        };
        if let Some(keeper) = self.keeper.take() {
            keeper.stop().await;
        }
        report
    }

    #[cfg(test)]
    pub(crate) fn trip(&self) -> &crate::shared::Trip {
        &self.shared.trip
    }

    #[cfg(test)]
    pub(crate) fn keep_now(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.now();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.abort.cancel();
        for helper in &self.helpers {
            helper.abort();
        }
    }
}

/// `<host>:<pid>:<random>`, from what of the host's name a name may hold.
fn worker_id(host: &str) -> WorkerId {
    let host: String =
        host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).take(64).collect();
    let host = if host.is_empty() { "worker" } else { &host };
    WorkerId::new(format!("{host}:{}:{:016x}", std::process::id(), rand::random::<u64>()))
        .expect("built from the characters that a name may hold, and short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_from_any_host_name() {
        assert!(worker_id("web-1.example").as_str().starts_with("web-1.example:"));
        assert!(worker_id("Büro Süd/3").as_str().starts_with("BroSd3:"));
        assert!(worker_id("").as_str().starts_with("worker:"));
        assert_ne!(worker_id("a"), worker_id("a"));
    }
}
