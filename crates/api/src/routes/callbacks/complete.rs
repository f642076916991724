//! `POST /v1/tasks/{task_id}/complete`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_core::limits::{MAX_RESULT_BYTES, MAX_RESULT_DEPTH};
use utoipa::ToSchema;

use crate::FieldError;
use crate::detail::json_of;
use crate::input::path::TaskPath;
use crate::input::simple;
use crate::operations::external::SettledView;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::{Api, ApiError, schema};

/// What is said.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = CompleteRequest, example = json!({ "lease_token": "00000000000000070000000000000001", "result": { "pages": 12 } }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// The `Posthaste-Lease-Token` that came with the task.
    #[schema(min_length = 32, max_length = 32, pattern = "^[0-9a-fA-F]{32}$")]
    lease_token: String,
    /// What it returned: any JSON up to 256 KiB and 64 levels deep.
    result: Option<serde_json::Value>,
}

/// Complete a task
///
/// For a task that was taken with 202: it succeeded, with this result. Saying it twice is harmless. 409 when the lease is over: somebody else has the task, or it has ended.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/complete", tag = "tasks", operation_id = "complete_task", security(()),
    params(("task_id" = schema::Id, Path, description = "The task.")),
    request_body(content = Body, content_type = "application/json"),
    responses((status = 200, description = "Stored.", body = SettledView), Common, BadHead, WithBody, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (token, result) = simple::body_with(request, "result", |o, written, errors| {
        let token = o.required(errors, "lease_token", super::token);
        let given = o.value("result").and(written);
        let result = given.map(|text| posthaste_core::Json::from_trusted(text.get().to_owned()));
        if result.as_ref().is_some_and(|r| r.is_deeper_than(MAX_RESULT_DEPTH)) {
            let msg = format!("The result should be nested at most {MAX_RESULT_DEPTH} levels deep");
            errors.push(FieldError::new(o.loc("result"), "result_too_deep", msg));
        }
        let most = MAX_RESULT_BYTES;
        if result.as_ref().is_some_and(|r| r.as_str().len() > most) {
            errors.push(FieldError::new(
                o.loc("result"),
                "too_large",
                format!("The result should be at most {most} bytes of JSON"),
            ));
        }
        Some((token?, result))
    })
    .await?;
    Ok(json_of(StatusCode::OK, &api.external_settle(id, token, Ok(result)).await?))
}
