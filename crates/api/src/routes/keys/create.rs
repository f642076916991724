//! `POST /v1/keys`: make an API key.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::{KeyScope, NewKey, NewKeyView, RateLimit};
use crate::detail::secret_json_of;
use crate::input::fields::{Errors, Object, Refusal, integer, parsed, text, time};
use crate::input::json::JsonBody;
use crate::input::query;
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller, schema};

/// Longest name of a key, in characters.
const MAX_NAME: usize = 100;

/// An API key to be made.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey, example = json!({ "name": "shop backend", "scopes": ["send", "read"], "tenant": "acme" }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct NewKeyBody {
    /// What it is for, for people.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    name: String,
    /// What it lets its holder do; `admin` includes the others.
    #[schema(min_items = 1)]
    scopes: Vec<KeyScope>,
    /// Whose tasks it sees and makes; without it, everybody's. Not with `admin`.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    tenant: Option<String>,
    /// When it ends; never if left out.
    #[schema(value_type = Option<schema::Time>)]
    expires_at: Option<String>,
    /// How many requests it may make, of each process; any number if left out.
    rate_limit: Option<RateLimit>,
}

/// Make an API key
///
/// The answer holds its token, this once: only a hash is kept. The first key of all must be `admin`
/// and not expire, because from then on nobody is let in without a key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "create_key",
    request_body(content = NewKeyBody, content_type = "application/json"),
    responses(
        (status = 201, description = "Made.", body = NewKeyView, headers(("Location" = String, description = "The key."))),
        Common, BadHead, WithBody,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let body = JsonBody::read(&parts.headers, body).await?;
    let mut errors = Errors::default();
    let (value, _) = body.object(&mut errors, None)?;
    let new = read(&value, &mut errors);
    let Some(new) = errors.into_result(new)? else {
        // A missing part was reported above, so this cannot be reached.
        return Err(ApiError::Internal);
    };
    let made = api.create_key(&caller, new).await?;
    let mut response = secret_json_of(StatusCode::CREATED, &made);
    let location = HeaderValue::try_from(format!("/v1/keys/{}", made.key.id));
    response.headers_mut().insert(header::LOCATION, location.expect("an id is letters and digits"));
    Ok(response)
}

fn read(value: &Value, errors: &mut Errors) -> Option<NewKey> {
    let mut o = Object::new(value, vec!["body".into()], errors)?;
    let name = o.required(errors, "name", name);
    let scopes = o.required(errors, "scopes", scopes);
    let tenant = o.optional(errors, "tenant", parsed);
    let expires_at = o.optional(errors, "expires_at", time);
    let rate_limit = o.object(errors, "rate_limit").and_then(|mut r| {
        let per_second = r.required(errors, "per_second", integer(1, 1_000_000));
        let burst = r.required(errors, "burst", integer(1, 1_000_000));
        r.finish(errors);
        Some(RateLimit { per_second: per_second?.try_into().ok()?, burst: burst?.try_into().ok()? })
    });
    o.finish(errors);
    Some(NewKey { name: name?, scopes: scopes?, tenant, expires_at, rate_limit })
}

fn name(v: &Value) -> Result<String, Refusal> {
    let name = text(v)?.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err((
            "value_error",
            format!("It should be 1 to {MAX_NAME} characters, none of them control characters"),
        ));
    }
    Ok(name.to_owned())
}

fn scopes(v: &Value) -> Result<crate::Scopes, Refusal> {
    let list = v.as_array().ok_or_else(|| ("list_type", "Input should be a list".to_owned()))?;
    let one = |v: &Value| -> Result<KeyScope, Refusal> {
        text(v)?.parse().map_err(|e: String| ("enum", format!("A scope {e}")))
    };
    list.iter().map(one).collect()
}
