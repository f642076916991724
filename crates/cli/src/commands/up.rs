//! `posthaste up`: everything in one process.

use std::path::Path;

use super::serve;
use crate::output::Out;
use crate::settings::flags::{ServerFlags, Up};
use crate::settings::store::Role;

/// Arguments of `posthaste up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: ServerFlags<Up>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Configuration, address or store; each says what to do.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    serve::run(Role::Up, args.settings.0, file, out)
}
