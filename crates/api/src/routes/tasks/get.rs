//! `GET /v1/tasks/{task_id}`: one task with its log, at once or when it is final.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::fields::Refusal;
use crate::input::path::TaskPath;
use crate::input::query::Query;
use crate::operations::MAX_WAIT;
use crate::responses::{BadHead, Common, OnOne};
use crate::view::TaskView;
use crate::{Api, ApiError, Caller, schema};

/// Read a task
///
/// The task with payload, result and the log of its attempts (at most the last 50). With `wait` the
/// answer comes when the task is final, or as it is when that time is over. Fields without a value
/// are left out.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}", tag = "tasks", operation_id = "get_task",
    params(
        ("task_id" = schema::Id, Path, description = "The task."),
        ("wait" = Option<String>, Query, description = "How long to wait for its end: `30s`, `500ms` or `1m`; at most a minute.",
            pattern = "^([0-5]?[0-9]{1,4}ms|60000ms|[0-5]?[0-9]s|60s|[01]m)$", example = "30s"),
    ),
    responses((status = 200, description = "The task.", body = TaskView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    TaskPath(id): TaskPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut q = Query::of(&uri);
    let wait = q.one("wait", duration);
    let wait = q.finish(wait)?;
    let task = match wait {
        Some(wait) => api.wait(&caller, id, wait).await?,
        None => api.task(&caller, id).await?,
    };
    Ok(json_of(StatusCode::OK, &task.ok_or_else(|| ApiError::no_task(id))?))
}

/// A number with `ms`, `s` or `m`, of at most a minute. Zeros in front are no number that a program writes.
fn duration(text: &str) -> Result<Duration, Refusal> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (unit, most_digits) = match &text[digits.len()..] {
        "ms" => (1, 5),
        "s" => (1_000, 2),
        "m" => (60_000, 1),
        "h" => (3_600_000, 0),
        _ => (0, 0),
    };
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let padded = digits.starts_with('0') && digits.len() > most_digits;
    if unit == 0 || !number || padded {
        return Err(("duration_parsing", "Input should be a duration, for example 30s, 500ms or 1m".into()));
    }
    // What does not fit a number is beyond the bound, too.
    let wait = Duration::from_millis(digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(unit));
    if wait > MAX_WAIT {
        return Err(("range_error", format!("Input should be at most {}s", MAX_WAIT.as_secs())));
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_says_the_bound() {
        for long in ["61s", "60001ms", "2m", "100s", "10m", "1h", "99999999999999999999s"] {
            assert_eq!(duration(long), Err(("range_error", "Input should be at most 60s".into())), "{long}");
        }
    }

    #[test]
    fn durations_have_units_and_a_bound() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("60000ms"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        for bad in [
            "",
            "5",
            "s",
            "007s",
            "60001ms",
            "-1s",
            "+1s",
            "1h",
            "61s",
            "2m",
            "1.5s",
            "99999999999999999999s",
            "é",
            "1é",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
