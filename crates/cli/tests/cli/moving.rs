//! Backups, restores and moves, with the real binary on real stores.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_redis::{RedisConfig, RedisStore};
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::{ClaimRequest, EnqueueRequest, SettleRequest, Settlement};
use posthaste_core::limits::{LEASE, MAX_PORTABLE};
use posthaste_core::portable::PortableItem;
use posthaste_core::{
    Broker, Due, Expect, Failure, FailureClass, IdempotencyKey, Json, LaneLimits, NewTask, Outcome,
    QueueName, RecordKind, Scope, State, Store, Tenant, Timestamp, Unique, UniqueHold, WorkerId,
};
use posthaste_testkit::{RedisOptions, RedisServer, kind};

use super::support::{Up, posthaste, run, stderr, stdout};

async fn sqlite(dir: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteConfig::new(dir)).await.expect("the store opens")
}

async fn redis(server: &RedisServer, namespace: &str, shards: Option<u16>) -> Arc<RedisStore> {
    let config = RedisConfig { namespace: namespace.into(), shards, ..RedisConfig::new(server.url()) };
    let store = RedisStore::open(config).expect("the configuration is good");
    store.check().await.expect("the store is found");
    store
}

/// Fills a store with `n` tasks in many states, keys, records and settings.
async fn furnish(store: &dyn Store, n: usize) {
    let queue = QueueName::default();
    for from in (0..n).step_by(500) {
        let tasks = (from..n.min(from + 500)).map(|i| NewTask {
            lane: (i % 3 == 0).then(|| format!("t{}/x{}", i % 5, i % 2).parse().expect("a lane")),
            tenant: (i % 4 == 0).then(|| Tenant::new("acme").expect("a name")),
            due: if i % 7 == 0 { Due::After(Duration::from_secs(3_600)) } else { Due::Now },
            recipient: (i % 2 == 0).then(|| format!("email:{}@example.com", i % 50)),
            unique: (i % 11 == 0)
                .then(|| Unique { key: format!("u{i}"), hold: UniqueHold::For(Duration::from_secs(80_000)) }),
            ..NewTask::new(
                kind("k"),
                Json::from_trusted(format!("{{\"n\":{i},\"text\":{:?}}}", "x".repeat(i % 300))),
            )
        });
        let idempotency = Some(IdempotencyKey {
            tenant: None,
            operation: "enqueue",
            key: format!("r{from}"),
            fingerprint: [u8::try_from(from % 251).unwrap_or(0); 32],
        });
        store.enqueue(EnqueueRequest { tasks: tasks.collect(), idempotency }).await.expect("enqueue");
    }
    for _ in 0..3 {
        let claim = ClaimRequest {
            worker: WorkerId::new("w").expect("a name"),
            queues: vec![queue.clone()],
            max: n / 8,
            start: n / 8,
            lease: LEASE,
            per_target: None,
            held: Vec::new(),
        };
        let claimed = store.claim(claim).await.expect("claim");
        let settlements = claimed.iter().enumerate().map(|(i, c)| Settlement {
            lease: c.lease,
            outcome: match i % 3 {
                0 => Outcome::result(Json::from_trusted("[1]".into())),
                1 => Outcome::Failure(Failure::new(FailureClass::Permanent, "no")),
                _ => Outcome::Failure(Failure::new(FailureClass::Transient, "later").with_code("451")),
            },
        });
        let request = SettleRequest { settlements: settlements.collect(), ..SettleRequest::default() };
        store.settle(request).await.expect("settle");
    }
    for i in 0..20 {
        let body = Json::from_trusted(format!("{{\"i\":{i}}}"));
        store
            .put_record(RecordKind::Template, &format!("t{i}"), body, Expect::Any)
            .await
            .expect("put_record");
    }
    let scope = Scope::Lane(queue, "t1".parse().expect("a lane"));
    store.set_limits(&scope, LaneLimits::concurrency(3)).await.expect("set_limits");
}

/// Every item as a line, each once, without what may differ between stores: times by which a key is held apart from its task.
async fn content(store: &dyn Store) -> BTreeSet<String> {
    let (mut out, mut cursor) = (BTreeSet::new(), None::<String>);
    loop {
        let part = store.export(cursor.as_deref(), MAX_PORTABLE).await.expect("export");
        for mut item in part.items {
            match &mut item {
                // Our own marks.
                PortableItem::Record(r) if r.kind == RecordKind::Setting => continue,
                PortableItem::Lane(l) => {
                    // A period without a rate says nothing.
                    if l.limits.rate.is_none() {
                        l.limits.per_ms = 1_000;
                    }
                    if (l.limits, &l.manual, &l.auto) == (LaneLimits::concurrency(3), &None, &None)
                        || l.auto.is_some()
                    {
                        l.strikes = 0;
                        l.opens = 0;
                    }
                }
                _ => {}
            }
            out.insert(serde_json::to_string(&item).expect("serializes"));
        }
        cursor = part.next_cursor;
        if cursor.is_none() {
            return out;
        }
    }
}

fn assert_same(before: &BTreeSet<String>, after: &BTreeSet<String>) {
    let lost: Vec<_> = before.difference(after).take(5).collect();
    let new: Vec<_> = after.difference(before).take(5).collect();
    assert!(lost.is_empty() && new.is_empty(), "lost {lost:#?}\nnew {new:#?}");
}

fn by_state(counts: &[posthaste_core::broker::QueueCounts]) -> [u64; 8] {
    counts.iter().fold([0; 8], |mut sum, q| {
        sum.iter_mut().zip(q.by_state).for_each(|(a, b)| *a += b);
        sum
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_from_any_to_any_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = RedisServer::start(&RedisOptions::default());
    let first = dir.path().join("first");
    let store = sqlite(&first).await;
    furnish(&*store, 1_200).await;
    let (before, counts) = (content(&*store).await, by_state(&store.counts().await.unwrap()));
    store.close().await;
    let urls = [
        format!("sqlite:{}", first.display()),
        server.url(),
        format!("sqlite:{}/last", dir.path().display()),
    ];
    let steps: [&[&str]; 3] = [
        &["--from", &urls[0], "--to", &urls[1], "--to-namespace", "one"],
        &[
            "--from",
            &urls[1],
            "--from-namespace",
            "one",
            "--to",
            &urls[1],
            "--to-namespace",
            "eight",
            "--to-shards",
            "8",
        ],
        &["--from", &urls[1], "--from-namespace", "eight", "--to", &urls[2]],
    ];
    for (i, step) in steps.iter().enumerate() {
        let args: Vec<&str> = ["migrate", "--json"].into_iter().chain(step.iter().copied()).collect();
        let moved = run(dir.path(), &args);
        assert!(moved.status.success(), "{step:?}: {}", stderr(&moved));
        let said: serde_json::Value = serde_json::from_str(&stdout(&moved)).unwrap();
        assert_eq!(said["tasks"], 1_200, "{step:?}");
        let (there, name, shards): (Arc<dyn Store>, _, _) = match i {
            0 => (redis(&server, "one", None).await, "one", 1),
            1 => (redis(&server, "eight", None).await, "eight", 8),
            _ => (sqlite(&dir.path().join("last")).await, "", 0),
        };
        assert_same(&before, &content(&*there).await);
        assert_eq!(by_state(&there.counts().await.unwrap()), counts, "{name} {shards}");
        drop(there);
    }
    // The first is marked, and can be used again once the mark is taken back.
    let from = urls[0].as_str();
    let refused = posthaste(dir.path(), &["up", "--addr", "127.0.0.1:0"])
        .env("POSTHASTE_STORE", from)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("has moved to"), "{}", stderr(&refused));
    assert!(run(dir.path(), &["migrate", "--from", from, "--unmark"]).status.success());
    assert!(stdout(&Up::start(&first, &["--data-dir", "."]).terminate()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_killed_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let server = RedisServer::start(&RedisOptions::default());
    let first = dir.path().join("first");
    let store = sqlite(&first).await;
    furnish(&*store, 6_000).await;
    let before = content(&*store).await;
    store.close().await;
    let (from, to) = (format!("sqlite:{}", first.display()), server.url());
    let args = ["migrate", "--from", &from, "--to", &to, "--to-shards", "4"];
    let there = redis(&server, "posthaste", Some(4)).await;
    let mut child = posthaste(dir.path(), &args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while by_state(&there.counts().await.unwrap()).iter().sum::<u64>() == 0 {}
    child.kill().unwrap();
    child.wait().unwrap();
    let part = by_state(&there.counts().await.unwrap()).iter().sum::<u64>();
    assert!(part < 6_000, "it was done before it was killed");
    // Nobody takes the part for the whole.
    let refused =
        posthaste(dir.path(), &["api", "--addr", "127.0.0.1:0"]).env("REDIS_URL", &to).output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("not whole"), "{}", stderr(&refused));
    let again = run(dir.path(), &args);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(stdout(&again).contains("in place already"), "{}", stdout(&again));
    assert_same(&before, &content(&*there).await);
    assert_eq!(by_state(&there.counts().await.unwrap()).iter().sum::<u64>(), 6_000);
    // Another store is not poured into it.
    let other = sqlite(&dir.path().join("other")).await;
    furnish(&*other, 10).await;
    other.close().await;
    let other = format!("sqlite:{}/other", dir.path().display());
    let refused = run(dir.path(), &["migrate", "--from", &other, "--to", &to]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(run(dir.path(), &["migrate", "--from", &other, "--to", &to, "--merge"]).status.success());
    assert_eq!(by_state(&there.counts().await.unwrap()).iter().sum::<u64>(), 6_010);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_beside_a_server_and_restored_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let server = RedisServer::start(&RedisOptions::default());
    let data = dir.path().join("data");
    let store = sqlite(&data).await;
    furnish(&*store, 700).await;
    let before = content(&*store).await;
    // Open, as by a server.
    let url = format!("sqlite:{}", data.display());
    for name in ["plain.ndjson", "small.ndjson.gz"] {
        let made = run(dir.path(), &["backup", name, "--store", &url, "--json"]);
        assert!(made.status.success(), "{}", stderr(&made));
    }
    store.close().await;
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().len();
    assert!(size("small.ndjson.gz") * 2 < size("plain.ndjson"));
    let there = redis(&server, "posthaste", Some(3)).await;
    let restored = run(dir.path(), &["restore", "small.ndjson.gz", "--store", &server.url()]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert_same(&before, &content(&*there).await);
    let refused = run(dir.path(), &["restore", "plain.ndjson", "--store", &server.url()]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let again = run(dir.path(), &["restore", "plain.ndjson", "--merge", "--store", &server.url()]);
    assert!(again.status.success() && stdout(&again).contains("in place already"), "{}", stderr(&again));
    assert_same(&before, &content(&*there).await);
    // From Redis by way of pipes, into a directory of its own.
    let made = run(dir.path(), &["backup", "-", "--store", &server.url()]);
    std::fs::write(dir.path().join("piped"), &made.stdout).unwrap();
    let last = format!("sqlite:{}/last", dir.path().display());
    let piped = std::fs::File::open(dir.path().join("piped")).unwrap();
    let restored = posthaste(dir.path(), &["restore", "-", "--store", &last]).stdin(piped).output().unwrap();
    assert!(restored.status.success(), "{}", stderr(&restored));
    let last = sqlite(&dir.path().join("last")).await;
    assert_same(&before, &content(&*last).await);
    last.close().await;
    // A file that was cut changes nothing.
    let whole = std::fs::read(dir.path().join("plain.ndjson")).unwrap();
    std::fs::write(dir.path().join("cut"), &whole[..whole.len() - 40]).unwrap();
    let empty = format!("sqlite:{}/empty", dir.path().display());
    let refused = run(dir.path(), &["restore", "cut", "--store", &empty]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("cut"), "{}", stderr(&refused));
    assert!(!dir.path().join("empty").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let server = RedisServer::start(&RedisOptions::default());
    let store = sqlite(&dir.path().join("first")).await;
    furnish(&*store, 6_000).await;
    let before = content(&*store).await;
    store.close().await;
    let from = format!("sqlite:{}/first", dir.path().display());
    for name in ["first.gz", "second.gz"] {
        assert!(run(dir.path(), &["backup", name, "--store", &from]).status.success());
    }
    let to = server.url();
    let args = ["restore", "first.gz", "--store", &to];
    let there = redis(&server, "posthaste", None).await;
    let mut child = posthaste(dir.path(), &args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while by_state(&there.counts().await.unwrap()).iter().sum::<u64>() == 0 {}
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        by_state(&there.counts().await.unwrap()).iter().sum::<u64>() < 6_000,
        "done before it was killed"
    );
    // Another backup is not poured into it; the same one is gone on with.
    let other = run(dir.path(), &["restore", "second.gz", "--store", &to]);
    assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
    let again = run(dir.path(), &args);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(stdout(&again).contains("in place already"), "{}", stdout(&again));
    assert_same(&before, &content(&*there).await);
    let done = run(dir.path(), &args);
    assert_eq!(done.status.code(), Some(2), "it is whole, and no longer empty: {}", stderr(&done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_workers_live_is_not_moved() {
    let dir = tempfile::tempdir().unwrap();
    let server = RedisServer::start(&RedisOptions::default());
    let store = redis(&server, "posthaste", None).await;
    furnish(&*store, 10).await;
    let now = Timestamp::from_millis(0);
    let worker = posthaste_core::broker::WorkerInfo {
        id: WorkerId::new("w").unwrap(),
        host: "mail-1".into(),
        pid: 7,
        version: "1".into(),
        queues: vec![QueueName::default()],
        kinds: vec![kind("k")],
        slots: 1,
        running: 0,
        started_at: now,
        seen_at: now,
        stopping: false,
    };
    store.heartbeat(worker).await.unwrap();
    let (from, to) = (server.url(), format!("sqlite:{}/to", dir.path().display()));
    let refused = run(dir.path(), &["migrate", "--from", &from, "--to", &to]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("mail-1 (pid 7)"), "{}", stderr(&refused));
    let forced = run(dir.path(), &["migrate", "--from", &from, "--to", &to, "--force"]);
    assert!(forced.status.success(), "{}", stderr(&forced));
    let there = sqlite(&dir.path().join("to")).await;
    assert_eq!(by_state(&there.counts().await.unwrap()).iter().sum::<u64>(), 10);
    assert_eq!(there.counts().await.unwrap()[0].of(State::Running), 0);
}
