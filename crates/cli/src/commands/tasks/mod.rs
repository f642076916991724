//! `posthaste tasks`: list, get, cancel, retry, watch.

pub(crate) mod view;
mod watch;

use std::path::Path;

use posthaste_core::{State, TaskId};
use serde_json::Value;

use crate::http::{Server, ServerArg, block_on};
use crate::output::{Out, table};

/// Arguments of `posthaste tasks`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List tasks, newest first
    List(ListArgs),
    /// Show a task with its attempts
    Get(OneArgs),
    /// Cancel tasks: waiting ones at once, running ones through their handlers
    Cancel(ManyArgs),
    /// Start failed, cancelled or expired tasks anew
    Retry(ManyArgs),
    /// Follow a task until it is final, or every task until interrupted
    Watch(WatchArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only tasks in this state; may be given several times
    #[arg(long)]
    state: Vec<State>,
    /// Only tasks of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only tasks of this queue
    #[arg(long)]
    queue: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The task's id
    id: TaskId,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Args)]
struct ManyArgs {
    /// The tasks' ids
    #[arg(required = true)]
    ids: Vec<TaskId>,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// The task's id; without one, every task
    id: Option<TaskId>,
    #[command(flatten)]
    server: ServerArg,
}

/// Runs the verb.
///
/// # Errors
/// The server (1, 3); `watch`: a task that ended without success (4).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(a) => block_on(list(Server::find(&a.server, file)?, a, out)),
        Verb::Get(a) => block_on(get(Server::find(&a.server, file)?, a.id, out)),
        Verb::Cancel(a) => block_on(act(Server::find(&a.server, file)?, a.ids, "cancel", out)),
        Verb::Retry(a) => block_on(act(Server::find(&a.server, file)?, a.ids, "retry", out)),
        Verb::Watch(a) => block_on(watch::run(Server::find(&a.server, file)?, a.id, out)),
    }
}

/// Pages of the API are small; `--limit` may ask for many.
async fn list(server: Server, args: ListArgs, out: Out) -> anyhow::Result<()> {
    let mut query: Vec<(&str, String)> = Vec::new();
    if !args.state.is_empty() {
        let states: Vec<&str> = args.state.iter().map(|s| s.as_str()).collect();
        query.push(("state", states.join(",")));
    }
    query.extend(args.kind.map(|k| ("kind", k)));
    query.extend(args.queue.map(|q| ("queue", q)));
    let mut left = args.limit;
    let mut tasks: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while left > 0 {
        let mut page_query = query.clone();
        page_query.push(("limit", left.min(200).to_string()));
        page_query.extend(cursor.take().map(|c| ("cursor", c)));
        let page = server.get("v1/tasks", &page_query).await?;
        let data = page.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        left = left.saturating_sub(data.len() as u64);
        tasks.extend(data);
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if out.is_json() {
        return out.value(&tasks);
    }
    if tasks.is_empty() {
        return out.line("no tasks");
    }
    let rows: Vec<Vec<String>> = tasks.iter().map(view::row).collect();
    out.line(table(view::COLUMNS, &rows))
}

async fn get(server: Server, id: TaskId, out: Out) -> anyhow::Result<()> {
    let task = server.get(&format!("v1/tasks/{id}"), &[]).await?;
    out.either(&task, view::page(&task))
}

/// Does what can be done and reports each; fails when one was refused.
async fn act(server: Server, ids: Vec<TaskId>, verb: &str, out: Out) -> anyhow::Result<()> {
    let mut refused = 0;
    let mut answers = Vec::new();
    for id in ids {
        match server.post(&format!("v1/tasks/{id}/{verb}"), None, &[]).await {
            Ok(answer) => {
                if !out.is_json() {
                    let requested = answer.get("cancel_requested").and_then(Value::as_bool) == Some(true);
                    let note = if requested { " (its handler was asked to stop)" } else { "" };
                    out.line(format!("{id}  {}{note}", view::text(&answer, "state")))?;
                }
                answers.push(answer);
            }
            Err(e) if e.is::<crate::http::Refused>() => {
                refused += 1;
                if out.is_json() {
                    answers.push(serde_json::json!({"id": id, "error": e.to_string()}));
                } else {
                    eprintln!("{id}  {e}");
                }
            }
            Err(e) => return Err(e),
        }
    }
    if out.is_json() {
        out.value(&answers)?;
    }
    if refused > 0 { Err(crate::exit::Stop::Quiet.into()) } else { Ok(()) }
}
