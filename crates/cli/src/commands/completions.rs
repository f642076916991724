//! `posthaste completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::output::Out;

/// Arguments of `posthaste completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For which shell
    shell: clap_complete::Shell,
}

/// Prints it.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn run(args: Args, out: Out) -> anyhow::Result<()> {
    // Generated into memory: clap_complete panics when its writer fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "posthaste", &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())
}
