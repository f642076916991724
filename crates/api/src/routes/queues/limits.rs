//! `PUT /v1/queues/{queue}/limits`: limit a queue's default lane.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use posthaste_core::Scope;

use crate::input::limits;
use crate::input::path::QueuePath;
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller};

/// Limit a queue
///
/// Of the tasks that have no lane of their own, at most `rate` start per period and at most `concurrency` run at once, over
/// all workers. What is left out is unlimited; an empty body lifts all limits.
#[utoipa::path(
    put, path = "/v1/queues/{queue}/limits", tag = "queues", operation_id = "limit_queue",
    params(("queue" = String, Path, description = "The queue.", min_length = 1, max_length = 128,
        pattern = "^[A-Za-z0-9._:@-]+$", example = "default")),
    request_body(content = Option<limits::LimitsBody>, content_type = "application/json", description = "The limits."),
    responses((status = 204, description = "In force."), Common, BadHead, WithBody)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    QueuePath(queue): QueuePath,
    request: Request,
) -> Result<Response, ApiError> {
    let limits = limits::read(request).await?;
    api.set_limits(&caller, Scope::Queue(queue), limits).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
