//! Tasks as text for people, from the API's JSON.

use std::time::{Duration, Instant};

use posthaste_core::State;
use serde_json::Value;

use crate::exit::Stop;
use crate::http::Server;
use crate::listing::{self, Column, text};
use crate::output::{Out, plain, shorten};

/// The longest that the API waits in one request.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The columns of a list.
pub(crate) const COLUMNS: &[Column] = &[
    Column::text("id", "id"),
    Column::text("kind", "kind"),
    Column::text("queue", "queue"),
    Column::state("state", "state"),
    Column::text("attempt", "attempt"),
    Column::time("created", "created_at"),
    Column::short("error", "error.message", 60),
];

/// The columns of a log of attempts.
pub(crate) const ATTEMPTS: &[Column] = &[
    Column::text("generation", "generation"),
    Column::text("attempt", "attempt"),
    Column::time("started", "started_at"),
    Column::time("ended", "ended_at"),
    Column::state("outcome", "outcome"),
    Column::text("class", "class"),
    Column::text("code", "code"),
    Column::text("message", "message"),
];

/// Whether nothing happens to it any more by itself.
pub(crate) fn is_final(task: &Value) -> bool {
    text(task, "state").parse::<State>().is_ok_and(State::is_final)
}

/// One line on how it stands: the result's sentence, or the reason of failure.
pub(crate) fn sentence(task: &Value) -> String {
    let (id, state) = (text(task, "id"), text(task, "state"));
    let said = match task.get("result") {
        Some(result) if state == "succeeded" => match result.get("message") {
            Some(message) => message.as_str().map(plain),
            None => Some(shorten(&result.to_string(), 200)),
        },
        _ => task.get("error").map(|e| text(e, "message")),
    };
    match said.filter(|s| !s.is_empty()) {
        Some(said) => format!("{id}  {state}  {said}"),
        None => format!("{id}  {state}"),
    }
}

/// Everything about a task.
pub(crate) fn page(out: Out, task: &Value) -> String {
    let fields = [
        "id",
        "kind",
        "queue",
        "lane",
        "tenant",
        "priority",
        "state",
        "generation",
        "attempt",
        "failures",
        "created_at",
        "due_at",
        "started_at",
        "finished_at",
        "expires_at",
        "worker",
        "unique_key",
        "batch",
        "recipient",
    ];
    let mut lines = Vec::new();
    for field in fields {
        let value = text(task, field);
        let shown = match field {
            _ if value.is_empty() => continue,
            "state" => out.state(&value),
            _ if field.ends_with("_at") => out.full_time(&value),
            _ => value,
        };
        lines.push(format!("{field:<12} {shown}"));
    }
    if let Some(error) = task.get("error").filter(|e| !e.is_null()) {
        let parts: Vec<String> = ["reason", "class", "code", "message"]
            .iter()
            .map(|f| text(error, f))
            .filter(|t| !t.is_empty())
            .collect();
        lines.push(format!("{:<12} {}", "error", parts.join(" · ")));
    }
    for field in ["payload", "result"] {
        let value = text(task, field);
        if !value.is_empty() {
            lines.push(format!("{field:<12} {}", shorten(&value, 2_000)));
        }
    }
    let attempts = task.get("attempts").and_then(Value::as_array).cloned().unwrap_or_default();
    if !attempts.is_empty() {
        lines.push(String::new());
        lines.push(listing::table(out, ATTEMPTS, &attempts));
    }
    lines.join("\n")
}

/// Waits for the end of a task, tells how it stands, and fails unless it succeeded.
///
/// # Errors
/// The server (1, 3), the end of the task (4), none within `limit` (1).
pub(crate) async fn wait_and_tell(
    server: &Server,
    id: &str,
    limit: Duration,
    out: Out,
) -> anyhow::Result<()> {
    let task = wait_final(server, id, limit).await?;
    let state = text(&task, "state");
    out.either(&task, sentence(&task))?;
    match state.as_str() {
        "succeeded" => Ok(()),
        "failed" | "cancelled" | "expired" => Err(Stop::TaskEnded(format!("task {id} {state}")).into()),
        _ => Err(anyhow::anyhow!(
            "task {id} is still {state} after {limit:?}; it goes on. `posthaste tasks watch {id}` follows it"
        )),
    }
}

/// The task once it is final, or as it stands when `limit` is over.
///
/// # Errors
/// The server.
pub(crate) async fn wait_final(server: &Server, id: &str, limit: Duration) -> anyhow::Result<Value> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // At least a second, in whole seconds: the form that the API takes.
        let ask = left.min(MAX_WAIT).as_secs().max(1);
        let query = [("wait", format!("{ask}s"))];
        let path = format!("v1/tasks/{id}");
        let task = server.get_within(&path, &query, Duration::from_secs(ask + 10)).await?;
        if is_final(&task) || Instant::now() >= deadline {
            return Ok(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sentence_tells_the_result_or_the_reason() {
        let ok =
            json!({"id": "1", "state": "succeeded", "result": {"message": "Notification sent to a@b.c"}});
        assert_eq!(sentence(&ok), "1  succeeded  Notification sent to a@b.c");
        let other = json!({"id": "1", "state": "succeeded", "result": [1]});
        assert_eq!(sentence(&other), "1  succeeded  [1]");
        let bad = json!({"id": "1", "state": "failed", "error": {"message": "no such user\u{7}"}});
        assert_eq!(sentence(&bad), "1  failed  no such user\u{fffd}");
        assert_eq!(sentence(&json!({"id": "1", "state": "queued"})), "1  queued");
    }
}
