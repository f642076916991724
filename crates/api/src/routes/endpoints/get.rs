//! `GET /v1/endpoints/{name}`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::operations::endpoints::EndpointView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller};

/// Get an endpoint
///
/// Without its secret.
#[utoipa::path(
    get, path = "/v1/endpoints/{name}", tag = "endpoints", operation_id = "get_endpoint",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The endpoint.", body = EndpointView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.endpoint_view(&caller, &name).await?))
}
