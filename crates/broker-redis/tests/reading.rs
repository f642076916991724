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
use posthaste_core::limits::{MAX_TENANT_ROUTES, Retention};
use posthaste_core::{
    BatchId, Broker, BrokerError, Clock, Delivery, Due, Expect, Failure, FailureClass, Json, Kind, LaneKey,
    Name, NewTask, OffsetClock, Outcome, Portable, QueueName, RecordKind, RecordOrder, Records, State,
    Subscription, TaskId, Tenant, Timestamp, Unique, UniqueHold, WorkerId,
};
use posthaste_testkit::{RedisOptions, RedisServer, Reply};
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

/// A task for somebody.
fn mail(n: usize, to: &str) -> NewTask {
    NewTask { recipient: Some(to.into()), ..task(n) }
}

fn of_recipient(to: &str) -> ListFilter {
    ListFilter { recipient: Some(to.into()), ..ListFilter::default() }
}

/// The digits under which a recipient is found.
fn digits(server: &RedisServer, to: &str) -> String {
    let digits = server.command(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", to]).text();
    digits[..12].to_owned()
}

/// The key of the bucket that holds a recipient's tasks.
fn bucket(server: &RedisServer, to: &str) -> String {
    let number = usize::from_str_radix(&digits(server, to)[..4], 16).expect("digits") % 512;
    format!("ph:{{posthaste:0}}:tb:{number}")
}

/// Where the store holds the hash of a recipient: names of keys whose text has it.
fn said(server: &RedisServer, to: &str) -> Vec<String> {
    const LOOK: &str =
        "local hash = string.gsub(ARGV[1], '..', function(d) return string.char(tonumber(d, 16)) end)
        local found = {}
        for _, key in ipairs(redis.call('KEYS', '*')) do
          if redis.call('TYPE', key).ok == 'string' and string.find(redis.call('GET', key), hash, 1, true)
            or string.find(key, ARGV[1], 1, true) then
            found[#found + 1] = key
          end
        end
        table.sort(found)
        return found";
    server.command(&["EVAL", LOOK, "0", &digits(server, to)]).rows().iter().map(|r| r.text()).collect()
}

/// As many tasks for others as make the log be sorted into buckets.
async fn sort_the_log(s: &Stand) {
    for part in 0..5 {
        put(&s.store, (0..1_000).map(|n| mail(n, &format!("email:x{part}.{n}@example.com"))).collect()).await;
    }
}

const LOG: &str = "ph:{posthaste:0}:tn";

#[tokio::test]
async fn a_recipients_tasks_are_found_wherever_they_are_noted() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let (ann, bob) = ("email:ann@example.com", "email:bob@example.com");
    let mut anns = Vec::new();
    let mut bobs = Vec::new();
    // 700 in a call of their own, others alone, some with ids that their callers made, some that are refused or there already.
    for round in 0..13 {
        let unique = Some(Unique { key: "u".into(), hold: UniqueHold::UntilFinal });
        let tasks = (0..700).map(|n| match n % 350 {
            0 => mail(n, ann),
            1 => NewTask { id: Some(own(round * 700 + n)), ..mail(n, ann) },
            2 => task(n),
            _ => mail(n, &format!("email:r{round}.{n}@example.com")),
        });
        let tasks: Vec<NewTask> = tasks.collect();
        let stored = put(&s.store, tasks.clone()).await;
        anns.extend(
            tasks.iter().zip(stored).filter(|(t, _)| t.recipient.as_deref() == Some(ann)).map(|(_, id)| id),
        );
        let again = EnqueueRequest {
            tasks: vec![NewTask { id: Some(own(round * 700 + 1)), ..mail(1, ann) }],
            idempotency: None,
        };
        assert!(matches!(s.store.enqueue(again).await, Err(BrokerError::IdExists { .. })));
        let first = put(&s.store, vec![NewTask { unique, ..mail(1, bob) }, mail(2, ann)]).await;
        bobs.extend((round == 0).then_some(first[0]));
        anns.push(first[1]);
        s.clock.advance(Duration::from_millis(1));
    }
    assert!(!said(&server, ann).is_empty());
    assert!(server.command(&["EXISTS", &bucket(&server, ann)]).text() == "1", "nothing was sorted");
    for limit in [3, 20, 500] {
        same_once(&pages(&s.store, of_recipient(ann), limit).await, &anns);
        same_once(&pages(&s.store, of_recipient(bob), limit).await, &bobs);
    }
    let nobody = pages(&s.store, of_recipient("email:nobody@example.com"), 10).await;
    assert_eq!(nobody, []);
}

#[tokio::test]
async fn an_erased_task_leaves_nothing_of_its_recipient() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let ann = "email:ann@example.com";
    let erase = async |ids: &[TaskId]| {
        s.store.cancel(ids).await.expect("cancel");
        s.store.erase(ids).await.expect("erase");
    };
    let logged = put(&s.store, vec![mail(0, ann), mail(1, "email:bob@example.com"), mail(2, ann)]).await;
    assert_eq!(said(&server, ann), [LOG]);
    erase(&[logged[0]]).await;
    assert_eq!(said(&server, ann), [LOG], "the other one is still noted");
    assert_eq!(pages(&s.store, of_recipient(ann), 10).await.len(), 1);
    erase(&[logged[2]]).await;
    assert_eq!(said(&server, ann), [""; 0]);
    let more = put(
        &s.store,
        (0..300).map(|n| mail(n, if n % 100 == 7 { ann } else { "email:cy@example.com" })).collect(),
    )
    .await;
    let apart = put(&s.store, vec![NewTask { id: Some(own(1)), ..mail(0, ann) }]).await;
    sort_the_log(&s).await;
    let set = format!("ph:{{posthaste:0}}:to:{}", digits(&server, ann));
    assert_eq!(said(&server, ann), [bucket(&server, ann), set.clone()]);
    erase(&apart).await;
    assert_eq!(said(&server, ann), [bucket(&server, ann)]);
    erase(&[more[7], more[207]]).await;
    assert_eq!(said(&server, ann), [bucket(&server, ann)]);
    assert_eq!(pages(&s.store, of_recipient(ann), 10).await.len(), 1);
    erase(&[more[107]]).await;
    assert_eq!(said(&server, ann), [""; 0]);
    assert_eq!(pages(&s.store, of_recipient("email:cy@example.com"), 500).await.len(), 297);
}

#[tokio::test]
async fn what_is_noted_of_recipients_and_batches_goes_with_their_tasks() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let (ann, bob) = ("email:ann@example.com", "email:bob@example.com");
    let batch: BatchId = "01890000-0000-7000-8000-0000000000b0".parse().expect("a UUID");
    let of_batch = || ListFilter { batch: Some(batch), ..ListFilter::default() };
    let in_batch = |t: NewTask| NewTask { batch: Some(batch), ..t };
    let later = Due::After(Duration::from_secs(3_600));
    let lives = put(&s.store, vec![NewTask { due: later, ..mail(0, ann) }]).await[0];
    let mut ids = put(&s.store, (0..20).map(|n| in_batch(mail(n, bob))).collect()).await;
    ids.extend(
        put(&s.store, vec![in_batch(NewTask { id: Some(own(1)), ..task(0) }), in_batch(task(1))]).await,
    );
    same_once(&pages(&s.store, of_batch(), 7).await, &ids);
    sort_the_log(&s).await;
    loop {
        let claimed = claim(&s.store, 1_000).await;
        if claimed.is_empty() {
            break;
        }
        end(&s.store, &claimed, Outcome::done()).await;
        s.clock.advance(Duration::from_millis(1));
    }
    // Each sweep looks at some buckets, all of them within 64.
    for _ in 0..70 {
        s.store.tick().await.expect("tick");
    }
    let left = pages(&s.store, ListFilter::default(), 10).await;
    assert_eq!(left.len(), 2, "the one that is due later and the last that succeeded");
    same_once(&pages(&s.store, of_recipient(ann), 10).await, &[lives]);
    assert_eq!(pages(&s.store, of_recipient(bob), 10).await, []);
    assert_eq!(pages(&s.store, of_batch(), 10).await, []);
    let of = |pattern: &str| server.command(&["KEYS", pattern]).rows().len();
    assert!(of("*:tb:*") <= 2, "buckets are left: {}", of("*:tb:*"));
    assert_eq!(of("*:b*:01890000*") + of("*:bg"), 0, "lists of batches are left");
}

#[tokio::test]
async fn a_long_bucket_is_read_in_parts_and_has_a_bound() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let (ann, bob) = ("email:ann@example.com", "email:bob@example.com");
    let mut anns = put(&s.store, vec![mail(0, ann)]).await;
    anns.extend(put(&s.store, vec![NewTask { id: Some(own(1)), ..mail(0, ann) }]).await);
    sort_the_log(&s).await;
    s.clock.advance(Duration::from_millis(1));
    // As if somebody else of her bucket had 200,000 tasks since: as many entries of nobody, under keys of this millisecond.
    const FILL: &str =
        "local entry = string.rep('\\0', 6) .. struct.pack('>I6', ARGV[1] * 64) .. string.rep('\\0', 6)
        return redis.call('APPEND', KEYS[1], string.rep(entry, ARGV[2]))";
    let fill = |n: usize| {
        let now = s.clock.wall().as_millis().to_string();
        server.command(&["EVAL", FILL, "1", &bucket(&server, ann), &now, &n.to_string()])
    };
    fill(200_000);
    s.clock.advance(Duration::from_millis(1));
    anns.extend(put(&s.store, vec![mail(0, ann)]).await);
    sort_the_log(&s).await;
    for limit in [1, 10] {
        same_once(&pages(&s.store, of_recipient(ann), limit).await, &anns);
    }
    // Beyond its bound the older half leaves, and who has been there is looked for among all.
    s.clock.advance(Duration::from_millis(1));
    fill(64 * 1024 * 1024 / 18);
    s.clock.advance(Duration::from_millis(1));
    anns.extend(put(&s.store, vec![mail(0, ann), mail(0, bob)]).await.into_iter().take(1));
    sort_the_log(&s).await;
    let length: usize = server.command(&["STRLEN", &bucket(&server, ann)]).text().parse().expect("a number");
    assert!(length < 40 * 1024 * 1024, "{length} bytes");
    same_once(&pages(&s.store, of_recipient(ann), 10).await, &anns);
}

#[tokio::test]
async fn what_has_left_a_recipients_own_set_is_found_between_what_is_noted_elsewhere() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    let ann = "email:ann@example.com";
    let mut anns = Vec::new();
    // Those with ids of their callers fill her own set beyond its bound; those between them are in her bucket.
    for round in 0..4 {
        anns.extend(put(&s.store, vec![mail(0, ann)]).await);
        let given = (0..400).map(|n| NewTask { id: Some(own(round * 400 + n)), ..mail(n, ann) }).collect();
        anns.extend(put(&s.store, given).await);
        s.clock.advance(Duration::from_millis(1));
    }
    sort_the_log(&s).await;
    assert_eq!(server.command(&["ZCARD", "ph:{posthaste:0}:toc"]).text(), "1");
    for limit in [40, 500] {
        same_once(&pages(&s.store, of_recipient(ann), limit).await, &anns);
    }
    // As if all that the set still holds had gone.
    let set = format!("ph:{{posthaste:0}}:to:{}", digits(&server, ann));
    server.command(&["DEL", &set]);
    same_once(&pages(&s.store, of_recipient(ann), 500).await, &anns);
}

/// A task of a tenant, in the default lane of its queue.
fn of_tenant(tenant: &str, queue: &str, kind: &str) -> NewTask {
    NewTask {
        tenant: Some(Tenant::new(tenant).expect("valid")),
        queue: QueueName::new(queue).expect("valid"),
        kind: Kind::new(kind).expect("valid"),
        lane: None,
        ..task(0)
    }
}

#[tokio::test]
async fn what_few_names_of_a_tenant_make_together_is_bounded() {
    const QUEUES: usize = 100;
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    for q in 0..QUEUES {
        let kinds = 0..MAX_TENANT_ROUTES / QUEUES;
        let tasks = kinds.map(|k| of_tenant("acme", &format!("q{q}"), &format!("k{k}")));
        put(&s.store, tasks.collect()).await;
    }
    let beyond = || of_tenant("acme", "q0", "new");
    let tasks = vec![of_tenant("acme", "q0", "k0"), of_tenant("other", "q0", "new"), beyond()];
    let refused = s.store.enqueue(EnqueueRequest { tasks, idempotency: None }).await;
    assert!(
        matches!(&refused, Err(BrokerError::Invalid { index: 2, field: "lane", problem, .. })
            if problem.contains("combinations") && problem.contains("7 days")),
        "{refused:?}"
    );
    put(&s.store, vec![of_tenant("acme", "q0", "k0"), of_tenant("other", "q0", "new")]).await;
    s.clock.advance(Duration::from_secs(8 * 24 * 3600));
    put(&s.store, vec![beyond()]).await;
}

#[tokio::test]
async fn a_tenant_that_has_left_leaves_no_names() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    put(&s.store, vec![NewTask { lane: task(0).lane, ..of_tenant("acme", "mail", "notify") }]).await;
    let day = 24 * 3600;
    for what in ["nt", "lt", "xt", "nd"] {
        let left = server.command(&["TTL", &format!("ph:{{posthaste:0}}:{what}:acme")]);
        // What was used a week ago still counts.
        assert!(matches!(left, Reply::Number(left) if left > 7 * day && left <= 8 * day), "{what}: {left:?}");
    }
    assert_eq!(server.command(&["EXISTS", "ph:{posthaste:0}:nd"]).text(), "0");
}

#[tokio::test]
async fn a_queue_that_a_tenant_named_first_has_no_bulkhead() {
    let server = RedisServer::start(&RedisOptions::default());
    let s = stand(&server, 1).await;
    put(&s.store, (0..5).map(|_| of_tenant("acme", "mail", "notify")).collect()).await;
    let keyed = (0..5).map(|_| NewTask { lane: task(0).lane, ..of_tenant("acme", "lanes", "notify") });
    put(&s.store, keyed.collect()).await;
    for (queue, started) in [("mail", 5), ("lanes", 2)] {
        let request = ClaimRequest {
            worker: WorkerId::new("h:1:a").expect("valid"),
            queues: vec![QueueName::new(queue).expect("valid")],
            max: 5,
            start: 5,
            lease: Duration::from_secs(15),
            per_target: Some(2),
            held: Vec::new(),
        };
        let claimed = s.store.claim(request).await.expect("claim");
        assert_eq!(claimed.len(), started, "{queue}: a default lane has no target to protect others from");
    }
}
