//! `GET /v1/lanes`: lanes that hold work, a pause or limits.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::QueueName;

use crate::detail::json_of;
use crate::input::query::{Query, parsed};
use crate::responses::{BadHead, Common};
use crate::view::{LaneView, List};
use crate::{Api, ApiError};

/// List lanes
///
/// Lanes that hold work, a pause or limits; at most 500. A paused target is listed with its reason:
/// a `misconfigured` one waits for a person or for a probe that gets through.
#[utoipa::path(
    get, path = "/v1/lanes", tag = "queues", operation_id = "list_lanes",
    params(("queue" = Option<String>, Query, description = "Of this queue.", min_length = 1, max_length = 128,
        pattern = "^[A-Za-z0-9._:@-]+$", example = "default")),
    responses((status = 200, description = "The lanes.", body = List<LaneView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let mut q = Query::of(&uri);
    let queue = q.one("queue", parsed::<QueueName>);
    let queue = q.finish(queue)?;
    Ok(json_of(StatusCode::OK, &List { data: api.lanes(queue.as_ref()).await? }))
}
