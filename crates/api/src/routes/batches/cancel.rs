//! `POST /v1/batches/{batch_id}/cancel`: cancel what is left of a batch.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::batches::BatchStatus;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Cancel a batch
///
/// Cancels its tasks that wait, and asks those that run to stop. Answers how many are in each state afterwards.
#[utoipa::path(
    post, path = "/v1/batches/{batch_id}/cancel", tag = "batches", operation_id = "cancel_batch",
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
    let id = super::get::read(&id)?;
    Ok(json_of(StatusCode::OK, &api.cancel_batch(&caller, id).await?))
}
