//! `GET /healthz`: for load balancers and liveness probes.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::Api;
use crate::detail::json;

/// Whether the process lives
///
/// 503 until the store first answered, then 200 as long as the process serves: a store that is away
/// for a moment is no reason to kill it. `/readyz` says whether the store answers now.
#[utoipa::path(
    get, path = "/healthz", tag = "server", operation_id = "healthz",
    responses(
        (status = 200, description = "The process lives.", body = Liveness),
        (status = 403, description = "A wrong Host.", body = crate::ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The store has not answered yet.", body = Liveness),
    )
)]
pub(crate) async fn handle(State(api): State<Api>) -> Response {
    if api.started().await {
        json(StatusCode::OK, r#"{"status":"ok"}"#.into())
    } else {
        let mut response = json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"starting"}"#.into());
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

/// Whether the process lives.
#[derive(utoipa::ToSchema)]
#[schema(example = json!({ "status": "ok" }))]
#[expect(dead_code, reason = "describes a body that is written by hand")]
pub(crate) struct Liveness {
    /// `ok` or `starting`.
    status: String,
}
