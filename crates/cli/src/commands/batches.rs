//! `posthaste batches`: get, watch, cancel.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use uuid::Uuid;

use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on};
use crate::listing::{Sure, said, show, text};
use crate::output::Out;

/// How often a batch is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// States that a task does not leave by itself.
const FINAL: &[&str] = &["succeeded", "failed", "cancelled", "expired"];

/// Arguments of `posthaste batches`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show a batch and its tasks by state
    Get {
        /// The batch's id
        id: Uuid,
    },
    /// Follow a batch until every task of it is final
    Watch {
        /// The batch's id
        id: Uuid,
    },
    /// Cancel the tasks of a batch that are not final
    Cancel {
        /// The batch's id
        id: Uuid,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Runs the verb.
///
/// # Errors
/// The server (1, 3); `watch`: tasks that ended without success (4).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::Get { id } => show(out, &server.get(&format!("v1/batches/{id}"), &[]).await?),
        Verb::Watch { id } => watch(server, &id.to_string(), out).await,
        Verb::Cancel { id, sure } => {
            sure.ask(&format!("Cancel every task of batch {id} that is not final?"))?;
            let answer = server.post(&format!("v1/batches/{id}/cancel"), None).await?;
            if text(&answer, "action").is_empty() {
                return said(out, &answer, format!("batch {id} is cancelled"));
            }
            let done = super::tasks::drive(server, answer).await?;
            out.either(&done, format!("{} tasks of batch {id} cancelled", text(&done, "changed")))
        }
    }
}

/// Looks until every task is final: a bar on a terminal, a line per change elsewhere; exit 4 when
/// some ended without success.
///
/// # Errors
/// The server (1, 3), tasks that ended without success (4).
pub(crate) async fn watch(server: &Server, id: &str, out: Out) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
    bar.set_style(style.expect("the template is well formed"));
    let mut last = Value::Null;
    loop {
        let batch = server.get(&format!("v1/batches/{id}"), &[]).await?;
        let tally = Tally::of(&batch);
        bar.set_length(tally.size);
        bar.set_position(tally.ended);
        bar.set_message(tally.words.clone());
        if tally.ended >= tally.size {
            bar.finish_and_clear();
            out.either(&batch, &tally.words)?;
            if tally.lost > 0 {
                return Err(
                    Stop::TaskEnded(format!("{} tasks of the batch did not succeed", tally.lost)).into()
                );
            }
            return Ok(());
        }
        if batch != last && !out.is_terminal() {
            out.either(&batch, &tally.words)?;
        }
        last = batch;
        tokio::time::sleep(EVERY).await;
    }
}

/// How a batch stands.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    size: u64,
    ended: u64,
    /// Ended without success.
    lost: u64,
    words: String,
}

impl Tally {
    fn of(batch: &Value) -> Self {
        let count =
            |state: &str| batch.get("counts").and_then(|c| c.get(state)).and_then(Value::as_u64).unwrap_or(0);
        let ended: u64 = FINAL.iter().map(|s| count(s)).sum();
        let states = posthaste_core::State::ALL.iter().map(|s| s.as_str());
        let words: Vec<String> =
            states.filter(|s| count(s) > 0).map(|s| format!("{} {s}", count(s))).collect();
        let total = batch
            .get("counts")
            .and_then(Value::as_object)
            .map_or(0, |c| c.values().filter_map(Value::as_u64).sum());
        let size = batch.get("size").and_then(Value::as_u64).unwrap_or(total);
        // Tasks that were pruned since are in no state any more; they had ended.
        let ended = ended + size.saturating_sub(total);
        Self { size, ended, lost: ended_badly(&count), words: words.join(", ") }
    }
}

fn ended_badly(count: &impl Fn(&str) -> u64) -> u64 {
    FINAL.iter().skip(1).map(|s| count(s)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_batch_is_told_by_states_in_the_order_of_life() {
        let batch = json!({"size": 10, "counts": {"failed": 1, "queued": 3, "succeeded": 4, "running": 0}});
        let want = Tally { size: 10, ended: 7, lost: 1, words: "3 queued, 4 succeeded, 1 failed".into() };
        assert_eq!(Tally::of(&batch), want);
    }
}
