//! `posthaste health`: for health checks of containers and for people.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exit::Stop;
use crate::http::{Refused, Server, ServerArg, block_on};
use crate::output::Out;
use crate::settings::{self, typed};

/// A health check that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);

/// What the exit codes mean here; part of the help.
const EXIT_CODES: &str = "Exit codes:
  0  it serves (with --ready: and its store answers)
  1  it answered that it does not
  2  wrong usage or configuration
  3  it does not answer

For HEALTHCHECK of a container: `posthaste health`, in a worker's `posthaste health --worker`; both read the
environment that the process itself was started with.";

/// Arguments of `posthaste health`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerArg,
    /// Ask the worker at POSTHASTE_WORKER_ADDR instead of the server
    #[arg(long, conflicts_with = "server")]
    worker: bool,
    /// Ask whether the store answers now, too, not only whether the process serves
    #[arg(long)]
    ready: bool,
}

/// Exit 0: it serves. 1: it answered that it does not. 3: it does not answer.
///
/// # Errors
/// As above.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = if args.worker {
        Server::at(typed::worker_url(&settings::load(file, BTreeMap::new())?)?)?.started_by("worker")
    } else {
        Server::find(&args.server, file)?
    };
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
