//! `POST /v1/tasks/{task_id}/heartbeat`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::integer;
use crate::input::path::TaskPath;
use crate::input::simple;
use crate::operations::external::HeartbeatView;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::{Api, ApiError, schema};

/// What is said.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = HeartbeatRequest, example = json!({ "lease_token": "00000000000000070000000000000001", "within_ms": 60000 }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// The `Posthaste-Lease-Token` that came with the task.
    #[schema(min_length = 32, max_length = 32, pattern = "^[0-9a-fA-F]{32}$")]
    lease_token: String,
    /// For how long, in milliseconds; a minute if left out.
    #[schema(minimum = 1000, maximum = 900_000)]
    within_ms: Option<u64>,
}

/// Extend the lease of a task
///
/// For a task that was taken with 202: keeps it from being given to somebody else for `within_ms` more. The token of the lease is the authority; no key is needed.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/heartbeat", tag = "tasks", operation_id = "heartbeat_task", security(()),
    params(("task_id" = schema::Id, Path, description = "The task.")),
    request_body(content = Body, content_type = "application/json"),
    responses((status = 200, description = "Stored.", body = HeartbeatView), Common, BadHead, WithBody, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (token, within) = simple::body(request, |o, errors| {
        let token = o.required(errors, "lease_token", super::token);
        let within = o.optional(errors, "within_ms", integer(1_000, 900_000)).unwrap_or(60_000);
        Some((token?, std::time::Duration::from_millis(within)))
    })
    .await?;
    Ok(json_of(StatusCode::OK, &api.external_heartbeat(id, token, within).await?))
}
