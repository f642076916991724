//! `posthaste audit`: who changed what.

use std::path::Path;

use crate::args::past_arg;
use crate::http::{Server, ServerArg, block_on};
use crate::listing::{self, Column, Limit};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::time("at", "at"),
    Column::text("who", "actor.name"),
    Column::text("key", "actor.key_id"),
    Column::text("action", "action"),
    Column::short("target", "target", 60),
    Column::text("from", "ip"),
    Column::text("request", "request_id"),
];

/// Arguments of `posthaste audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this action, for example keys.create; keys. for every action on keys
    #[arg(long)]
    action: Option<String>,
    /// Only by this key: its id or its name
    #[arg(long)]
    actor: Option<String>,
    /// Only about this thing
    #[arg(long)]
    target: Option<String>,
    /// Only from this time on: a time, or how long ago
    #[arg(long, value_name = "WHEN", value_parser = past_arg)]
    since: Option<String>,
    /// Only before this time: a time, or how long ago
    #[arg(long, value_name = "WHEN", value_parser = past_arg)]
    until: Option<String>,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    server: ServerArg,
}

/// Lists what was changed, newest first.
///
/// # Errors
/// The server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    let query: Vec<(&str, String)> = [
        ("action", args.action),
        ("actor", args.actor),
        ("target", args.target),
        ("since", args.since),
        ("until", args.until),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let entries = block_on(listing::fetch(&server, "v1/audit", &query, args.limit.limit))?;
    listing::print(out, COLUMNS, &entries, "nothing was changed yet")
}
