//! `posthaste tasks list`.

use super::filter::Filter;
use super::view;
use crate::http::Server;
use crate::listing::{self, Limit};
use crate::output::Out;

/// Arguments of `posthaste tasks list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    limit: Limit,
}

/// Lists tasks, newest first.
///
/// # Errors
/// The server (1, 3).
pub(super) async fn run(server: &Server, args: Args, out: Out) -> anyhow::Result<()> {
    let tasks = listing::fetch(server, "v1/tasks", &args.filter.query(), args.limit.limit).await?;
    listing::print(out, view::COLUMNS, &tasks, "no tasks")
}
