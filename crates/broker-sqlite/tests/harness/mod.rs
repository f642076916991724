//! Opens the real store in a directory of its own, under a clock that the cases move.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthaste_broker_conformance::{FixedClock, Fixture, Harness};
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::limits::Retention;
use posthaste_core::{Clock, OffsetClock, Store, Timestamp};

/// Opens stores in directories under this one.
pub(crate) struct Sqlite(pub(crate) PathBuf);

struct Open {
    dir: tempfile::TempDir,
    retention: Retention,
    clock: OffsetClock,
    store: Arc<SqliteStore>,
    reboots: u32,
}

async fn open(dir: &tempfile::TempDir, retention: Retention, clock: &OffsetClock) -> Arc<SqliteStore> {
    let config = SqliteConfig { clock: Arc::new(clock.clone()), retention, ..SqliteConfig::new(dir.path()) };
    SqliteStore::open(config).await.expect("the store opens")
}

#[async_trait]
impl Harness for Sqlite {
    async fn open_with(&self, retention: Retention) -> Box<dyn Fixture> {
        let dir = tempfile::tempdir_in(&self.0).expect("a directory can be made there");
        let clock = OffsetClock::new(Arc::new(FixedClock::default()));
        let store = open(&dir, retention, &clock).await;
        Box::new(Open { dir, retention, clock, store, reboots: 0 })
    }
}

#[async_trait]
impl Fixture for Open {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    fn advance(&self, d: Duration) {
        self.clock.advance(d);
    }

    fn jump_wall(&self, by_ms: i64) {
        self.clock.jump_wall(by_ms);
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.reboots += 1;
        self.clock = OffsetClock::new(Arc::new(FixedClock::at(self.clock.wall(), self.reboots)));
        self.store = open(&self.dir, self.retention, &self.clock).await;
    }
}
