//! `GET /v1/operations/{operation_id}`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::bulk::OperationView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller, schema};

/// Get an operation
///
/// How far it is. Operations that nobody resumes are removed after seven days.
#[utoipa::path(
    get, path = "/v1/operations/{operation_id}", tag = "operations", operation_id = "get_operation",
    params(("operation_id" = schema::Id, Path, description = "The operation.")),
    responses((status = 200, description = "The operation.", body = OperationView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.operation(&caller, super::id(&id)?).await?))
}
