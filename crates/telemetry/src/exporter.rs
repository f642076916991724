//! Sends spans to a collector by OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! One future takes what waits, at most [`BATCH`] at a time, and posts it. Whoever records a span never waits for it: when
//! the collector is slow or away, spans are dropped and counted. Nothing of it is kept over a restart.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::rustls;
use tokio_util::sync::CancellationToken;

use crate::otlp::{self, Resource};
use crate::tracer::Shared;
use crate::{Recorded, Spans, Tracer};

/// Most spans of one request.
const BATCH: usize = 512;
/// Spans gather for this long, unless a batch is full before.
const GATHER: Duration = Duration::from_secs(1);
/// Longest time that one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A batch is offered so often.
const TRIES: u32 = 3;
/// First pause between the tries; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is said that the collector takes nothing.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Where spans are posted. Does not print its headers, nor what a URL holds beside host and path.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    headers: HeaderMap,
}

/// An endpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No such URL.
    #[error("must be an http:// or https:// URL, for example http://127.0.0.1:4318")]
    Url,
    /// The port of the other protocol.
    #[error(
        "port 4317 speaks gRPC; this program speaks OTLP over HTTP, for which collectors listen on port 4318"
    )]
    Grpc,
    /// A header that is none.
    #[error("must be a list of name=value, separated by commas, values percent-encoded")]
    Headers,
}

impl Endpoint {
    /// Of `OTEL_EXPORTER_OTLP_ENDPOINT` (`/v1/traces` is appended) and `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn new(base: &str, headers: &str) -> Result<Self, EndpointError> {
        let mut url: Url = base.trim().parse().map_err(|_| EndpointError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(EndpointError::Url);
        }
        if url.port() == Some(4317) {
            return Err(EndpointError::Grpc);
        }
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self { url, headers: read_headers(headers).ok_or(EndpointError::Headers)? })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.url.scheme())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.url.path())
    }
}

fn read_headers(list: &str) -> Option<HeaderMap> {
    let mut out = HeaderMap::new();
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let mut value = HeaderValue::from_bytes(&unescape(value.trim())?).ok()?;
        value.set_sensitive(true);
        out.append(HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value);
    }
    Some(out)
}

/// Percent-decoding (RFC 3986, section 2.1).
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            out.push(first);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        out.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
        rest = after;
    }
    Some(out)
}

/// What an exporter is told.
#[derive(Debug, Clone)]
pub struct ExporterConfig {
    /// Where spans are posted.
    pub endpoint: Endpoint,
    /// Who they are from.
    pub resource: Resource,
}

/// Sends spans until it is shut down.
#[derive(Debug)]
pub struct Exporter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Spawns it for the spans of `tracer`, which must be the one that `spans` came with.
    ///
    /// # Errors
    /// The HTTP client could not be made.
    pub fn start(tracer: &Tracer, spans: Spans, config: ExporterConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()?;
        let stop = CancellationToken::new();
        let shared = tracer.shared().cloned();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            if let Some(shared) = shared {
                Sender { http, config, shared, said: None, stop: stopped }.run(spans).await;
            }
        });
        Ok(Self { stop, task })
    }

    /// Sends what waits, for at most `within`; what is left then is lost.
    pub async fn shutdown(mut self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

struct Sender {
    http: reqwest::Client,
    config: ExporterConfig,
    shared: Arc<Shared>,
    said: Option<Instant>,
    stop: CancellationToken,
}

impl Sender {
    async fn run(mut self, mut spans: Spans) {
        let mut batch = Vec::new();
        loop {
            let more = self.gather(&mut spans, &mut batch).await;
            if !batch.is_empty() {
                self.send(&batch).await;
                batch.clear();
                // A burst's room is given back.
                batch.shrink_to(64);
            }
            if !more {
                return;
            }
        }
    }

    /// Fills the batch; `false` when nothing comes after it.
    async fn gather(&self, spans: &mut Spans, batch: &mut Vec<Recorded>) -> bool {
        let mut deadline = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                n = spans.0.recv_many(batch, room) => {
                    if n == 0 {
                        return false;
                    }
                    deadline.get_or_insert_with(|| Instant::now() + GATHER);
                }
                () = until(deadline), if deadline.is_some() => return true,
                () = self.stop.cancelled() => {
                    // The rest at once, batch by batch.
                    while batch.len() < BATCH {
                        match spans.0.try_recv() {
                            Ok(span) => batch.push(span),
                            Err(_) => return false,
                        }
                    }
                }
            }
        }
        true
    }

    async fn send(&mut self, batch: &[Recorded]) {
        let body = otlp::request(&self.config.resource, batch);
        let n = batch.len() as u64;
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let Err(why) = self.post(body.clone()).await else {
                self.shared.exported.fetch_add(n, Ordering::Relaxed);
                if self.said.take().is_some() {
                    tracing::info!(endpoint = %self.config.endpoint, "the collector takes spans again");
                }
                return;
            };
            if attempt == TRIES || !why.may_mend {
                self.shared.failed.fetch_add(n, Ordering::Relaxed);
                self.complain(&why.what);
                return;
            }
            // At the end there is no time to wait.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
            pause *= 2;
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), Refused> {
        let request = self
            .http
            .post(self.config.endpoint.url.clone())
            .headers(self.config.endpoint.headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))
            .body(body);
        // Without its URL, which may hold a secret.
        let answer = request.send().await;
        let answer = answer.map_err(|e| Refused { what: reason(&e.without_url()), may_mend: true })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        // The statuses that the protocol names as worth another try.
        let may_mend = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        Err(Refused { what: format!("it answers {status}"), may_mend })
    }

    fn complain(&mut self, why: &str) {
        let now = Instant::now();
        if self.said.is_none_or(|t| now >= t + SAY_AGAIN) {
            self.said = Some(now);
            tracing::warn!(endpoint = %self.config.endpoint, why, "the collector takes no spans: they are dropped");
        }
    }
}

struct Refused {
    what: String,
    may_mend: bool,
}

/// The innermost cause, which is the one that says something.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// TLS with the certificate authorities that browsers trust, as the other connections of this program. Said here, because
/// nobody installs a provider of cryptography for the whole process.
fn tls() -> rustls::ClientConfig {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn until(deadline: Option<Instant>) {
    if let Some(at) = deadline {
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_checked_and_prints_no_secret() {
        let endpoint =
            Endpoint::new("https://u:hunter2@otlp.test/base/?k=hunter2", "api-key=hunter2,x=a%20b");
        let endpoint = endpoint.expect("valid");
        assert_eq!(endpoint.url.path(), "/base/v1/traces");
        assert_eq!(endpoint.headers["x"], "a b");
        assert_eq!(format!("{endpoint}"), "https://otlp.test/base/v1/traces");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        assert_eq!(Endpoint::new("http://h:4317", "").err(), Some(EndpointError::Grpc));
        assert_eq!(Endpoint::new("grpc://h:4318", "").err(), Some(EndpointError::Url));
        assert_eq!(Endpoint::new("127.0.0.1:4318", "").err(), Some(EndpointError::Url));
        for bad in ["x", "x y=1", "x=%4", "x=%zz", "x=\u{1}"] {
            assert_eq!(Endpoint::new("http://h:4318", bad).err(), Some(EndpointError::Headers), "{bad}");
        }
    }
}
