//! `posthaste send`: a notification through a running server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use posthaste_core::Name;
use posthaste_notify::{EmailAddress, Notification};
use serde_json::{Value, json};

use crate::commands::tasks::view;
use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on};
use crate::output::Out;
use crate::settings::typed::parse_duration;

/// Arguments of `posthaste send`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recipient's e-mail address
    to: String,
    /// The subject line
    #[arg(long, short)]
    subject: Option<String>,
    /// The text
    #[arg(long, short)]
    message: Option<String>,
    /// A file with the HTML part
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Which configured provider sends it
    #[arg(long)]
    provider: Option<String>,
    /// Makes a repeat within 24 hours answer as the first did
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until it is sent or given up, at most this long (60s unless said)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "60s", value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    server: ServerArg,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a whole number with ms, s, m, h or d, for example 90s".to_owned())
}

/// Sends and, if asked, waits: exit 4 when it ended without success.
///
/// # Errors
/// A field that is not acceptable (2), the server (1, 3), the end of the task (4).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    let body = body(&args)?;
    block_on(async {
        let headers: Vec<(&str, &str)> =
            args.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
        let sent = server.post("v1/tasks", Some(&body), &headers).await?;
        let id = sent.get("id").and_then(Value::as_str).context("the answer has no id: is it Posthaste?")?;
        match args.wait {
            None => out.either(&sent, id),
            Some(limit) => wait(&server, id, limit, out).await,
        }
    })
}

fn body(args: &Args) -> anyhow::Result<Value> {
    let to: EmailAddress =
        args.to.parse().map_err(|e| Stop::Usage(format!("{:?} is no e-mail address: {e}", args.to)))?;
    let html = args
        .html
        .as_ref()
        .map(|path| {
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
        })
        .transpose()?;
    let provider = args.provider.as_ref().map(Name::new).transpose();
    let notification = Notification {
        subject: args.subject.clone(),
        message: args.message.clone(),
        html,
        provider: provider.map_err(|e| Stop::Usage(format!("--provider {e}")))?,
        ..Notification::to(to)
    };
    notification.check().map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(|p| format!("--{}: {}", p.field, p.problem)).collect();
        Stop::Usage(texts.join("\n"))
    })?;
    let task = notification.into_task();
    Ok(json!({
        "kind": task.kind,
        "queue": task.queue,
        "lane": task.lane,
        "payload": task.payload,
        "retry": task.policy,
    }))
}

async fn wait(server: &Server, id: &str, limit: Duration, out: Out) -> anyhow::Result<()> {
    let task = view::wait_final(server, id, limit).await?;
    let state = view::text(&task, "state");
    out.either(&task, view::sentence(&task))?;
    match state.as_str() {
        "succeeded" => Ok(()),
        "failed" | "cancelled" | "expired" => Err(Stop::TaskEnded(format!("task {id} {state}")).into()),
        _ => Err(anyhow::anyhow!(
            "task {id} is still {state} after {limit:?}; it goes on. `posthaste tasks watch {id}` follows it"
        )),
    }
}
