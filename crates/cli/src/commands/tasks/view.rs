//! Tasks as text for people, from the API's JSON.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Server;
use crate::output::{plain, table};

/// The longest that the API waits in one request.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The columns of a list.
pub(crate) const COLUMNS: &[&str] = &["id", "kind", "queue", "state", "attempt", "created", "error"];

/// A field as text; empty when it is not there.
pub(crate) fn text(task: &Value, field: &str) -> String {
    match task.get(field) {
        Some(Value::String(s)) => plain(s),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A row of a list.
pub(crate) fn row(task: &Value) -> Vec<String> {
    let error = task.get("error").map(|e| text(e, "message")).unwrap_or_default();
    let mut row: Vec<String> =
        ["id", "kind", "queue", "state", "attempt", "created_at"].iter().map(|f| text(task, f)).collect();
    row.push(shorten(&error, 60));
    row
}

fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let cut: String = text.chars().take(max - 1).collect();
    format!("{cut}…")
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
pub(crate) fn page(task: &Value) -> String {
    let mut lines = Vec::new();
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
    ];
    for field in fields {
        let value = text(task, field);
        if !value.is_empty() {
            lines.push(format!("{field:<12} {value}"));
        }
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
        let head = ["attempt", "started", "ended", "outcome", "class", "code", "message"];
        let rows: Vec<Vec<String>> = attempts
            .iter()
            .map(|a| {
                let number = format!("{}.{}", text(a, "generation"), text(a, "attempt"));
                let rest = ["started_at", "ended_at", "outcome", "class", "code", "message"];
                std::iter::once(number).chain(rest.iter().map(|f| text(a, f))).collect()
            })
            .collect();
        lines.push(String::new());
        lines.push(table(&head, &rows));
    }
    lines.join("\n")
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
        let state = text(&task, "state");
        let is_final = state.parse::<posthaste_core::State>().is_ok_and(posthaste_core::State::is_final);
        if is_final || Instant::now() >= deadline {
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
