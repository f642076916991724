//! An application: a store, the kinds it knows, and the clients and workers made from them.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use posthaste_broker_redis::{RedisConfig, RedisStore, RedisUrl};
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::limits::Retention;
use posthaste_core::{Kind, Store};
use posthaste_telemetry::Tracer;
use posthaste_worker::{Context, Handler, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kind::handler;
use crate::{Client, ClientError, OpenError, TaskError, TaskKind, WorkerBuilder};

/// A store and the kinds of tasks that this process can run. Cheap to clone.
///
/// ```
/// # tokio_test_block(async {
/// use posthaste::{Posthaste, TaskError};
/// use std::time::Duration;
///
/// # let dir = tempfile::tempdir()?;
/// # let url = format!("sqlite:{}", dir.path().display());
/// let app = Posthaste::open(&url).await?; // "sqlite:./data"
/// let double = app.kind("double", |n: u32, _cx| async move { Ok::<_, TaskError>(n * 2) })?;
///
/// let worker = app.worker().start().await?;
/// let sent = app.client().enqueue(double.task(&21)).await?;
/// let result = app.client().wait(&sent, Duration::from_secs(10)).await?;
/// assert_eq!(result.into_result().unwrap(), 42);
///
/// worker.shutdown().await;
/// app.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// # fn tokio_test_block<F: std::future::Future>(f: F) -> F::Output {
/// #     tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(f)
/// # }
/// ```
#[derive(Clone)]
pub struct Posthaste {
    store: Arc<dyn Store>,
    opened: Opened,
    registry: Arc<Mutex<Registry>>,
    tracer: Tracer,
}

/// A store that was opened here, as its own type: closing is not part of the store's traits.
#[derive(Clone)]
enum Opened {
    Elsewhere,
    Sqlite(Arc<SqliteStore>),
    Redis(Arc<RedisStore>),
}

impl Posthaste {
    /// Opens a store: `sqlite:<directory>`, or any URL of [`RedisUrl`]: `redis://`, `rediss://`, their `+sentinel` and
    /// `+cluster` forms, `unix://`; `valkey` may stand for `redis`.
    ///
    /// A directory is made if it is missing, and locked: a second process that opens it is refused. A Redis or Valkey
    /// server must answer now; when it is lost later, the store connects again by itself.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(url: impl AsRef<str>) -> Result<Self, OpenError> {
        let url = url.as_ref();
        if RedisUrl::is_meant_by(url) {
            return Self::open_redis(RedisConfig::new(url)).await;
        }
        match directory(url) {
            Some(dir) => Self::open_sqlite(dir, Retention::default()).await,
            None => Err(OpenError::UnknownStore { scheme: scheme(url).to_owned() }),
        }
    }

    /// Opens the store of a Redis or Valkey server with settings of its own.
    ///
    /// ```no_run
    /// # posthaste::testing::block_on(async {
    /// use posthaste::{Posthaste, RedisConfig};
    ///
    /// let mut config = RedisConfig::new("redis://127.0.0.1:6379/0");
    /// config.namespace = "shop".to_owned();
    /// let app = Posthaste::open_redis(config).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Posthaste::open`].
    pub async fn open_redis(config: RedisConfig) -> Result<Self, OpenError> {
        let redis = RedisStore::open(config)?;
        redis.check().await?;
        Ok(Self { opened: Opened::Redis(Arc::clone(&redis)), ..Self::from_store(redis) })
    }

    /// Opens the embedded store of a directory with bounds for finished tasks of its own.
    ///
    /// ```no_run
    /// # posthaste::testing::block_on(async {
    /// use posthaste::{Posthaste, Retention};
    /// use std::time::Duration;
    ///
    /// let keep = Retention { succeeded_age: Duration::from_secs(3600), ..Retention::default() };
    /// let app = Posthaste::open_sqlite("./data", keep).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Posthaste::open`].
    pub async fn open_sqlite(dir: impl AsRef<Path>, retention: Retention) -> Result<Self, OpenError> {
        let mut config = SqliteConfig::new(dir.as_ref());
        config.retention = retention;
        let sqlite = SqliteStore::open(config).await?;
        Ok(Self { opened: Opened::Sqlite(Arc::clone(&sqlite)), ..Self::from_store(sqlite) })
    }

    /// Works on a store that was opened elsewhere; [`Posthaste::close`] leaves it open.
    pub fn from_store(store: Arc<dyn Store>) -> Self {
        Self { store, opened: Opened::Elsewhere, registry: Arc::default(), tracer: Tracer::off() }
    }

    /// Records spans of what its clients enqueue and its workers run; see [`trace`](crate::trace).
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Defines a kind as an async function over a typed payload and the attempt's [`Context`].
    ///
    /// An error of the function is `transient` (tried again with backoff) unless it is a
    /// [`TaskError`] of another class; a panic and a timeout count as transient too. A payload that
    /// does not read as `P` fails for good. A second definition of a name replaces the first.
    /// Workers that were started before do not know the kind.
    ///
    /// Its tasks are tried again as [`TaskKind::retry`] says, unless one says otherwise ([`Task::retry`](crate::Task::retry)):
    ///
    /// ```
    /// # posthaste::testing::block_on(async {
    /// use posthaste::{Backoff, RetryPolicy, TaskError, testing::TestApp};
    /// use std::time::Duration;
    ///
    /// let test = TestApp::open().await;
    /// let twice = RetryPolicy {
    ///     max_failures: 2,
    ///     backoff: Backoff::Listed { delays_ms: vec![60_000] },
    ///     ..RetryPolicy::default()
    /// };
    /// let fetch = test
    ///     .app()
    ///     .kind("fetch", |url: String, _cx| async move { Err::<(), _>(TaskError::transient(format!("{url} is down"))) })?
    ///     .retry(twice);
    ///
    /// let sent = test.app().client().enqueue(fetch.task(&"https://example.com".into())).await?;
    /// test.run_due().await;
    /// test.advance(Duration::from_secs(61)).await; // its backoff is over
    /// test.run_due().await;
    /// let task = test.app().client().get(sent.id).await?.unwrap();
    /// assert!(task.state.is_final() && task.failures == 2);
    /// # test.close().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Name`] when the name is not acceptable.
    pub fn kind<P, R, E, F, Fut>(&self, name: impl AsRef<str>, run: F) -> Result<TaskKind<P, R>, ClientError>
    where
        F: Fn(P, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        P: Serialize + DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        E: Into<TaskError> + Send + 'static,
    {
        let kind = TaskKind::named(name)?;
        self.handle(kind.name().clone(), handler(run));
        Ok(kind)
    }

    /// Registers a [`Handler`] for a kind: for what an async function cannot say, such as a success
    /// that keeps a document beside it.
    ///
    /// ```
    /// # posthaste::testing::block_on(async {
    /// use std::sync::Arc;
    /// use posthaste::{Context, Handler, Kind, Outcome, State, Task, testing::TestApp};
    ///
    /// struct Log;
    ///
    /// #[async_trait::async_trait]
    /// impl Handler for Log {
    ///     async fn run(&self, cx: Context) -> Outcome {
    ///         println!("{}", cx.task().payload.as_str());
    ///         Outcome::done()
    ///     }
    /// }
    ///
    /// let test = TestApp::open().await;
    /// test.app().handle(Kind::new("log")?, Arc::new(Log));
    /// test.app().client().enqueue(Task::new("log", &"hello")).await?;
    /// test.run_due().await;
    /// assert_eq!(test.enqueued().await[0].state, State::Succeeded);
    /// # test.close().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn handle(&self, kind: Kind, handler: Arc<dyn Handler>) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        *registry = std::mem::take(&mut *registry).with(kind, handler);
    }

    /// The handler of a kind, if one is defined.
    pub(crate) fn handler(&self, kind: &Kind) -> Option<Arc<dyn Handler>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    /// A client of the store.
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.store)).traced(self.tracer.clone())
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// A worker for the kinds that are defined when it starts.
    pub fn worker(&self) -> WorkerBuilder {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        WorkerBuilder::new(Arc::clone(&self.store), registry, self.tracer.clone())
    }

    /// Closes a store that [`Posthaste::open`] opened. Shut workers down first: what they hold is
    /// rescued at the next start otherwise.
    pub async fn close(&self) {
        match &self.opened {
            Opened::Elsewhere => {}
            Opened::Sqlite(store) => store.close().await,
            Opened::Redis(store) => store.close().await,
        }
    }
}

/// The directory of `sqlite:<directory>` or `sqlite://<directory>`.
fn directory(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    let dir = rest.strip_prefix("//").unwrap_or(rest);
    (scheme.eq_ignore_ascii_case("sqlite") && !dir.is_empty()).then_some(dir)
}

/// The scheme of a URL, if it looks like one (RFC 3986, section 3.1): anything else may be part of a password.
fn scheme(url: &str) -> &str {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme.trim());
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if scheme.chars().all(fits) { scheme } else { "" }
}
