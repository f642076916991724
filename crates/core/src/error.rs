//! Errors at the seam of a store. Callers decide by [`BrokerError::class`], never by text.

use crate::TaskId;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The request was wrong; sending it again changes nothing.
    Caller,
    /// The store cannot do it now; nothing was accepted that is not stored. Try again.
    Unavailable,
    /// A fault of the program or of its data; a person must look.
    Fault,
}

/// Why a store refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// A field of the request is not acceptable.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which item of the batch, from zero.
        index: usize,
        /// The field.
        field: &'static str,
        /// What is wrong and what to do.
        problem: String,
        /// Every item that is refused for this alone, `index` among them, where the store knows that: without them the
        /// request may go well. Empty otherwise.
        each: Vec<usize>,
    },
    /// A task with the caller's own id exists already.
    #[error("a task with id {id} exists already")]
    IdExists {
        /// The id.
        id: TaskId,
    },
    /// The idempotency key was used before with another request body.
    #[error("the idempotency key was used before with another request")]
    IdempotencyMismatch,
    /// The cursor did not come from this store.
    #[error("the cursor is not one that this server gave out")]
    BadCursor,
    /// A record has another version than expected.
    #[error("the record was changed by somebody else (version {found:?})")]
    VersionConflict {
        /// The version in the store; `None` when there is none.
        found: Option<u64>,
    },
    /// The store is full: disk or memory.
    #[error("the store is full: {what}")]
    Full {
        /// What ran out and what to do.
        what: String,
    },
    /// The store does not answer.
    #[error("the store is not available: {why}")]
    Unavailable {
        /// What happened.
        why: String,
    },
    /// The store answered something that cannot be.
    #[error("the store's data is damaged: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
}

impl BrokerError {
    /// What can be done about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Invalid { .. }
            | Self::IdExists { .. }
            | Self::IdempotencyMismatch
            | Self::BadCursor
            | Self::VersionConflict { .. } => ErrorClass::Caller,
            Self::Full { .. } | Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::Corrupt { .. } => ErrorClass::Fault,
        }
    }

    /// An [`BrokerError::Invalid`] about a single item.
    pub fn invalid(index: usize, field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { index, field, problem: problem.into(), each: Vec::new() }
    }
}
