//! `DELETE /v1/schedules/{name}`: delete a schedule.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::input::query;
use crate::input::simple::Named;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller};

/// Delete a schedule
///
/// Tasks that it enqueued stay.
#[utoipa::path(
    delete, path = "/v1/schedules/{name}", tag = "schedules", operation_id = "delete_schedule",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 204, description = "Deleted."), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    api.delete_schedule(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
