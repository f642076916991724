//! `posthaste bench`: this machine's limits and Posthaste's figures on it, side by side.
//!
//! Every run is bounded, cleans up after itself, and compares what was promised with what is in the
//! store: a figure whose run lost or invented a task does not count.

mod library;
mod load;
mod machine;
mod process;
mod product;
mod redis;
mod report;
mod server;

pub(crate) use machine::file_system;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Stop;
use crate::output::Out;
use report::{Row, Verdict};

/// Arguments of `posthaste bench`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
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

/// Tables of their own.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Backend and worker apart, with a Redis of its own between them; exits 1 when a floor is missed
    Redis(redis::Args),
    /// The product's own API and channels: keys, templates, batches, webhooks, e-mail, watchers
    Product(product::Args),
}

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The machine's own limits
    Machine,
    /// POST /notify/ with the queue paused
    Paused,
    /// POST /notify/ while the worker delivers to the sandbox
    Delivering,
    /// Enqueue in batches through the library
    Enqueue,
    /// Drain a backlog of no-op tasks
    Drain,
    /// Idle latency from enqueue to handler
    Latency,
    /// Idle memory
    Memory,
    /// File bytes per pending task
    Size,
    /// Cold start
    Cold,
    /// Five million finished tasks
    Full,
}

const ALL: [Which; 10] = [
    Which::Machine,
    Which::Paused,
    Which::Delivering,
    Which::Enqueue,
    Which::Drain,
    Which::Latency,
    Which::Memory,
    Which::Size,
    Which::Cold,
    Which::Full,
];

/// How large the runs are.
#[derive(Debug)]
struct Sizes {
    machine: Duration,
    rate_time: Duration,
    rate_max: u64,
    enqueue: u64,
    drain: u64,
    latency: u64,
    idle: Duration,
    warm: u64,
    size: u64,
    starts: usize,
    finished: u64,
    reads: usize,
}

const FULL: Sizes = Sizes {
    machine: Duration::from_secs(2),
    rate_time: Duration::from_secs(10),
    rate_max: 500_000,
    enqueue: 500_000,
    drain: 100_000,
    latency: 1_000,
    idle: Duration::from_secs(5),
    warm: 20_000,
    size: 100_000,
    starts: 11,
    finished: 5_000_000,
    reads: 500,
};

const QUICK: Sizes = Sizes {
    machine: Duration::from_millis(200),
    rate_time: Duration::from_secs(1),
    rate_max: 20_000,
    enqueue: 20_000,
    drain: 10_000,
    latency: 50,
    idle: Duration::from_secs(1),
    warm: 1_000,
    size: 10_000,
    starts: 3,
    finished: 20_000,
    reads: 50,
};

/// Measures and prints the table.
///
/// # Errors
/// A run that failed or does not count; with `--strict`, a figure short of its floor.
pub(crate) fn run(args: Args, out: Out) -> anyhow::Result<()> {
    match args.other {
        Some(Other::Redis(args)) => return redis::run(args, out),
        Some(Other::Product(args)) => return product::run(args, out),
        None => {}
    }
    let sizes = if args.quick { QUICK } else { FULL };
    let scratch = Scratch::new(&args.dir)?;
    let machine = machine::describe(&scratch.0);
    if machine::file_system(&scratch.0).as_deref() == Some("tmpfs") {
        eprintln!(
            "posthaste: warning: {} is in memory, where a sync costs nothing: choose a disk with --dir",
            scratch.0.display()
        );
    }
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

fn verdict(rows: &[Row], strict: bool) -> anyhow::Result<()> {
    let of = |v: Verdict| rows.iter().filter(|r| r.verdict() == v).count();
    let (invalid, short) = (of(Verdict::Invalid), of(Verdict::Short));
    if invalid > 0 {
        eprintln!("posthaste: {invalid} figure(s) do not count");
        return Err(Stop::Quiet.into());
    }
    if strict && short > 0 {
        eprintln!("posthaste: {short} figure(s) are short of their floors");
        return Err(Stop::Quiet.into());
    }
    Ok(())
}

fn measure(which: Which, dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    match which {
        Which::Machine => machine::limits(dir, sizes.machine),
        // The load generator shares the cores with the server: one thread, as cheap as can be.
        Which::Paused => single()?.block_on(server::notify_paused(dir, sizes)),
        Which::Delivering => single()?.block_on(server::notify_delivering(dir, sizes)),
        Which::Memory => single()?.block_on(server::memory(dir, sizes)),
        Which::Cold => single()?.block_on(server::cold_start(dir, sizes)),
        // As many threads as `up` has by default.
        Which::Enqueue => double()?.block_on(library::enqueue(dir, sizes)),
        Which::Drain => double()?.block_on(library::drain(dir, sizes)),
        Which::Latency => double()?.block_on(library::latency(dir, sizes)),
        Which::Size => double()?.block_on(library::size(dir, sizes)),
        Which::Full => double()?.block_on(library::full(dir, sizes)),
    }
}

fn single() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn double() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// An empty directory of this name below `dir`.
fn fresh(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir(&path)?;
    Ok(path)
}

/// A directory of our own, removed at the end, also of a run that failed.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> anyhow::Result<Self> {
        ensure!(parent.is_dir(), "{} is no directory", parent.display());
        let path = parent.canonicalize()?.join(format!("posthaste-bench-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// Also when the run is told to end: then everything is removed and the process ends. The programs
    /// that it started end with it.
    fn removed_on_signal(&self) -> anyhow::Result<()> {
        let path = self.0.clone();
        let runtime = single()?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
                let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                let _ = std::fs::remove_dir_all(&path);
                std::process::exit(130);
            });
        })?;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
