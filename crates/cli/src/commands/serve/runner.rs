//! The worker of a process: started once the store answers, asked for its numbers, shut down at the end.

use std::sync::{Arc, Mutex, PoisonError};

use posthaste_core::{BrokerError, ErrorClass, Store};
use posthaste_telemetry::Tracer;
use posthaste_worker::{Worker, WorkerConfig};
use tokio_util::sync::CancellationToken;

use super::VERSION;
use super::store::Patience;
use crate::settings::typed::ServerConfig;

/// The worker, if it runs; shared with whoever asks for its numbers.
#[derive(Clone, Default)]
pub(crate) struct Runner(Arc<Mutex<Option<Worker>>>);

impl Runner {
    /// Starts the worker; a store that is away just now is waited for.
    ///
    /// # Errors
    /// What no waiting mends.
    pub(crate) async fn start(
        &self,
        config: &ServerConfig,
        store: Arc<dyn Store>,
        tracer: Tracer,
    ) -> anyhow::Result<()> {
        let mut patience = Patience::default();
        while let Err(e) = lift_mended(config, &store).await {
            match e.class() {
                ErrorClass::Unavailable => patience.after(&e).await,
                _ => return Err(e.into()),
            }
        }
        loop {
            let registry = posthaste_notify::kinds(config.notify.clone(), store.clone());
            let config = WorkerConfig { tracer: tracer.clone(), ..worker_config(config) };
            match Worker::start(store.clone(), registry, config).await {
                Ok(worker) => {
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
                    return Ok(());
                }
                Err(e) if e.class() == ErrorClass::Unavailable => patience.after(&e).await,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Asks the worker, if there is one.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Worker) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
    }

    /// Ends its grace; without a worker, a token that nobody heeds.
    pub(crate) fn abort_handle(&self) -> CancellationToken {
        self.with(Worker::abort_handle).unwrap_or_default()
    }

    /// Gives running attempts their grace, and returns when all is stored.
    pub(crate) async fn shutdown(&self) {
        let worker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            let report = worker.shutdown().await;
            tracing::info!(?report, "worker stopped");
        }
    }
}

/// Whoever corrected a provider's settings and started again need not wait for the next probe.
async fn lift_mended(config: &ServerConfig, store: &Arc<dyn Store>) -> Result<(), BrokerError> {
    let settings = posthaste_notify::fingerprints(&config.notify, Arc::clone(store)).await?;
    if settings.is_empty() {
        return Ok(());
    }
    let lifted = store.lift(&settings).await?;
    if lifted > 0 {
        tracing::info!(lanes = lifted, "lanes whose provider had refused other settings are resumed");
    }
    Ok(())
}

fn worker_config(config: &ServerConfig) -> WorkerConfig {
    WorkerConfig {
        queues: config.queues.clone(),
        concurrency: config.concurrency,
        shutdown_grace: config.grace,
        version: VERSION.to_owned(),
        ..WorkerConfig::default()
    }
}
