//! `posthaste whoami`: what the server takes us for.

use std::path::Path;

use crate::http::{Server, ServerArg, block_on};
use crate::listing::show;
use crate::output::Out;

/// Arguments of `posthaste whoami`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerArg,
}

/// Shows the name, the scopes and the tenant of the key that is sent.
///
/// # Errors
/// The server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    show(out, &block_on(server.get("v1/whoami", &[]))?)
}
