//! `GET /v1/tasks/{task_id}/events`: watch one task.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema, sse};

/// Watch a task
///
/// Server-sent events: `task` with the state now, then one per change; the stream ends when the task
/// is final. `missed` says that events were dropped; the state after them follows.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/events", tag = "events", operation_id = "watch_task",
    params(("task_id" = schema::Id, Path, description = "The task.")),
    responses(
        (status = 200, description = "Events, `data` as the schema Event.", body = String, content_type = "text/event-stream",
            example = json!(crate::sse::EXAMPLE)),
        Common, BadHead, OnOne,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    sse::of_task(&api, caller, id).await
}
