//! `GET /v1/tasks/{task_id}/attempts`: the log of a task.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::view::{AttemptView, List};
use crate::{Api, ApiError, Caller, schema};

/// List the attempts of a task
///
/// Oldest first, at most the last 50, of every generation.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/attempts", tag = "tasks", operation_id = "list_attempts",
    params(("task_id" = schema::Id, Path, description = "The task.")),
    responses((status = 200, description = "Its attempts.", body = List<AttemptView>), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let data = api.attempts(&caller, id).await?.ok_or_else(|| ApiError::no_task(id))?;
    Ok(json_of(StatusCode::OK, &List { data }))
}
