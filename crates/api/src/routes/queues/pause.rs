//! `POST /v1/queues/{queue}/pause`: stop handing out the tasks of a queue.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use posthaste_core::Scope;

use crate::input::path::QueuePath;
use crate::input::{pause, query};
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller};

/// Pause a queue
///
/// No task of it is handed out until it is resumed or the time is over; running ones go on, new ones
/// are accepted. Works for a queue that does not exist yet.
#[utoipa::path(
    post, path = "/v1/queues/{queue}/pause", tag = "queues", operation_id = "pause_queue",
    params(("queue" = String, Path, description = "The queue.", min_length = 1, max_length = 128,
        pattern = "^[A-Za-z0-9._:@-]+$", example = "default")),
    request_body(content = Option<pause::PauseBody>, content_type = "application/json", description = "May be left out."),
    responses((status = 204, description = "Paused."), Common, BadHead, WithBody)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    QueuePath(queue): QueuePath,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let (for_, message) = pause::read(&parts.headers, body).await?;
    api.pause(&caller, Scope::Queue(queue), for_, message).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
