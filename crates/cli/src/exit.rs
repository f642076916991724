//! How a run ends: documented exit codes, one sentence on standard error.

use std::process::ExitCode;

use crate::settings::resolve::ConfigError;

/// An end other than success and plain failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// Wrong usage or configuration: 2.
    #[error("{0}")]
    Usage(String),
    /// The server does not answer: 3.
    #[error("{0}")]
    Unreachable(String),
    /// The task ended without success: 4. What happened was printed already.
    #[error("{0}")]
    TaskEnded(String),
    /// Part of it was done, and part was refused: 5. What was refused was printed or written down already.
    #[error("{0}")]
    Partly(String),
    /// The data directory cannot be used now; trying again later may help: 75 (EX_TEMPFAIL).
    #[error("{0}")]
    StoreBusy(String),
    /// The store is not fit for this configuration or has moved, and starting again changes nothing: 78 (EX_CONFIG).
    #[error("{0}")]
    StoreUnfit(String),
    /// It failed and said so already: 1, and nothing is printed.
    #[error("failed")]
    Quiet,
}

impl Stop {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::TaskEnded(_) => 4,
            Self::Partly(_) => 5,
            Self::StoreBusy(_) => 75,
            Self::StoreUnfit(_) => 78,
            Self::Quiet => 1,
        }
    }
}

/// The exit code of a run; what went wrong is printed here, once.
pub(crate) fn code(done: anyhow::Result<()>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    // `posthaste tasks list | head`: the reader has what it wanted.
    if error.chain().any(|e| {
        e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }) {
        return ExitCode::SUCCESS;
    }
    let stop = error.chain().find_map(|e| e.downcast_ref::<Stop>());
    if !matches!(stop, Some(Stop::Quiet)) {
        eprintln!("posthaste: {error:#}");
    }
    let config = error.chain().any(|e| e.is::<ConfigError>());
    ExitCode::from(stop.map_or(if config { 2 } else { 1 }, Stop::code))
}
