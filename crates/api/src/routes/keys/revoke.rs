//! `DELETE /v1/keys/{key_id}`: revoke an API key.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::auth::KeyView;
use crate::detail::json_of;
use crate::input::path::KeyPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller};

/// Revoke an API key
///
/// No request with it is let in any more: by this process at once, by others within a second. Its
/// tasks go on. A repeat changes nothing.
#[utoipa::path(
    delete, path = "/v1/keys/{key_id}", tag = "keys", operation_id = "revoke_key",
    params(("key_id" = String, Path, description = "The key.", pattern = "^[A-Za-z0-9]{12}$", example = "k7Qm2XvB0aZt")),
    responses((status = 200, description = "Revoked.", body = KeyView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    KeyPath(id): KeyPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.revoke_key(&caller, &id).await?))
}
