//! `GET /v1/endpoints/{name}/secret`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::secret_json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::operations::endpoints::SecretView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller};

/// Show the secret of an endpoint
///
/// The newest secret that its calls are signed with; that it was shown is written to the audit log.
#[utoipa::path(
    get, path = "/v1/endpoints/{name}/secret", tag = "endpoints", operation_id = "get_endpoint_secret",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The endpoint.", body = SecretView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(secret_json_of(StatusCode::OK, &api.endpoint_secret(&caller, &name).await?))
}
