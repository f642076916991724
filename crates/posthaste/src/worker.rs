//! Starts a worker.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::{BrokerError, QueueName, Store};
use posthaste_telemetry::Tracer;
use posthaste_worker::{QueueWeight, Registry, ShutdownReport, Worker, WorkerConfig};

use crate::ClientError;

/// A worker to be started; made by [`Posthaste::worker`](crate::Posthaste::worker).
///
/// ```no_run
/// # posthaste::testing::block_on(async {
/// # let app = posthaste::Posthaste::open("sqlite:./data").await?;
/// use std::time::Duration;
///
/// let report = app
///     .worker()
///     .concurrency(16)
///     .queue("mail", 3) // three turns for each one of `default`
///     .queue("default", 1)
///     .shutdown_grace(Duration::from_secs(10))
///     .configure(|config| config.lease = Duration::from_secs(30))
///     .run_until(async { tokio::signal::ctrl_c().await.expect("signals can be heard") })
///     .await?;
/// println!("{} given back", report.released);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "a worker does nothing until it is started"]
pub struct WorkerBuilder {
    store: Arc<dyn Store>,
    registry: Registry,
    config: WorkerConfig,
    queues: Vec<QueueWeight>,
    problem: Option<ClientError>,
}

impl WorkerBuilder {
    pub(crate) fn new(store: Arc<dyn Store>, registry: Registry, tracer: Tracer) -> Self {
        let config = WorkerConfig { tracer, ..WorkerConfig::default() };
        Self { store, registry, config, queues: Vec::new(), problem: None }
    }

    /// How many tasks run at once; 64 unless said.
    pub fn concurrency(mut self, slots: usize) -> Self {
        self.config.concurrency = slots;
        self
    }

    /// Serves this queue, `weight` times as often as one of weight 1. Without any, `default` alone
    /// is served.
    pub fn queue(mut self, queue: impl AsRef<str>, weight: u32) -> Self {
        match QueueName::new(queue) {
            Ok(queue) => self.queues.push(QueueWeight { queue, weight }),
            Err(source) => {
                self.problem.get_or_insert(ClientError::Name { field: "queue", source });
            }
        }
        self
    }

    /// How long running attempts may go on after a shutdown was asked for; 25 s unless said.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.config.shutdown_grace = grace;
        self
    }

    /// Everything else.
    pub fn configure(mut self, change: impl FnOnce(&mut WorkerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts it: from now on it claims and runs tasks, until [`Worker::shutdown`].
    ///
    /// # Errors
    /// A queue's name, or the store, which must answer once.
    pub async fn start(self) -> Result<Worker, ClientError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let mut config = self.config;
        if !self.queues.is_empty() {
            config.queues = self.queues;
        }
        Worker::start(self.store, self.registry, config).await.map_err(|e: BrokerError| e.into())
    }

    /// Starts it, runs until `stop` completes (a signal, say), and shuts it down gracefully.
    ///
    /// Dropping the future stops nothing gracefully: tasks that ran are rescued when their leases
    /// end.
    ///
    /// # Errors
    /// As [`WorkerBuilder::start`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<ShutdownReport, ClientError> {
        let worker = self.start().await?;
        stop.await;
        Ok(worker.shutdown().await)
    }
}
