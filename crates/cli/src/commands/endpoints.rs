//! `posthaste endpoints`: list, create, get, update, delete, rotate, secret, enable, test.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::args::{duration, ms};
use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, Limit, Sure, said, show, text};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("name", "name"),
    Column::short("url", "url", 60),
    Column::text("tenant", "tenant"),
    Column::flag("state", "disabled", "disabled"),
    Column::short("why", "disabled.reason", 40),
    Column::time("failing since", "failing_since"),
    Column::time("created", "created_at"),
    Column::short("description", "description", 40),
];

/// Arguments of `posthaste endpoints`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List endpoints
    List(Limit),
    /// Register an endpoint; its secret is shown
    Create(Box<CreateArgs>),
    /// Show an endpoint
    Get(One),
    /// Change the URL or the description of an endpoint, or disable it
    Update(Box<UpdateArgs>),
    /// Delete an endpoint; what still waits for it fails
    Delete {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        sure: Sure,
    },
    /// Give an endpoint a new secret; the old one signs beside it for a while
    Rotate {
        #[command(flatten)]
        one: One,
        /// How long the old secret signs beside the new one [default: 24h]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        overlap: Option<Duration>,
        #[command(flatten)]
        sure: Sure,
    },
    /// Show the secret that the endpoint's receiver checks signatures with
    Secret(One),
    /// Enable an endpoint that was disabled after failures or an answer of 410
    Enable(One),
    /// Send an endpoint a test event
    Test(One),
}

#[derive(Debug, clap::Args)]
struct One {
    /// The endpoint's name
    name: String,
}

impl One {
    fn path(&self) -> String {
        format!("v1/endpoints/{}", segment(&self.name))
    }
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Its name: what notifications to it have as their recipient
    name: String,
    /// Where events are posted to
    url: String,
    /// What it is, for people
    #[arg(long)]
    description: Option<String>,
    /// Whose it is: keys that are bound to this tenant send to it
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, clap::Args)]
struct UpdateArgs {
    #[command(flatten)]
    one: One,
    /// Where events are posted to
    #[arg(long)]
    url: Option<String>,
    /// What it is, for people
    #[arg(long)]
    description: Option<String>,
    /// Send it nothing until it is enabled
    #[arg(long)]
    disable: bool,
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
        Verb::List(limit) => {
            let found = listing::fetch(server, "v1/endpoints", &[], limit.limit).await?;
            listing::print(out, COLUMNS, &found, "no endpoints")
        }
        Verb::Create(args) => create(server, *args, out).await,
        Verb::Get(one) => show(out, &server.get(&one.path(), &[]).await?),
        Verb::Update(args) => update(server, *args, out).await,
        Verb::Delete { one, sure } => {
            sure.ask(&format!("Delete the endpoint {}?", one.name))?;
            said(out, &server.delete(&one.path()).await?, format!("endpoint {} is deleted", one.name))
        }
        Verb::Rotate { one, overlap, sure } => {
            sure.ask(&format!("Give the endpoint {} a new secret?", one.name))?;
            let body = overlap.map(|d| json!({"overlap_ms": ms(d)}));
            show(out, &server.post(&format!("{}/rotate", one.path()), body.as_ref()).await?)
        }
        Verb::Secret(one) => show(out, &server.get(&format!("{}/secret", one.path()), &[]).await?),
        Verb::Enable(one) => {
            let answer = server.post(&format!("{}/enable", one.path()), None).await?;
            said(out, &answer, format!("endpoint {} is enabled", one.name))
        }
        Verb::Test(one) => {
            let made = server.post(&format!("{}/test", one.path()), None).await?;
            let id = text(&made, "id");
            said(out, &made, id)
        }
    }
}

async fn create(server: &Server, args: CreateArgs, out: Out) -> anyhow::Result<()> {
    let mut body = Map::new();
    body.insert("name".into(), json!(args.name));
    body.insert("url".into(), json!(args.url));
    body.extend(args.description.map(|d| ("description".to_owned(), json!(d))));
    body.extend(args.tenant.map(|t| ("tenant".to_owned(), json!(t))));
    show(out, &server.post("v1/endpoints", Some(&Value::Object(body))).await?)
}

async fn update(server: &Server, args: UpdateArgs, out: Out) -> anyhow::Result<()> {
    let mut body = Map::new();
    body.extend(args.url.map(|u| ("url".to_owned(), json!(u))));
    body.extend(args.description.map(|d| ("description".to_owned(), json!(d))));
    if args.disable {
        body.insert("disabled".into(), json!(true));
    }
    if body.is_empty() {
        return Err(Stop::Usage("give what changes: --url, --description or --disable".to_owned()).into());
    }
    show(out, &server.call(Method::PATCH, &args.one.path())?.json(&Value::Object(body)).send().await?)
}
