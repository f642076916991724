//! `GET /v1/whoami`: what the server takes the caller for.

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use crate::auth::{KeyScope, Scopes, Via};
use crate::detail::json_of;
use crate::input::query;
use crate::responses::{BadHead, Common};
use crate::{ApiError, Caller};

/// Who is asking.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Caller, example = json!({
    "key_id": "k7Qm2XvB0aZt", "name": "shop backend", "scopes": ["send", "read"], "tenant": "acme", "via": "key"
}))]
pub(crate) struct WhoAmI<'a> {
    /// The key's id; left out where no key was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key_id: Option<&'a str>,
    /// The key's name; `local` for a caller on this machine while there are no keys, `anybody`
    /// while authentication is off.
    name: &'a str,
    /// What it may do; `admin` includes the others.
    #[schema(value_type = Vec<KeyScope>)]
    scopes: Scopes,
    /// Whose tasks it sees and makes; left out for the whole installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<&'a str>,
    /// How it said who it is: `nothing`, `key` or `session`.
    via: &'static str,
}

/// Who am I
///
/// What the server takes the caller for, and what it may do.
#[utoipa::path(
    get, path = "/v1/whoami", tag = "keys", operation_id = "whoami",
    responses((status = 200, description = "The caller.", body = WhoAmI), Common, BadHead)
)]
pub(crate) async fn handle(caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let via = match caller.via() {
        Via::Nothing => "nothing",
        Via::Key => "key",
        Via::Session => "session",
    };
    let body = WhoAmI {
        key_id: caller.key_id(),
        name: caller.name(),
        scopes: caller.scopes(),
        tenant: caller.tenant().map(posthaste_core::Tenant::as_str),
        via,
    };
    Ok(json_of(StatusCode::OK, &body))
}
