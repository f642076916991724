//! `posthaste bench redis`: the figures with backend and worker apart and a Redis between them.
//!
//! Each run starts a `redis-server` of its own on a free port of loopback and ends it; nothing that
//! is there already is touched.

mod bare;
mod drain;
mod enqueue;
pub(super) mod instance;
mod memory;
mod notify;
mod proxy;
mod tasks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::report::{self, Row};
use super::{Scratch, double, machine, single, verdict};
use crate::output::Out;
use instance::Redis;

/// Arguments of `posthaste bench redis`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Small runs that show that everything works; their figures say little
    #[arg(long)]
    quick: bool,
    /// Only these rows; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Which>,
    /// Where the servers keep their data, removed again; must be on the disk to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Processor time of Redis per task
    Cpu,
    /// Memory of Redis per task
    Memory,
    /// Drain a backlog of no-op tasks, alone and with many more pending
    Drain,
    /// Enqueue through the library, one by one and in batches
    Enqueue,
    /// POST /notify/ through posthaste api, without and with a posthaste worker
    Notify,
    /// Latency of an idle system from enqueue to handler
    Latency,
    /// Commands that idle processes send
    Idle,
    /// Drain with a Redis that is two milliseconds away
    Far,
    /// Memory of idle processes
    Worker,
}

const ALL: [Which; 9] = [
    Which::Cpu,
    Which::Memory,
    Which::Drain,
    Which::Enqueue,
    Which::Notify,
    Which::Latency,
    Which::Idle,
    Which::Far,
    Which::Worker,
];

/// How large the runs are.
#[derive(Debug)]
struct Sizes {
    drain: u64,
    backlog: u64,
    memory: u64,
    single: u64,
    enqueue: u64,
    rate_time: Duration,
    rate_max: u64,
    latency: u64,
    rest: Duration,
    idle: Duration,
    warm: u64,
}

const FULL: Sizes = Sizes {
    drain: 200_000,
    backlog: 1_000_000,
    memory: 1_000_000,
    single: 300_000,
    enqueue: 500_000,
    rate_time: Duration::from_secs(10),
    rate_max: 500_000,
    latency: 1_000,
    rest: Duration::from_secs(5),
    idle: Duration::from_secs(10),
    warm: 20_000,
};

const QUICK: Sizes = Sizes {
    drain: 10_000,
    backlog: 20_000,
    memory: 10_000,
    single: 10_000,
    enqueue: 20_000,
    rate_time: Duration::from_secs(1),
    rate_max: 20_000,
    latency: 50,
    rest: Duration::from_secs(1),
    idle: Duration::from_secs(3),
    warm: 1_000,
};

/// Measures and prints the table.
///
/// # Errors
/// A run that failed or does not count; unless it is a quick one, a figure short of its floor.
pub(crate) fn run(args: Args, out: Out) -> anyhow::Result<()> {
    let sizes = if args.quick { QUICK } else { FULL };
    let scratch = Scratch::new(&args.dir)?;
    scratch.removed_on_signal()?;
    let machine = machine::describe(&scratch.0);
    let redis = version(&scratch.0)?;
    let header =
        format!("{machine} · Redis {redis}, AOF everysec · load average {}", machine::load_average());
    eprintln!("{header}");
    let chosen: Vec<Which> = if args.only.is_empty() { ALL.to_vec() } else { args.only };
    let mut rows = Vec::new();
    for which in chosen {
        let load = machine::load_average();
        eprintln!("bench: {which:?} … (load average {load})");
        let new = measure(which, &scratch.0, &sizes).with_context(|| format!("the run {which:?} failed"))?;
        for mut row in new {
            row.note = format!("{}{}load {load}", row.note, if row.note.is_empty() { "" } else { "; " });
            eprintln!("  {row}");
            rows.push(row);
        }
    }
    drop(scratch);
    let text = format!("{header}\n\n{}", report::markdown(&rows));
    out.either(&json!({"machine": header, "quick": args.quick, "rows": rows}), text)?;
    verdict(&rows, !args.quick)
}

fn version(dir: &Path) -> anyhow::Result<String> {
    let redis = Redis::start(&super::fresh(dir, "version")?)?;
    Ok(redis.info("server")?.text("redis_version").to_owned())
}

fn measure(which: Which, dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    match which {
        // As many threads as a worker has by default.
        Which::Cpu => double()?.block_on(drain::cpu(dir, sizes)),
        Which::Memory => double()?.block_on(memory::redis(dir, sizes)),
        Which::Drain => double()?.block_on(drain::drain(dir, sizes)),
        Which::Enqueue => double()?.block_on(enqueue::enqueue(dir, sizes)),
        Which::Latency => double()?.block_on(enqueue::latency(dir, sizes)),
        Which::Far => double()?.block_on(drain::far(dir, sizes)),
        // The load generator shares the cores with the servers: one thread, as cheap as can be.
        Which::Notify => single()?.block_on(notify::accepted(dir, sizes)),
        Which::Idle => single()?.block_on(notify::idle(dir, sizes)),
        Which::Worker => single()?.block_on(memory::worker(dir, sizes)),
    }
}
