//! `GET /v1/providers`: every configured provider.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::providers::ProviderView;
use crate::responses::{BadHead, Common};
use crate::view::List;
use crate::{Api, ApiError};

/// List providers
///
/// What this server was configured with, and whether each takes messages: paused, throttled, unreachable or misconfigured,
/// until when, and what it said.
#[utoipa::path(
    get, path = "/v1/providers", tag = "providers", operation_id = "list_providers",
    responses((status = 200, description = "The providers.", body = List<ProviderView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &List { data: api.providers().await? }))
}
