//! `POST /v1/queues/{queue}/lanes/{lane}/pause`: stop handing out the tasks of a lane.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::input::path::LanePath;
use crate::input::{pause, query};
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller};

/// Pause a lane
///
/// No task of the lane is handed out until it is resumed or the time is over. A key without a tenant
/// names a target: all lanes under it are paused.
#[utoipa::path(
    post, path = "/v1/queues/{queue}/lanes/{lane}/pause", tag = "queues", operation_id = "pause_lane",
    params(
        ("queue" = String, Path, description = "The queue.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$", example = "default"),
        ("lane" = String, Path, description = "`target`, or `target%2Ftenant`.", min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9._:@-]{1,128}(/[A-Za-z0-9._:@-]{1,128})?$", example = "email:default"),
    ),
    request_body(content = Option<pause::PauseBody>, content_type = "application/json", description = "May be left out."),
    responses((status = 204, description = "Paused."), Common, BadHead, WithBody)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    LanePath(scope): LanePath,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let (for_, message) = pause::read(&parts.headers, body).await?;
    api.pause(&caller, scope, for_, message).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
