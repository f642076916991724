//! The `posthaste` binary: one process that accepts, keeps, runs and shows, or several that share the
//! work; and the verbs that talk to them.

mod args;
mod commands;
mod exit;
mod http;
mod listing;
mod logs;
mod output;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    api, audit, backup, batches, bench, completions, config, doctor, endpoints, health, import, keys, lanes,
    migrate, openapi, providers, queues, recipients, restore, sandbox, schedules, send, signing, stats,
    suppressions, tasks, templates, up, whoami, worker, workers,
};
use output::Out;

/// A request is mostly small allocations on several threads, which glibc serves slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the exit codes mean; part of the help.
const EXIT_CODES: &str = "Exit codes:
  0   done
  1   failed
  2   wrong usage or configuration
  3   the server cannot be reached
  4   a task ended without success (send --wait, tasks create --wait, tasks watch, batches watch, providers test)
  5   part was done and part refused (import, suppressions import)
  75  the data directory is locked or cannot be used now (up, restore, migrate)
  78  the store is not fit: version, eviction or number of shards of Redis, or it has moved (up, api, worker)";

/// Accepts notifications and other background tasks over HTTP, keeps them in a durable queue, runs
/// them with retries, and shows what happened to each.
#[derive(Debug, Parser)]
#[command(name = "posthaste", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration file [env: POSTHASTE_CONFIG] [default: ./posthaste.toml if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "made once, when the program starts")]
enum Verb {
    /// Run everything in this process: API, pages, worker, and an embedded store unless REDIS_URL is set
    Up(up::Args),
    /// Run the API and the pages; workers are processes of their own, with Redis between them
    Api(api::Args),
    /// Run tasks; the API is a process of its own, with Redis between them
    Worker(worker::Args),
    /// Send a notification through a running server
    Send(send::Args),
    /// List, show, enqueue, cancel, retry or watch tasks
    Tasks(tasks::Args),
    /// Enqueue every row of a file: NDJSON or CSV, resumable
    Import(import::Args),
    /// Show, follow or cancel batches: tasks that were enqueued together
    Batches(batches::Args),
    /// List, pause, resume or limit queues
    Queues(queues::Args),
    /// List, pause, resume or limit lanes: a provider, an endpoint, a customer
    Lanes(lanes::Args),
    /// List, make, run or pause schedules
    Schedules(schedules::Args),
    /// List, store, preview or delete templates
    Templates(templates::Args),
    /// List, register, test or delete webhook endpoints
    Endpoints(endpoints::Args),
    /// Show or rotate the secret that signs calls
    Signing(signing::Args),
    /// List, pause, resume or test providers
    Providers(providers::Args),
    /// List, add, remove or import recipients that get nothing
    Suppressions(suppressions::Args),
    /// Show what a recipient was sent, or erase it
    Recipients(recipients::Args),
    /// List, make or revoke API keys
    Keys(keys::Args),
    /// List who changed what
    Audit(audit::Args),
    /// List, show or clear held messages; make the sandbox answer with faults
    Sandbox(sandbox::Args),
    /// Show what happened over time
    Stats(stats::Args),
    /// Show what the server takes the key for
    Whoami(whoami::Args),
    /// List the workers that a running server hears of
    Workers(workers::Args),
    /// Ask a running server or worker how it is; for health checks of containers
    Health(health::Args),
    /// Check this machine and configuration, and say what to do about each problem
    Doctor(doctor::Args),
    /// Show the configuration in force and where each value came from
    Config(config::Args),
    /// Write everything that a store holds to a file, also while a server runs
    Backup(backup::Args),
    /// Fill an empty store from a backup
    Restore(restore::Args),
    /// Move everything from one store to another: any store to any, any number of shards
    Migrate(migrate::Args),
    /// Measure this machine and Posthaste on it
    Bench(bench::Args),
    /// Print the OpenAPI document
    Openapi,
    /// Print a completion script for a shell
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(cli.json);
    let file = cli.config.as_deref();
    let done = match cli.verb {
        Verb::Up(args) => up::run(args, file, out),
        Verb::Api(args) => api::run(args, file, out),
        Verb::Worker(args) => worker::run(args, file, out),
        Verb::Send(args) => send::run(args, file, out),
        Verb::Tasks(args) => tasks::run(args, file, out),
        Verb::Import(args) => import::run(args, file, out),
        Verb::Batches(args) => batches::run(args, file, out),
        Verb::Queues(args) => queues::run(args, file, out),
        Verb::Lanes(args) => lanes::run(args, file, out),
        Verb::Schedules(args) => schedules::run(args, file, out),
        Verb::Templates(args) => templates::run(args, file, out),
        Verb::Endpoints(args) => endpoints::run(args, file, out),
        Verb::Signing(args) => signing::run(args, file, out),
        Verb::Providers(args) => providers::run(args, file, out),
        Verb::Suppressions(args) => suppressions::run(args, file, out),
        Verb::Recipients(args) => recipients::run(args, file, out),
        Verb::Keys(args) => keys::run(args, file, out),
        Verb::Audit(args) => audit::run(args, file, out),
        Verb::Sandbox(args) => sandbox::run(args, file, out),
        Verb::Stats(args) => stats::run(args, file, out),
        Verb::Whoami(args) => whoami::run(args, file, out),
        Verb::Workers(args) => workers::run(args, file, out),
        Verb::Health(args) => health::run(args, file, out),
        Verb::Doctor(args) => doctor::run(args, file, out),
        Verb::Config(args) => config::run(args, file, out),
        Verb::Backup(args) => backup::run(args, file, out),
        Verb::Restore(args) => restore::run(args, file, out),
        Verb::Migrate(args) => migrate::run(args, file, out),
        Verb::Bench(args) => bench::run(args, out),
        Verb::Openapi => openapi::run(out),
        Verb::Completions(args) => completions::run(args, out),
    };
    exit::code(done)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_texts() {
        let mut command = Cli::command().term_width(100);
        command.build();
        insta::assert_snapshot!("help", command.render_long_help().to_string());
        for sub in command.get_subcommands_mut().filter(|c| c.get_name() != "help") {
            let mut text = sub.render_long_help().to_string();
            for inner in sub.get_subcommands_mut().filter(|c| c.get_name() != "help") {
                let help = inner.render_long_help();
                text.push_str(&format!("\n——— {} ———\n\n{help}", inner.get_name()));
            }
            insta::assert_snapshot!(format!("help_{}", sub.get_name()), text);
        }
    }
}
