//! `posthaste providers`: list, get, pause, resume, test.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::pause::PauseArgs;
use super::tasks::view::{is_final, wait_final};
use crate::args::duration;
use crate::exit::Stop;
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

/// Channels none of whose providers knows a recipient.
const NEEDS_RECIPIENT: [&str; 3] = ["email", "sms", "web_push"];
/// How much longer than somebody waits for it a test message may be sent.
const GRACE: Duration = Duration::from_secs(60);

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
    /// Send a test message through a provider and show what it answered; exit 4 unless it took it
    Test {
        #[command(flatten)]
        named: Named,
        /// Its recipient; not of a channel whose provider knows it
        to: Option<String>,
        /// How long an answer is waited for
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        wait: Duration,
    },
}

/// Runs the verb.
///
/// # Errors
/// A recipient that is missing (2), the server (1, 3), a test that failed (4).
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
        Verb::Test { named, to, wait } => test(server, &named, to, wait, out).await,
    }
}

/// Sends a message and tells what became of its first attempt: what would be tried again is a failure here, and goes no more.
async fn test(
    server: &Server,
    named: &Named,
    to: Option<String>,
    wait: Duration,
    out: Out,
) -> anyhow::Result<()> {
    let name = &named.name;
    let provider = server.get(&named.path(""), &[]).await?;
    let channel = text(&provider, "channel");
    if to.is_none() && NEEDS_RECIPIENT.contains(&channel.as_str()) {
        let usage = format!("a message by {channel} needs a recipient: posthaste providers test {name} <TO>");
        return Err(Stop::Usage(usage).into());
    }
    let expires = jiff::SignedDuration::try_from(wait.saturating_add(GRACE)).ok();
    let expires = expires.and_then(|after| jiff::Timestamp::now().checked_add(after).ok());
    let mut body = json!({
        "channel": channel, "provider": name, "priority": "high", "retry": {"max_failures": 1},
        "subject": "Test of Posthaste", "message": format!("If you read this, the provider {name} works."),
    });
    if let Some(to) = to {
        body["to"] = to.into();
    }
    if let Some(expires) = expires {
        body["expires_at"] = expires.to_string().into();
    }
    let made = server.post("v1/notifications", Some(&body)).await?;
    let task = first_attempt(server, &text(&made, "id"), wait).await?;
    let failed = failure(&task);
    let answer = failed.clone().unwrap_or_else(|| took(&task));
    out.either(&task, format!("{name}: {answer}"))?;
    if failed.is_none() && is_final(&task) {
        return Ok(());
    }
    if !is_final(&task) {
        // It has ended meanwhile, or goes no more after it has expired.
        let _ended = server.post(&format!("v1/tasks/{}/cancel", text(&task, "id")), None).await;
    }
    let state = server.get(&named.path(""), &[]).await?;
    let how = [text(&state, "state"), text(&state, "message")].into_iter().filter(|t| !t.is_empty());
    let how = how.collect::<Vec<_>>().join(": ");
    Err(Stop::TaskEnded(format!("the provider {name} took no test message; it is {how}")).into())
}

/// The task once its first attempt has ended, or as it stands when `limit` is over.
async fn first_attempt(server: &Server, id: &str, limit: Duration) -> anyhow::Result<Value> {
    let deadline = Instant::now() + limit;
    loop {
        let task = wait_final(server, id, Duration::from_secs(1)).await?;
        if is_final(&task) || failure(&task).is_some() || Instant::now() >= deadline {
            return Ok(task);
        }
    }
}

/// What an attempt that failed was answered, or why nothing was sent.
fn failure(task: &Value) -> Option<String> {
    let attempts = task.get("attempts").and_then(Value::as_array).into_iter().flatten();
    let failed = attempts.into_iter().rfind(|a| a.get("class").is_some()).or_else(|| task.get("error"));
    if let Some(failed) = failed {
        let said = ["class", "code", "message"].map(|field| text(failed, field));
        return Some(said.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("  "));
    }
    if task.pointer("/result/sandbox") == Some(&Value::Bool(true)) {
        return Some("the sandbox held the message: nothing was sent".to_owned());
    }
    let state = text(task, "state");
    (is_final(task) && state != "succeeded").then_some(state)
}

/// What the provider said when it took the message.
fn took(task: &Value) -> String {
    let result = task.get("result").cloned().unwrap_or_default();
    let said = ["message", "code", "response"].map(|field| text(&result, field));
    let said: Vec<String> = said.into_iter().filter(|t| !t.is_empty()).collect();
    if said.is_empty() {
        return format!(
            "the message is still {}; does a worker serve the queue default?",
            text(task, "state")
        );
    }
    said.join("  ")
}
