//! `GET /v1/keys`: every API key, without its token.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::auth::KeyView;
use crate::detail::json_of;
use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::view::List;
use crate::{Api, ApiError};

/// List API keys
///
/// Newest first; revoked and expired ones for 90 days. Keys of the configuration are not listed.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", operation_id = "list_keys",
    responses((status = 200, description = "The keys.", body = List<KeyView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &List { data: api.keys().await? }))
}
