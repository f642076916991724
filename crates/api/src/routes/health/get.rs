//! `GET /health`: the old wire's sign of life; `/readyz` says more.

use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::{DetailBody, json, to_without_slash};

/// A sign of life.
#[derive(utoipa::ToSchema)]
#[schema(as = Health, example = json!({ "status": "OK" }))]
#[expect(dead_code, reason = "describes a body that is written by hand")]
pub(crate) struct HealthBody {
    /// `OK`.
    status: String,
}

/// Sign of life
///
/// Answers as long as the process serves. `/healthz` and `/readyz` look at the store too.
#[utoipa::path(
    get, path = "/health", tag = "notify", operation_id = "health",
    responses(
        (status = 200, description = "The process serves.", body = HealthBody),
        (status = 403, description = "A wrong Host or an origin that is not allowed.", body = DetailBody),
    )
)]
pub(crate) async fn handle() -> Response {
    json(StatusCode::OK, r#"{"status":"OK"}"#.into())
}

/// To the address without the slash, as the old server sent its callers.
pub(crate) async fn slash(uri: Uri) -> Response {
    to_without_slash(&uri)
}
