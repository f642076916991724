//! `posthaste recipients`: get, erase.

use std::path::Path;

use reqwest::Method;

use super::suppressions::recipient_of;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Sure, said, text};
use crate::output::Out;

/// Arguments of `posthaste recipients`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Args)]
struct Whom {
    /// The recipient: an e-mail address, or channel:address
    recipient: String,
}

impl Whom {
    fn path(&self) -> String {
        format!("v1/recipients/{}", segment(&recipient_of(&self.recipient)))
    }
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show what a recipient was sent, and whether it is suppressed
    Get(Whom),
    /// Erase what is kept about a recipient: tasks with their payloads, results and attempts, and held messages
    Erase {
        #[command(flatten)]
        whom: Whom,
        /// Say how many tasks would be erased and how many left alone, and change nothing
        #[arg(long)]
        dry_run: bool,
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
        Verb::Get(whom) => get(server, &whom, out).await,
        Verb::Erase { whom, dry_run: true, .. } => {
            let query = [("dry_run", "true".to_owned())];
            let found = server.call(Method::DELETE, &whom.path())?.query(&query).send().await?;
            let found = super::tasks::drive(server, found).await?;
            let (erased, left) = (text(&found, "changed"), text(&found, "skipped"));
            said(out, &found, format!("{erased} tasks would be erased, {left} left as they are"))
        }
        Verb::Erase { whom, sure, .. } => {
            sure.ask(&format!("Erase everything that is kept about {}?", whom.recipient))?;
            let operation = server.delete(&whom.path()).await?;
            let done = super::tasks::drive(server, operation).await?;
            said(out, &done, format!("{} tasks erased", text(&done, "changed")))
        }
    }
}

async fn get(server: &Server, whom: &Whom, out: Out) -> anyhow::Result<()> {
    let mut answer = server.get(&whom.path(), &[]).await?;
    if out.is_json() {
        return out.value(&answer);
    }
    let tasks = match answer.get_mut("latest").map(serde_json::Value::take) {
        Some(serde_json::Value::Array(list)) => list,
        _ => Vec::new(),
    };
    listing::show(out, &answer)?;
    if tasks.is_empty() {
        return Ok(());
    }
    out.line(format!("\n{}", listing::table(out, super::tasks::view::COLUMNS, &tasks)))
}
