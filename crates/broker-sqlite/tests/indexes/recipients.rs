//! The index of recipients, over several of its parts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::{EnqueueRequest, ListFilter, ListRequest};
use posthaste_core::limits::MAX_PORTABLE;
use posthaste_core::portable::Portable;
use posthaste_core::{Broker, Json, Kind, NewTask, TaskId};

use super::{exported, file, number};

/// More than two parts.
const MANY: usize = 9_500;
const RECIPIENTS: usize = 7;

/// Ids of each recipient, newest first.
type Expected = BTreeMap<String, Vec<TaskId>>;

async fn open(dir: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteConfig::new(dir)).await.expect("the store opens")
}

async fn enqueue(store: &SqliteStore, n: usize, expected: &mut Expected) {
    for from in (0..n).step_by(500) {
        let names: Vec<String> =
            (from..n.min(from + 500)).map(|i| format!("email:r{}@example.com", i % RECIPIENTS)).collect();
        let task = |name: &String| NewTask {
            recipient: Some(name.clone()),
            ..NewTask::new(Kind::new("t").expect("valid"), Json::from_trusted("null".into()))
        };
        let request = EnqueueRequest { tasks: names.iter().map(task).collect(), idempotency: None };
        let stored = store.enqueue(request).await.expect("stored");
        for (name, task) in names.into_iter().zip(stored.tasks) {
            expected.entry(name).or_default().insert(0, task.id);
        }
    }
}

/// All tasks of a recipient, by pages.
async fn found(store: &SqliteStore, recipient: &str) -> Vec<TaskId> {
    let (mut out, mut cursor) = (Vec::new(), None);
    loop {
        let filter = ListFilter { recipient: Some(recipient.to_owned()), ..ListFilter::default() };
        let page = store.list(ListRequest { filter, limit: 97, cursor, ..ListRequest::default() }).await;
        let page = page.expect("a page");
        out.extend(page.tasks.iter().map(|t| t.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return out;
        }
    }
}

async fn assert_found(store: &SqliteStore, expected: &Expected) {
    for (recipient, ids) in expected {
        assert_eq!(found(store, recipient).await, *ids, "{recipient}");
    }
}

#[tokio::test]
async fn everything_of_a_recipient_is_found_newest_first_whatever_part_it_is_in() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut expected = Expected::new();
    let store = open(dir.path()).await;
    enqueue(&store, MANY, &mut expected).await;
    assert_found(&store, &expected).await;
    store.close().await;
    let parts = number(dir.path(), "SELECT count(*) FROM recipient_part");
    assert!(parts > 2, "{parts} parts");
    // A store that is opened goes on with the newest part and begins others.
    let store = open(dir.path()).await;
    enqueue(&store, MANY, &mut expected).await;
    assert_found(&store, &expected).await;
    // What is erased is gone from every part, and nothing else.
    let (recipient, ids) = expected.pop_first().expect("some");
    for some in ids.chunks(MAX_PORTABLE) {
        store.erase(some).await.expect("erased");
    }
    assert_eq!(found(&store, &recipient).await, []);
    assert_found(&store, &expected).await;
    assert_eq!(number(dir.path(), "SELECT count(*) FROM recipient_entry"), (2 * MANY - ids.len()) as i64);
    // Parts that hold nothing are forgotten, save for the newest.
    for ids in expected.values() {
        for some in ids.chunks(MAX_PORTABLE) {
            store.erase(some).await.expect("erased");
        }
    }
    store.tick().await.expect("a tick");
    assert_eq!(number(dir.path(), "SELECT count(*) FROM recipient_part"), 1);
    let mut again = Expected::new();
    enqueue(&store, 100, &mut again).await;
    assert_found(&store, &again).await;
    store.close().await;
}

#[tokio::test]
async fn tasks_that_are_imported_in_any_order_are_found() {
    let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut expected = Expected::new();
    let store = open(from.path()).await;
    enqueue(&store, MANY, &mut expected).await;
    let mut parts = exported(&store).await;
    store.close().await;
    let store = open(to.path()).await;
    let newest = parts.len() / 2;
    parts.rotate_left(newest);
    for items in parts {
        store.import(items).await.expect("imported");
    }
    assert_found(&store, &expected).await;
    store.close().await;
    let store = open(to.path()).await;
    enqueue(&store, MANY, &mut expected).await;
    assert_found(&store, &expected).await;
    store.close().await;
}

#[tokio::test]
async fn an_index_of_one_piece_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut expected = Expected::new();
    let store = open(dir.path()).await;
    enqueue(&store, 1_000, &mut expected).await;
    store.close().await;
    let db = file(dir.path());
    db.execute_batch(
        "CREATE TABLE recipient_task (hash INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, seq)) STRICT, WITHOUT ROWID; \
         INSERT INTO recipient_task SELECT hash, seq FROM recipient_entry; \
         DROP TABLE recipient_entry; DROP TABLE recipient_part; \
         CREATE TABLE idem (key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, at INTEGER NOT NULL, ids BLOB NOT NULL) STRICT, WITHOUT ROWID; \
         DROP TABLE idem_entry; DROP TABLE idem_index; PRAGMA user_version = 2",
    )
    .expect("as it was");
    drop(db);
    let store = open(dir.path()).await;
    assert_found(&store, &expected).await;
    enqueue(&store, MANY, &mut expected).await;
    assert_found(&store, &expected).await;
    store.close().await;
}
