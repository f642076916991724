//! Rows that cannot be read, pages that are damaged, files that are gone: what is whole goes on, and what is not is told.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_conformance::FixedClock;
use posthaste_broker_sqlite::{Examined, OpenError, Snapshot, SqliteConfig, SqliteStore, examine};
use posthaste_core::broker::{
    Bodies, ClaimRequest, EnqueueRequest, ListFilter, ListRequest, SettleRequest, Settled, Settlement,
};
use posthaste_core::portable::Erased;
use posthaste_core::{
    Broker, Claimed, Failure, FailureClass, Json, Kind, NewTask, OffsetClock, Outcome, Portable, QueueName,
    State, Task, TaskId, WorkerId,
};
use rusqlite::Connection;

const FILE: &str = "posthaste.sqlite3";

async fn open(dir: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteConfig::new(dir)).await.expect("the store opens")
}

fn db(dir: &Path) -> Connection {
    let db = Connection::open(dir.join(FILE)).expect("the file opens");
    db.busy_timeout(Duration::from_secs(5)).expect("set");
    db
}

/// A task whose payload names it, and fills most of a page.
fn task(n: usize) -> NewTask {
    let payload = Json::from_value(&format!("marker-{n}-{}", "x".repeat(3_000))).expect("JSON");
    NewTask::new(Kind::new("t").expect("valid"), payload)
}

async fn enqueue(store: &SqliteStore, n: usize) -> Vec<TaskId> {
    let request = EnqueueRequest { tasks: (0..n).map(task).collect(), idempotency: None };
    store.enqueue(request).await.expect("stored").tasks.iter().map(|t| t.id).collect()
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

/// Runs a statement on the row of the `n`th task.
fn change(dir: &Path, n: usize, set: &str) {
    let sql = format!("UPDATE task SET {set} WHERE payload LIKE '\"marker-{n}-%'");
    assert_eq!(db(dir).execute(&sql, []).expect("the row changes"), 1, "{set}");
}

/// Rows that no program wrote.
const UNREADABLE: [&str; 6] = [
    "ext = '{bad'",
    "policy = 2, ext = NULL",
    "policy = 999",
    "kind = 99999",
    "payload = CAST(x'22ff22' AS TEXT)",
    "attempt = -5",
];

async fn get(store: &SqliteStore, id: TaskId) -> Task {
    store.get(&[id]).await.expect("read").remove(0).expect("it is there")
}

async fn queued(store: &SqliteStore, state: State) -> u64 {
    store.counts().await.expect("counts")[0].of(state)
}

async fn listed(store: &SqliteStore) -> usize {
    let request = ListRequest { bodies: Bodies::Include, ..ListRequest::default() };
    store.list(request).await.expect("listed").tasks.len()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_fails_alone_in_the_claim_that_meets_it() {
    for set in UNREADABLE {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path()).await;
        let ids = enqueue(&store, 5).await;
        change(dir.path(), 2, set);
        let claimed = store.claim(request(5)).await.expect("claims");
        let got: Vec<TaskId> = claimed.iter().map(|c| c.lease.task).collect();
        assert_eq!(got, [ids[0], ids[1], ids[3], ids[4]], "{set}");
        assert_eq!(
            (queued(&store, State::Failed).await, queued(&store, State::Queued).await),
            (1, 0),
            "{set}"
        );
        let task = get(&store, ids[2]).await;
        let told = task.error.expect("it says why");
        assert_eq!((task.state, told.code.as_deref()), (State::Failed, Some("unreadable")), "{set}");
        assert!(told.message.contains("cannot be read"), "{set}: {}", told.message);
        assert_eq!(listed(&store).await, 5, "{set}: it hides others");
        store.tick().await.expect("the sweep goes on");
        assert!(store.health().await.problem.is_none(), "{set}: a row is not the store");
        store.close().await;
    }
}

async fn claim_three(dir: &Path) -> (Arc<SqliteStore>, Vec<Claimed>) {
    let store = open(dir).await;
    enqueue(&store, 3).await;
    let claimed = store.claim(request(3)).await.expect("claims");
    (store, claimed)
}

fn ends(claimed: &[Claimed], middle: Outcome) -> SettleRequest {
    let done = || Outcome::Success { result: None, kept: None };
    let outcomes = [done(), middle, done()];
    let settlements = claimed.iter().zip(outcomes).map(|(c, outcome)| Settlement { lease: c.lease, outcome });
    SettleRequest { settlements: settlements.collect(), ..SettleRequest::default() }
}

#[tokio::test]
async fn an_outcome_of_a_row_that_cannot_be_read_is_stored_and_so_are_the_others() {
    let failure = || Outcome::Failure(Failure::new(FailureClass::Transient, "no"));
    let snooze = || Outcome::Snooze { delay: Duration::from_secs(5) };
    let done = || Outcome::Success { result: None, kept: None };
    for set in ["ext = '{bad'", "policy = 999", "kind = 99999", "log = '[[1,2'"] {
        for (outcome, state) in
            [(failure(), State::Failed), (snooze(), State::Failed), (done(), State::Succeeded)]
        {
            let dir = tempfile::tempdir().expect("a directory");
            let (store, claimed) = claim_three(dir.path()).await;
            change(dir.path(), 1, set);
            let reply = store.settle(ends(&claimed, outcome)).await.expect("settles");
            let done = Settled::Settled(State::Succeeded);
            assert_eq!(reply.settled, [done, Settled::Settled(state), done], "{set}");
            assert_eq!(get(&store, claimed[1].lease.task).await.state, state, "{set}");
            assert_eq!(queued(&store, State::Running).await, 0, "{set}");
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_lost_lease_of_a_row_that_cannot_be_read_does_not_hold_up_the_sweep() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = OffsetClock::new(Arc::new(FixedClock::default()));
    let config = SqliteConfig { clock: Arc::new(clock.clone()), ..SqliteConfig::new(dir.path()) };
    let store = SqliteStore::open(config).await.expect("opens");
    enqueue(&store, 3).await;
    store.claim(request(3)).await.expect("claims");
    change(dir.path(), 1, "ext = '{bad'");
    for _ in 0..40 {
        clock.advance(Duration::from_secs(1));
        store.tick().await.expect("the sweep goes on");
    }
    let states = (queued(&store, State::Queued).await, queued(&store, State::Failed).await);
    assert_eq!(states, (2, 1));
    store.close().await;
}

#[tokio::test]
async fn a_store_whose_running_row_cannot_be_read_opens_and_ends_it() {
    for set in ["lane = 77", "gen = -1", "ext = '{bad'"] {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, claimed) = claim_three(dir.path()).await;
        store.close().await;
        change(dir.path(), 1, set);
        let store = open(dir.path()).await;
        store.tick().await.expect("the sweep goes on");
        let task = get(&store, claimed[1].lease.task).await;
        assert_eq!(task.state, State::Failed, "{set}");
        assert_eq!(get(&store, claimed[0].lease.task).await.state, State::Queued, "{set}");
        store.close().await;
    }
}

#[tokio::test]
async fn people_may_look_at_a_row_that_cannot_be_read_and_erase_it_beside_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let ids = enqueue(&store, 3).await;
    change(dir.path(), 1, "ext = '{bad'");
    store.cancel(&ids[..2]).await.expect("the other is cancelled");
    assert_eq!(get(&store, ids[0]).await.state, State::Cancelled);
    store.retry(&ids, None).await.expect("the others are looked at");
    assert_eq!(store.attempts(ids[1]).await.expect("read"), Some(Vec::new()));
    assert_eq!(store.erase(&ids[1..]).await.expect("erased"), [Erased::Erased, Erased::Erased]);
    assert!(store.get(&[ids[1]]).await.expect("read")[0].is_none());
    assert!(store.claim(request(9)).await.expect("claims").iter().all(|c| c.lease.task == ids[0]));
    store.close().await;
}

/// Overwrites the page of the `n`th task's row with what is no page. The store is closed, and each row has a page of its own.
fn damage_page(dir: &Path, n: usize) {
    let sql =
        "SELECT pageno FROM dbstat WHERE name = 'task' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET ?1";
    let page: u32 = db(dir).query_row(sql, [n as i64], |r| r.get(0)).expect("a leaf");
    let file = std::fs::File::options().write(true).open(dir.join(FILE)).expect("opened");
    file.write_all_at(&[0xFF; 4_096], u64::from(page - 1) * 4_096).expect("written");
}

#[tokio::test]
async fn a_damaged_page_shows_in_the_health_and_takes_its_own_tasks_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    enqueue(&store, 9).await;
    store.close().await;
    assert_eq!(examine(dir.path(), Duration::from_secs(60)).expect("whole"), Examined::Whole);
    damage_page(dir.path(), 4);
    let told = examine(dir.path(), Duration::from_secs(60)).expect_err("it is damaged");
    assert!(matches!(told, OpenError::Corrupt { .. }), "{told}");

    let store = open(dir.path()).await;
    assert!(store.health().await.problem.is_none(), "nobody met it yet");
    let claimed = store.claim(request(9)).await.expect("claims");
    assert_eq!(claimed.len(), 8);
    assert_eq!(queued(&store, State::Failed).await, 1);
    let health = store.health().await;
    let problem = health.problem.expect("it is told");
    assert!(problem.contains("damaged") && problem.contains("backup"), "{problem}");
    assert_eq!(listed(&store).await, 8);
    let settlements = claimed
        .iter()
        .map(|c| Settlement { lease: c.lease, outcome: Outcome::Success { result: None, kept: None } });
    let reply = store
        .settle(SettleRequest { settlements: settlements.collect(), ..SettleRequest::default() })
        .await
        .expect("settles");
    assert!(reply.settled.iter().all(|s| *s == Settled::Settled(State::Succeeded)));
    store.tick().await.expect("the sweep goes on");
    store.close().await;
}

#[tokio::test]
async fn a_running_task_in_a_damaged_page_is_ended_and_does_not_stick() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = claim_three(dir.path()).await;
    store.close().await;
    damage_page(dir.path(), 1);
    let store = open(dir.path()).await;
    // The process that had them is gone: the sweep finds their leases lost.
    store.tick().await.expect("the sweep goes round it");
    let running = ListFilter { states: vec![State::Running], ..ListFilter::default() };
    let of_running = ListRequest { filter: running, ..ListRequest::default() };
    assert!(store.list(of_running).await.expect("listed").tasks.is_empty(), "it sticks");
    assert_eq!(queued(&store, State::Queued).await, 2, "the others are queued again");
    assert_eq!(store.claim(request(5)).await.expect("claims").len(), 2);
    assert!(store.health().await.problem.is_some());
    store.close().await;
}

/// A task whose payload needs pages of its own.
fn long(n: usize) -> NewTask {
    let payload = Json::from_value(&format!("marker-{n}-{}", "x".repeat(20_000))).expect("JSON");
    NewTask::new(Kind::new("t").expect("valid"), payload)
}

/// Overwrites the first page that the `n`th task's row has beside its leaf. The store is closed.
fn damage_overflow(dir: &Path, n: usize) {
    let db = db(dir);
    // Without the map of pages, each page alone says which one follows it.
    db.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").expect("a plain file");
    let sql = "SELECT pageno FROM dbstat WHERE name = 'task' AND pagetype = 'overflow' AND path LIKE '%+000000' \
               ORDER BY path LIMIT 1 OFFSET ?1";
    let page: u32 = db.query_row(sql, [n as i64], |r| r.get(0)).expect("a page of its own");
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0)).expect("a checkpoint");
    assert_eq!(busy, 0);
    drop(db);
    let file = std::fs::File::options().write(true).open(dir.join(FILE)).expect("opened");
    file.write_all_at(&[0xFF; 4_096], u64::from(page - 1) * 4_096).expect("written");
}

async fn open_at(dir: &Path, clock: &OffsetClock) -> Arc<SqliteStore> {
    let config = SqliteConfig { clock: Arc::new(clock.clone()), ..SqliteConfig::new(dir) };
    SqliteStore::open(config).await.expect("opens")
}

fn fixed() -> OffsetClock {
    OffsetClock::new(Arc::new(FixedClock::default()))
}

async fn claim_long(store: &SqliteStore, n: usize) -> Vec<Claimed> {
    let request_of = EnqueueRequest { tasks: (0..n).map(long).collect(), idempotency: None };
    store.enqueue(request_of).await.expect("stored");
    store.claim(request(n)).await.expect("claims")
}

#[tokio::test]
async fn a_lost_lease_with_a_damaged_payload_does_not_hold_up_the_sweep() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), fixed());
    let store = open_at(dir.path(), &clock).await;
    assert_eq!(claim_long(&store, 3).await.len(), 3);
    store.close().await;
    damage_overflow(dir.path(), 1);
    let store = open_at(dir.path(), &clock).await;
    for _ in 0..40 {
        store.tick().await.expect("the sweep goes on");
        clock.advance(Duration::from_secs(1));
    }
    let mut states = Vec::new();
    for state in [State::Queued, State::Failed, State::Running] {
        states.push(queued(&store, state).await);
    }
    assert_eq!(states, [2, 1, 0]);
    assert!(store.health().await.problem.is_some());
    store.close().await;
}

#[tokio::test]
async fn an_outcome_of_a_task_with_a_damaged_payload_does_not_take_the_others_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let claimed = claim_long(&store, 3).await;
    store.close().await;
    damage_overflow(dir.path(), 1);
    let store = open(dir.path()).await;
    let failure = Outcome::Failure(Failure::new(FailureClass::Transient, "no"));
    let reply = store.settle(ends(&claimed, failure.clone())).await.expect("settles");
    let done = Settled::Settled(State::Succeeded);
    assert_eq!(reply.settled, [done, Settled::Settled(State::Failed), done]);
    assert_eq!((queued(&store, State::Running).await, queued(&store, State::Failed).await), (0, 1));
    let again = store.settle(ends(&claimed, failure)).await.expect("settles");
    assert_eq!(again.settled, [Settled::AlreadySettled; 3]);
    store.close().await;
}

#[tokio::test]
async fn a_finished_task_with_a_damaged_payload_stays_and_the_others_are_removed() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), fixed());
    let day = Duration::from_secs(25 * 3600);
    let done = || Outcome::Success { result: None, kept: None };
    let store = open_at(dir.path(), &clock).await;
    let claimed = claim_long(&store, 3).await;
    store.settle(ends(&claimed, done())).await.expect("settles");
    store.close().await;
    damage_overflow(dir.path(), 1);
    let store = open_at(dir.path(), &clock).await;
    clock.advance(day);
    store.tick().await.expect("the sweep goes on");
    assert_eq!(queued(&store, State::Succeeded).await, 1);
    assert!(store.health().await.problem.is_some());
    // And so are those that end later.
    enqueue(&store, 3).await;
    let claimed = store.claim(request(3)).await.expect("claims");
    store.settle(ends(&claimed, done())).await.expect("settles");
    assert_eq!(queued(&store, State::Succeeded).await, 4);
    clock.advance(day);
    store.tick().await.expect("the sweep goes on");
    assert_eq!(queued(&store, State::Succeeded).await, 1);
    store.close().await;
}

#[tokio::test]
async fn a_waiting_task_with_a_damaged_log_does_not_hold_up_the_expiry_of_others() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), fixed());
    let store = open_at(dir.path(), &clock).await;
    let hour = Duration::from_secs(3600);
    let expires_at = Some(posthaste_core::Clock::wall(&clock).plus(hour));
    let tasks = (0..3).map(|n| NewTask { expires_at, ..long(n) }).collect();
    store.enqueue(EnqueueRequest { tasks, idempotency: None }).await.expect("stored");
    store.close().await;
    change(dir.path(), 1, "log = '[\"' || hex(zeroblob(10000)) || '\"]'");
    damage_overflow(dir.path(), 1);
    let store = open_at(dir.path(), &clock).await;
    clock.advance(hour * 2);
    store.tick().await.expect("the sweep goes on");
    assert_eq!(queued(&store, State::Expired).await, 2);
    store.tick().await.expect("the sweep goes on");
    store.close().await;
}

#[tokio::test]
async fn a_finished_row_that_cannot_be_read_stays_and_the_others_are_removed() {
    for set in ["lane = 77", "lane = -1"] {
        let (dir, clock) = (tempfile::tempdir().expect("a directory"), fixed());
        let store = open_at(dir.path(), &clock).await;
        enqueue(&store, 3).await;
        let claimed = store.claim(request(3)).await.expect("claims");
        let done = Outcome::Success { result: None, kept: None };
        store.settle(ends(&claimed, done)).await.expect("settles");
        change(dir.path(), 1, set);
        clock.advance(Duration::from_secs(25 * 3600));
        store.tick().await.expect("the sweep goes on");
        assert_eq!(queued(&store, State::Succeeded).await, 1, "{set}");
        assert!(store.health().await.problem.is_none(), "{set}: a row is not the store");
        store.close().await;
    }
}

/// Every file of the store beside its lock and its index of the log, which readers write.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = [FILE.to_owned(), format!("{FILE}-wal")]
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| path.exists())
        .map(|path| (path.clone(), std::fs::read(&path).expect("read")))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_store_that_is_refused_is_left_as_it_was_found_with_its_log() {
    let damages = [
        "UPDATE queue SET counts = '[oops'",
        "UPDATE lane SET id = id + 5",
        "UPDATE lane SET settings = '{bad'",
        "PRAGMA user_version = 99",
    ];
    for sql in damages {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path()).await;
        enqueue(&store, 3).await;
        store.close().await;
        // The log stays, as after a crash.
        let db = db(dir.path());
        let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        db.set_db_config(keep, true).expect("set");
        db.execute_batch(sql).expect("damaged");
        drop(db);
        let before = files(dir.path());
        assert_eq!(before.len(), 2, "the log is there");
        for _ in 0..2 {
            let refused = SqliteStore::open(SqliteConfig::new(dir.path())).await.err().expect("refused");
            assert!(
                matches!(refused, OpenError::Corrupt { .. } | OpenError::NewerVersion { .. }),
                "{sql}: {refused}"
            );
            assert!(files(dir.path()) == before, "{sql}: it was written to");
        }
    }
}

#[tokio::test]
async fn an_empty_file_where_a_store_was_is_not_taken_as_new() {
    let made = async || {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path()).await;
        enqueue(&store, 3).await;
        store.close().await;
        dir
    };
    let emptied = |dir: &Path| std::fs::write(dir.join(FILE), b"").expect("emptied");
    let refused = async |dir: &Path, what: &str| {
        let told = SqliteStore::open(SqliteConfig::new(dir)).await.err().expect(what);
        assert!(matches!(told, OpenError::Corrupt { .. }), "{what}: {told}");
        assert!(told.to_string().contains("restore a backup"), "{what}: {told}");
        assert!(examine(dir, Duration::ZERO).is_err(), "{what}");
    };

    let dir = made().await;
    emptied(dir.path());
    refused(dir.path(), "an empty file where a store was").await;
    assert_eq!(std::fs::metadata(dir.path().join(FILE)).expect("there").len(), 0, "it was written to");

    // Beside its log, also where nothing else says that there was one, and where the file is gone as a whole.
    for gone in [false, true] {
        let dir = made().await;
        std::fs::remove_file(dir.path().join("posthaste.lock")).expect("removed");
        std::fs::write(dir.path().join(format!("{FILE}-wal")), b"a log").expect("written");
        if gone {
            std::fs::remove_file(dir.path().join(FILE)).expect("removed");
        } else {
            emptied(dir.path());
        }
        refused(dir.path(), "an empty file beside its log").await;
        assert!(dir.path().join(format!("{FILE}-wal")).exists(), "the log was thrown away");
    }

    // Who died while it made the first store left this.
    let fresh = tempfile::tempdir().expect("a directory");
    emptied(fresh.path());
    open(fresh.path()).await.close().await;
    // Who moved the file away wants to start anew.
    let dir = made().await;
    std::fs::remove_file(dir.path().join(FILE)).expect("removed");
    open(dir.path()).await.close().await;
}

#[tokio::test]
async fn the_log_shrinks_once_a_slow_reader_has_gone_though_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    enqueue(&store, 1).await;
    let log = || std::fs::metadata(dir.path().join(format!("{FILE}-wal"))).expect("there").len();
    let reader = db(dir.path());
    reader.execute_batch("BEGIN; SELECT count(*) FROM task").expect("a moment is held");
    for _ in 0..13 {
        enqueue(&store, 1_000).await;
    }
    assert!(log() > 48 << 20, "{}", log());
    drop(reader);
    let mut sweeps = 0;
    while log() > 32 << 20 && sweeps < 20_000 {
        store.tick().await.expect("sweeps");
        sweeps += 1;
    }
    assert!(log() <= 32 << 20, "the log keeps {} bytes", log());
    store.close().await;
}

#[tokio::test]
async fn a_snapshot_is_one_moment_and_holds_no_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    enqueue(&store, 50).await;
    let snapshot = Snapshot::open(dir.path()).expect("a snapshot");
    assert_eq!(snapshot.holds_log(), None);
    enqueue(&store, 10).await;
    store.close().await;
    let busy: i64 =
        db(dir.path()).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0)).expect("a checkpoint");
    assert_eq!(busy, 0, "the snapshot holds the log");
    assert_eq!(snapshot.tasks().expect("counted"), 50);
    let (mut cursor, mut tasks) = (None, 0);
    loop {
        let part = snapshot.export(cursor.as_deref(), 20).expect("exported");
        tasks += part
            .items
            .iter()
            .filter(|i| matches!(i, posthaste_core::portable::PortableItem::Task(_)))
            .count();
        cursor = part.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(tasks, 50);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_of_an_export_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    enqueue(&store, 5).await;
    change(dir.path(), 2, "ext = '{bad'");
    let exported = store.export(None, 100).await.expect("exported");
    assert_eq!(
        exported
            .items
            .iter()
            .filter(|i| matches!(i, posthaste_core::portable::PortableItem::Task(_)))
            .count(),
        4
    );
    let snapshot = Snapshot::open(dir.path()).expect("a snapshot");
    snapshot.export(None, 100).expect("exported");
    assert_eq!(snapshot.left_out(), 1);
    store.close().await;
}
