//! An application on a temporary store whose clock is the test's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore, SystemClock};
use posthaste_core::broker::{Bodies, ListRequest, QueueCounts};
use posthaste_core::{Json, Kind, OffsetClock, Outcome, QueueName, State, Store, Task as StoredTask};
use posthaste_telemetry::Tracer;
use posthaste_worker::{Context, Handler};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{Posthaste, TaskKind};

/// Nothing changed for this long and nothing runs: what waits, waits for something else.
const QUIET: Duration = Duration::from_millis(200);

/// An application on a temporary store, removed when it is dropped.
///
/// Notifications (tasks of kind `notify`) are not sent: [`TestApp::notifications`] shows them, and [`TestApp::run_due`]
/// ends them as succeeded.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{Task, testing::TestApp};
/// use serde_json::json;
///
/// let test = TestApp::open().await;
/// let client = test.app().client();
/// client.enqueue(Task::new("notify", &json!({"channel": "email", "to": "ada@example.com", "subject": "Hello"}))).await?;
///
/// let sent = test.notifications().await;
/// assert_eq!((sent[0].to.as_str(), sent[0].subject.as_deref()), ("ada@example.com", Some("Hello")));
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub struct TestApp {
    app: Posthaste,
    store: Arc<SqliteStore>,
    clock: OffsetClock,
    dir: TempDir,
}

/// A task as it was enqueued and as it is now.
pub type EnqueuedTask = StoredTask;

/// A notification that would be sent.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[non_exhaustive]
pub struct SentNotification {
    /// By which channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// To whom.
    pub to: String,
    /// Its subject.
    #[serde(default)]
    pub subject: Option<String>,
    /// Its text.
    #[serde(default)]
    pub message: Option<String>,
    /// Its HTML.
    #[serde(default)]
    pub html: Option<String>,
}

impl TestApp {
    /// Opens one.
    ///
    /// # Panics
    /// When the temporary directory cannot be used.
    pub async fn open() -> Self {
        let dir = TempDir::new();
        let clock = OffsetClock::new(Arc::new(SystemClock::new()));
        let mut config = SqliteConfig::new(&dir.0);
        config.clock = Arc::new(clock.clone());
        let store = SqliteStore::open(config).await.expect("a store in a fresh directory opens");
        let app = Posthaste::from_store(store.clone());
        app.handle(Kind::notify(), Arc::new(Captured));
        Self { app, store, clock, dir }
    }

    /// Records spans; see [`trace`](crate::trace).
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        self.app = self.app.traced(tracer);
        self
    }

    /// The application: give it to the code under test.
    pub fn app(&self) -> &Posthaste {
        &self.app
    }

    /// Every task that was enqueued, oldest first, with its payload and its state now.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn enqueued(&self) -> Vec<EnqueuedTask> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let request =
                ListRequest { cursor, bodies: Bodies::Include, limit: 100, ..ListRequest::default() };
            let page = self.store_ref().list(request).await.expect("the store answers");
            all.extend(page.tasks);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        all.reverse();
        all
    }

    /// The payloads of every task of a kind, oldest first: `assert_eq!(test.enqueued_of(&welcome).await, [user])`.
    ///
    /// # Panics
    /// When the store fails, or a payload has another shape than the kind says.
    pub async fn enqueued_of<P, R>(&self, kind: &TaskKind<P, R>) -> Vec<P>
    where
        P: Serialize + DeserializeOwned,
    {
        let name = kind.name();
        self.payloads(name).await.iter().map(|json| read(name, json)).collect()
    }

    /// Every notification that would have been sent, oldest first.
    ///
    /// # Panics
    /// When the store fails, or a payload is no notification.
    pub async fn notifications(&self) -> Vec<SentNotification> {
        let kind = Kind::notify();
        self.payloads(&kind).await.iter().map(|json| read(&kind, json)).collect()
    }

    async fn payloads(&self, kind: &Kind) -> Vec<Json> {
        let tasks = self.enqueued().await.into_iter().filter(|t| t.kind == *kind);
        tasks.filter_map(|t| t.payload).collect()
    }

    /// Runs what is due with a real worker, and returns when nothing is due or running any more: also not what waits
    /// for its backoff, for its time ([`TestApp::advance`]) or in a paused lane.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn run_due(&self) {
        let mut events = self.store_ref().subscribe(None);
        let queues = self.counts().await.into_iter().map(|q| q.queue);
        let mut builder = self.app.worker();
        for queue in queues.chain([QueueName::default()]) {
            builder = builder.queue(queue.as_str(), 1);
        }
        let worker = builder.start().await.expect("the worker starts");
        loop {
            self.store_ref().tick().await.expect("the store ticks");
            let counts = self.counts().await;
            let of = |state| counts.iter().map(|q| q.of(state)).sum::<u64>();
            if of(State::Queued) + of(State::Running) == 0 {
                break;
            }
            let quiet = timeout(QUIET, events.next()).await.is_err();
            if quiet && of(State::Running) == 0 {
                break;
            }
        }
        worker.shutdown().await;
    }

    /// Lets this much time pass for the store: delays, backoffs, expiry and retention see it at once. Nothing runs by it;
    /// call [`TestApp::run_due`] next.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        while self.store_ref().tick().await.expect("the store ticks").more {}
    }

    /// Closes the store and removes it.
    pub async fn close(self) {
        self.store.close().await;
        drop(self.dir);
    }

    fn store_ref(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn counts(&self) -> Vec<QueueCounts> {
        self.store_ref().counts().await.expect("the store answers")
    }
}

fn read<P: DeserializeOwned>(kind: &Kind, json: &Json) -> P {
    json.parse().unwrap_or_else(|e| panic!("the payload {} of {kind} has another shape: {e}", json.as_str()))
}

/// Takes a notification as sent.
struct Captured;

#[async_trait]
impl Handler for Captured {
    async fn run(&self, _cx: Context) -> Outcome {
        Outcome::done()
    }
}

/// A directory that is removed with what is in it.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("posthaste-test-{}-{n}-{}", std::process::id(), since.as_nanos());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
