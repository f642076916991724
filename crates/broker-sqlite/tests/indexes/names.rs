//! What tenants name is forgotten with time, also where the tenant never comes again.

use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_conformance::FixedClock;
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::EnqueueRequest;
use posthaste_core::limits::BROUGHT_KEPT;
use posthaste_core::{Broker, Json, Kind, NewTask, OffsetClock, QueueName, Tenant};

use super::number;

const BROUGHT: &str = "SELECT count(*) FROM brought";
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn bring(store: &SqliteStore, tenant: &str) {
    let task = NewTask {
        queue: QueueName::new("q").expect("valid"),
        tenant: Some(Tenant::new(tenant).expect("valid")),
        ..NewTask::new(Kind::new("t").expect("valid"), Json::from_trusted("null".into()))
    };
    store.enqueue(EnqueueRequest { tasks: vec![task], idempotency: None }).await.expect("stored");
}

#[tokio::test]
async fn names_of_a_tenant_that_left_are_forgotten_after_a_week() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = OffsetClock::new(Arc::new(FixedClock::default()));
    let config = SqliteConfig { clock: Arc::new(clock.clone()), ..SqliteConfig::new(dir.path()) };
    let store = SqliteStore::open(config).await.expect("opens");
    bring(&store, "left").await;
    store.tick().await.expect("a sweep");
    // Its kind and its queue.
    assert_eq!(number(dir.path(), BROUGHT), 2);
    clock.advance(BROUGHT_KEPT);
    bring(&store, "stays").await;
    store.tick().await.expect("a sweep");
    assert_eq!(number(dir.path(), BROUGHT), 4, "it was used a week ago");
    clock.advance(DAY);
    store.tick().await.expect("a sweep");
    assert_eq!(number(dir.path(), BROUGHT), 2, "those of the tenant that left stay");
    clock.advance(BROUGHT_KEPT);
    store.tick().await.expect("a sweep");
    assert_eq!(number(dir.path(), BROUGHT), 0);
    // Who comes again brings its names anew.
    bring(&store, "left").await;
    assert_eq!(number(dir.path(), BROUGHT), 2);
    store.close().await;
}
