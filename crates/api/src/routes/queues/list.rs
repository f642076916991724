//! `GET /v1/queues`: every queue with its tasks by state.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::view::{List, QueueView};
use crate::{Api, ApiError};

/// List queues
///
/// Every queue that was ever used, with its tasks by state, its pause and how many workers serve it.
/// Tasks of a queue without a worker wait until there is one.
#[utoipa::path(
    get, path = "/v1/queues", tag = "queues", operation_id = "list_queues",
    responses((status = 200, description = "The queues.", body = List<QueueView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &List { data: api.queues().await? }))
}
