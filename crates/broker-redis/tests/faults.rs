//! What happens to Redis happens to no accepted task, and a handle works again by itself.

mod load;

use std::time::Duration;

use load::{Load, claim, open, settle, soon, tasks};
use posthaste_core::broker::{EnqueueRequest, ListRequest, SettleRequest, Settled, Settlement};
use posthaste_core::{Broker, BrokerError, IdempotencyKey, NewTask, Outcome, Portable as _, State};
use posthaste_testkit::{Appendonly, RedisCluster, RedisOptions, RedisServer, Reply, task};
use serde_json::json;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_started_again() {
    let server = RedisServer::start(&RedisOptions::durable(Appendonly::Always));
    let (store, clock) = open(&server.url(), 1);
    let mut load = Load::start(&store, &clock);
    for _ in 0..3 {
        load.goes_on(500).await;
        server.kill();
        let refused = soon("an error", async {
            loop {
                if let Err(error) = store.enqueue(tasks(1)).await {
                    return error;
                }
            }
        });
        assert!(matches!(refused.await, BrokerError::Unavailable { .. }));
        server.restart();
    }
    load.goes_on(500).await;
    load.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_made_while_redis_is_away_works_when_it_comes() {
    let server = RedisServer::start(&RedisOptions::default());
    server.kill();
    let (store, clock) = open(&server.url(), 1);
    let away = soon("an answer", store.enqueue(tasks(1))).await;
    assert!(matches!(&away, Err(BrokerError::Unavailable { why }) if why.contains("refused")), "{away:?}");
    server.restart();
    let mut load = Load::start(&store, &clock);
    load.goes_on(100).await;
    load.nothing_is_lost().await;
}

/// What drives a connection lives in the runtime that made it. The lease keeper has one of its own for just that reason.
#[test]
fn a_runtime_that_is_blocked_or_over_takes_nothing_from_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = RedisServer::start(&RedisOptions::default());
    let (store, _clock) = open(&server.url(), 1);
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let first = std::thread::spawn({
        let store = store.clone();
        move || {
            runtime().block_on(async {
                store.enqueue(tasks(1)).await.expect("it is connected");
                begun.send(()).expect("the test listens");
                blocked.recv().expect("the test lets go");
            });
        }
    });
    begins.recv().expect("it enqueues");
    let second = runtime();
    let waiting = |counts: Vec<posthaste_core::broker::QueueCounts>| counts[0].of(State::Queued);
    let counts =
        second.block_on(soon("the counters", store.counts())).expect("the other is blocked, not this one");
    assert_eq!(waiting(counts), 1);
    unblock.send(()).expect("it waits");
    first.join().expect("it ends");

    // The way back is looked for in the runtime that lost it: another one does not wait for that.
    server.kill();
    let away = second.block_on(soon("an answer", store.counts()));
    assert!(matches!(away, Err(BrokerError::Unavailable { .. })), "{away:?}");
    drop(second);
    server.restart();
    let third = runtime().block_on(soon("the counters", store.counts())).expect("Redis is back");
    assert!(third.is_empty(), "it kept nothing on disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_away_holds_up_only_what_lies_in_it() {
    let cluster = RedisCluster::start_with(3, Appendonly::Always);
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let (store, _clock) = open(&cluster.url(), 4);
    store.enqueue(tasks(50)).await.expect("enqueue");
    let mut claimed = Vec::new();
    while claimed.len() < 50 {
        claimed.extend(store.claim(claim(50 - claimed.len())).await.expect("work is handed out"));
    }
    store.enqueue(tasks(50)).await.expect("enqueue");
    // The master of the first shard in which something runs; beside what runs, each has one entry that means nothing.
    let key = |shard: u16, name: &str| format!("ph:{{posthaste:{shard}}}:{name}");
    let owner = |shard: &u16| cluster.owner_of(cluster.slot_of(&key(*shard, "m")));
    let runs = |shard: &u16| {
        matches!(cluster.node(owner(shard)).command(&["HLEN", &key(*shard, "run")]), Reply::Number(2..))
    };
    let lost = owner(&(0..4).find(runs).expect("something runs"));
    cluster.node(lost).kill();
    let done = |claimed: &[posthaste_core::Claimed]| SettleRequest {
        settlements: claimed
            .iter()
            .map(|c| Settlement { lease: c.lease, outcome: Outcome::done() })
            .collect(),
        started: Vec::new(),
        claim: Some(claim(20)),
    };
    let reply = soon("an answer", store.settle(done(&claimed))).await.expect("two masters are there");
    let count = |what: Settled| reply.settled.iter().filter(|s| **s == what).count();
    let (settled, unanswered) = (count(Settled::Settled(State::Succeeded)), count(Settled::Unanswered));
    assert_eq!(settled + unanswered, 50, "{:?}", reply.settled);
    assert!(settled > 0 && unanswered > 0, "{settled} settled, {unanswered} unanswered");
    assert!(!reply.claimed.is_empty(), "the others have work");
    let leases: Vec<_> = claimed.iter().map(|c| c.lease).collect();
    let flags = soon("the flags", store.cancel_flags(&leases)).await.expect("of the others they are known");
    let settled_is_told =
        reply.settled.iter().zip(&flags).all(|(s, flag)| (*s != Settled::Unanswered) == *flag);
    assert!(settled_is_told, "what is settled is no lease any more; of what is away nothing is known");
    cluster.node(lost).restart();
    let left: Vec<_> = claimed
        .into_iter()
        .zip(reply.settled)
        .filter(|(_, s)| *s == Settled::Unanswered)
        .map(|(c, _)| c)
        .collect();
    let again = soon("the rest", async {
        loop {
            match store.settle(done(&left)).await {
                Ok(reply) if !reply.settled.contains(&Settled::Unanswered) => return reply,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(again.settled.len(), left.len());
}

/// Nobody waits for a claim of a server that stands still; what it hands out when it goes on must not wait for its leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_out_too_late_is_given_back() {
    let cluster = RedisCluster::start(3);
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let (store, _clock) = open(&cluster.url(), 4);
    store.enqueue(tasks(50)).await.expect("enqueue");
    let key = |shard: u16, name: &str| format!("ph:{{posthaste:{shard}}}:{name}");
    let owner = |shard: u16| cluster.owner_of(cluster.slot_of(&key(shard, "m")));
    let waiting = |shard: &u16| {
        matches!(cluster.node(owner(*shard)).command(&["HLEN", &key(*shard, "t")]), Reply::Number(1..))
    };
    let still = cluster.node(owner((0..4).find(waiting).expect("something waits")));
    still.pause();
    let mut claimed = Vec::new();
    while let Ok(more) = store.claim(claim(50)).await
        && !more.is_empty()
    {
        claimed.extend(more);
    }
    assert!(!claimed.is_empty() && claimed.len() < 50, "the others have work: {}", claimed.len());
    still.resume();
    soon("the rest", async {
        while claimed.len() < 50 {
            claimed.extend(store.claim(claim(50)).await.unwrap_or_default());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stands_still_for_a_while() {
    let server = RedisServer::start(&RedisOptions::default());
    let (store, clock) = open(&server.url(), 1);
    let mut load = Load::start(&store, &clock);
    for _ in 0..3 {
        load.goes_on(500).await;
        server.pause();
        assert!(
            timeout(Duration::from_millis(200), store.counts()).await.is_err(),
            "it answers although it stands still"
        );
        server.resume();
        soon("the counters", store.counts()).await.expect("the same handle goes on");
    }
    load.goes_on(500).await;
    server.command(&["CLIENT", "PAUSE", "300", "ALL"]);
    load.goes_on(500).await;
    server.command(&["CLIENT", "PAUSE", "300", "WRITE"]);
    load.goes_on(500).await;
    load.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_cut_and_scripts_are_flushed() {
    let server = RedisServer::start(&RedisOptions::default());
    let (store, clock) = open(&server.url(), 1);
    let mut load = Load::start(&store, &clock);
    for round in 0..20 {
        load.goes_on(100).await;
        if round % 2 == 0 {
            server.command(&["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]);
        } else {
            server.command(&["SCRIPT", "FLUSH", "SYNC"]);
        }
    }
    load.goes_on(100).await;
    load.nothing_is_lost().await;
}

/// A hundred kilobytes a task, so that memory is soon at its end.
fn large(n: usize) -> EnqueueRequest {
    let task = task("job", json!("x".repeat(100_000)));
    EnqueueRequest { tasks: vec![NewTask { unique: None, ..task }; n], idempotency: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_reaches_its_end() {
    let server = RedisServer::start(&RedisOptions { maxmemory: Some(32 << 20), ..RedisOptions::default() });
    let (store, _clock) = open(&server.url(), 1);
    let mut accepted = Vec::new();
    let full = loop {
        match store.enqueue(large(3)).await {
            Ok(reply) => accepted.extend(reply.tasks.iter().map(|t| t.id)),
            Err(error) => break error,
        }
        assert!(accepted.len() < 10_000, "it takes more than it has room for");
    };
    assert!(matches!(&full, BrokerError::Full { what } if what.contains("maxmemory")), "{full}");
    let waiting: u64 = store.counts().await.expect("reads go on").iter().map(|q| q.of(State::Queued)).sum();
    assert_eq!(waiting, accepted.len() as u64, "of what was refused nothing is stored");
    let mut finished = 0;
    while finished < accepted.len() {
        // A claim is bounded by its bytes too, so it hands out fewer than it was asked for, but some.
        let claimed = store.claim(claim(50)).await.expect("work is handed out");
        assert!(!claimed.is_empty(), "{finished} of {} came out", accepted.len());
        finished += settle(&store, &claimed).await.expect("and finished");
    }
    for found in store.get(&accepted).await.expect("get") {
        assert_eq!(found.expect("accepted").state, State::Succeeded);
    }
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "0"]), Reply::Text("OK".to_owned()));
    store.enqueue(large(3)).await.expect("there is room again");
}

/// What a failover may lose of a request over several shards is where its key is remembered; its tasks are elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_finds_its_tasks_though_the_reservation_is_lost() {
    let server = RedisServer::start(&RedisOptions::default());
    let (store, _clock) = open(&server.url(), 8);
    let request = |key: &str, n: usize| {
        let fingerprint = [u8::try_from(n).expect("a few"); 32];
        let idempotency =
            IdempotencyKey { tenant: None, operation: "tasks", key: key.to_owned(), fingerprint };
        EnqueueRequest { idempotency: Some(idempotency), ..tasks(n) }
    };
    // The note of the whole request, and none of what a shard has of it.
    let forget = |key: &str| {
        const FORGET: &str = "local gone = 0
            for _, key in ipairs(redis.call('KEYS', '*:idem:*')) do
              for _, name in ipairs(redis.call('HKEYS', key)) do
                if string.find(name, ARGV[1], 1, true) and not string.find(name, 'in part', 1, true) then
                  gone = gone + redis.call('HDEL', key, name)
                end
              end
            end
            return gone";
        server.command(&["EVAL", FORGET, "0", key])
    };
    let ids = |reply: posthaste_core::broker::EnqueueReply| {
        reply.tasks.into_iter().map(|task| task.id).collect::<Vec<_>>()
    };
    for (key, n) in [("one", 1), ("five", 5), ("many", 40)] {
        let first = ids(store.enqueue(request(key, n)).await.expect("enqueue"));
        assert_eq!(first.len(), n);
        let again = store.enqueue(request(key, n)).await.expect("a repeat");
        assert!(again.replayed);
        assert_eq!(ids(again), first);
        assert_eq!(forget(key), Reply::Number(1), "where the key is remembered");
        assert_eq!(ids(store.enqueue(request(key, n)).await.expect("a repeat")), first, "{key}");
        let other = store.enqueue(request(key, n + 1)).await;
        assert!(matches!(other, Err(BrokerError::IdempotencyMismatch)), "{other:?}");
    }
    let stored: u64 = store.counts().await.expect("counts").iter().map(|q| q.of(State::Queued)).sum();
    assert_eq!(stored, 46, "each once");
    let exported = store.export(None, 1_000).await.expect("export");
    assert!(!format!("{exported:?}").contains("in part"), "what lies in a shard is of use there alone");
}

/// As the server does at the start, and though its policy was another one then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eviction_is_noticed_when_it_is_switched_on() {
    let server = RedisServer::start(&RedisOptions::default());
    let (store, _clock) = open(&server.url(), 1);
    store.enqueue(tasks(1)).await.expect("enqueue");
    for policy in ["allkeys-lru", "allkeys-random"] {
        server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let health = store.health().await;
        assert!(!health.writable && health.problem.is_some_and(|p| p.contains(policy)));
        let refused = soon("a refusal", async {
            loop {
                if let Err(error) = store.enqueue(tasks(1)).await {
                    return error.to_string();
                }
            }
        });
        let why = refused.await;
        assert!(why.contains(policy) && why.contains("noeviction"), "{why}");
        assert!(!store.claim(claim(1)).await.expect("what is there is handed out").is_empty());
        server.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
        soon("an accepted task", async { while store.enqueue(tasks(1)).await.is_err() {} }).await;
        assert!(store.health().await.writable);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_while_tasks_are_written() {
    let cluster = RedisCluster::start(3);
    let (store, clock) = open(&cluster.url(), 4);
    let mut load = Load::start(&store, &clock);
    for round in 0..8 {
        load.goes_on(200).await;
        let slot = cluster.slot_of(&format!("ph:{{posthaste:{}}}:m", round % 4));
        let to = (cluster.owner_of(slot) + 1) % 3;
        cluster.move_slot(slot, to);
    }
    load.goes_on(500).await;
    load.nothing_is_lost().await;
}

/// Breaks the records of the tasks whose payload says `word`: what they hold is no text any more.
fn break_records(server: &RedisServer, word: &str) {
    let script = "for _, k in ipairs(redis.call('HKEYS', KEYS[1])) do local v = redis.call('HGET', KEYS[1], k) \
                  redis.call('HSET', KEYS[1], k, (string.gsub(v, ARGV[1], string.rep(string.char(255), #ARGV[1])))) end";
    server.command(&["EVAL", script, "1", "ph:{posthaste:0}:t", word]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_its_task_alone() {
    let server = RedisServer::start(&RedisOptions::default());
    let (store, _clock) = open(&server.url(), 1);
    let payloads = ["good", "broken", "good"];
    let tasks = payloads.iter().map(|p| task("job", json!(p))).collect();
    let put = store.enqueue(EnqueueRequest { tasks, idempotency: None }).await.expect("stored");
    let ids: Vec<_> = put.tasks.iter().map(|t| t.id).collect();
    break_records(&server, "broken");

    let page = store.list(ListRequest::default()).await.expect("the others are listed");
    assert_eq!(page.tasks.len(), 2);
    let claimed = soon("the others", store.claim(claim(10))).await.expect("the others are handed out");
    let mut got: Vec<_> = claimed.iter().map(|c| c.lease.task).collect();
    got.sort();
    assert_eq!(got, [ids[0], ids[2]]);
    let counts = store.counts().await.expect("counts");
    assert_eq!(counts[0].of(State::Failed), 1, "it ended, so no claim meets it again");
    assert_eq!(counts[0].of(State::Running), 2);
    for c in &claimed {
        let outcome = Outcome::Success { result: None, kept: None };
        let settlements = vec![Settlement { lease: c.lease, outcome }];
        let reply =
            store.settle(SettleRequest { settlements, ..SettleRequest::default() }).await.expect("settled");
        assert_eq!(reply.settled, [Settled::Settled(State::Succeeded)]);
    }
}
