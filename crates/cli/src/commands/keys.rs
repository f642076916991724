//! `posthaste keys`: list, create, get, revoke.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::args::time_arg;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, Sure, data, said, show, text};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("id", "id"),
    Column::text("name", "name"),
    Column::text("scopes", "scopes"),
    Column::text("tenant", "tenant"),
    Column::time("created", "created_at"),
    Column::time("last used", "last_used_at"),
    Column::time("expires", "expires_at"),
    Column::time("revoked", "revoked_at"),
];

/// Arguments of `posthaste keys`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List API keys
    List,
    /// Make an API key; its token is shown this once
    Create(CreateArgs),
    /// Show an API key
    Get {
        /// The key's id
        id: String,
    },
    /// Let nobody in with an API key any more
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// What it is for, for people
    name: String,
    /// What it lets its holder do: send, read or admin; may be given several times
    #[arg(long, required = true, value_delimiter = ',')]
    scope: Vec<String>,
    /// Whose tasks it sees and makes; everybody's unless said
    #[arg(long)]
    tenant: Option<String>,
    /// When it ends: a time, or a duration from now; never unless said
    #[arg(long, value_name = "WHEN", value_parser = time_arg)]
    expires: Option<String>,
    /// How many requests per second it may make, of each process
    #[arg(long, value_name = "N")]
    per_second: Option<u32>,
    /// How many requests it may make at once before that counts; twice as many as per second unless said
    #[arg(long, value_name = "N", requires = "per_second")]
    burst: Option<u32>,
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
        Verb::List => {
            let keys = data(&server.get("v1/keys", &[]).await?);
            listing::print(out, COLUMNS, &keys, "no keys: who reaches the server may do everything")
        }
        Verb::Create(args) => {
            let made = server.post("v1/keys", Some(&args.body())).await?;
            // The token alone on standard output, so that a script can keep it.
            if !out.is_json() {
                eprintln!("key {} is made; its token is shown this once:", text(&made, "id"));
            }
            let token = text(&made, "token");
            out.either(&made, token)
        }
        Verb::Get { id } => show(out, &server.get(&format!("v1/keys/{}", segment(&id)), &[]).await?),
        Verb::Revoke { id, sure } => {
            sure.ask(&format!("Revoke the key {id}?"))?;
            let answer = server.delete(&format!("v1/keys/{}", segment(&id))).await?;
            said(out, &answer, format!("key {id} is revoked"))
        }
    }
}

impl CreateArgs {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("name".into(), json!(self.name));
        body.insert("scopes".into(), json!(self.scope));
        body.extend(self.tenant.as_ref().map(|t| ("tenant".to_owned(), json!(t))));
        body.extend(self.expires.as_ref().map(|t| ("expires_at".to_owned(), json!(t))));
        if let Some(per_second) = self.per_second {
            let burst = self.burst.unwrap_or_else(|| per_second.saturating_mul(2));
            body.insert("rate_limit".into(), json!({"per_second": per_second, "burst": burst}));
        }
        Value::Object(body)
    }
}
