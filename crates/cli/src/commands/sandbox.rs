//! `posthaste sandbox`: list, get, clear, faults.

use std::path::Path;

use posthaste_core::TaskId;
use serde_json::{Map, Value, json};

use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on};
use crate::listing::{self, Column, Limit, Sure, said, show};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("task", "task_id"),
    Column::text("channel", "channel"),
    Column::short("to", "to", 40),
    Column::short("subject", "subject", 50),
    Column::time("held", "held_at"),
];

const FAULTS: &[Column] = &[
    Column::text("channel", "channel"),
    Column::text("answer", "answer"),
    Column::text("retry after", "retry_after"),
    Column::text("left", "sends"),
];

/// Arguments of `posthaste sandbox`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List messages that the sandbox holds, newest first
    List(Limit),
    /// Show a held message as its recipient would have seen it
    Get {
        /// The task's id
        id: TaskId,
    },
    /// Throw all held messages away
    Clear(Sure),
    /// Show, set or take away faults: what the next messages in the sandbox are answered
    Faults(FaultArgs),
}

#[derive(Debug, clap::Args)]
struct FaultArgs {
    /// What the next messages are answered: a code such as 451, 550 or 429, or timeout; may be given several times
    #[arg(long, value_name = "CODE")]
    answer: Vec<String>,
    /// So many messages each
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: u32,
    /// Only messages of this channel
    #[arg(long)]
    channel: Option<String>,
    /// When a throttled sender may come again, in seconds
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u32>,
    /// Take all faults away
    #[arg(long, conflicts_with = "answer")]
    clear: bool,
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
            let held = listing::fetch(server, "v1/sandbox/messages", &[], limit.limit).await?;
            listing::print(out, COLUMNS, &held, "the sandbox holds no messages")
        }
        Verb::Get { id } => {
            let message = server.get(&format!("v1/tasks/{id}/message"), &[]).await?;
            if message.is_null() {
                return Err(Stop::Usage(format!("the sandbox holds no message of task {id}")).into());
            }
            show(out, &message)
        }
        Verb::Clear(sure) => {
            sure.ask("Throw all held messages away?")?;
            clear(server, out).await
        }
        Verb::Faults(args) => faults(server, args, out).await,
    }
}

/// The server throws away a bounded number at once.
async fn clear(server: &Server, out: Out) -> anyhow::Result<()> {
    let mut deleted = 0;
    loop {
        let answer = server.delete("v1/sandbox/messages").await?;
        deleted += answer.get("deleted").and_then(Value::as_u64).unwrap_or(0);
        if answer.get("more").and_then(Value::as_bool) != Some(true) {
            return out.either(&json!({"deleted": deleted}), format!("{deleted} messages thrown away"));
        }
    }
}

async fn faults(server: &Server, args: FaultArgs, out: Out) -> anyhow::Result<()> {
    const PATH: &str = "v1/sandbox/faults";
    if args.clear {
        return said(out, &server.delete(PATH).await?, "no faults any more");
    }
    let answer = if args.answer.is_empty() {
        server.get(PATH, &[]).await?
    } else {
        server.put(PATH, &args.body()).await?
    };
    let list = answer.get("faults").or_else(|| answer.get("data")).and_then(Value::as_array).cloned();
    listing::print(out, FAULTS, &list.unwrap_or_default(), "no faults: every message is held")
}

impl FaultArgs {
    fn body(&self) -> Value {
        let one = |code: &String| {
            let mut fault = Map::new();
            fault.insert("answer".into(), json!(code));
            fault.insert("sends".into(), json!(self.times));
            fault.extend(self.channel.as_ref().map(|c| ("channel".to_owned(), json!(c))));
            fault.extend(self.retry_after.map(|s| ("retry_after".to_owned(), json!(s))));
            Value::Object(fault)
        };
        json!({"faults": self.answer.iter().map(one).collect::<Vec<_>>()})
    }
}
