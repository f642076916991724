//! `GET /task_status/{task_id}`: what became of a notification, for pollers of the old wire.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use posthaste_core::{EndReason, State as TaskState, TaskId};
use posthaste_notify::result_sentence;
use serde::Serialize;

use crate::detail::{Detail, DetailBody, json_of, to_without_slash};
use crate::view::TaskErrorView;
use crate::{Api, ApiError, Caller, TaskView};

/// What became of a task.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TaskStatus, example = json!({
    "task_id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "status": "completed",
    "result": "Notification sent to dev@example.com"
}))]
pub(crate) struct StatusBody {
    /// The task.
    #[schema(value_type = crate::schema::Id)]
    task_id: TaskId,
    /// Where it is.
    #[schema(value_type = StatusWord)]
    status: StatusWord,
    /// What it did, once it is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<String>,
    /// Why it failed, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
}

/// Where a task is, in the words of the old wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = TaskStatusWord)]
pub(crate) enum StatusWord {
    /// Scheduled, queued, running or waiting for another try.
    #[serde(rename = "in progress")]
    InProgress,
    /// Succeeded.
    #[serde(rename = "completed")]
    Completed,
    /// Failed, cancelled or expired.
    #[serde(rename = "failed")]
    Failed,
}

/// Status of a notification
///
/// `in progress` until it is final, then `completed` with a sentence in `result` or `failed` with a
/// sentence in `error`.
#[utoipa::path(
    get, path = "/task_status/{task_id}", tag = "notify", operation_id = "task_status",
    params(("task_id" = crate::schema::Id, Path, description = "The id that `/notify/` answered.",
        example = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58")),
    responses(
        (status = 200, description = "The task.", body = StatusBody),
        (status = 401, description = "No key, or one that is not good.", body = DetailBody),
        (status = 403, description = "A wrong Host or an origin that is not allowed.", body = DetailBody),
        (status = 404, description = "No such task.", body = DetailBody),
        (status = 429, description = "Too many requests; `Retry-After` says how long to wait.", body = DetailBody),
        (status = 500, description = "A fault of the server.", body = DetailBody),
        (status = 503, description = "The store does not answer.", body = DetailBody),
    )
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Response {
    match status(&api, &caller, &uri).await {
        Ok(body) => json_of(StatusCode::OK, &body),
        Err(e) => Detail(e).into_response(),
    }
}

/// To the address without the slash, as the old server sent its callers.
pub(crate) async fn slash(uri: Uri) -> Response {
    to_without_slash(&uri)
}

async fn status(api: &Api, caller: &Caller, uri: &Uri) -> Result<StatusBody, ApiError> {
    let unknown = || ApiError::NotFound { what: "there is no such task".into() };
    let raw = uri.path().strip_prefix("/task_status/").unwrap_or_default();
    let id = percent_decode_str(raw).decode_utf8().ok().and_then(|id| id.parse::<TaskId>().ok());
    let id = id.ok_or_else(unknown)?;
    Ok(describe(api.task_brief(caller, id).await?.ok_or_else(unknown)?))
}

fn describe(task: TaskView) -> StatusBody {
    let (status, result, error) = match task.state {
        TaskState::Scheduled | TaskState::Queued | TaskState::Running | TaskState::Retrying => {
            (StatusWord::InProgress, None, None)
        }
        TaskState::Succeeded => {
            let sentence = task.result.as_ref().and_then(result_sentence);
            (StatusWord::Completed, Some(sentence.unwrap_or_else(|| "The task succeeded".into())), None)
        }
        TaskState::Failed | TaskState::Cancelled | TaskState::Expired => {
            (StatusWord::Failed, None, Some(why(task.error.as_ref(), task.state)))
        }
    };
    StatusBody { task_id: task.id, status, result, error }
}

/// Why it did not succeed, as a sentence: a store's own notes are shorter than that.
fn why(error: Option<&TaskErrorView>, state: TaskState) -> String {
    let said = error.map(|e| e.message.as_str()).filter(|m| !m.is_empty());
    // What a try ended with is worth more than that there was no time for another.
    let last = said.filter(|_| error.is_some_and(|e| e.class.is_some()));
    match (error.and_then(|e| e.reason), last, said) {
        (Some(EndReason::Cancelled), _, _) => "The task was cancelled".into(),
        (Some(EndReason::Expired), Some(last), _) => format!("The task expired before its next try: {last}"),
        (Some(EndReason::Expired), None, _) => "The task expired before it could be run".into(),
        (Some(EndReason::MaxAge), Some(last), _) => format!("The task waited too long: {last}"),
        (Some(EndReason::MaxAge), None, _) => "The task waited too long in a paused lane".into(),
        (_, _, Some(said)) => said.to_owned(),
        (_, _, None) => format!("The task is {state}"),
    }
}
