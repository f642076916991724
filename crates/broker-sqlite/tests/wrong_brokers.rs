//! Wrong stores around SQLite: each must fail its own case of the suite and pass every other.

mod harness;

use std::path::{Path, PathBuf};

/// Every case runs against every wrong store. What they prove needs no disk, so where the system
/// has a directory in memory, the matrix does not wait for one.
fn base() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.into() } else { std::env::temp_dir() }
}

posthaste_broker_conformance::wrong_store_tests!(harness::Sqlite(base()));
