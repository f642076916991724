//! `GET /v1/signing-secret`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::Tenant;

use crate::detail::secret_json_of;
use crate::input::query::Query;
use crate::operations::signing::SigningSecretView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller};

/// Show the signing secret
///
/// The newest secret that tasks of kind `http`, callbacks and webhooks to plain URLs are signed with: whoever receives them
/// checks their signatures with it. That it was shown is written to the audit log. 404 where it is set by
/// `POSTHASTE_SIGNING_SECRET`: then it is read, and changed, there. Tasks with a tenant are signed with a secret of that tenant's,
/// which `tenant` asks for: give it to that customer alone.
#[utoipa::path(
    get, path = "/v1/signing-secret", tag = "signing", operation_id = "get_signing_secret",
    params(("tenant" = Option<String>, Query, description = "That of a tenant.", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")),
    responses((status = 200, description = "The secret.", body = SigningSecretView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    let mut q = Query::of(&uri);
    let tenant = q.one("tenant", |s| Tenant::new(s).map_err(|e| ("value_error", format!("A tenant {e}"))));
    let tenant = q.finish(tenant)?;
    Ok(secret_json_of(StatusCode::OK, &api.signing_secret(&caller, tenant).await?))
}
