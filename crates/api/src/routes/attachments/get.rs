//! `GET /v1/attachments/{attachment_id}`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::attachments::AttachmentView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Get an attachment
///
/// What is known of an uploaded file; not its bytes.
#[utoipa::path(
    get, path = "/v1/attachments/{attachment_id}", tag = "attachments", operation_id = "get_attachment",
    params(("attachment_id" = schema::Id, Path, description = "The attachment.")),
    responses((status = 200, description = "The attachment.", body = AttachmentView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.uploaded(&caller, super::id(&id)?).await?))
}
