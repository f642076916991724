//! What `up`, `api` and `worker` have in common: they open the store that the settings name, serve
//! HTTP, run tasks or do both, and stop gracefully.

mod emf;
mod listen;
mod metrics;
mod runner;
mod signals;
pub(crate) mod store;
mod tracing_export;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use axum::Router;
use posthaste_api::{Api, ApiConfig, ApiError, ConnectionLimits};
use posthaste_notify::Sandbox;
use posthaste_telemetry::Tracer;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::moving;
use crate::exit::Stop;
use crate::logs;
use crate::output::Out;
use crate::settings::store::Role;
use crate::settings::typed::{LogConfig, ServerConfig};
use crate::settings::{self};
use runner::Runner;
use signals::Signals;
use store::OpenStore;
use tracing_export::Traces;

/// The version that logs, workers and metrics name.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a process in `role` until SIGTERM or SIGINT.
///
/// # Errors
/// Configuration, address or store; each says what to do.
pub(crate) fn run(
    role: Role,
    flags: BTreeMap<&'static str, String>,
    file: Option<&Path>,
    out: Out,
) -> anyhow::Result<()> {
    let settings = settings::load(file, flags)?;
    let config = ServerConfig::new(&settings, role)?;
    logs::start(&LogConfig::new(&settings)?)?;
    for warning in settings.warnings.iter().chain(&settings.exposed) {
        tracing::warn!("{warning}");
    }
    let runtime = runtime(config.threads)?;
    let done = runtime.block_on(serve(config, out));
    // A blocking thread that hangs (a name server, say) must not hold up the end.
    runtime.shutdown_background();
    done
}

/// Most threads for what blocks: host names, reads of the embedded store, certificates. One is started when all others
/// are busy and ends after ten idle seconds, so a process that looks up few names has few.
///
/// A look-up on a name server that does not answer holds its thread for up to a minute, after its caller has long given
/// up. Each provider of e-mail makes ten connections at once and tries again, so that dozens may hang together. With few
/// threads the name of Redis waits behind them, and the worker does not come back when Redis does.
const BLOCKING_THREADS: usize = 512;

/// The threads of a process, `threads` of them for requests and tasks.
fn runtime(threads: usize) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("posthaste")
        .enable_all()
        .build()
}

/// Why a process ends.
enum Ended {
    Signal(&'static str),
    Server(Result<std::io::Result<()>, tokio::task::JoinError>),
    Start(anyhow::Error),
}

async fn serve(config: ServerConfig, out: Out) -> anyhow::Result<()> {
    // Installed first: a signal during start-up ends it gracefully, too.
    let mut signals = Signals::new()?;
    let listener = match config.addr {
        Some(addr) => Some(listen::bind(addr, config.role).await?),
        None => None,
    };
    let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let store = OpenStore::open(&config).await?;
    let traces = Traces::start(config.traces.as_ref(), config.role)?;
    let api = Api::new(store.seam(), ApiConfig { tracer: traces.tracer(), ..api_config(&config) });
    let runner = Runner::default();
    if config.role.runs_tasks() {
        let (scraped, slots) = (runner.clone(), config.concurrency);
        api.register_metrics(move |out| {
            scraped.with(|w| {
                metrics::worker(&w.stats(), slots, out);
                metrics::timings(w.timings(), out);
            });
        });
    }
    let stop_serving = api.closing().clone();
    let mut server =
        spawn_server(config.connections.clone(), listener, router(config.role, &api), stop_serving.clone());
    tell_start(&config, address);

    // Requests are answered from here on, with 503 until the store has answered once.
    let ended = tokio::select! {
        name = signals.next() => Ended::Signal(name),
        ended = &mut server => Ended::Server(ended),
        failed = start(&config, &store, &api, &runner, traces.tracer(), address, out) => {
            let Err(error) = failed;
            Ended::Start(error)
        }
    };
    if let Ended::Signal(name) = &ended {
        tracing::info!(
            signal = name,
            grace_s = config.grace.as_secs_f64(),
            "shutting down; a second signal ends it at once"
        );
    }
    stop_serving.cancel();
    let serving = !matches!(ended, Ended::Server(_));
    let now = runner.abort_handle();
    // Both at once: open requests end while running attempts have their grace.
    let graceful = async {
        let requests = async {
            if serving {
                finish(&mut server, &now).await;
            }
        };
        tokio::join!(requests, runner.shutdown());
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
    traces.shutdown().await;
    match ended {
        Ended::Signal(_) => Ok(()),
        Ended::Server(ended) => ended?.context("the HTTP server stopped"),
        Ended::Start(error) => Err(error),
    }
}

/// Waits for the store, begins to run tasks, says that all is ready, and goes on for ever.
async fn start(
    config: &ServerConfig,
    store: &OpenStore,
    api: &Api,
    runner: &Runner,
    tracer: Tracer,
    address: Option<SocketAddr>,
    out: Out,
) -> anyhow::Result<Infallible> {
    store.answers().await?;
    refuse_moved(&*store.seam()).await?;
    if config.role.runs_tasks() {
        runner.start(config, store.seam(), tracer).await?;
    }
    if !config.role.runs_tasks() {
        // A worker looks itself; without any, somebody must say so.
        let _watch_handle = tokio::spawn(posthaste_worker::watch_unserved_queues(store.seam()));
    }
    if config.role.serves() {
        if let Some(refusal) = &config.needs_key {
            has_key(api).await?.then_some(()).ok_or_else(|| refusal.clone())?;
        }
        let _sweeper_handle = tokio::spawn(api.clone().keep_audit_bounded());
    }
    // /healthz must not wait for somebody to ask whether the store answers.
    api.started().await;
    announce(out, config, address)?;
    if let Some(installation) = &config.emf {
        emf::print(api.clone(), runner.clone(), installation.clone(), config.role, out).await;
    }
    std::future::pending().await
}

/// Whether the store holds an API key; one that is away just now is waited for. Until then nobody is
/// let in.
async fn has_key(api: &Api) -> anyhow::Result<bool> {
    let mut patience = store::Patience::default();
    loop {
        match api.keys_exist().await {
            Ok(exist) => return Ok(exist),
            Err(e @ ApiError::Unavailable { .. }) => patience.after(&e).await,
            Err(e) => return Err(e.into()),
        }
    }
}

fn router(role: Role, api: &Api) -> Router {
    if role.serves() {
        let routes = api.router().merge(posthaste_dashboard::router(api.clone()));
        posthaste_api::guard_with(routes, api, posthaste_dashboard::PAGES)
    } else {
        posthaste_api::guard(api.probes(), api)
    }
}

/// Serves until `stop`; without a listener it only waits for it.
fn spawn_server(
    limits: ConnectionLimits,
    listener: Option<TcpListener>,
    router: Router,
    stop: CancellationToken,
) -> JoinHandle<std::io::Result<()>> {
    tokio::spawn(async move {
        match listener {
            Some(listener) => posthaste_api::serve_within(limits, listener, router, stop).await,
            None => {
                stop.cancelled().await;
                Ok(())
            }
        }
    })
}

/// Lets open requests end; a second signal cuts them.
async fn finish(server: &mut JoinHandle<std::io::Result<()>>, now: &CancellationToken) {
    tokio::select! {
        ended = &mut *server => match ended {
            Ok(Ok(())) => {}
            other => tracing::warn!(?other, "the HTTP server did not stop cleanly"),
        },
        () = now.cancelled() => server.abort(),
    }
}

fn tell_start(config: &ServerConfig, address: Option<SocketAddr>) {
    tracing::info!(
        version = VERSION,
        role = config.role.verb(),
        store = %config.store.shown(),
        address = %address.map_or_else(|| "off".to_owned(), |a| a.to_string()),
        sandbox = %config.sandbox_note(),
        "posthaste started"
    );
    if let Some(address) = address.filter(|_| config.role.serves() && config.auth_off) {
        tracing::warn!(
            "POSTHASTE_AUTH=off: anybody who reaches {address} may send and read, whatever keys there are"
        );
    }
}

/// The one line on standard output, for people and for scripts that wait for it.
fn announce(out: Out, config: &ServerConfig, address: Option<SocketAddr>) -> anyhow::Result<()> {
    let what = match config.role {
        Role::Up => "Posthaste",
        Role::Api => "Posthaste API",
        Role::Worker => "Posthaste worker",
    };
    let (json, text) = match address {
        Some(address) => {
            let url = format!("http://{address}{}", config.base_path);
            (serde_json::json!({"ready": url}), format!("{what} is ready: {url}"))
        }
        None => {
            let pid = std::process::id();
            (serde_json::json!({"ready": null, "pid": pid}), format!("{what} is ready: process {pid}"))
        }
    };
    match out.either(&json, text) {
        // Nobody reads our output any more; that is no reason not to serve.
        Err(e) if e.downcast_ref::<std::io::Error>().is_some() => Ok(()),
        other => other,
    }
}

/// What the API tells of the configured providers.
fn providers(config: &ServerConfig) -> Vec<posthaste_api::ConfiguredProvider> {
    let email = config.notify.providers.values().map(|p| posthaste_api::ConfiguredProvider {
        name: p.name.clone(),
        channel: posthaste_notify::ChannelKind::Email,
        kind: "smtp",
        senders: std::iter::once(&p.from).chain(&p.senders).map(|m| m.address.clone()).collect(),
    });
    let services = config.notify.services.values().map(|s| posthaste_api::ConfiguredProvider {
        name: s.name.clone(),
        channel: s.kind.channel(),
        kind: s.kind.channel().as_str(),
        senders: Vec::new(),
    });
    email.chain(services).collect()
}

fn api_config(config: &ServerConfig) -> ApiConfig {
    ApiConfig {
        cors_origins: config.cors.clone(),
        allowed_hosts: config.hosts.clone(),
        base_path: config.base_path.clone(),
        // What a worker answers holds no task and no address of anybody.
        auth_off: !config.role.serves() || config.auth_off,
        keys: config.keys.clone(),
        failed_attempts: config.failed_attempts,
        trusted_proxies: config.proxies.clone(),
        public_https: config.https,
        open_notify: config.open_notify,
        provider_configured: !config.notify.sends_nothing(),
        sandbox: matches!(config.notify.sandbox, Sandbox::On | Sandbox::Unconfigured),
        // A process that only serves may be set up without what its workers send with.
        providers_known: config.role.runs_tasks(),
        providers: providers(config),
        signing: config.notify.signing.clone(),
        version: VERSION,
        ..ApiConfig::default()
    }
}

/// Moved by `posthaste migrate`: what is done here now would be done there, too. Or not whole yet. A store that cannot tell has
/// other worries.
async fn refuse_moved(store: &dyn posthaste_core::Store) -> anyhow::Result<()> {
    if let Ok(Some(mark)) = moving::mark_of(store, moving::MOVED).await {
        let there = mark.store;
        return Err(Stop::StoreUnfit(format!(
            "this store has moved to {there}: start on that one, or take the mark back with `posthaste migrate --from … --unmark`"
        ))
        .into());
    }
    if let Ok(Some(mark)) = moving::mark_of(store, moving::FILLING).await {
        let from = mark.store;
        return Err(Stop::StoreUnfit(format!(
            "this store is not whole: it was being filled from {from}. Run that `posthaste migrate` or `restore` again to its end, \
             or take the mark back with `posthaste migrate --from … --unmark`"
        ))
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_that_hang_hold_up_no_other() {
        let runtime = runtime(1).expect("threads can be started");
        let hanging = 48;
        let end = Arc::new(Barrier::new(hanging + 1));
        for _ in 0..hanging {
            let end = end.clone();
            let _lookup_handle = runtime.spawn_blocking(move || end.wait());
        }
        let found = runtime.block_on(async {
            let lookup = tokio::net::lookup_host(("localhost", 6379));
            tokio::time::timeout(Duration::from_secs(2), lookup).await.map(|found| found.map(Iterator::count))
        });
        if found.is_err() {
            runtime.shutdown_background();
            panic!("the name of Redis waits behind those of mail servers");
        }
        end.wait();
        assert!(found.expect("it was in time").expect("localhost is known") > 0);
    }
}
