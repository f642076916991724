//! The `posthaste` binary: one process that accepts, keeps, runs and shows, or several that share the
//! work; and the verbs that talk to them.

mod commands;
mod exit;
mod http;
mod logs;
mod output;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    api, backup, bench, completions, config, doctor, health, migrate, openapi, restore, send, tasks, up,
    worker, workers,
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
  4   the task ended without success (send --wait, tasks watch)
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
enum Verb {
    /// Run everything in this process: API, pages, worker, and an embedded store unless REDIS_URL is set
    Up(up::Args),
    /// Run the API and the pages; workers are processes of their own, with Redis between them
    Api(api::Args),
    /// Run tasks; the API is a process of its own, with Redis between them
    Worker(worker::Args),
    /// Send a notification through a running server
    Send(send::Args),
    /// List, show, cancel, retry or watch tasks of a running server
    Tasks(tasks::Args),
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
        let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
        for name in names.iter().filter(|n| *n != "help") {
            let sub = command.find_subcommand_mut(name).expect("just listed");
            insta::assert_snapshot!(format!("help_{name}"), sub.render_long_help().to_string());
        }
    }
}
