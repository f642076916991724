//! `posthaste tasks create`: a task of any kind.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::view;
use crate::args::{duration, json_arg, time_arg};
use crate::http::Server;
use crate::output::Out;

/// Arguments of `posthaste tasks create`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The kind: it selects the handler
    kind: String,
    /// What the handler gets: JSON, or @FILE, or @- for standard input
    #[arg(long, short, value_name = "JSON", default_value = "null")]
    payload: String,
    /// Where it waits [default: default]
    #[arg(long)]
    queue: Option<String>,
    /// Its lane: target or target/tenant
    #[arg(long)]
    lane: Option<String>,
    /// Whose task it is
    #[arg(long)]
    tenant: Option<String>,
    /// How urgent: low, normal, high or critical
    #[arg(long)]
    priority: Option<String>,
    /// When it is due: a time such as 2026-01-31T09:30:00Z, or a duration from now such as 10m
    #[arg(long, value_name = "WHEN", value_parser = time_arg)]
    at: Option<String>,
    /// When it is of no use any more: a time, or a duration from now
    #[arg(long, value_name = "WHEN", value_parser = time_arg)]
    expires: Option<String>,
    /// Refuse a second task with this key while the first is not final
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// Parts of a retry policy: JSON, for example {"max_failures": 3}
    #[arg(long, value_name = "JSON")]
    retry: Option<String>,
    /// Where it is told once the task is final
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Makes a repeat within 24 hours answer as the first did
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until it is final, at most this long (60s unless said)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "60s", value_parser = duration)]
    wait: Option<Duration>,
}

/// Enqueues it and, if asked, waits: exit 4 when it ended without success.
///
/// # Errors
/// JSON that is none (2), the server (1, 3), the end of the task (4).
pub(super) async fn run(server: &Server, args: Args, out: Out) -> anyhow::Result<()> {
    let key = args.idempotency_key.clone();
    let wait = args.wait;
    let body = body(args)?;
    let made = server.call(Method::POST, "v1/tasks")?.idempotent(key.as_deref()).json(&body).send().await?;
    let id = made.get("id").and_then(Value::as_str).context("the answer has no id: is it Posthaste?")?;
    match wait {
        None => out.either(&made, id),
        Some(limit) => view::wait_and_tell(server, id, limit, out).await,
    }
}

fn body(args: Args) -> anyhow::Result<Value> {
    let mut body = Map::new();
    body.insert("kind".into(), args.kind.into());
    body.insert("payload".into(), json_arg("--payload", &args.payload)?);
    let words = [
        ("queue", args.queue),
        ("lane", args.lane),
        ("tenant", args.tenant),
        ("priority", args.priority),
        ("due_at", args.at),
        ("expires_at", args.expires),
        ("callback_url", args.callback_url),
    ];
    body.extend(words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), word?.into()))));
    if let Some(key) = args.unique {
        body.insert("unique".into(), json!({"key": key}));
    }
    if let Some(retry) = args.retry {
        body.insert("retry".into(), json_arg("--retry", &retry)?);
    }
    Ok(Value::Object(body))
}
