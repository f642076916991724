//! `POST /v1/endpoints`: register a webhook endpoint.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use posthaste_notify::sign::SigningSecret;
use utoipa::ToSchema;

use crate::detail::secret_json_of;
use crate::input::fields::{parsed, text};
use crate::input::simple;
use crate::operations::endpoints::{Change, SecretView};
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller};

/// An endpoint to be registered.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEndpoint, example = json!({ "name": "shop", "url": "https://shop.example.com/hooks" }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// Its name: the `to` of notifications.
    #[schema(min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")]
    name: String,
    /// Where it is.
    #[schema(max_length = 2048, pattern = "^https?://[^\\s]+$")]
    url: String,
    /// What it is for, for people.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// A secret that its receiver has already; made if left out.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/=]+$")]
    secret: Option<String>,
    /// Whose it is: keys that are bound to this tenant send to it and look after it.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    tenant: Option<String>,
}

/// Register an endpoint
///
/// The answer holds the secret that its calls are signed with (Standard Webhooks). Names are shared by all tenants, so a key
/// that is bound to one registers none: its operator does, with `tenant`.
#[utoipa::path(
    post, path = "/v1/endpoints", tag = "endpoints", operation_id = "create_endpoint",
    request_body(content = Body, content_type = "application/json"),
    responses(
        (status = 201, description = "Registered.", body = SecretView, headers(("Location" = String, description = "The endpoint."))),
        Common, BadHead, WithBody,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (name, change, secret, tenant) = simple::body(request, |o, errors| {
        let string = |v: &serde_json::Value| text(v).map(str::to_owned);
        let name = o.required(errors, "name", string);
        let url = o.required(errors, "url", string);
        let description = o.optional(errors, "description", string);
        let secret: Option<SigningSecret> = o.optional(errors, "secret", parsed);
        let tenant = o.optional(errors, "tenant", parsed);
        Some((name?, Change { url: Some(url?), description, disabled: None }, secret, tenant))
    })
    .await?;
    let made = api.create_endpoint(&caller, &name, change, secret, tenant).await?;
    let mut response = secret_json_of(StatusCode::CREATED, &made);
    let headers = response.headers_mut();
    let location = HeaderValue::try_from(format!("/v1/endpoints/{name}"));
    headers.insert(header::LOCATION, location.expect("a name is plain ASCII"));
    Ok(response)
}
