//! `POST /v1/tasks/{task_id}/fail`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{text_up_to, word};
use crate::input::path::TaskPath;
use crate::input::simple;
use crate::operations::external::SettledView;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::{Api, ApiError, schema};
use posthaste_core::{Failure, FailureClass};

/// Longest message, in characters.
const MAX_MESSAGE: usize = 2_000;

/// What is said.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = FailRequest, example = json!({ "lease_token": "00000000000000070000000000000001", "message": "the printer is out of paper" }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// The `Posthaste-Lease-Token` that came with the task.
    #[schema(min_length = 32, max_length = 32, pattern = "^[0-9a-fA-F]{32}$")]
    lease_token: String,
    /// What happened, for people.
    #[schema(max_length = 2000)]
    message: Option<String>,
    /// `transient` or `permanent`; `transient` if left out.
    #[schema(value_type = Option<schema::ExternalClass>)]
    class: Option<String>,
}

/// Fail a task
///
/// For a task that was taken with 202: it failed. `transient` (unless said otherwise) is tried again, `permanent` is not.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/fail", tag = "tasks", operation_id = "fail_task", security(()),
    params(("task_id" = schema::Id, Path, description = "The task.")),
    request_body(content = Body, content_type = "application/json"),
    responses((status = 200, description = "Stored.", body = SettledView), Common, BadHead, WithBody, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (token, failure) = simple::body(request, |o, errors| {
        let token = o.required(errors, "lease_token", super::token);
        let message = o.optional(errors, "message", text_up_to(MAX_MESSAGE));
        let classes: &[FailureClass] = &[FailureClass::Transient, FailureClass::Permanent];
        let class = o
            .optional(errors, "class", word(classes, FailureClass::as_str))
            .unwrap_or(FailureClass::Transient);
        Some((
            token?,
            Failure::new(class, message.unwrap_or_else(|| "The handler said that it failed.".into())),
        ))
    })
    .await?;
    Ok(json_of(StatusCode::OK, &api.external_settle(id, token, Err(failure)).await?))
}
