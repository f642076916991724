//! `POST /v1/queues/{queue}/resume`: hand out the tasks of a queue again.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use posthaste_core::Scope;

use crate::input::path::QueuePath;
use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, Caller};

/// Resume a queue
///
/// Ends the pause of the queue; pauses of its lanes stay. Does nothing when it is not paused.
#[utoipa::path(
    post, path = "/v1/queues/{queue}/resume", tag = "queues", operation_id = "resume_queue",
    params(("queue" = String, Path, description = "The queue.", min_length = 1, max_length = 128,
        pattern = "^[A-Za-z0-9._:@-]+$", example = "default")),
    responses((status = 204, description = "Not paused any more."), Common, BadHead)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    QueuePath(queue): QueuePath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    api.resume(&caller, &Scope::Queue(queue)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
