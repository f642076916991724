//! The runtime against the real store.

mod claiming;
mod detaching;
mod faults;
mod lane_lines;
mod lines;
mod outcomes;
mod panics;
mod schedules;
mod shutdown;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::EnqueueRequest;
use posthaste_core::{
    Backoff, Broker, NewTask, OffsetClock, Outcome, RetryPolicy, State, Store, Task, TaskId,
};
use posthaste_testkit::{FaultStore, frozen_clock, kind};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

use crate::{Context, Handler, QueueWeight, Registry, Worker, WorkerConfig, WorkerStats};

/// A store of its own, whose clock stands still and whose calls can be made to fail.
struct Rig {
    store: Arc<FaultStore>,
    clock: OffsetClock,
    _dir: TempDir,
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let clock = frozen_clock();
        let config = SqliteConfig { clock: Arc::new(clock.clone()), ..SqliteConfig::new(dir.path()) };
        let sqlite = SqliteStore::open(config).await.expect("a new store opens");
        Self { store: FaultStore::new(sqlite), clock, _dir: dir }
    }

    async fn enqueue(&self, task: NewTask) -> TaskId {
        self.enqueue_all(vec![task]).await[0]
    }

    async fn enqueue_all(&self, tasks: Vec<NewTask>) -> Vec<TaskId> {
        let reply = self
            .store
            .enqueue(EnqueueRequest { tasks, idempotency: None })
            .await
            .expect("the store takes the tasks");
        reply.tasks.iter().map(|t| t.id).collect()
    }

    async fn task(&self, id: TaskId) -> Task {
        let mut found = self.store.get(&[id]).await.expect("the store answers");
        found.pop().flatten().expect("the task is there")
    }

    /// Waits until `met` holds of the task.
    async fn until(&self, id: TaskId, met: impl Fn(&Task) -> bool) -> Task {
        let mut events = self.store.subscribe(Some(id));
        loop {
            let task = self.task(id).await;
            if met(&task) {
                return task;
            }
            events.next().await.expect("the store is open");
        }
    }

    async fn until_state(&self, id: TaskId, state: State) -> Task {
        self.until(id, |t| t.state == state).await
    }

    /// Waits until its first try has ended somehow.
    async fn until_tried(&self, id: TaskId) -> Task {
        self.until(id, |t| t.attempt > 0 && t.state != State::Running).await
    }

    async fn worker(&self, registry: Registry, config: WorkerConfig) -> Worker {
        Worker::start(self.store.clone() as Arc<dyn Store>, registry, config)
            .await
            .expect("the worker starts")
    }

    fn clock_since_start(&self) -> Duration {
        posthaste_core::Clock::wall(&self.clock).since(posthaste_testkit::clock::START)
    }

    /// Lets leases run out in steps that no store takes for a gap.
    async fn pass(&self, time: Duration) -> usize {
        let mut rescued = 0;
        for _ in 0..time.as_secs() {
            self.clock.advance(Duration::from_secs(1));
            rescued += self.store.tick().await.expect("the store ticks").rescued;
        }
        rescued
    }
}

/// Where the log goes in a test that reads it.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    /// Everything that is logged in the runtime of this test, which is its thread, while the guard lives.
    fn of_this_thread() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("UTF-8")
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until the worker has counted something: it does so after the store, which tests see first.
async fn until_stats(worker: &Worker, met: impl Fn(&WorkerStats) -> bool) -> WorkerStats {
    loop {
        let stats = worker.stats();
        if met(&stats) {
            return stats;
        }
        tokio::task::yield_now().await;
    }
}

/// Holds everything it may ahead, so that prefetching does not depend on speed.
fn eager(concurrency: usize, prefetch: usize) -> WorkerConfig {
    WorkerConfig { concurrency, prefetch, prefetch_window: Duration::MAX, ..WorkerConfig::default() }
}

fn weighted(queue: &str, weight: u32) -> QueueWeight {
    QueueWeight { queue: posthaste_testkit::queue(queue), weight }
}

/// A policy whose retries are due at once.
fn at_once() -> RetryPolicy {
    RetryPolicy { backoff: Backoff::Listed { delays_ms: vec![0] }, ..RetryPolicy::default() }
}

struct Fun<F>(F);

#[async_trait]
impl<F> Handler for Fun<F>
where
    F: Fn(Context) -> BoxFuture<'static, Outcome> + Send + Sync + 'static,
{
    async fn run(&self, cx: Context) -> Outcome {
        (self.0)(cx).await
    }
}

/// A registry with one kind, `t`.
fn handler<F, R>(f: F) -> Registry
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    handler_of("t", f)
}

/// A registry whose handler tells that it has started and goes on when told to.
fn gated() -> (Registry, mpsc::UnboundedReceiver<TaskId>, Arc<Notify>) {
    let (started, starts) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let registry = handler(move |cx| {
        let (started, gate) = (started.clone(), gate.clone());
        async move {
            started.send(cx.task().lease.task).expect("the test listens");
            gate.notified().await;
            Outcome::done()
        }
    });
    (registry, starts, go)
}

fn handler_of<F, R>(name: &str, f: F) -> Registry
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    Registry::new().with(kind(name), Arc::new(Fun(move |cx| Box::pin(f(cx)) as BoxFuture<'static, Outcome>)))
}
