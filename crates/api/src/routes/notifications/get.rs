//! `GET /v1/notifications/{task_id}`: one notification with its log.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::Kind;

use crate::detail::json_of;
use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::view::TaskView;
use crate::{Api, ApiError, Caller, schema};

/// Get a notification
///
/// With its message, what became of it, and the log of its attempts. A notification is a task, so `/v1/tasks/{task_id}`
/// answers the same and can wait for its end.
#[utoipa::path(
    get, path = "/v1/notifications/{task_id}", tag = "notifications", operation_id = "get_notification",
    params(("task_id" = schema::Id, Path, description = "The notification.")),
    responses((status = 200, description = "The notification.", body = TaskView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let found = api.task(&caller, id).await?.filter(|t| t.kind == Kind::notify());
    let task = found.ok_or_else(|| ApiError::NotFound { what: format!("there is no notification {id}") })?;
    Ok(json_of(StatusCode::OK, &task))
}
