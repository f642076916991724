//! A transaction that fails, and a store that is dropped with work on its way.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use posthaste_broker_sqlite::{OpenError, SqliteConfig, SqliteStore};
use posthaste_core::broker::{ClaimRequest, EnqueueRequest, Extend, SeriesRequest};
use posthaste_core::{
    Broker, BrokerError, Json, Kind, LaneLimits, NewTask, QueueName, Scope, State, Timestamp, WorkerId,
};

fn tasks(n: usize) -> EnqueueRequest {
    let payload = Json::from_trusted("null".into());
    let task = NewTask::new(Kind::new("t").expect("valid"), payload);
    EnqueueRequest { tasks: vec![task; n], idempotency: None }
}

/// Makes every transaction that stores a task fail, or none.
fn fail_enqueues(dir: &Path, fail: bool) {
    let db = rusqlite::Connection::open(dir.join("posthaste.sqlite3")).expect("the file opens");
    db.busy_timeout(Duration::from_secs(5)).expect("set");
    db.execute_batch(if fail {
        "CREATE TRIGGER fail AFTER INSERT ON task BEGIN SELECT RAISE(ABORT, 'no'); END"
    } else {
        "DROP TRIGGER fail"
    })
    .expect("the schema changes");
}

async fn enqueued(store: &SqliteStore) -> u64 {
    let request = SeriesRequest {
        from: Timestamp::from_millis(0),
        until: Timestamp::from_millis(i64::MAX),
        queue: None,
    };
    store.series(request).await.expect("series").iter().map(|p| p.enqueued).sum()
}

fn request(max: usize) -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::new("w").expect("valid"),
        queues: vec![QueueName::default()],
        max,
        start: max,
        lease: Duration::from_secs(15),
        per_target: None,
        held: Vec::new(),
    }
}

#[tokio::test]
async fn a_failed_transaction_leaves_no_trace_in_tables_memory_or_series() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opens");
    store.enqueue(tasks(3)).await.expect("stored");
    fail_enqueues(dir.path(), true);
    for _ in 0..5 {
        let refused = store.enqueue(tasks(2)).await;
        assert!(matches!(refused, Err(BrokerError::Unavailable { .. })), "{refused:?}");
    }
    fail_enqueues(dir.path(), false);
    store.enqueue(tasks(4)).await.expect("stored");
    assert_eq!(store.counts().await.expect("counts")[0].of(State::Queued), 7);
    assert_eq!(enqueued(&store).await, 7, "the series count what was not stored, or forgot what was");
    store.enqueue(tasks(1)).await.expect("stored");
    assert_eq!(enqueued(&store).await, 8, "a point was written twice");
    assert_eq!(store.claim(request(100)).await.expect("claims").len(), 8);
    store.close().await;
}

#[tokio::test]
async fn a_directory_stays_locked_until_a_dropped_store_has_stored_what_it_was_sent() {
    const CALLS: usize = 40;
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opens");
    let mut sent: Vec<_> = (0..CALLS)
        .map(|_| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.enqueue(tasks(1_000)).await })
        })
        .collect();
    for call in &mut sent {
        // Sent with the first poll; nobody waits for the answer.
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending | Poll::Ready(Ok(_))));
    }
    drop(sent);
    drop(store);
    let store = loop {
        match SqliteStore::open(SqliteConfig::new(dir.path())).await {
            Ok(store) => break store,
            Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
            Err(e) => panic!("{e}"),
        }
    };
    assert_eq!(store.counts().await.expect("counts")[0].of(State::Queued), CALLS as u64 * 1_000);
    store.close().await;
}

#[tokio::test]
async fn no_length_of_lease_or_period_ends_the_writer() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opens");
    for _ in 0..3 {
        store.enqueue(tasks(1_000)).await.expect("stored");
    }
    let scope = Scope::Queue(QueueName::default());
    let limits = |rate, per_ms| LaneLimits { rate: Some(rate), per_ms, concurrency: None };
    store.set_limits(&scope, limits(2_000, 3_600_000)).await.expect("set");
    let forever = ClaimRequest { lease: Duration::MAX, ..request(1_000) };
    let claimed = store.claim(forever.clone()).await.expect("claims");
    assert_eq!((claimed.len(), store.claim(forever).await.expect("claims").len()), (1_000, 1_000));
    let extend = Extend { lease: claimed[0].lease, started: true, detached: false };
    store.extend(&[extend], Duration::MAX).await.expect("extends");
    store.set_limits(&scope, limits(1, u64::MAX)).await.expect("set");
    store.tick().await.expect("the writer lives");
    store.close().await;
}
