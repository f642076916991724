//! `posthaste lanes`: list, pause, resume, limits.

use std::path::Path;

use super::pause::{LimitsArgs, PauseArgs};
use super::queues::set_limits;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, data, said, text};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("queue", "queue"),
    Column::text("lane", "lane"),
    Column::text("running", "running"),
    Column::flag("waiting", "waiting", "yes"),
    Column::text("rate", "limits.rate"),
    Column::text("per ms", "limits.per_ms"),
    Column::text("at once", "limits.concurrency"),
    Column::state("paused", "paused.reason"),
    Column::time("until", "paused.until"),
    Column::short("why", "paused.message", 60),
];

/// Arguments of `posthaste lanes`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

/// A lane of a queue.
#[derive(Debug, clap::Args)]
struct LaneArgs {
    /// The lane: a target such as email:default, whose pause and limits hold for every lane under it, or target/tenant
    lane: String,
    /// Its queue
    #[arg(long, default_value = "default")]
    queue: String,
}

impl LaneArgs {
    fn path(&self, verb: &str) -> String {
        format!("v1/queues/{}/lanes/{}/{verb}", segment(&self.queue), segment(&self.lane))
    }
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List lanes that hold work, a pause or limits
    List {
        /// Only lanes of this queue
        #[arg(long)]
        queue: Option<String>,
    },
    /// Hand out no task of a lane
    Pause {
        #[command(flatten)]
        lane: LaneArgs,
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// Hand out the tasks of a lane again, whatever it was paused for
    Resume {
        #[command(flatten)]
        lane: LaneArgs,
    },
    /// Show or set how fast the tasks of a lane are handed out, and how many run at once
    Limits {
        #[command(flatten)]
        lane: LaneArgs,
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
        Verb::List { queue } => {
            let query: Vec<(&str, String)> = queue.into_iter().map(|q| ("queue", q)).collect();
            let lanes = data(&server.get("v1/lanes", &query).await?);
            listing::print(out, COLUMNS, &lanes, "no lane holds work, a pause or limits")
        }
        Verb::Pause { lane, pause } => {
            let answer = server.post(&lane.path("pause"), Some(&pause.body())).await?;
            said(out, &answer, format!("{} is paused", lane.lane))
        }
        Verb::Resume { lane } => {
            let answer = server.post(&lane.path("resume"), None).await?;
            said(out, &answer, format!("{} is not paused any more", lane.lane))
        }
        Verb::Limits { lane, limits } => {
            let lanes = data(&server.get("v1/lanes", &[("queue", lane.queue.clone())]).await?);
            let found = lanes.iter().find(|l| text(l, "lane") == lane.lane);
            set_limits(
                server,
                &lane.path("limits"),
                found.and_then(|l| l.get("limits")),
                &limits,
                &lane.lane,
                out,
            )
            .await
        }
    }
}
