//! `DELETE /v1/attachments/{attachment_id}`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Delete an attachment
///
/// Messages that were to carry it fail.
#[utoipa::path(
    delete, path = "/v1/attachments/{attachment_id}", tag = "attachments", operation_id = "delete_attachment",
    params(("attachment_id" = schema::Id, Path, description = "The attachment.")),
    responses((status = 204, description = "Deleted."), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    api.delete_upload(&caller, super::id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
