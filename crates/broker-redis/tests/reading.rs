//! What the suite of all stores cannot see: pages over several shards, events and rings between processes, and what goes
//! on when a server has no memory left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_conformance::FixedClock;
use posthaste_broker_redis::{RedisConfig, RedisStore, StoreClock};
use posthaste_core::broker::{
    ClaimRequest, EnqueueRequest, ListFilter, ListRequest, SettleRequest, Settlement, WorkerInfo,
};
use posthaste_core::limits::Retention;
use posthaste_core::{
    BatchId, Broker, BrokerError, Clock, Delivery, Expect, Failure, FailureClass, Json, Kind, LaneKey, Name,
    NewTask, OffsetClock, Outcome, QueueName, RecordKind, RecordOrder, Records, State, Subscription, TaskId,
    Timestamp, WorkerId,
};
use posthaste_testkit::{RedisOptions, RedisServer};
use tokio::time::timeout;

/// A store and the clock that it goes by.
struct Stand {
    store: Arc<RedisStore>,
    clock: OffsetClock,
    config: RedisConfig,
}

async fn stand(server: &RedisServer, shards: u16) -> Stand {
    let clock = OffsetClock::new(Arc::new(FixedClock::default()));
    let given = StoreClock::Given(Arc::new(clock.clone()));
    // One succeeded task is kept, so that a tick removes the others.
    let retention = Retention { succeeded_count: 1, ..Retention::default() };
    let config =
        RedisConfig { shards: Some(shards), clock: given, retention, ..RedisConfig::new(server.url()) };
    let store = RedisStore::open(config.clone()).expect("the configuration is good");
    store.check().await.expect("the store is found");
    Stand { store, clock, config }
}

/// Another process at the same store.
fn another(stand: &Stand) -> Arc<RedisStore> {
    RedisStore::open(stand.config.clone()).expect("the configuration is good")
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

fn task(n: usize) -> NewTask {
    let lane = LaneKey::target(Name::new(format!("t{}", n % 7)).expect("valid"));
    NewTask { lane: Some(lane), ..NewTask::new(Kind::notify(), Json::from_trusted(n.to_string())) }
}

async fn put(store: &RedisStore, tasks: Vec<NewTask>) -> Vec<TaskId> {
    let request = EnqueueRequest { tasks, idempotency: None };
    store.enqueue(request).await.expect("enqueue").tasks.iter().map(|t| t.id).collect()
}

/// An id that the caller made.
fn own(n: usize) -> TaskId {
    format!("{:08x}-0000-4000-8000-{n:012x}", n.wrapping_mul(2_654_435_761) % (1 << 32))
        .parse()
        .expect("a UUID")
}

async fn pages(store: &RedisStore, filter: ListFilter, limit: usize) -> Vec<(Timestamp, TaskId)> {
    let mut request = ListRequest { filter, limit, ..ListRequest::default() };
    let mut found = Vec::new();
    for _ in 0..2_000 {
        let page = store.list(request.clone()).await.expect("list");
        assert!(page.tasks.len() <= limit);
        found.extend(page.tasks.iter().map(|t| (t.created_at, t.id)));
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return found,
        }
    }
    panic!("the list has no end");
}

fn same_once(found: &[(Timestamp, TaskId)], stored: &[TaskId]) {
    assert!(found.is_sorted_by(|a, b| a.0 >= b.0), "not newest first");
    let ids: HashSet<_> = found.iter().map(|(_, id)| *id).collect();
    assert_eq!((found.len(), &ids), (stored.len(), &stored.iter().copied().collect()));
}

async fn claim(store: &RedisStore, max: usize) -> Vec<posthaste_core::Claimed> {
    let request = ClaimRequest {
        worker: WorkerId::new("h:1:a").expect("valid"),
        queues: vec![QueueName::default()],
        max,
        start: max,
        lease: Duration::from_secs(15),
        per_target: None,
        held: Vec::new(),
    };
    store.claim(request).await.expect("claim")
}

async fn end(store: &RedisStore, claimed: &[posthaste_core::Claimed], outcome: Outcome) {
    let settlements =
        claimed.iter().map(|c| Settlement { lease: c.lease, outcome: outcome.clone() }).collect();
    store.settle(SettleRequest { settlements, ..SettleRequest::default() }).await.expect("settle");
}

#[tokio::test]
async fn pages_over_shards_hold_each_task_once_newest_first() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 5).await;
    let mut stored = Vec::new();
    for round in 0..6 {
        // Several of one millisecond, of both kinds of id.
        let tasks = (0..40).map(|n| {
            let n: usize = round * 40 + n;
            NewTask { id: n.is_multiple_of(3).then(|| own(n)), ..task(n) }
        });
        stored.extend(put(&s.store, tasks.collect()).await);
        s.clock.advance(Duration::from_millis(round as u64 % 3));
    }
    for limit in [1, 7, 40, 200] {
        same_once(&pages(&s.store, ListFilter::default(), limit).await, &stored);
    }
    let running = claim(&s.store, 30).await;
    let ids: Vec<TaskId> = running.iter().map(|c| c.lease.task).collect();
    let of = |states: &[State]| ListFilter { states: states.to_vec(), ..ListFilter::default() };
    same_once(&pages(&s.store, of(&[State::Running]), 4).await, &ids);
    end(&s.store, &running[..20], Outcome::Failure(Failure::new(FailureClass::Permanent, "no"))).await;
    let waiting: Vec<TaskId> = stored.iter().copied().filter(|id| !ids.contains(id)).take(10).collect();
    s.store.cancel(&waiting).await.expect("cancel");
    let (failed, cancelled) = (&ids[..20], &waiting[..]);
    same_once(&pages(&s.store, of(&[State::Failed]), 3).await, failed);
    same_once(
        &pages(&s.store, of(&[State::Failed, State::Cancelled]), 3).await,
        &[failed, cancelled].concat(),
    );
    same_once(&pages(&s.store, of(&[State::Expired]), 3).await, &[]);
}

#[tokio::test]
async fn pages_go_on_while_the_oldest_leave_the_list() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let batch: BatchId = "01890000-0000-7000-8000-0000000000b0".parse().expect("a UUID");
    let lives = put(&s.store, vec![NewTask { batch: Some(batch), ..task(0) }]).await[0];
    for _ in 0..3 {
        s.clock.advance(Duration::from_secs(1));
        put(&s.store, (0..1_000).map(task).collect()).await;
    }
    let mut request = ListRequest { limit: 10, ..ListRequest::default() };
    let first = s.store.list(request.clone()).await.expect("list");
    request.cursor = first.next_cursor;
    s.store.cancel(&[lives]).await.expect("cancel");
    for _ in 0..3 {
        let claimed = claim(&s.store, 1_000).await;
        end(&s.store, &claimed, Outcome::done()).await;
    }
    while s.store.tick().await.expect("tick").pruned > 0 {}
    // What lives stands before all that went, and is moved so that its place frees the rest.
    s.store.tick().await.expect("tick");
    let kept = pages(&s.store, ListFilter::default(), 10).await;
    assert!(kept.iter().any(|(_, id)| *id == lives), "a task is lost to the list");
    let by_batch = ListFilter { batch: Some(batch), ..ListFilter::default() };
    assert_eq!(pages(&s.store, by_batch, 10).await.len(), 1);
    let page = s.store.list(request).await.expect("list");
    assert!(page.tasks.iter().all(|t| kept.iter().any(|(_, id)| *id == t.id)));
}

async fn event(watch: &mut Box<dyn Subscription>) -> Option<TaskId> {
    match soon("a delivery", watch.next()).await {
        Some(Delivery::Events(events)) => Some(events[0].id),
        Some(Delivery::Missed) => None,
        None => panic!("the subscription ended"),
    }
}

#[tokio::test]
async fn what_another_process_does_is_told() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 3).await;
    let other = another(&s);
    let mut watch = s.store.subscribe(None);
    // Whatever this process asks after it subscribed comes after the subscription.
    s.store.counts().await.expect("counts");
    for n in 0..7 {
        let id = put(&other, vec![task(n)]).await[0];
        assert_eq!(event(&mut watch).await, Some(id));
    }
}

#[tokio::test]
async fn a_watcher_reads_again_after_an_outage_and_then_is_told_as_before() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let mut watch = s.store.subscribe(None);
    let id = put(&s.store, vec![task(0)]).await[0];
    assert_eq!(event(&mut watch).await, Some(id));
    server.kill();
    server.restart();
    assert_eq!(event(&mut watch).await, None);
    let id = soon("the store", async {
        loop {
            let request = EnqueueRequest { tasks: vec![task(1)], idempotency: None };
            if let Ok(reply) = s.store.enqueue(request).await {
                return reply.tasks[0].id;
            }
        }
    })
    .await;
    assert_eq!(event(&mut watch).await, Some(id));
    s.store.close().await;
    assert!(soon("the end", watch.next()).await.is_none());
}

#[tokio::test]
async fn work_that_another_process_brings_wakes() {
    let server = RedisServer::start(&RedisOptions::default());
    for shards in [1, 4] {
        server.command(&["FLUSHALL"]);
        let s = stand(&server, shards).await;
        let other = another(&s);
        let mut bell = s.store.wakeups();
        for n in 0..7 {
            put(&other, vec![task(n)]).await;
            soon("the ring for another process's work", bell.wait()).await;
        }
    }
}

#[tokio::test]
async fn nobody_publishes_where_nobody_watches() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    put(&s.store, vec![task(0)]).await;
    assert_eq!(server.command(&["HEXISTS", "ph:{posthaste:0}:m", "watch"]).text(), "0");
    let _watch = s.store.subscribe(Some(own(1)));
    put(&s.store, vec![task(0)]).await;
    let until: i64 = server.command(&["HGET", "ph:{posthaste:0}:m", "watch"]).text().parse().expect("a time");
    assert!(until > s.clock.wall().as_millis());
}

#[tokio::test]
async fn messages_of_the_sandbox_are_listed_over_shards() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 4).await;
    let mut names: Vec<String> = (0..20).map(|n| own(n).to_string()).collect();
    names.push("of no task".into());
    for name in &names {
        let body = Json::from_trusted("{}".into());
        s.store.put_record(RecordKind::SandboxMessage, name, body, Expect::Absent).await.expect("put");
    }
    names.sort();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let list =
            s.store.list_records(RecordKind::SandboxMessage, RecordOrder::Ascending, after.as_deref(), 6);
        let list = list.await.expect("list");
        let Some(last) = list.last() else { break };
        after = Some(last.name.clone());
        found.extend(list.into_iter().map(|r| r.name));
    }
    assert_eq!(found, names);
    assert!(
        s.store
            .delete_record(RecordKind::SandboxMessage, &names[3], Expect::Version(1))
            .await
            .expect("delete")
    );
    assert!(s.store.get_record(RecordKind::SandboxMessage, &names[3]).await.expect("get").is_none());
}

#[tokio::test]
async fn without_memory_records_are_refused_and_workers_are_heard() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 2).await;
    let body = || Json::from_trusted("{}".into());
    s.store.put_record(RecordKind::Setting, "a", body(), Expect::Any).await.expect("put");
    assert!(s.store.health().await.writable);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = s.store.put_record(RecordKind::Setting, "b", body(), Expect::Any).await;
    assert!(matches!(&refused, Err(BrokerError::Full { what }) if what.contains("maxmemory")), "{refused:?}");
    let health = s.store.health().await;
    assert!(!health.writable && health.problem.is_some_and(|p| p.contains("maxmemory")));
    let worker = WorkerInfo {
        id: WorkerId::new("h:1:a").expect("valid"),
        host: "h".into(),
        pid: 1,
        version: "1".into(),
        queues: vec![QueueName::default()],
        kinds: Vec::new(),
        slots: 1,
        running: 0,
        started_at: s.clock.wall(),
        seen_at: Timestamp::from_millis(0),
        stopping: false,
    };
    s.store.heartbeat(worker).await.expect("heartbeat");
    assert_eq!(s.store.workers().await.expect("workers")[0].seen_at, s.clock.wall());
    assert!(s.store.delete_record(RecordKind::Setting, "a", Expect::Any).await.expect("delete"));
}
