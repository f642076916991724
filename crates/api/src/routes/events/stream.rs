//! `GET /v1/events`: watch every task.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, Caller, sse};

/// Watch every task
///
/// Server-sent events: `task` for each change of state, until the reader leaves. `missed` says that
/// events were dropped because the reader was slow: read what you show again. A key that is bound to a
/// tenant sees its own tasks.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "watch_tasks",
    responses(
        (status = 200, description = "Events, `data` as the schema Event.", body = String, content_type = "text/event-stream",
            example = json!(crate::sse::EXAMPLE)),
        Common, BadHead,
    )
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(sse::all(&api, caller))
}
