//! The embedded store: one SQLite file, one writer thread with group commit, a few readers.
//!
//! Durability: when an operation returns, it is in the write-ahead log and the log is synced
//! (`synchronous=FULL`). All requests that wait while one transaction is synced share the next one.

mod broker;
mod checkpoint;
mod clock;
mod damage;
mod engine;
mod error;
mod examine;
mod export;
mod ids;
mod live;
mod lookup;
mod open;
mod read;
mod rest;
mod row;
mod schema;
mod snapshot;
mod writer;

pub use broker::SqliteStore;
pub use clock::SystemClock;
pub use error::OpenError;
pub use examine::{Examined, examine};
pub use open::SqliteConfig;
pub use snapshot::Snapshot;
