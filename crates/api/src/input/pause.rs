//! The body of a pause.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use utoipa::ToSchema;

use super::fields::{Errors, Object, integer, text_up_to};
use super::json::JsonBody;
use crate::ApiError;

/// Longest time that a pause may be given, in milliseconds: 366 days.
const MAX_PAUSE_MS: u64 = 366 * 24 * 3600 * 1000;

/// Longest reason of a pause, in characters.
const MAX_REASON_CHARS: usize = 500;

/// How long to pause and why.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = PauseRequest, example = json!({
    "for_ms": 600000, "message": "A deployment is under way."
}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct PauseBody {
    /// How long, in milliseconds; until it is resumed if left out.
    #[schema(minimum = 1, maximum = 31_622_400_000_i64)]
    for_ms: Option<u64>,
    /// Why, for people.
    #[schema(max_length = 500)]
    message: Option<String>,
}

/// How long and why.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
) -> Result<(Option<Duration>, Option<String>), ApiError> {
    let body = JsonBody::read(headers, body).await?;
    let mut errors = Errors::default();
    let value = body.optional_object(&mut errors)?;
    let mut read = (None, None);
    if let Some(mut o) = Object::new(&value, vec!["body".into()], &mut errors) {
        read.0 = o.optional(&mut errors, "for_ms", integer(1, MAX_PAUSE_MS)).map(Duration::from_millis);
        read.1 = o.optional(&mut errors, "message", text_up_to(MAX_REASON_CHARS));
        o.finish(&mut errors);
    }
    errors.into_result(read)
}
