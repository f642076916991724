//! `POST /v1/endpoints/{name}/enable`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::operations::endpoints::{Change, EndpointView};
use crate::responses::{BadHead, Common, Conflicting, OnOne};
use crate::{Api, ApiError, Caller};

/// Enable an endpoint
///
/// Sends to it again after it was disabled: by 410, by five days of failures, or by hand. What failed meanwhile can be retried.
#[utoipa::path(
    post, path = "/v1/endpoints/{name}/enable", tag = "endpoints", operation_id = "enable_endpoint",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The endpoint.", body = EndpointView), Common, BadHead, OnOne, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let change = Change { disabled: Some(false), ..Change::default() };
    Ok(json_of(StatusCode::OK, &api.update_endpoint(&caller, &name, change).await?))
}
