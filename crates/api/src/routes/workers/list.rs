//! `GET /v1/workers`: the workers that were heard of lately.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::view::{List, WorkerView};
use crate::{Api, ApiError};

/// List workers
///
/// Worker processes that were heard of within the last minute.
#[utoipa::path(
    get, path = "/v1/workers", tag = "workers", operation_id = "list_workers",
    responses((status = 200, description = "The workers.", body = List<WorkerView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &List { data: api.workers().await? }))
}
