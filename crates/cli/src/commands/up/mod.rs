//! `posthaste up`: everything in one process, on the embedded store.

mod metrics;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use posthaste_api::{Api, ApiConfig};
use posthaste_broker_sqlite::{OpenError, SqliteConfig, SqliteStore};
use posthaste_core::{Kind, Store};
use posthaste_notify::NotifyHandler;
use posthaste_worker::{Registry, Worker, WorkerConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Stop;
use crate::logs;
use crate::output::Out;
use crate::settings::flags::ServerFlags;
use crate::settings::typed::{LogConfig, ServerConfig};
use crate::settings::{self};

/// The version that logs, workers and metrics name.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Arguments of `posthaste up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: ServerFlags,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Configuration, address or store; each says what to do.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let settings = settings::load(file, args.settings.0)?;
    let config = ServerConfig::new(&settings)?;
    logs::start(&LogConfig::new(&settings)?)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    // Few threads and few blocking ones: each that allocates costs memory of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads)
        .max_blocking_threads(4)
        .thread_name("posthaste")
        .enable_all()
        .build()?;
    let done = runtime.block_on(serve(config, out));
    // A blocking thread that hangs (a name server, say) must not hold up the end.
    runtime.shutdown_background();
    done
}

async fn serve(config: ServerConfig, out: Out) -> anyhow::Result<()> {
    // Installed first: a signal during start-up ends it gracefully, too.
    let mut signals = Signals::new()?;
    let listener = bind(config.addr).await?;
    let address = listener.local_addr()?;
    let store = open(&config).await?;
    let dyn_store: Arc<dyn Store> = store.clone();

    let api = Api::new(Arc::clone(&dyn_store), api_config(&config));
    let notify = NotifyHandler::new(config.notify.clone()).with_suppressions(store.clone());
    let registry = Registry::new().with(Kind::notify(), Arc::new(notify));
    let worker = Worker::start(dyn_store, registry, worker_config(&config)).await?;
    let now = worker.abort_handle();
    let worker = Running::new(worker);
    let (scraped, slots) = (worker.clone(), config.concurrency);
    api.register_metrics(move |out| scraped.with(|w| metrics::worker(&w.stats(), slots, out)));
    let router = posthaste_api::guard(api.router().merge(posthaste_dashboard::router(api.clone())), &api);
    let stop_serving = api.closing().clone();
    let mut server = tokio::spawn(posthaste_api::serve(listener, router, stop_serving.clone()));

    tracing::info!(
        version = VERSION,
        store = %format!("sqlite:{}", config.data_dir.display()),
        address = %address,
        sandbox = %config.sandbox_note(),
        "posthaste started"
    );
    if config.auth_off && !address.ip().is_loopback() {
        tracing::warn!("POSTHASTE_AUTH=off: anybody who reaches {address} may send and read");
    }
    // The store is open: /healthz must not wait for somebody to ask whether it answers.
    api.started().await;
    announce(out, address)?;

    let failed = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, grace_s = config.grace.as_secs_f64(), "shutting down; a second signal ends it at once");
            None
        }
        ended = &mut server => Some(ended),
    };
    stop_serving.cancel();
    let serving = failed.is_none();
    // Both at once: open requests end while running attempts have their grace.
    let graceful = async {
        let requests = async {
            if serving {
                finish(&mut server, &now).await;
            }
        };
        let attempts = async {
            if let Some(worker) = worker.take() {
                let report = worker.shutdown().await;
                tracing::info!(?report, "worker stopped");
            }
        };
        tokio::join!(requests, attempts);
    };
    tokio::pin!(graceful);
    tokio::select! {
        () = &mut graceful => {}
        name = signals.next() => {
            tracing::warn!(signal = name, "second signal: stopping now");
            now.cancel();
            graceful.await;
        }
    }
    store.close().await;
    match failed {
        Some(ended) => ended?.context("the HTTP server stopped"),
        None => Ok(()),
    }
}

/// Lets open requests end; a second signal cuts them.
async fn finish(server: &mut tokio::task::JoinHandle<std::io::Result<()>>, now: &CancellationToken) {
    tokio::select! {
        ended = &mut *server => match ended {
            Ok(Ok(())) => {}
            other => tracing::warn!(?other, "the HTTP server did not stop cleanly"),
        },
        () = now.cancelled() => server.abort(),
    }
}

/// The one line on standard output, for people and for scripts that wait for it.
fn announce(out: Out, address: SocketAddr) -> anyhow::Result<()> {
    let url = format!("http://{address}");
    let ready = out.either(&serde_json::json!({"ready": url}), format!("Posthaste is ready: {url}"));
    match ready {
        // Nobody reads our output any more; that is no reason not to serve.
        Err(e) if e.downcast_ref::<std::io::Error>().is_some() => Ok(()),
        other => other,
    }
}

async fn bind(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{addr} is in use by another program; stop it or choose another with --addr, for example --addr 127.0.0.1:{}",
            addr.port().wrapping_add(1).max(1024)
        ),
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("{addr} may not be listened on: ports below 1024 need privileges; choose another with --addr")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("{addr} is no address of this machine; choose another with --addr")
        }
        _ => anyhow::anyhow!("{addr} cannot be listened on: {e}"),
    })
}

async fn open(config: &ServerConfig) -> anyhow::Result<Arc<SqliteStore>> {
    let mut sqlite = SqliteConfig::new(&config.data_dir);
    sqlite.retention = config.retention;
    SqliteStore::open(sqlite).await.map_err(store_error)
}

/// What cannot be used now may be usable later (75); what is damaged or newer will not mend by
/// itself (1).
pub(crate) fn store_error(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::Locked { .. } | OpenError::ReadOnly { .. } | OpenError::Io { .. } => {
            Stop::StoreBusy(error.to_string()).into()
        }
        OpenError::NewerVersion { .. } | OpenError::Corrupt { .. } => error.into(),
    }
}

fn api_config(config: &ServerConfig) -> ApiConfig {
    ApiConfig {
        cors_origins: config.cors.clone(),
        allowed_hosts: config.hosts.clone(),
        auth_off: config.auth_off && !config.addr.ip().is_loopback(),
        open_notify: config.open_notify,
        provider_configured: !config.notify.providers.is_empty(),
        sandbox: config.notify.sandbox == posthaste_notify::Sandbox::On,
        version: VERSION,
    }
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

/// The worker, shared with whoever asks for its numbers until it is taken to be shut down.
#[derive(Clone)]
struct Running(Arc<Mutex<Option<Worker>>>);

impl Running {
    fn new(worker: Worker) -> Self {
        Self(Arc::new(Mutex::new(Some(worker))))
    }

    fn with(&self, ask: impl FnOnce(&Worker)) {
        if let Some(worker) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            ask(worker);
        }
    }

    fn take(&self) -> Option<Worker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next one's name. Cancel safe.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
