//! `POST /v1/queues/{queue}/lanes/{lane}/resume`: hand out the tasks of a lane again.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::input::path::LanePath;
use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, Caller};

/// Resume a lane
///
/// Ends the pause of a lane or target, whatever its reason: after wrong credentials were corrected,
/// this sends what has waited. Does nothing when it is not paused.
#[utoipa::path(
    post, path = "/v1/queues/{queue}/lanes/{lane}/resume", tag = "queues", operation_id = "resume_lane",
    params(
        ("queue" = String, Path, description = "The queue.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$", example = "default"),
        ("lane" = String, Path, description = "`target`, or `target%2Ftenant`.", min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9._:@-]{1,128}(/[A-Za-z0-9._:@-]{1,128})?$", example = "email:default"),
    ),
    responses((status = 204, description = "Not paused any more."), Common, BadHead)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    LanePath(scope): LanePath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    api.resume(&caller, &scope).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
