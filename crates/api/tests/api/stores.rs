//! The store under the server of a test: a real one, which nobody else uses.

use std::sync::Arc;

use posthaste_broker_redis::{RedisConfig, RedisStore};
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::Store;
use posthaste_testkit::{RedisOptions, RedisServer};
use tempfile::TempDir;

/// Where a store is; it goes with this.
pub(crate) enum Place {
    Directory { _dir: TempDir },
    Server { _redis: RedisServer },
}

impl Place {
    /// Whether the server may call the store that is here by this name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        match self {
            Self::Directory { .. } => name == "sqlite",
            Self::Server { .. } => matches!(name, "redis" | "valkey"),
        }
    }
}

/// Opens the store that the tests of `module` are about: `api::embedded::…` or `api::redis::…`.
pub(crate) async fn open(module: &str) -> (Arc<dyn Store>, Place) {
    match module.split("::").nth(1) {
        Some("embedded") => {
            let dir = tempfile::tempdir().unwrap();
            (SqliteStore::open(SqliteConfig::new(dir.path())).await.unwrap(), Place::Directory { _dir: dir })
        }
        Some("redis") => {
            let redis = RedisServer::start(&RedisOptions::default());
            let store = RedisStore::open(RedisConfig::new(redis.url())).unwrap();
            store.check().await.unwrap();
            (store, Place::Server { _redis: redis })
        }
        _ => panic!("{module} names no store"),
    }
}
