//! `POST /v1/providers/{name}/pause`: send nothing through a provider.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::detail::json_of;
use crate::input::simple::Named;
use crate::input::{pause, query};
use crate::operations::providers::ProviderView;
use crate::responses::{BadHead, Common, OnOne, WithBody};
use crate::{Api, ApiError, Caller};

/// Pause a provider
///
/// Its messages wait until it is resumed or the time is over.
#[utoipa::path(
    post, path = "/v1/providers/{name}/pause", tag = "providers", operation_id = "pause_provider",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    request_body(content = Option<pause::PauseBody>, content_type = "application/json", description = "May be left out."),
    responses((status = 200, description = "The provider.", body = ProviderView), Common, BadHead, WithBody, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let (for_, message) = pause::read(&parts.headers, body).await?;
    Ok(json_of(StatusCode::OK, &api.pause_provider(&caller, &name, for_, message).await?))
}
