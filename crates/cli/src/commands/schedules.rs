//! `posthaste schedules`: list, get, put, delete, run, pause, resume.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::args::json_arg;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, Sure, said, show, text, words};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("name", "name"),
    Column::text("cron", "cron"),
    Column::text("zone", "time_zone"),
    Column::text("kind", "kind"),
    Column::text("queue", "queue"),
    Column::flag("state", "paused", "paused"),
    Column::time("last run", "last_run_at"),
    Column::time("next run", "next_runs.0"),
];

/// Arguments of `posthaste schedules`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List schedules
    List,
    /// Show a schedule and when it runs next
    Get(Named),
    /// Make a schedule, or replace it
    Put(Box<PutArgs>),
    /// Delete a schedule; tasks that it made go on
    Delete {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        sure: Sure,
    },
    /// Enqueue a task of a schedule now, beside its ticks
    Run(Named),
    /// Make no tasks until it is resumed
    Pause(Named),
    /// Make tasks again
    Resume(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The schedule's name
    name: String,
}

impl Named {
    fn path(&self) -> String {
        format!("v1/schedules/{}", segment(&self.name))
    }
}

#[derive(Debug, clap::Args)]
struct PutArgs {
    #[command(flatten)]
    named: Named,
    /// When it runs: five fields, minute to day of week, or six with seconds in front, for example "0 9 * * MON-FRI"
    #[arg(long)]
    cron: String,
    /// The time zone that the fields are read in, for example Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// The kind of its tasks
    #[arg(long)]
    kind: String,
    /// What their handler gets: JSON, or @FILE, or @- for standard input
    #[arg(long, short, value_name = "JSON", default_value = "null")]
    payload: String,
    /// Their queue [default: default]
    #[arg(long)]
    queue: Option<String>,
    /// What happens to ticks that were missed while nothing ran: skip, run_once or run_all
    #[arg(long)]
    missed: Option<String>,
    /// Parts of their retry policy: JSON, for example {"max_failures": 3}
    #[arg(long, value_name = "JSON")]
    retry: Option<String>,
    /// Make it paused
    #[arg(long)]
    paused: bool,
}

/// Runs the verb.
///
/// # Errors
/// JSON that is none, no as the answer (2); the server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::List => {
            let found = listing::data(&server.get("v1/schedules", &[]).await?);
            listing::print(out, COLUMNS, &found, "no schedules")
        }
        Verb::Get(named) => show(out, &server.get(&named.path(), &[]).await?),
        Verb::Put(args) => {
            let answer = server.put(&args.named.path(), &args.body()?).await?;
            let next = answer.pointer("/next_runs/0").map(words).unwrap_or_default();
            let next =
                if next.is_empty() { String::new() } else { format!("; it runs next {}", out.time(&next)) };
            said(out, &answer, format!("schedule {} is stored{next}", args.named.name))
        }
        Verb::Delete { named, sure } => {
            sure.ask(&format!("Delete the schedule {}?", named.name))?;
            said(out, &server.delete(&named.path()).await?, format!("schedule {} is deleted", named.name))
        }
        Verb::Run(named) => {
            let made = server.post(&format!("{}/run", named.path()), None).await?;
            let id = text(&made, "id");
            said(out, &made, id)
        }
        Verb::Pause(named) => {
            let answer = server.post(&format!("{}/pause", named.path()), None).await?;
            said(out, &answer, format!("schedule {} is paused", named.name))
        }
        Verb::Resume(named) => {
            let answer = server.post(&format!("{}/resume", named.path()), None).await?;
            said(out, &answer, format!("schedule {} is not paused any more", named.name))
        }
    }
}

impl PutArgs {
    fn body(&self) -> anyhow::Result<Value> {
        let mut body = Map::new();
        body.insert("cron".into(), json!(self.cron));
        body.insert("time_zone".into(), json!(self.time_zone));
        body.insert("kind".into(), json!(self.kind));
        body.insert("payload".into(), json_arg("--payload", &self.payload)?);
        body.extend(self.queue.as_ref().map(|q| ("queue".to_owned(), json!(q))));
        body.extend(self.missed.as_ref().map(|m| ("missed".to_owned(), json!(m))));
        if let Some(retry) = &self.retry {
            body.insert("retry".into(), json_arg("--retry", retry)?);
        }
        if self.paused {
            body.insert("paused".into(), json!(true));
        }
        Ok(Value::Object(body))
    }
}
