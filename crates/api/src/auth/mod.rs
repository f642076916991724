//! Who may call: keys, what each lets its holder do, and how a request says whose it is.
//!
//! A request is judged in [`gate`]; [`access`] says what a route asks for; [`keyring`] answers from
//! memory, at most a second old, so that a key costs a request one hash. Without keys whoever is on
//! this machine may do everything; from the first key on nobody may without one.

pub(crate) mod access;
mod address;
pub(crate) mod audit;
mod caller;
pub(crate) mod failures;
pub(crate) mod gate;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod rate;
mod scope;
pub(crate) mod session;
mod token;

pub use access::{Access, AccessRow, Pages};
pub use address::ProxyNet;
pub use audit::{Actor, AuditFilter, AuditPage, AuditView};
pub use caller::{Caller, Via};
pub use keys::{ConfiguredKey, ConfiguredKeyError, KeyView, NewKey, NewKeyView};
pub use rate::RateLimit;
pub use scope::{KeyScope, Scopes};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use posthaste_core::Timestamp;

/// How old an answer about a key may be.
pub(crate) const FRESH: Duration = Duration::from_secs(1);
/// How long a key that was good goes on being taken while the store does not answer.
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(300);
/// Most keys that a store keeps.
pub(crate) const MAX_KEYS: usize = 10_000;

/// This machine's clock: it decides when keys and sessions end, and dates records for people.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
