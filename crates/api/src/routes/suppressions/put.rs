//! `PUT /v1/suppressions/{recipient}`: do not write to a recipient any more.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{Refusal, text};
use crate::input::path::RecipientPath;
use crate::input::simple;
use crate::operations::suppressions::SuppressionView;
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller};

/// Why.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSuppression, example = json!({ "reason": "Asked by phone." }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// Why, for people.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// The category of messages that it is about; all messages if left out, unless the path names one.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]+$")]
    category: Option<String>,
}

/// Put a suppression
///
/// The recipient (an e-mail address, or `channel:recipient`) is not written to any more, or gets no messages of a category
/// any more: named by the body, or by the path as the list names it, `news%2Fann@example.com`. An address that itself looks
/// like that is named with its channel: `email:news%2Fann@example.com`.
#[utoipa::path(
    put, path = "/v1/suppressions/{recipient}", tag = "suppressions", operation_id = "put_suppression",
    params(("recipient" = String, Path, description = "The recipient: an e-mail address, `channel:address`, or as the list names it, a category in front with a slash: `news/ann@example.com`.", min_length = 1, max_length = 255, example = "ann@example.com")),
    request_body(content = Option<Body>, content_type = "application/json", description = "May be left out."),
    responses((status = 200, description = "Stored.", body = SuppressionView), Common, BadHead, WithBody)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    recipient: RecipientPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (reason, category) = simple::body(request, |o, errors| {
        let reason = o.optional(errors, "reason", reason);
        let category = o.optional(errors, "category", category);
        Some((reason, category))
    })
    .await?;
    Ok(json_of(StatusCode::OK, &api.suppress(&caller, &recipient, reason, category).await?))
}

fn reason(v: &serde_json::Value) -> Result<String, Refusal> {
    let s = text(v)?;
    if s.len() > 500 {
        Err(("string_length", "String should have at most 500 bytes".into()))
    } else {
        Ok(s.to_owned())
    }
}

fn category(v: &serde_json::Value) -> Result<String, Refusal> {
    let s = text(v)?;
    if posthaste_notify::suppression::is_category(s) {
        Ok(s.to_owned())
    } else {
        Err(("value_error", "A category is 1 to 128 letters, digits, dots, dashes and underscores".into()))
    }
}
