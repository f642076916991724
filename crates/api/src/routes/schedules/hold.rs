//! `POST /v1/schedules/{name}/pause` and `…/resume`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::operations::schedules::ScheduleView;
use crate::responses::{BadHead, Common, Conflicting, OnOne};
use crate::{Api, ApiError, Caller};

/// Pause a schedule
///
/// It stands still until it is resumed; ticks that pass meanwhile are not made up for.
#[utoipa::path(
    post, path = "/v1/schedules/{name}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The schedule.", body = ScheduleView), Common, BadHead, OnOne, Conflicting)
)]
pub(crate) async fn pause(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.hold_schedule(&caller, &name, true).await?))
}

/// Resume a schedule
///
/// It goes on with its next tick.
#[utoipa::path(
    post, path = "/v1/schedules/{name}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The schedule.", body = ScheduleView), Common, BadHead, OnOne, Conflicting)
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.hold_schedule(&caller, &name, false).await?))
}
