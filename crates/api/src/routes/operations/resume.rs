//! `POST /v1/operations/{operation_id}/resume`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::bulk::OperationView;
use crate::responses::{BadHead, Common, Conflicting, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Resume an operation
///
/// Works its next slice: at most 1,000 tasks or a second. Repeat it until `state` is `done`.
#[utoipa::path(
    post, path = "/v1/operations/{operation_id}/resume", tag = "operations", operation_id = "resume_operation",
    params(("operation_id" = schema::Id, Path, description = "The operation.")),
    responses((status = 200, description = "The operation.", body = OperationView), Common, BadHead, OnOne, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.resume_operation(&caller, super::id(&id)?).await?))
}
