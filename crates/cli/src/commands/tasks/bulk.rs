//! An operation on every task that a filter finds: the server works it slice by slice, and we ask
//! for the next until it is done. An interrupted one stays where it was.

use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::act::Action;
use super::filter::Filter;
use crate::exit::Stop;
use crate::http::Server;
use crate::listing::{Sure, text};
use crate::output::Out;

/// What is to be done.
pub(super) struct Wanted {
    pub(super) action: Action,
    pub(super) filter: Filter,
    pub(super) dry_run: bool,
}

/// Counts, asks, and then works it to its end.
///
/// # Errors
/// No as the answer (2); the server (1, 3).
pub(super) async fn run(server: &Server, wanted: Wanted, sure: Sure, out: Out) -> anyhow::Result<()> {
    let Wanted { action, filter, dry_run } = wanted;
    let body =
        |dry_run: bool| json!({"action": action.as_str(), "filter": filter.json(), "dry_run": dry_run});
    if dry_run {
        let found = start(server, &body(true)).await?;
        let found = drive(server, found, None).await?;
        let (changed, skipped) = (number(&found, "changed"), number(&found, "skipped"));
        let note = if skipped > 0 { format!(", {skipped} left as they are") } else { String::new() };
        return out.either(&found, format!("{changed} tasks would be {}{note}", action.done()));
    }
    sure.ask(&format!("{} every task that the filter finds?", capital(action.as_str())))?;
    let operation = start(server, &body(false)).await?;
    let done = drive(server, operation, Some(action)).await?;
    let (changed, skipped) = (number(&done, "changed"), number(&done, "skipped"));
    let note = if skipped > 0 { format!(", {skipped} left as they were") } else { String::new() };
    out.either(&done, format!("{changed} tasks {}{note}", action.done()))?;
    if text(&done, "state") == "failed" { Err(Stop::Quiet.into()) } else { Ok(()) }
}

async fn start(server: &Server, body: &Value) -> anyhow::Result<Value> {
    server.post("v1/tasks/bulk", Some(body)).await
}

/// Resumes an operation until it is done, showing how far it is.
///
/// # Errors
/// The server; the operation is named then, so that it can be resumed.
pub(super) async fn drive(
    server: &Server,
    mut operation: Value,
    action: Option<Action>,
) -> anyhow::Result<Value> {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
    bar.set_style(style.expect("the template is well formed"));
    bar.enable_steady_tick(Duration::from_millis(120));
    while text(&operation, "state") == "running" {
        let verb = action.map_or("changed", Action::done);
        let (matched, changed) = (number(&operation, "matched"), number(&operation, "changed"));
        bar.set_message(format!("{matched} found, {changed} {verb}"));
        let id = text(&operation, "id");
        operation = server.post(&format!("v1/operations/{id}/resume"), None).await.with_context(|| {
            format!("operation {id} stopped after {changed} tasks; the same command goes on with the rest")
        })?;
    }
    bar.finish_and_clear();
    Ok(operation)
}

fn number(operation: &Value, field: &str) -> u64 {
    operation.get(field).and_then(Value::as_u64).unwrap_or(0)
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
