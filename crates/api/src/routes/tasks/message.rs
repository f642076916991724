//! `GET /v1/tasks/{task_id}/message`: the message that the sandbox held.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, schema};

/// Read a held message
///
/// What the recipient would have seen, if the sandbox held the notification instead of sending it.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/message", tag = "tasks", operation_id = "get_message",
    params(("task_id" = schema::Id, Path, description = "The task.")),
    responses((status = 200, description = "The message.", body = schema::HeldMessage), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let message = api.held_message(id).await?;
    let none = || ApiError::NotFound { what: format!("the sandbox holds no message of a task {id}") };
    Ok(json_of(StatusCode::OK, &message.ok_or_else(none)?))
}
