//! `posthaste providers`: list, get, pause, resume, test.

use std::path::Path;

use serde_json::json;

use super::pause::PauseArgs;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, data, said, show, text};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("name", "name"),
    Column::text("channel", "channel"),
    Column::text("type", "type"),
    Column::state("state", "state"),
    Column::text("running", "running"),
    Column::flag("waiting", "waiting", "yes"),
    Column::time("until", "until"),
    Column::short("message", "message", 60),
];

/// Arguments of `posthaste providers`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The provider's name
    name: String,
}

impl Named {
    fn path(&self, verb: &str) -> String {
        format!("v1/providers/{}{verb}", segment(&self.name))
    }
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List providers and how they are
    List,
    /// Show a provider
    Get(Named),
    /// Send nothing through a provider
    Pause {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// Send through a provider again; after wrong credentials were corrected, this sends what has waited
    Resume(Named),
    /// Send a test message through a provider
    Test {
        #[command(flatten)]
        named: Named,
        /// Its recipient
        to: String,
    },
}

/// Runs the verb.
///
/// # Errors
/// The server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::List => {
            let providers = data(&server.get("v1/providers", &[]).await?);
            listing::print(out, COLUMNS, &providers, "no provider is configured")
        }
        Verb::Get(named) => show(out, &server.get(&named.path(""), &[]).await?),
        Verb::Pause { named, pause } => {
            let answer = server.post(&named.path("/pause"), Some(&pause.body())).await?;
            said(out, &answer, format!("provider {} is paused", named.name))
        }
        Verb::Resume(named) => {
            let answer = server.post(&named.path("/resume"), None).await?;
            said(out, &answer, format!("provider {} is not paused any more", named.name))
        }
        Verb::Test { named, to } => {
            let provider = server.get(&named.path(""), &[]).await?;
            let body = json!({
                "channel": text(&provider, "channel"), "provider": named.name, "to": to,
                "subject": "Test of Posthaste",
                "message": format!("If you read this, the provider {} works.", named.name),
            });
            let made = server.post("v1/notifications", Some(&body)).await?;
            let id = text(&made, "id");
            said(out, &made, id)
        }
    }
}
