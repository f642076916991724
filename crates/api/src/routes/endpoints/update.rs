//! `PATCH /v1/endpoints/{name}`: change an endpoint.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{boolean, text};
use crate::input::simple::{self, Named};
use crate::operations::endpoints::{Change, EndpointView};
use crate::responses::{BadHead, Common, Conflicting, OnOne, WithBody};
use crate::{Api, ApiError, Caller};

/// What is to be changed.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = EndpointChange, example = json!({ "url": "https://shop.example.com/hooks/v2" }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// Where it is now.
    #[schema(max_length = 2048, pattern = "^https?://[^\\s]+$")]
    url: Option<String>,
    /// What it is for.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Whether it gets nothing.
    disabled: Option<bool>,
}

/// Change an endpoint
///
/// What is left out stays as it is.
#[utoipa::path(
    patch, path = "/v1/endpoints/{name}", tag = "endpoints", operation_id = "update_endpoint",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    request_body(content = Option<Body>, content_type = "application/json", description = "What is left out stays; all of it may be."),
    responses((status = 200, description = "Changed.", body = EndpointView), Common, BadHead, WithBody, OnOne, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    request: Request,
) -> Result<Response, ApiError> {
    let change = simple::body(request, |o, errors| {
        let string = |v: &serde_json::Value| text(v).map(str::to_owned);
        let url = o.optional(errors, "url", string);
        let description = o.optional(errors, "description", string);
        let disabled = o.optional(errors, "disabled", boolean);
        Some(Change { url, description, disabled })
    })
    .await?;
    Ok(json_of(StatusCode::OK, &api.update_endpoint(&caller, &name, change).await?))
}
