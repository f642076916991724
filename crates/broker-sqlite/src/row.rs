//! What the columns of `task` mean: flags, and what a new row is made of.

use posthaste_core::task::stored::{Ext, Presets, unique_key};
use posthaste_core::{NewTask, UniqueHold};

/// Bits of `task.flags`.
pub(crate) mod flag {
    /// It belongs to a batch.
    pub(crate) const BATCH: i64 = 2;
    /// It holds a unique key until it is final.
    pub(crate) const UNIQUE: i64 = 4;
    /// Its id is the caller's own.
    pub(crate) const FOREIGN: i64 = 8;
    /// It says whom it is for.
    pub(crate) const RECIPIENT: i64 = 16;
}

/// Bits of `run.flags`.
pub(crate) mod run_flag {
    /// The attempt has started (otherwise it is prefetched).
    pub(crate) const STARTED: i64 = 1;
    /// The point of no return is behind it.
    pub(crate) const MARKED: i64 = 2;
    /// Somebody asked to cancel it.
    pub(crate) const CANCEL: i64 = 4;
    /// Its worker let go of it.
    pub(crate) const DETACHED: i64 = 8;
}

/// A task ready to be bound, made on the caller's thread so that the writer only binds.
pub(crate) struct Prepared {
    pub(crate) task: NewTask,
    pub(crate) policy: u8,
    pub(crate) ext: Option<String>,
    pub(crate) unique_key: Option<String>,
    pub(crate) flags: i64,
}

/// Binds what does not depend on the store.
pub(crate) fn prepare(task: NewTask, presets: &Presets) -> Result<Prepared, serde_json::Error> {
    let policy = presets.code(&task.policy);
    let mut flags = 0;
    if task.batch.is_some() {
        flags |= flag::BATCH;
    }
    if task.recipient.is_some() {
        flags |= flag::RECIPIENT;
    }
    if task.id.is_some() {
        flags |= flag::FOREIGN;
    }
    let unique_key = task.unique.as_ref().map(|u| {
        if u.hold == UniqueHold::UntilFinal {
            flags |= flag::UNIQUE;
        }
        unique_key(task.tenant.as_ref(), task.kind.as_str(), &u.key)
    });
    let ext = Ext { id: task.id, ..Ext::of(&task, policy) }.text()?;
    Ok(Prepared { task, policy, ext, unique_key, flags })
}

/// The number by which a recipient's tasks are found: FNV-1a, 63 bits. Two that share one are told apart by their text.
pub(crate) fn recipient_hash(recipient: &str) -> i64 {
    let hash = recipient
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipients_number_is_the_same_in_every_release() {
        assert_eq!(recipient_hash(""), (0xcbf2_9ce4_8422_2325_u64 >> 1) as i64);
        assert_eq!(recipient_hash("a"), (0xaf63_dc4c_8601_ec8c_u64 >> 1) as i64);
    }
}
