//! `posthaste tasks cancel` and `retry`: some tasks by their ids, or many by a filter.

use posthaste_core::{State, TaskId};
use serde_json::{Value, json};

use super::bulk;
use super::filter::Filter;
use crate::exit::Stop;
use crate::http::{Refused, Server};
use crate::listing::{Sure, text};
use crate::output::Out;

/// What is done to tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Cancel,
    Retry,
}

impl Action {
    /// Its name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }

    /// The states that a task is in when this can be done to it.
    fn from(self) -> Vec<State> {
        let all = State::ALL.into_iter();
        match self {
            Self::Cancel => all.filter(|s| !s.is_final()).collect(),
            Self::Retry => all.filter(|s| s.is_final() && *s != State::Succeeded).collect(),
        }
    }

    /// What a task is after it.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Retry => "queued again",
        }
    }
}

/// Arguments of `posthaste tasks cancel` and `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The tasks' ids
    ids: Vec<TaskId>,
    #[command(flatten)]
    filter: Filter,
    /// Every task that this can be done to, of the whole installation
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Say how many tasks would be changed and how many left alone, and change nothing
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    #[command(flatten)]
    sure: Sure,
}

/// Does what can be done and reports it; fails when one was refused.
///
/// # Errors
/// Neither ids nor a filter, or both (2); the server (1, 3).
pub(super) async fn run(server: &Server, args: Args, action: Action, out: Out) -> anyhow::Result<()> {
    let filtered = args.all || !args.filter.is_empty();
    match (args.ids.is_empty(), filtered) {
        (false, true) => Err(Stop::Usage("give ids or a filter, not both".to_owned()).into()),
        (true, false) => {
            Err(Stop::Usage("give the ids of tasks, a filter such as --state failed, or --all".to_owned())
                .into())
        }
        (false, false) => one_by_one(server, args.ids, action, out).await,
        (true, true) => {
            let mut filter = args.filter;
            // The server wants to be told at least one thing.
            if filter.is_empty() {
                filter.state = action.from();
            }
            let wanted = bulk::Wanted { action, filter, dry_run: args.dry_run };
            bulk::run(server, wanted, args.sure, out).await
        }
    }
}

async fn one_by_one(server: &Server, ids: Vec<TaskId>, action: Action, out: Out) -> anyhow::Result<()> {
    let mut refused = 0;
    let mut answers = Vec::new();
    for id in ids {
        match server.post(&format!("v1/tasks/{id}/{}", action.as_str()), None).await {
            Ok(answer) => {
                if !out.is_json() {
                    let requested = answer.get("cancel_requested").and_then(Value::as_bool) == Some(true);
                    let note = if requested { " (its handler was asked to stop)" } else { "" };
                    out.line(format!("{id}  {}{note}", out.state(&text(&answer, "state"))))?;
                }
                answers.push(answer);
            }
            // One that is not there or not in the right state says nothing about the others.
            Err(e) if e.downcast_ref::<Refused>().is_some_and(|r| matches!(r.status, 404 | 409)) => {
                refused += 1;
                if out.is_json() {
                    answers.push(json!({"id": id, "error": e.to_string()}));
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
    if refused > 0 { Err(Stop::Quiet.into()) } else { Ok(()) }
}
