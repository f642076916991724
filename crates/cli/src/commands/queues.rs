//! `posthaste queues`: list, pause, resume, limits.

use std::path::Path;

use serde_json::Value;

use super::pause::{LimitsArgs, PauseArgs};
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, data, said, text};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("queue", "queue"),
    Column::text("scheduled", "counts.scheduled"),
    Column::text("queued", "counts.queued"),
    Column::text("running", "counts.running"),
    Column::text("retrying", "counts.retrying"),
    Column::text("succeeded", "counts.succeeded"),
    Column::text("held", "held"),
    Column::text("failed", "counts.failed"),
    Column::text("workers", "workers"),
    Column::flag("state", "paused", "paused"),
    Column::time("until", "paused.until"),
    Column::short("why", "paused.message", 40),
];

/// Arguments of `posthaste queues`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List queues with their tasks by state
    List,
    /// Hand out no task of a queue
    Pause {
        /// The queue
        queue: String,
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// Hand out the tasks of a queue again
    Resume {
        /// The queue
        queue: String,
    },
    /// Show or set how fast those tasks of a queue are handed out that have no lane, and how many run at once
    Limits {
        /// The queue
        queue: String,
        #[command(flatten)]
        limits: LimitsArgs,
    },
}

/// Runs the verb.
///
/// # Errors
/// The server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::List => {
            let queues = data(&server.get("v1/queues", &[]).await?);
            listing::print(out, COLUMNS, &queues, "no queue was used yet")
        }
        Verb::Pause { queue, pause } => {
            let path = format!("v1/queues/{}/pause", segment(&queue));
            said(out, &server.post(&path, Some(&pause.body())).await?, format!("{queue} is paused"))
        }
        Verb::Resume { queue } => {
            let path = format!("v1/queues/{}/resume", segment(&queue));
            said(out, &server.post(&path, None).await?, format!("{queue} is not paused any more"))
        }
        Verb::Limits { queue, limits } => {
            let path = format!("v1/queues/{}/limits", segment(&queue));
            // They are those of its default lane, the one without a key.
            let lanes = data(&server.get("v1/lanes", &[("queue", queue.clone())]).await?);
            let found = lanes.iter().find(|l| text(l, "lane").is_empty());
            set_limits(server, &path, found.and_then(|l| l.get("limits")), &limits, &queue, out).await
        }
    }
}

/// Shows the limits that hold, or puts others over them; of a queue or a lane.
///
/// # Errors
/// Limits that are none (2), the server (1, 3).
pub(super) async fn set_limits(
    server: &Server,
    path: &str,
    now: Option<&Value>,
    limits: &LimitsArgs,
    name: &str,
    out: Out,
) -> anyhow::Result<()> {
    let now = now.cloned().unwrap_or_else(|| serde_json::json!({}));
    if limits.is_empty() {
        return out.either(&now, format!("{name}: {}", in_words(&now)));
    }
    let body = limits.body(&now)?;
    let answer = server.put(path, &body).await?;
    let holds = if answer.is_null() { &body } else { &answer };
    out.either(holds, format!("{name}: {}", in_words(holds)))
}

fn in_words(limits: &Value) -> String {
    let rate = limits.get("rate").and_then(Value::as_u64).map(|n| {
        let per_ms = limits.get("per_ms").and_then(Value::as_u64).unwrap_or(1_000);
        let per = match per_ms {
            1_000 => "second".to_owned(),
            60_000 => "minute".to_owned(),
            3_600_000 => "hour".to_owned(),
            other => format!("{other} ms"),
        };
        format!("at most {n} starts per {per}")
    });
    let at_once = limits.get("concurrency").and_then(Value::as_u64).map(|n| format!("at most {n} at once"));
    let parts: Vec<String> = rate.into_iter().chain(at_once).collect();
    if parts.is_empty() { "unlimited".to_owned() } else { parts.join(", ") }
}
