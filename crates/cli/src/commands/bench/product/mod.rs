//! `posthaste bench product`: what the API and the channels cost on top of the engine.
//!
//! Every figure that has a share as its floor is measured against its counterpart in the same run,
//! in turns, so that a machine that gets slower slows both.

mod accept;
mod deliver;
mod instance;
mod sinks;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::report::{self, Row};
use super::{Scratch, machine, single, verdict};
use crate::output::Out;

/// Arguments of `posthaste bench product`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Small runs that show that everything works; their figures say little
    #[arg(long)]
    quick: bool,
    /// Only these rows; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Which>,
    /// Where the stores are made and removed again; must be on the disk to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Exit 1 when a figure falls short of its floor
    #[arg(long)]
    strict: bool,
}

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// POST /v1/notifications with a key, an idempotency key and a template, beside POST /notify/
    Notifications,
    /// Batches of 1,000 notifications, on both stores
    Batch,
    /// Signed webhooks to a sink on loopback
    Webhook,
    /// E-mail to a sink on loopback
    Smtp,
    /// A thousand watchers, and none, while tasks are run
    Watchers,
}

const ALL: [Which; 5] = [Which::Notifications, Which::Batch, Which::Webhook, Which::Smtp, Which::Watchers];

/// How large the runs are.
#[derive(Debug)]
struct Sizes {
    turn: Duration,
    turns: usize,
    batch_time: Duration,
    webhooks: usize,
    mails: usize,
    watchers: usize,
    watched: usize,
    pairs: usize,
}

const FULL: Sizes = Sizes {
    turn: Duration::from_secs(4),
    turns: 3,
    batch_time: Duration::from_secs(8),
    webhooks: 60_000,
    mails: 20_000,
    watchers: 1_000,
    watched: 60_000,
    pairs: 3,
};

const QUICK: Sizes = Sizes {
    turn: Duration::from_millis(500),
    turns: 1,
    batch_time: Duration::from_secs(1),
    webhooks: 2_000,
    mails: 1_000,
    watchers: 50,
    watched: 2_000,
    pairs: 1,
};

/// Measures and prints the table.
///
/// # Errors
/// A run that failed or does not count; with `--strict`, a figure short of its floor.
pub(crate) fn run(args: Args, out: Out) -> anyhow::Result<()> {
    let sizes = if args.quick { QUICK } else { FULL };
    let scratch = Scratch::new(&args.dir)?;
    scratch.removed_on_signal()?;
    let machine = machine::describe(&scratch.0);
    let chosen: Vec<Which> = if args.only.is_empty() { ALL.to_vec() } else { args.only };
    let mut rows = Vec::new();
    for which in chosen {
        eprintln!("bench: {which:?} …");
        let new = measure(which, &scratch.0, &sizes).with_context(|| format!("the run {which:?} failed"))?;
        for row in &new {
            eprintln!("  {row}");
        }
        rows.extend(new);
    }
    drop(scratch);
    let text = format!("{machine}\n\n{}", report::markdown(&rows));
    out.either(&json!({"machine": machine, "quick": args.quick, "rows": rows}), text)?;
    verdict(&rows, args.strict)
}

fn measure(which: Which, dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    // Load generator and sinks share the cores with the server: one thread, as cheap as can be.
    match which {
        Which::Notifications => single()?.block_on(accept::notifications(dir, sizes)),
        Which::Batch => single()?.block_on(accept::batches(dir, sizes)),
        Which::Webhook => single()?.block_on(deliver::webhooks(dir, sizes)),
        Which::Smtp => single()?.block_on(deliver::mails(dir, sizes)),
        Which::Watchers => single()?.block_on(watch::watchers(dir, sizes)),
    }
}
