//! The HTTP server: connections, their time limits, and the way they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::plain;

/// Longest time that the head of a request may take to arrive; also how long an idle connection is kept: longer than the
/// minute for which load balancers keep theirs, or they would now and then send a request into one that is being closed.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Longest time that open requests get when the server stops.
const CLOSE_TIME: Duration = Duration::from_secs(10);
/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A router that is told who is at the other end of its connection.
#[derive(Clone)]
struct FromPeer {
    inner: Router,
    peer: SocketAddr,
}

impl Service<Request<Incoming>> for FromPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Router as Service<Request<Incoming>>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        if let Some(plain) = plain::uri(request.uri()) {
            *request.uri_mut() = plain;
        }
        self.inner.call(request)
    }
}

/// Serves `router` until `shutdown` is cancelled, then closes idle connections at once and lets open
/// requests end, for at most ten seconds. Give it [`crate::Api::closing`], so that event streams and
/// waits end too. Dropping the future leaves open connections running.
///
/// # Errors
/// Never at present; failed accepts are tried again.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD_BYTES);
    let open = GracefulShutdown::new();
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
        // Answers are small and written at once: waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(FromPeer { inner: router.clone(), peer });
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!(error = %e, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(CLOSE_TIME, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    Ok(())
}
