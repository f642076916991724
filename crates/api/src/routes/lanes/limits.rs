//! `PUT /v1/queues/{queue}/lanes/{lane}/limits`: limit a lane or a target.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::input::limits;
use crate::input::path::LanePath;
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller};

/// Limit a lane
///
/// At most `rate` of its tasks start per period and at most `concurrency` run at once, over all workers. A key without a
/// tenant names a target: its limits hold for all lanes under it together. What is left out is unlimited; an empty body
/// lifts all limits.
#[utoipa::path(
    put, path = "/v1/queues/{queue}/lanes/{lane}/limits", tag = "queues", operation_id = "limit_lane",
    params(
        ("queue" = String, Path, description = "The queue.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$", example = "default"),
        ("lane" = String, Path, description = "`target`, or `target%2Ftenant`.", min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9._:@-]{1,128}(/[A-Za-z0-9._:@-]{1,128})?$", example = "email:default"),
    ),
    request_body(content = Option<limits::LimitsBody>, content_type = "application/json", description = "The limits."),
    responses((status = 204, description = "In force."), Common, BadHead, WithBody)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    LanePath(scope): LanePath,
    request: Request,
) -> Result<Response, ApiError> {
    let limits = limits::read(request).await?;
    api.set_limits(&caller, scope, limits).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
