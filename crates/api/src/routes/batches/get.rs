//! `GET /v1/batches/{batch_id}`: how far a batch is.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::batches::BatchStatus;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Get a batch
///
/// How many of its tasks are in each state. Tasks that retention has removed are not counted; when the last of them is
/// gone, so is the batch. `GET /v1/tasks?batch=` lists them.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}", tag = "batches", operation_id = "get_batch",
    params(("batch_id" = schema::Id, Path, description = "The batch.")),
    responses((status = 200, description = "The batch.", body = BatchStatus), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.batch(&caller, read(&id)?).await?))
}

/// The batch that a path names.
pub(crate) fn read(id: &str) -> Result<posthaste_core::BatchId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::field(["path", "batch_id"], "uuid_parsing", "Input should be a valid UUID"))
}
