//! `GET /v1/tasks/{task_id}/message`: the message that the sandbox held.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::detail::json_of;
use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Read a held message
///
/// What the recipient would have seen, if the sandbox held the notification instead of sending it;
/// 204 for a task of which it holds none.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/message", tag = "tasks", operation_id = "get_message",
    params(("task_id" = schema::Id, Path, description = "The task.")),
    responses(
        (status = 200, description = "The message.", body = schema::HeldMessage),
        (status = 204, description = "The sandbox holds no message of this task."),
        Common, BadHead, OnOne
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    if let Some(message) = api.held_message(&caller, id).await? {
        return Ok(json_of(StatusCode::OK, &message));
    }
    match api.task_brief(&caller, id).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        None => Err(ApiError::NotFound { what: format!("there is no task {id}") }),
    }
}
