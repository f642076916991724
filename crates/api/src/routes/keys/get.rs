//! `GET /v1/keys/{key_id}`: one API key, without its token.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::auth::KeyView;
use crate::auth::keys::no_key;
use crate::detail::json_of;
use crate::input::path::KeyPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError};

/// Read an API key
///
/// When it was last used, to the minute, and from where.
#[utoipa::path(
    get, path = "/v1/keys/{key_id}", tag = "keys", operation_id = "get_key",
    params(("key_id" = String, Path, description = "The key.", pattern = "^[A-Za-z0-9]{12}$", example = "k7Qm2XvB0aZt")),
    responses((status = 200, description = "The key.", body = KeyView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    KeyPath(id): KeyPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.key(&id).await?.ok_or_else(|| no_key(&id))?))
}
