//! `POST /v1/signing-secret/rotate`: give the installation a new secret.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::OVERLAP;

use crate::detail::secret_json_of;
use crate::input::fields::{integer, parsed};
use crate::input::simple;
use crate::operations::signing::SigningSecretView;
use crate::responses::{BadHead, Common, Conflicting, OnOne, WithBody};
use crate::routes::endpoints::rotate::{Body, MAX_OVERLAP};
use crate::{Api, ApiError, Caller};

/// Rotate the signing secret
///
/// Both secrets sign, so that receivers can change to the new one at leisure; after the overlap the new one alone does.
/// Workers learn of it within a minute: until then, what they send is signed with the old one alone. Links to unsubscribe
/// that were sent before go on working. 404 where it is set by `POSTHASTE_SIGNING_SECRET`.
#[utoipa::path(
    post, path = "/v1/signing-secret/rotate", tag = "signing", operation_id = "rotate_signing_secret",
    request_body(content = Option<Body>, content_type = "application/json", description = "May be left out."),
    responses((status = 200, description = "Rotated.", body = SigningSecretView), Common, BadHead, WithBody, OnOne, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (overlap, secret) = simple::body(request, |o, errors| {
        let overlap = o.optional(errors, "overlap_ms", integer(0, MAX_OVERLAP)).map(Duration::from_millis);
        let secret: Option<SigningSecret> = o.optional(errors, "secret", parsed);
        Some((overlap.unwrap_or(OVERLAP), secret))
    })
    .await?;
    Ok(secret_json_of(StatusCode::OK, &api.rotate_signing_secret(&caller, overlap, secret).await?))
}
