//! Errors of opening, and the mapping of SQLite's errors to the seam's.

use std::path::PathBuf;

use posthaste_core::BrokerError;
use rusqlite::ErrorCode;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data directory {dir} is in use by another Posthaste process; stop it, or talk to it over HTTP"
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "the store in {dir} has format {found}, this program knows up to {known}: use the release that wrote it, or a later one"
    )]
    NewerVersion {
        /// The directory.
        dir: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format known.
        known: i64,
    },
    /// The file is not a store of Posthaste or is damaged.
    #[error(
        "the store file {file} is damaged or not a Posthaste store: {why}; restore a backup, or move the directory away to start anew"
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// The directory cannot be written to.
    #[error(
        "the data directory {dir} cannot be written to: {why}; check its owner and that the file system is not mounted read-only"
    )]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Anything else.
    #[error("the data directory {dir} cannot be opened: {why}")]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// What an error of SQLite means to a caller.
pub(crate) fn map(e: &rusqlite::Error) -> BrokerError {
    let text = e.to_string();
    match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            BrokerError::Full { what: "the disk of the data directory; free some space".into() }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => BrokerError::Corrupt { what: text },
        Some(_) => BrokerError::Unavailable { why: text },
        // Not from SQLite: a value of a type that the schema does not allow.
        None => BrokerError::Corrupt { what: text },
    }
}

/// The store stopped, or its thread died.
pub(crate) fn closed() -> BrokerError {
    BrokerError::Unavailable { why: "the store is closed".into() }
}

pub(crate) fn corrupt(what: impl Into<String>) -> BrokerError {
    BrokerError::Corrupt { what: what.into() }
}
