//! `GET /metrics`: for Prometheus.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::metrics::Format;
use crate::{Api, ApiError};

/// Metrics
///
/// The text format of Prometheus, or OpenMetrics where `Accept` names it; docs/METRICS.md explains each. While the store does not answer, what only it
/// knows is left out and `posthaste_store_up` is 0.
#[utoipa::path(
    get, path = "/metrics", tag = "server", operation_id = "metrics",
    responses(
        (status = 200, description = "One value a line.", content(
            (String = "text/plain", example = json!("# HELP posthaste_accepted_total Tasks accepted.\n# TYPE posthaste_accepted_total counter\nposthaste_accepted_total 1.0\n")),
            (String = "application/openmetrics-text", example = json!("# HELP posthaste_accepted Tasks accepted.\n# TYPE posthaste_accepted counter\nposthaste_accepted_total 1.0\n# EOF\n")),
        )),
        (status = 401, description = "No key, or one that is not good.", body = crate::ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key may not read this, or a wrong Host.", body = crate::ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests; `Retry-After` says how long to wait.", body = crate::ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "A fault of the server.", body = crate::ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Whether there are keys is not known while the store does not answer.", body = crate::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn handle(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    let format = Format::asked(&headers);
    let mut response = Response::new(crate::metrics::render(&api, format).await.into());
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    answered.insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}
