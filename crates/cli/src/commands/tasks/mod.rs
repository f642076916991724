//! `posthaste tasks`: list, get, create, cancel, retry, watch, attempts.

mod act;
mod bulk;
mod create;
mod events;
mod filter;
mod list;
pub(crate) mod view;
mod watch;

use std::path::Path;

use posthaste_core::TaskId;

use crate::http::{Server, ServerArg, block_on};
use crate::listing;
use crate::output::Out;

/// Arguments of `posthaste tasks`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List tasks, newest first
    List(list::Args),
    /// Show a task with its attempts
    Get(OneArgs),
    /// Show the attempts of a task
    Attempts(OneArgs),
    /// Enqueue a task of any kind
    Create(create::Args),
    /// Cancel tasks, by their ids or by a filter: waiting ones at once, running ones through their handlers
    Cancel(act::Args),
    /// Start failed, cancelled or expired tasks anew, by their ids or by a filter
    Retry(act::Args),
    /// Follow a task until it is final, or every task until interrupted
    Watch(WatchArgs),
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The task's id
    id: TaskId,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// The task's id; without one, every task
    id: Option<TaskId>,
}

/// Runs the verb.
///
/// # Errors
/// The server (1, 3); `create --wait`, `watch`: a task that ended without success (4).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    match args.verb {
        Verb::List(a) => block_on(list::run(&server, a, out)),
        Verb::Get(a) => block_on(get(&server, a.id, out)),
        Verb::Attempts(a) => block_on(attempts(&server, a.id, out)),
        Verb::Create(a) => block_on(create::run(&server, a, out)),
        Verb::Cancel(a) => block_on(act::run(&server, a, act::Action::Cancel, out)),
        Verb::Retry(a) => block_on(act::run(&server, a, act::Action::Retry, out)),
        Verb::Watch(a) => block_on(watch::run(&server, a.id, out)),
    }
}

/// Resumes an operation of the server until it is done, showing how far it is.
///
/// # Errors
/// The server (1, 3).
pub(crate) async fn drive(
    server: &Server,
    operation: serde_json::Value,
) -> anyhow::Result<serde_json::Value> {
    bulk::drive(server, operation, None).await
}

async fn get(server: &Server, id: TaskId, out: Out) -> anyhow::Result<()> {
    let task = server.get(&format!("v1/tasks/{id}"), &[]).await?;
    out.either(&task, view::page(out, &task))
}

async fn attempts(server: &Server, id: TaskId, out: Out) -> anyhow::Result<()> {
    let answer = server.get(&format!("v1/tasks/{id}/attempts"), &[]).await?;
    listing::print(out, view::ATTEMPTS, &listing::data(&answer), "no attempts yet")
}
