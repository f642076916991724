//! `posthaste signing`: secret, rotate.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::args::{duration, ms};
use crate::http::{Server, ServerArg, block_on};
use crate::listing::{Sure, show};
use crate::output::Out;

/// Arguments of `posthaste signing`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the secret that receivers of http tasks, callbacks and webhooks to plain URLs check signatures with
    Secret {
        /// The one of what is sent for this tenant
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Make a new secret; the old one signs beside it for a while
    Rotate {
        /// How long the old secret signs beside the new one [default: 1d]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        overlap: Option<Duration>,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Runs the verb.
///
/// # Errors
/// No as the answer (2); the server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::Secret { tenant } => {
            let tenant: Vec<(&str, String)> = tenant.into_iter().map(|name| ("tenant", name)).collect();
            show(out, &server.get("v1/signing-secret", &tenant).await?)
        }
        Verb::Rotate { overlap, sure } => {
            sure.ask("Give this installation a new signing secret?")?;
            let body = overlap.map(|d| json!({"overlap_ms": ms(d)}));
            show(out, &server.post("v1/signing-secret/rotate", body.as_ref()).await?)
        }
    }
}
