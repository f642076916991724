//! Opens the real store on a real server, under a clock that the cases move.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use posthaste_broker_conformance::{FixedClock, Fixture, Harness};
use posthaste_broker_redis::{RedisConfig, RedisStore, StoreClock};
use posthaste_core::limits::Retention;
use posthaste_core::{OffsetClock, Store, Timestamp};
use posthaste_testkit::{RedisCluster, RedisOptions, RedisServer};

/// Where the stores are; the server ends with the last of them.
enum Place {
    Server(RedisServer),
    Cluster(Arc<RedisCluster>),
}

/// Opens stores, each in a namespace of its own.
pub(crate) struct Redis {
    place: Place,
    shards: u16,
    stores: AtomicUsize,
}

#[allow(dead_code, reason = "each test file uses one of them")]
impl Redis {
    /// On a server of its own.
    pub(crate) fn server() -> Self {
        Self {
            place: Place::Server(RedisServer::start(&RedisOptions::default())),
            shards: 1,
            stores: AtomicUsize::new(0),
        }
    }

    /// On a Cluster that others use too; `user` keeps them apart.
    pub(crate) fn cluster(cluster: &Arc<RedisCluster>, shards: u16, user: usize) -> Self {
        let stores = AtomicUsize::new(user * 1_000);
        Self { place: Place::Cluster(cluster.clone()), shards, stores }
    }
}

struct Open {
    config: RedisConfig,
    clock: OffsetClock,
    store: Arc<RedisStore>,
}

async fn open(config: &RedisConfig) -> Arc<RedisStore> {
    let store = RedisStore::open(config.clone()).expect("the configuration is good");
    store.check().await.expect("the store is found");
    store
}

#[async_trait]
impl Harness for Redis {
    async fn open_with(&self, retention: Retention) -> Box<dyn Fixture> {
        let url = match &self.place {
            Place::Server(server) => server.url(),
            Place::Cluster(cluster) => cluster.url(),
        };
        let clock = OffsetClock::new(Arc::new(FixedClock::default()));
        let namespace = format!("case-{}", self.stores.fetch_add(1, Ordering::Relaxed));
        let given = StoreClock::Given(Arc::new(clock.clone()));
        let config = RedisConfig {
            namespace,
            shards: Some(self.shards),
            retention,
            clock: given,
            ..RedisConfig::new(url)
        };
        let store = open(&config).await;
        Box::new(Open { config, clock, store })
    }

    fn is_embedded(&self) -> bool {
        false
    }

    fn has_one_clock(&self) -> bool {
        true
    }

    fn has_one_order(&self) -> bool {
        self.shards == 1
    }
}

#[async_trait]
impl Fixture for Open {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn now(&self) -> Timestamp {
        posthaste_core::Clock::wall(&self.clock)
    }

    fn advance(&self, d: Duration) {
        self.clock.advance(d);
    }

    fn jump_wall(&self, by_ms: i64) {
        self.clock.jump_wall(by_ms);
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = open(&self.config).await;
    }
}
