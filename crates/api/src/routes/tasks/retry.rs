//! `POST /v1/tasks/{task_id}/retry`: run a task again that failed, was cancelled or expired.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{Errors, Object, time};
use crate::input::json::JsonBody;
use crate::input::path::TaskPath;
use crate::input::query;
use crate::responses::{BadHead, Common, Conflicting, OnOne, WithBody};
use crate::routes::tasks::create::{mark_replayed, once_key};
use crate::view::RetryView;
use crate::{Api, ApiError, Caller, schema};

/// How to retry.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = RetryRequest, example = json!({
    "expires_at": "2026-02-01T09:30:00Z"
}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct RetryRequestBody {
    /// A new time after which it is of no use; without it, it does not expire any more.
    #[schema(value_type = Option<schema::Time>)]
    expires_at: Option<String>,
}

/// Retry a task
///
/// Starts a new generation: counters from zero, history kept, due now. Only failed, cancelled and
/// expired tasks can be retried; 409 otherwise, and while another task holds its unique key.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/retry", tag = "tasks", operation_id = "retry_task",
    params(("task_id" = schema::Id, Path, description = "The task."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
            description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters.")),
    request_body(content = Option<RetryRequestBody>, content_type = "application/json", description = "May be left out."),
    responses(
        (status = 202, description = "Queued again, now or by the first request with this key.", body = RetryView, headers(("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."))),
        Common, BadHead, WithBody, OnOne, Conflicting,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let body = JsonBody::read(&parts.headers, body).await?;
    let mut errors = Errors::default();
    let value = body.optional_object(&mut errors)?;
    let mut expires_at = None;
    if let Some(mut o) = Object::new(&value, vec!["body".into()], &mut errors) {
        expires_at = o.optional(&mut errors, "expires_at", time);
        o.finish(&mut errors);
    }
    let expires_at = errors.into_result(expires_at)?;
    let key = once_key(&parts.headers, &caller, "tasks.retry", format!("{id} {value}").as_bytes())?;
    let (view, replayed) = api.once(key.as_ref(), api.retry(&caller, id, expires_at)).await?;
    let mut response = json_of(StatusCode::ACCEPTED, &view);
    mark_replayed(&mut response, replayed);
    Ok(response)
}
