//! `POST /v1/endpoints/{name}/rotate`: give an endpoint a new secret.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::OVERLAP;
use utoipa::ToSchema;

use crate::detail::secret_json_of;
use crate::input::fields::{integer, parsed};
use crate::input::simple::{self, Named};
use crate::operations::endpoints::SecretView;
use crate::responses::{BadHead, Common, Conflicting, OnOne, WithBody};
use crate::{Api, ApiError, Caller};

/// Longest overlap, in milliseconds.
pub(crate) const MAX_OVERLAP: u64 = 7 * 24 * 3600 * 1_000;

/// How the secret is replaced.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation, example = json!({ "overlap_ms": 86400000 }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// How long the old secret signs beside the new one, in milliseconds; a day if left out.
    #[schema(maximum = 604_800_000)]
    overlap_ms: Option<u64>,
    /// The new secret; made if left out.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/=]+$")]
    secret: Option<String>,
}

/// Rotate the secret of an endpoint
///
/// Both secrets sign, so that the receiver can change to the new one at leisure; after the overlap the new one alone does.
/// Workers learn of it within a second: until then, what they send is signed with the old one alone.
#[utoipa::path(
    post, path = "/v1/endpoints/{name}/rotate", tag = "endpoints", operation_id = "rotate_endpoint_secret",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    request_body(content = Option<Body>, content_type = "application/json", description = "May be left out."),
    responses((status = 200, description = "Rotated.", body = SecretView), Common, BadHead, WithBody, OnOne, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    request: Request,
) -> Result<Response, ApiError> {
    let (overlap, secret) = simple::body(request, |o, errors| {
        let overlap = o.optional(errors, "overlap_ms", integer(0, MAX_OVERLAP)).map(Duration::from_millis);
        let secret: Option<SigningSecret> = o.optional(errors, "secret", parsed);
        Some((overlap.unwrap_or(OVERLAP), secret))
    })
    .await?;
    Ok(secret_json_of(StatusCode::OK, &api.rotate_endpoint(&caller, &name, overlap, secret).await?))
}
