//! `posthaste worker`: runs tasks of a store that it shares; health and metrics on a port of its own.

use std::path::Path;

use super::serve;
use crate::output::Out;
use crate::settings::flags::{ServerFlags, WorkerOnly};
use crate::settings::store::Role;

/// Arguments of `posthaste worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: ServerFlags<WorkerOnly>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Configuration, address or store; each says what to do. A store that is away is no error: it is
/// waited for.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    serve::run(Role::Worker, args.settings.0, file, out)
}
