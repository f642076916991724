//! `GET /readyz`: whether the store answers now; for alarms.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::Api;
use crate::detail::json_of;

/// Whether the store answers and takes writes now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(example = json!({ "status": "ready", "store": "sqlite", "latency_us": 85 }))]
pub(crate) struct Readiness {
    /// `ready` or `unavailable`.
    status: &'static str,
    /// What the store is.
    store: String,
    /// How long it took to answer, in microseconds.
    latency_us: u64,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
}

/// Whether the store answers now
///
/// Asks the store. 503 says what is wrong.
#[utoipa::path(
    get, path = "/readyz", tag = "server", operation_id = "readyz",
    responses(
        (status = 200, description = "It answers and takes writes.", body = Readiness),
        (status = 403, description = "A wrong Host.", body = crate::ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It does not; `problem` says why.", body = Readiness),
    )
)]
pub(crate) async fn handle(State(api): State<Api>) -> Response {
    let health = api.health().await;
    let problem = match health.problem {
        None if !health.writable => Some("the store takes no writes".into()),
        other => other,
    };
    let (status, word) = match problem {
        None => (StatusCode::OK, "ready"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let body = Readiness { status: word, store: health.store, latency_us: health.latency_us, problem };
    let mut response = json_of(status, &body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
