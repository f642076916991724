//! `posthaste stats`: what happened over time.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::args::duration;
use crate::http::{Server, ServerArg, block_on};
use crate::listing::{self, Column};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::time("from", "at"),
    Column::text("accepted", "enqueued"),
    Column::text("succeeded", "succeeded"),
    Column::text("held", "held"),
    Column::text("failed", "failed"),
    Column::text("retried", "retried"),
    Column::text("cancelled", "cancelled"),
    Column::text("expired", "expired"),
];

/// Arguments of `posthaste stats`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    last: Duration,
    /// The length of one row, whole minutes [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    step: Option<Duration>,
    /// Only this queue
    #[arg(long)]
    queue: Option<String>,
    #[command(flatten)]
    server: ServerArg,
}

/// Prints the totals, and a row per step.
///
/// # Errors
/// The server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    let now = jiff::Timestamp::now();
    let from = jiff::SignedDuration::try_from(args.last).ok().and_then(|d| now.checked_sub(d).ok());
    let mut query: Vec<(&str, String)> = from.map(|from| ("from", from.to_string())).into_iter().collect();
    query.extend(args.step.map(|d| ("step", d.as_secs().max(1).to_string())));
    query.extend(args.queue.map(|q| ("queue", q)));
    let stats = block_on(server.get("v1/stats", &query))?;
    if out.is_json() {
        return out.value(&stats);
    }
    if let Some(totals) = stats.get("total") {
        out.line(listing::page(out, totals))?;
    }
    let series = stats.get("data").and_then(Value::as_array).cloned();
    match series.filter(|s| !s.is_empty()) {
        Some(series) => out.line(format!("\n{}", listing::table(out, COLUMNS, &series))),
        None => Ok(()),
    }
}
