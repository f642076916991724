//! Idempotency keys: in the log alone, in its index, and across both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_conformance::FixedClock;
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::{EnqueueReply, EnqueueRequest};
use posthaste_core::limits::IDEMPOTENCY_KEPT;
use posthaste_core::portable::Portable;
use posthaste_core::{Broker, IdempotencyKey, Json, Kind, NewTask, OffsetClock, TaskId};

use super::{exported, file, number};

/// More than are entered into the index at once, and some that are not in it yet.
const MANY: usize = 4_500;

fn clock() -> OffsetClock {
    OffsetClock::new(Arc::new(FixedClock::default()))
}

async fn open(dir: &Path, clock: &OffsetClock) -> Arc<SqliteStore> {
    let config = SqliteConfig { clock: Arc::new(clock.clone()), ..SqliteConfig::new(dir) };
    SqliteStore::open(config).await.expect("the store opens")
}

async fn send(store: &SqliteStore, key: usize) -> EnqueueReply {
    let idempotency =
        IdempotencyKey { tenant: None, operation: "test", key: format!("key-{key}"), fingerprint: [7; 32] };
    let task = NewTask::new(Kind::new("t").expect("valid"), Json::from_trusted("null".into()));
    let request = EnqueueRequest { tasks: vec![task], idempotency: Some(idempotency) };
    store.enqueue(request).await.expect("stored")
}

/// Sends under keys that nobody has used.
async fn send_new(store: &SqliteStore, keys: std::ops::Range<usize>) -> Vec<(usize, TaskId)> {
    let mut out = Vec::new();
    for key in keys {
        let reply = send(store, key).await;
        assert!(!reply.replayed, "key {key} is new");
        out.push((key, reply.tasks[0].id));
    }
    out
}

async fn assert_replayed(store: &SqliteStore, sent: &[(usize, TaskId)]) {
    for (key, id) in sent {
        let reply = send(store, *key).await;
        assert!(reply.replayed, "key {key} was used");
        assert_eq!(reply.tasks[0].id, *id, "key {key}");
    }
}

#[tokio::test]
async fn every_key_is_found_whether_the_index_has_it_or_the_log_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = clock();
    let store = open(dir.path(), &clock).await;
    let sent = send_new(&store, 0..MANY).await;
    assert_replayed(&store, &sent).await;
    store.close().await;
    let (indexed, kept) = (
        number(dir.path(), "SELECT count(*) FROM idem_index"),
        number(dir.path(), "SELECT count(*) FROM idem_entry"),
    );
    assert!(indexed > 0 && indexed < kept, "{indexed} of {kept} in the index");
    // What the index does not have is read from the log by whoever opens the store.
    let store = open(dir.path(), &clock).await;
    assert_replayed(&store, &sent).await;
    let more = send_new(&store, MANY..2 * MANY).await;
    assert_replayed(&store, &more).await;
    assert_replayed(&store, &sent).await;
    store.close().await;
}

#[tokio::test]
async fn an_old_key_is_new_again_and_nothing_of_it_is_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = clock();
    let store = open(dir.path(), &clock).await;
    let sent = send_new(&store, 0..MANY).await;
    clock.advance(IDEMPOTENCY_KEPT);
    // One from the index and one from the log, before any sweep has come by.
    let again = [send_new(&store, 0..1).await, send_new(&store, MANY - 1..MANY).await].concat();
    assert!(!again.contains(&sent[0]) && !again.contains(&sent[MANY - 1]));
    assert_replayed(&store, &again).await;
    while store.tick().await.expect("a tick").pruned > 0 {}
    assert_eq!(number(dir.path(), "SELECT count(*) FROM idem_entry"), 2);
    assert_eq!(number(dir.path(), "SELECT count(*) FROM idem_index"), 0);
    assert_replayed(&store, &again).await;
    clock.advance(IDEMPOTENCY_KEPT + Duration::from_millis(1));
    while store.tick().await.expect("a tick").pruned > 0 {}
    assert_eq!(number(dir.path(), "SELECT count(*) FROM idem_entry"), 0);
    store.close().await;
    // An emptied log goes on behind what was in the index: what comes now is not taken for a part of it.
    let store = open(dir.path(), &clock).await;
    let sent = send_new(&store, 0..3).await;
    store.close().await;
    let store = open(dir.path(), &clock).await;
    assert_replayed(&store, &sent).await;
    store.close().await;
}

#[tokio::test]
async fn keys_are_taken_along_by_an_export() {
    let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let clock = clock();
    let (store, other) = (open(from.path(), &clock).await, open(to.path(), &clock).await);
    let sent = send_new(&store, 0..MANY).await;
    for items in exported(&store).await {
        other.import(items).await.expect("imported");
    }
    assert_replayed(&other, &sent).await;
    store.close().await;
    other.close().await;
}

#[tokio::test]
async fn keys_of_the_table_before_are_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = clock();
    let store = open(dir.path(), &clock).await;
    let sent = send_new(&store, 0..MANY).await;
    store.close().await;
    let db = file(dir.path());
    db.execute_batch(
        "CREATE TABLE idem (key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, at INTEGER NOT NULL, ids BLOB NOT NULL) STRICT, WITHOUT ROWID; \
         CREATE INDEX idem_at ON idem (at); \
         INSERT INTO idem SELECT key, fingerprint, at, ids FROM idem_entry; \
         DROP TABLE idem_entry; DROP TABLE idem_index; DELETE FROM meta WHERE key = 'idem_indexed'; PRAGMA user_version = 3",
    )
    .expect("as it was");
    drop(db);
    let store = open(dir.path(), &clock).await;
    assert_replayed(&store, &sent).await;
    let more = send_new(&store, MANY..MANY + 10).await;
    assert_replayed(&store, &sent).await;
    assert_replayed(&store, &more).await;
    store.close().await;
}
