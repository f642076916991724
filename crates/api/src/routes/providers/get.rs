//! `GET /v1/providers/{name}`: one provider.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::operations::providers::ProviderView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError};

/// Get a provider
///
/// Whether it takes messages.
#[utoipa::path(
    get, path = "/v1/providers/{name}", tag = "providers", operation_id = "get_provider",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The provider.", body = ProviderView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.provider(&name).await?))
}
