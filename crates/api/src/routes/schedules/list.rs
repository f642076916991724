//! `GET /v1/schedules`: every schedule.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::schedules::ScheduleView;
use crate::responses::{BadHead, Common};
use crate::view::List;
use crate::{Api, ApiError};

/// List schedules
///
/// Every schedule by name, with its next ticks; there are at most 1,000.
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules", operation_id = "list_schedules",
    responses((status = 200, description = "The schedules.", body = List<ScheduleView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &List { data: api.schedules().await? }))
}
