//! `posthaste health`: for health checks of containers and for people.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exit::Stop;
use crate::http::{Refused, Server, ServerArg, block_on};
use crate::output::Out;

/// A health check that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);

/// Arguments of `posthaste health`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerArg,
    /// Ask whether the store answers now, too, not only whether the process serves
    #[arg(long)]
    ready: bool,
}

/// Exit 0: it serves. 1: it answered that it does not. 3: it does not answer.
///
/// # Errors
/// As above.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    let path = if args.ready { "readyz" } else { "healthz" };
    let answer = block_on(server.get_within(path, &[], LIMIT));
    match answer {
        Ok(body) => {
            out.either(&json!({"healthy": true, "answer": body}), format!("{} is healthy", server.base()))
        }
        Err(e) => match e.downcast_ref::<Refused>() {
            Some(refused) => {
                let value = json!({"healthy": false, "status": refused.status, "answer": refused.message});
                out.either(&value, format!("{} is not healthy: {}", server.base(), refused.message))?;
                Err(Stop::Quiet.into())
            }
            None if out.is_json() => {
                out.value(&json!({"healthy": false, "status": Value::Null, "answer": e.to_string()}))?;
                Err(e)
            }
            None => Err(e),
        },
    }
}
