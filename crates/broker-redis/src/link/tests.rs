//! The link against real servers: what it does when they, or the connections to them, go away.

use std::time::Duration;

use posthaste_core::BrokerError;
use posthaste_testkit::{ClosedPort, RedisCluster, RedisOptions, RedisServer, Reply, SelfSigned};
use redis::Value;
use tokio::time::timeout;

use super::{Heard, Link, Oom, Script, Unblocked};
use crate::url::RedisUrl;

const KEY: &[u8] = b"ph:{t:0}:m";

fn link_to(url: &str) -> Link {
    Link::new(&RedisUrl::parse(url).expect("a good URL"))
}

/// Adds to a counter and to one that it makes the name of, as the scripts of the store do.
fn counting() -> Script {
    let body = "local tag = KEYS[1]:sub(1, KEYS[1]:find('}', 1, true))
        redis.call('INCR', tag .. ':other')
        return redis.call('INCRBY', KEYS[1], ARGV[1])";
    Script::with("counting", Oom::Allow, &[body])
}

async fn count(link: &Link, by: i64) -> Result<i64, BrokerError> {
    let mut call = counting().call(KEY);
    call.int(by);
    match link.run(call).await? {
        Value::Int(number) => Ok(number),
        other => panic!("{other:?}"),
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{what} took more than 20 s"))
}

/// Calls until it is answered.
async fn until_answered(link: &Link) -> i64 {
    soon("an answer", async {
        loop {
            if let Ok(number) = count(link, 1).await {
                return number;
            }
        }
    })
    .await
}

#[tokio::test]
async fn scripts_are_loaded_when_the_server_does_not_know_them() {
    let server = RedisServer::start(&RedisOptions::default());
    let link = link_to(&server.url());
    assert_eq!(count(&link, 2).await.expect("run"), 2);
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(count(&link, 3).await.expect("run"), 5);
    assert_eq!(server.command(&["GET", "ph:{t:0}:other"]).text(), "2", "a call was sent twice");
}

#[tokio::test]
async fn a_connection_that_was_cut_while_idle_costs_no_call() {
    let server = RedisServer::start(&RedisOptions::default());
    let link = link_to(&server.url());
    for round in 1..=4 {
        assert_eq!(count(&link, 1).await.expect("run"), round);
        server.command(&["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]);
        // What the server cut is noticed when its closing arrives; until then a call is lost with the connection.
        let pong = async { while ping(&link).await.is_err() {} };
        soon("a new connection", pong).await;
    }
}

async fn ping(link: &Link) -> Result<Value, BrokerError> {
    link.command(KEY, redis::cmd("PING")).await
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let server = RedisServer::start(&RedisOptions::default());
    let link = link_to(&server.url());
    assert_eq!(count(&link, 1).await.expect("run"), 1);
    server.kill();
    let error = soon("an error", async {
        loop {
            match count(&link, 1).await {
                Err(BrokerError::Unavailable { why }) if why.contains("refused") => return why,
                Err(BrokerError::Unavailable { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert!(error.contains(&format!("127.0.0.1:{}", server.port())), "{error}");
    server.restart();
    assert_eq!(until_answered(&link).await, 1, "this server kept nothing");
}

#[tokio::test]
async fn errors_of_the_server_have_their_classes() {
    let server = RedisServer::start(&RedisOptions { maxmemory: Some(1), ..RedisOptions::default() });
    let link = link_to(&server.url());
    let refused = link
        .run(Script::with("full", Oom::Refuse, &["return redis.call('SET', KEYS[1], 1)"]).call(KEY))
        .await;
    assert!(matches!(&refused, Err(BrokerError::Full { what }) if what.contains("maxmemory")), "{refused:?}");
    assert_eq!(count(&link, 1).await.expect("what frees work goes on"), 1);
    let read =
        link.run(Script::with("read", Oom::Reads, &["return redis.call('GET', KEYS[1])"]).call(KEY)).await;
    assert_eq!(read.expect("reads go on"), Value::BulkString(b"1".to_vec()));
    let told = link
        .run(Script::with("tell", Oom::Allow, &["return redis.error_reply('PH no such route')"]).call(KEY));
    assert!(matches!(told.await, Err(BrokerError::Corrupt { what }) if what == "PH no such route"));
    let broken = link.run(Script::with("broken", Oom::Allow, &["return nil + 1"]).call(KEY)).await;
    assert!(matches!(broken, Err(BrokerError::Corrupt { .. })));
    let unreadable = link.run(Script::with("unreadable", Oom::Allow, &["return ("]).call(KEY)).await;
    assert!(
        matches!(&unreadable, Err(BrokerError::Corrupt { what }) if what.contains("unreadable")),
        "{unreadable:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let args = ["--requirepass", "open sesame"].map(str::to_owned).to_vec();
    let server = RedisServer::start(&RedisOptions { args, ..RedisOptions::default() });
    let none = count(&link_to(&server.url()), 1).await;
    assert!(
        matches!(&none, Err(BrokerError::Unavailable { why }) if why.contains("wants a password")),
        "{none:?}"
    );
    let wrong = count(&link_to(&server.url().replace("//", "//:secret@")), 1).await;
    assert!(
        matches!(&wrong, Err(BrokerError::Unavailable { why }) if why.contains("WRONGPASS") && !why.contains("secret")),
        "{wrong:?}"
    );
    assert_eq!(count(&link_to(&server.url().replace("//", "//:open%20sesame@")), 1).await.expect("run"), 1);
}

#[tokio::test]
async fn the_rights_that_an_error_names_are_enough() {
    let server = RedisServer::start(&RedisOptions::default());
    let mut allow = vec!["ACL", "SETUSER", "posthaste", "on", ">secret"];
    allow.extend(super::error::RIGHTS.split(' '));
    assert_eq!(server.command(&allow), Reply::Text("OK".to_owned()));
    let link = link_to(&server.url().replace("//", "//posthaste:secret@"));
    assert_eq!(count(&link, 1).await.expect("scripts"), 1);
    link.masters().await.expect("masters")[0].command(redis::cmd("INFO").arg("server")).await.expect("INFO");
    let mut listener = link.listen(b"ph:{t:0}:ev".to_vec());
    assert!(matches!(soon("a subscription", listener.next()).await, Some(Heard::Subscribed)));
    let mut wait = redis::cmd("BLPOP");
    wait.arg("ph:{t:0}:bell").arg("0.001");
    let rung = link.blocking(KEY).await.expect("nothing is connected yet").command(&wait).await;
    assert!(matches!(rung, Ok(Unblocked::Answer(Value::Nil))), "{rung:?}");
    let mut other = redis::cmd("GET");
    other.arg("other");
    let refused = link.command(b"other", other).await;
    assert!(
        matches!(&refused, Err(BrokerError::Unavailable { why }) if why.contains("~ph:*")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_when_it_is_named() {
    let server = RedisServer::start(&RedisOptions::default());
    let (port, certificate) = server.tls();
    let url = format!("rediss://127.0.0.1:{port}/0");
    let named = link_to(&format!("{url}?ca={}", certificate.display()));
    assert_eq!(count(&named, 1).await.expect("run"), 1);
    let unknown = count(&link_to(&url), 1).await;
    assert!(
        matches!(&unknown, Err(BrokerError::Unavailable { why }) if why.contains("certificate") && why.contains("?ca=")),
        "{unknown:?}"
    );
    let other = server.file("other.pem");
    std::fs::write(&other, SelfSigned::new(&["127.0.0.1"]).pem).expect("written");
    let stranger = count(&link_to(&format!("{url}?ca={}", other.display())), 1).await;
    assert!(
        matches!(&stranger, Err(BrokerError::Unavailable { why }) if why.contains("SHA-256")),
        "{stranger:?}"
    );
    std::fs::write(&other, "no certificate").expect("written");
    let empty = count(&link_to(&format!("{url}?ca={}", other.display())), 1).await;
    assert!(
        matches!(&empty, Err(BrokerError::Unavailable { why }) if why.contains("holds no certificate")),
        "{empty:?}"
    );
    let missing = count(&link_to(&format!("{url}?ca=/nowhere.pem")), 1).await;
    assert!(
        matches!(&missing, Err(BrokerError::Unavailable { why }) if why.contains("/nowhere.pem")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn what_waits_at_the_server_is_told_of_a_reconnect() {
    let server = RedisServer::start(&RedisOptions::default());
    let link = link_to(&server.url());
    let mut blocking = link.blocking(b"ph:{t:0}:bell").await.expect("nothing is connected yet");
    let mut wait = redis::cmd("BLPOP");
    wait.arg("ph:{t:0}:bell").arg(0);
    server.command(&["RPUSH", "ph:{t:0}:bell", "1"]);
    assert!(matches!(soon("a ring", blocking.command(&wait)).await, Ok(Unblocked::Answer(Value::Array(_)))));
    let cut = async {
        while server.command(&["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]) == Reply::Number(0) {
            tokio::task::yield_now().await;
        }
    };
    let (told, ()) = tokio::join!(soon("a notice", blocking.command(&wait)), cut);
    assert!(matches!(told, Ok(Unblocked::Reconnected)), "{told:?}");
}

#[tokio::test]
async fn a_listener_says_when_it_began_to_hear() {
    let server = RedisServer::start(&RedisOptions::default());
    let mut listener = link_to(&server.url()).listen(b"ph:{t:0}:ev".to_vec());
    for _ in 0..2 {
        assert!(matches!(soon("a subscription", listener.next()).await, Some(Heard::Subscribed)));
        server.command(&["SPUBLISH", "ph:{t:0}:ev", "hello"]);
        assert!(
            matches!(soon("a message", listener.next()).await, Some(Heard::Message(text)) if text == b"hello")
        );
        server.command(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
    }
}

/// While a slot moves, a script that makes names of keys itself must not run on either side: it would be cut off in
/// the middle, or miss what has not arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_waits_until_its_slot_has_moved() {
    let cluster = RedisCluster::start(3);
    let link = link_to(&cluster.url());
    assert_eq!(link.masters().await.expect("masters").len(), 3);
    assert_eq!(count(&link, 1).await.expect("run"), 1);
    let slot = super::slot_of(KEY);
    let from = cluster.owner_of(slot);
    let to = (from + 1) % 3;
    cluster.begin_move(slot, to);
    let refused = count(&link, 1).await;
    assert!(
        matches!(refused, Err(BrokerError::Unavailable { .. })),
        "it ran while its slot moved: {refused:?}"
    );
    assert_eq!(cluster.move_keys(slot, to, 1), 1);
    let refused = count(&link, 1).await;
    assert!(
        matches!(refused, Err(BrokerError::Unavailable { .. })),
        "it ran on half of its shard: {refused:?}"
    );
    // A command with one key finds it on either side.
    for key in ["ph:{t:0}:m", "ph:{t:0}:other"] {
        let mut get = redis::cmd("GET");
        get.arg(key);
        assert_eq!(link.command(key.as_bytes(), get).await.expect("found"), Value::BulkString(b"1".to_vec()));
    }
    assert_eq!(cluster.move_keys(slot, to, 10), 1);
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { count(&link, 1).await }
    });
    cluster.end_move(slot, to);
    assert_eq!(waiting.await.expect("no panic").expect("it goes on by itself"), 2);
    assert_eq!(cluster.node(to).command(&["GET", "ph:{t:0}:other"]).text(), "2");
    cluster.move_slot(slot, from);
    assert_eq!(count(&link, 1).await.expect("moved back"), 3);
}

#[tokio::test]
async fn the_master_that_the_sentinel_names_is_followed() {
    let master = RedisServer::start(&RedisOptions::default());
    let replica = master.replica();
    let sentinel = master.sentinel();
    let link = link_to(&format!("redis+sentinel://127.0.0.1:{}/mymaster/0", sentinel.port()));
    assert_eq!(until_answered(&link).await, 1);
    // The sentinel learns of the replica from the master, and refuses to promote what it does not know.
    soon("a failover", async {
        while sentinel.command(&["SENTINEL", "FAILOVER", "mymaster"]).is_error() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("a call to the new master", async {
        // The old master takes writes until the sentinel has made a replica of it; then the link asks again who is it.
        loop {
            let ran = count(&link, 1).await.is_ok();
            // A server whose role changes cuts its connections.
            let known = replica.wire().try_command(&["SCRIPT", "EXISTS", counting().sha1()]);
            if ran && known.is_ok_and(|known| known.rows()[0] == Reply::Number(1)) {
                return;
            }
        }
    })
    .await;
    let wrong = link_to(&format!("redis+sentinel://127.0.0.1:{}/other", sentinel.port()));
    let refused = count(&wrong, 1).await;
    assert!(
        matches!(&refused, Err(BrokerError::Unavailable { why }) if why.contains("knows no master")),
        "{refused:?}"
    );
}

/// A planned failover leaves the old master a master, in its own eyes, for some ten seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_in_the_course_of_a_planned_failover_is_at_the_new_master() {
    let master = RedisServer::start(&RedisOptions::default());
    let replica = master.replica();
    let sentinel = master.sentinel();
    let link = link_to(&format!("redis+sentinel://127.0.0.1:{}/mymaster/0", sentinel.port()));
    let mut accepted = until_answered(&link).await;
    // One that copies nothing yet would be promoted as well, and know nothing of what came before.
    while replica.command(&["GET", "ph:{t:0}:m"]) != Reply::Text("1".to_owned()) {
        tokio::task::yield_now().await;
    }
    let (mut asked, mut refused) = (false, None);
    soon("a call to the new master", async {
        loop {
            // The sentinel learns of the replica from the master, and refuses to promote what it does not know.
            asked = asked || !sentinel.command(&["SENTINEL", "FAILOVER", "mymaster"]).is_error();
            match count(&link, 1).await {
                Ok(_) => accepted += 1,
                Err(error) => refused = Some(error.to_string()),
            }
            let known = replica.wire().try_command(&["SCRIPT", "EXISTS", counting().sha1()]);
            if asked && known.is_ok_and(|known| known.rows()[0] == Reply::Number(1)) {
                return;
            }
        }
    })
    .await;
    let kept = replica.command(&["GET", "ph:{t:0}:m"]).text().parse::<i64>().expect("a number");
    assert!(kept >= accepted, "{accepted} were accepted, the new master has {kept}");
    assert!(refused.is_some_and(|why| why.contains("goes on")), "meanwhile nothing is accepted");
}

/// A connection that a caller with a patience of its own gave up is not there any more when the sentinel tells of the switch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_a_master_that_stands_still_ends_when_another_is_found_whoever_gave_it_up_before() {
    let master = RedisServer::start(&RedisOptions::default());
    let replica = master.replica();
    let sentinel = master.sentinel();
    let link = link_to(&format!("redis+sentinel://127.0.0.1:{}/mymaster/0", sentinel.port()));
    assert_eq!(until_answered(&link).await, 1);
    while replica.command(&["GET", "ph:{t:0}:m"]) != Reply::Text("1".to_owned()) {
        tokio::task::yield_now().await;
    }
    while sentinel.command(&["SENTINEL", "REPLICAS", "mymaster"]).rows().is_empty() {
        tokio::task::yield_now().await;
    }
    // It is replaced after it was given up, not before.
    sentinel.command(&["SENTINEL", "SET", "mymaster", "down-after-milliseconds", "3000"]);
    master.pause();
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { count(&link, 1).await }
    });
    assert!(timeout(super::peer::GIVEN_UP, count(&link, 1)).await.is_err(), "it stands still");
    let lost =
        soon("an answer", waiting).await.expect("no panic").expect_err("nobody knows what became of it");
    master.resume();
    assert!(lost.to_string().contains("was replaced during the call"), "{lost}");
}

/// The master tells of its replica later than the replica itself says that it follows: with the first that it confirms.
async fn until_it_knows_its_replica(master: &RedisServer) {
    while !master.command(&["INFO", "replication"]).text().contains("state=online") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_whose_replica_was_promoted_by_hand_accepts_nothing() {
    let master = RedisServer::start(&RedisOptions::default());
    let replica = master.replica();
    until_it_knows_its_replica(&master).await;
    let link = link_to(&master.url());
    assert_eq!(count(&link, 1).await.expect("run"), 1);
    assert_eq!(replica.command(&["REPLICAOF", "NO", "ONE"]), Reply::Text("OK".to_owned()));
    let refused = soon("a refusal", async {
        loop {
            if let Err(error) = count(&link, 1).await {
                return error.to_string();
            }
        }
    });
    let why = refused.await;
    assert!(why.contains(&format!("127.0.0.1:{} was a replica", replica.port())), "{why}");
    // The old master is made a replica of the new one: it says so itself.
    let port = replica.port().to_string();
    master.command(&["REPLICAOF", "127.0.0.1", &port]);
    let why = count(&link, 1).await.expect_err("it takes no writes").to_string();
    assert!(why.contains("replica"), "{why}");
    // The other way round, and all is as it was.
    master.command(&["REPLICAOF", "NO", "ONE"]);
    let port = master.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
    until_answered(&link).await;
}

/// What a server has accepted as a master is lost once it is the replica of another; so is what it accepts as a replica
/// that takes writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_made_a_replica_by_hand_accepts_nothing() {
    let server = RedisServer::start(&RedisOptions::default());
    server.command(&["CONFIG", "SET", "replica-read-only", "no"]);
    let link = link_to(&server.url());
    assert_eq!(count(&link, 1).await.expect("run"), 1);
    // Its new master never answers, so all that it has is still there.
    let nobody = ClosedPort::take();
    let port = nobody.addr().port().to_string();
    assert_eq!(server.command(&["REPLICAOF", "127.0.0.1", &port]), Reply::Text("OK".to_owned()));
    // It is asked once a second what it is.
    soon("a refusal", async { while count(&link, 1).await.is_ok() {} }).await;
    for _ in 0..3 {
        assert!(count(&link, 1).await.is_err(), "it is a replica still");
    }
    server.command(&["REPLICAOF", "NO", "ONE"]);
    until_answered(&link).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_dies_costs_no_call() {
    let master = RedisServer::start(&RedisOptions::default());
    let replica = master.replica();
    until_it_knows_its_replica(&master).await;
    let link = link_to(&master.url());
    assert_eq!(count(&link, 1).await.expect("run"), 1);
    replica.kill();
    for round in 2..50 {
        assert_eq!(count(&link, 1).await.expect("the master is the same"), round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_is_found() {
    let mut cluster = RedisCluster::start(3);
    let owner = cluster.owner_of(super::slot_of(KEY));
    cluster.add_replica(owner);
    let link = link_to(&cluster.url());
    assert_eq!(count(&link, 1).await.expect("run"), 1);
    cluster.node(owner).kill();
    // How much of the last moment it has is up to the replication.
    assert!(until_answered(&link).await >= 1);
}
