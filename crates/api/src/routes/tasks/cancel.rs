//! `POST /v1/tasks/{task_id}/cancel`: stop a task.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, Conflicting, OnOne};
use crate::view::CancelView;
use crate::{Api, ApiError, Caller, schema};

/// Cancel a task
///
/// A waiting task is cancelled at once (200). A running one is told within a second (202); if its
/// handler succeeds all the same, that stands, else it ends cancelled. Cancelling twice answers as
/// the first time; a task that ended otherwise answers 409.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/cancel", tag = "tasks", operation_id = "cancel_task",
    params(("task_id" = schema::Id, Path, description = "The task.")),
    responses(
        (status = 200, description = "Cancelled.", body = CancelView),
        (status = 202, description = "It runs; its handler is being told.", body = CancelView),
        Common, BadHead, OnOne, Conflicting,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let view = api.cancel(&caller, id).await?;
    let status = if view.cancel_requested { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(json_of(status, &view))
}
