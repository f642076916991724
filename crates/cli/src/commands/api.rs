//! `posthaste api`: HTTP and pages, on a store that workers share.

use std::path::Path;

use super::serve;
use crate::output::Out;
use crate::settings::flags::{ApiOnly, ServerFlags};
use crate::settings::store::Role;

/// Arguments of `posthaste api`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: ServerFlags<ApiOnly>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Configuration, address or store; each says what to do. A store that is away is no error: it is
/// waited for.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    serve::run(Role::Api, args.settings.0, file, out)
}
