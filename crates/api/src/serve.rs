//! The HTTP server: connections, their bounds and time limits, and the way they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::connections::{Admitted, Connections, Seat, Steady};
use crate::routes::refuse;
use crate::{ApiError, ConnectionLimits, plain};

/// Longest time that the head of a request may take to arrive; also how long an idle connection is kept: longer than the
/// minute for which load balancers keep theirs, or they would now and then send a request into one that is being closed.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// The same of a connection beyond the bound: the seats for signs of life are few.
const PROBE_TIME: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Longest time that open requests get when the server stops.
const CLOSE_TIME: Duration = Duration::from_secs(10);
/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often it is said that connections are refused.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// A router that is told who is at the other end of its connection.
#[derive(Clone)]
struct FromPeer {
    inner: Router,
    peer: SocketAddr,
    admitted: Admitted,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Service<Request<Incoming>> for FromPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Router as Service<Request<Incoming>>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        if let Some(plain) = plain::uri(request.uri()) {
            *request.uri_mut() = plain;
        }
        match self.admitted {
            Admitted::ToAll => Answered::Routed { future: self.inner.call(request) },
            Admitted::ToProbes => Answered::Last { future: Box::pin(last(self.inner.clone(), request)) },
        }
    }
}

pin_project_lite::pin_project! {
    /// What a connection is answered.
    #[project = AnsweredProjection]
    enum Answered {
        /// By its route; without a box, for it is the usual case.
        Routed { #[pin] future: <Router as Service<Request<Incoming>>>::Future },
        /// Of a connection that ends with this answer.
        Last { future: Answering },
    }
}

impl Future for Answered {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AnsweredProjection::Routed { future } => future.poll(cx),
            AnsweredProjection::Last { future } => future.as_mut().poll(cx),
        }
    }
}

/// The only answer of a connection beyond the bound: a sign of life, or that there are too many.
async fn last(mut routes: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let path = request.uri().path();
    let mut response = if path.ends_with("/healthz") || path.ends_with("/readyz") {
        routes.call(request).await?
    } else {
        refuse(path, ApiError::TooManyConnections)
    };
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

/// [`serve_within`] the bounds that suit 1,024 descriptors.
///
/// # Errors
/// As [`serve_within`].
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    serve_within(ConnectionLimits::default(), listener, router, shutdown).await
}

/// Serves `router` until `shutdown` is cancelled, then closes idle connections at once and lets open
/// requests end, for at most ten seconds. Give it [`crate::Api::closing`], so that event streams and
/// waits end too. Dropping the future leaves open connections running.
///
/// # Errors
/// Never at present; failed accepts are tried again.
pub async fn serve_within(
    limits: ConnectionLimits,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let connections = Connections::new(limits);
    let open = GracefulShutdown::new();
    let mut refusals = Refusals::default();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        let seat = connections.admit(peer);
        if seat.as_ref().is_none_or(|s| s.admitted() == Admitted::ToProbes) {
            refusals.say(peer);
        }
        // One that finds no seat at all is closed without a word: each word would hold a descriptor.
        if let Some(seat) = seat {
            converse(stream, peer, seat, &connections, router.clone(), &open);
        }
    }
    drop(listener);
    if tokio::time::timeout(CLOSE_TIME, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    Ok(())
}

/// Serves one connection until its end.
fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    connections: &Arc<Connections>,
    inner: Router,
    open: &GracefulShutdown,
) {
    // Answers are small and written at once: waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let admitted = seat.admitted();
    let head_time = if admitted == Admitted::ToAll { HEAD_TIME } else { PROBE_TIME };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(MAX_HEAD_BYTES);
    let service = TowerToHyperService::new(FromPeer { inner, peer, admitted });
    let io = TokioIo::new(Steady::new(stream, connections.stall()));
    let connection = open.watch(http.serve_connection(io, service));
    tokio::spawn(async move {
        let _seat = seat;
        if let Err(e) = connection.await {
            tracing::debug!(error = %e, "a connection ended early");
        }
    });
}

/// Connections that were refused and not spoken of yet.
#[derive(Default)]
struct Refusals {
    silent: u64,
    said: Option<tokio::time::Instant>,
}

impl Refusals {
    fn say(&mut self, peer: SocketAddr) {
        self.silent += 1;
        if self.said.is_some_and(|at| at.elapsed() < SAY_EVERY) {
            return;
        }
        tracing::warn!(
            peer = %peer.ip(),
            connections = self.silent,
            "too many connections, in all or of one address: at most signs of life are answered; POSTHASTE_MAX_CONNECTIONS, POSTHASTE_MAX_CONNECTIONS_PER_ADDRESS and the descriptors of the process bound them"
        );
        self.silent = 0;
        self.said = Some(tokio::time::Instant::now());
    }
}
