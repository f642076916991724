//! What a request says about itself: to the lines that are logged while it is served, and to the trace that it belongs
//! to. Routes do nothing for it: the guard enters the scope at each poll, and [`crate::Api`] puts the trace of the scope on
//! every task that it stores.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderValue, Method};
use posthaste_telemetry::{Field, Fields, Scope, Span, SpanKind, TraceContext, Tracer};
use tracing::debug;

use crate::metrics::RouteIndex;

/// What the lines of a request name.
struct About {
    id: HeaderValue,
    method: Method,
    route: RouteIndex,
}

impl Fields for About {
    fn fields(&self, write: &mut dyn FnMut(&'static str, Field<'_>)) {
        // Only visible ASCII is taken over from callers.
        write("request_id", Field::Text(&self.id.to_str().unwrap_or_default()));
        write("method", Field::Text(&self.method));
        write("route", Field::Text(&self.route.as_str()));
    }
}

/// A request under way.
pub(crate) struct Traced {
    /// Of every line that is logged meanwhile.
    pub(crate) scope: Scope,
    span: Span,
    began: Instant,
}

impl Traced {
    pub(crate) fn begin(tracer: &Tracer, request: &Request, route: RouteIndex, id: HeaderValue) -> Self {
        let came =
            request.headers().get("traceparent").and_then(|v| v.to_str().ok()?.parse::<TraceContext>().ok());
        // Probes and scrapes come every few seconds for ever, and are in nobody's trace.
        let span = if tracer.is_on() && !route.is_probe() {
            server_span(tracer, request, route, &id, came)
        } else {
            Tracer::off().span(SpanKind::Server, "", came)
        };
        let about = About { id, method: request.method().clone(), route };
        Self { scope: Scope::new(Arc::new(about), span.context()), span, began: Instant::now() }
    }

    /// Notes how it was answered, and answers how long that took.
    pub(crate) fn end(&mut self, status: u16) -> std::time::Duration {
        let took = self.began.elapsed();
        self.span.set("http.response.status_code", || i64::from(status));
        if status >= 500 {
            self.span.set("error.type", || status.to_string());
            self.span.fail("");
        }
        let _entered = self.scope.enter();
        debug!(
            status,
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "a request was answered"
        );
        took
    }
}

/// Names as in OpenTelemetry's conventions for HTTP
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>). Neither path nor query: they hold addresses.
fn server_span(
    tracer: &Tracer,
    request: &Request,
    route: RouteIndex,
    id: &HeaderValue,
    came: Option<TraceContext>,
) -> Span {
    let method = known(request.method());
    let mut span = tracer.span(SpanKind::Server, format!("{method} {}", route.as_str()), came);
    span.set("http.request.method", || method);
    span.set("http.route", || route.as_str());
    span.set("posthaste.request_id", || id.to_str().unwrap_or_default().to_owned());
    span
}

/// Of a method that anybody can make up, only that it is another one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
