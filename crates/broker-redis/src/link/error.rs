//! What the errors of Redis mean: which of them say that nothing was executed, and what the caller is told.

use posthaste_core::BrokerError;
use redis::ServerError;

use crate::url::{Host, RedisUrl};

pub(super) const RIGHTS: &str = RedisUrl::RIGHTS;

/// What to do about an error that the server answered.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The server does not know the script; nothing was executed.
    NoScript,
    /// Another node has the slot for good; nothing was executed.
    Moved(u16, Option<Host>),
    /// Another node has, or will have, the key; nothing was executed.
    Ask(Option<Host>),
    /// In a moment the same will work; nothing was executed.
    Wait,
    /// The server is no longer, or not yet, a master; nothing was executed.
    ReadOnly,
    /// This is the answer.
    Final(BrokerError),
}

/// Reads an error of the server. `asked` names the node, for endpoints that leave the host out.
pub(super) fn verdict(error: &ServerError, asked: &Host) -> Verdict {
    let details = error.details().unwrap_or_default();
    match error.code() {
        "NOSCRIPT" => Verdict::NoScript,
        "MOVED" => {
            let mut words = details.split_ascii_whitespace();
            let slot = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            Verdict::Moved(slot, words.next().and_then(|word| endpoint(word, asked)))
        }
        "ASK" => Verdict::Ask(details.split_ascii_whitespace().nth(1).and_then(|word| endpoint(word, asked))),
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" => Verdict::Wait,
        "READONLY" => Verdict::ReadOnly,
        _ => Verdict::Final(meaning(error)),
    }
}

/// `host:port` as Cluster redirections write it. An empty host, or `?`, means the node that answered.
fn endpoint(word: &str, asked: &Host) -> Option<Host> {
    let (name, port) = word.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let name = match name {
        "" | "?" => asked.name.clone(),
        other => other.to_owned(),
    };
    Some(Host { name, port })
}

/// What an error of the server means to the caller.
pub(super) fn meaning(error: &ServerError) -> BrokerError {
    let details = error.details().unwrap_or_default();
    match error.code() {
        "OOM" => BrokerError::Full {
            what: "Redis has reached maxmemory: give it more memory (maxmemory), or shorten the retention so that \
                   finished tasks go earlier; finishing tasks goes on, and frees memory"
                .to_owned(),
        },
        "NOAUTH" => unavailable("Redis wants a password (NOAUTH): put it into REDIS_URL as redis://:password@host"),
        "WRONGPASS" => unavailable("Redis refused the user or password of REDIS_URL (WRONGPASS)"),
        "DENIED" => unavailable(
            "Redis takes connections from its own machine only (DENIED: protected mode): set a password there \
             (requirepass, or a user with ACL SETUSER) and write it into REDIS_URL, and let bind name the addresses that \
             it shall be reached at",
        ),
        "NOPERM" => unavailable(format!(
            "the Redis user of REDIS_URL lacks a permission (NOPERM: {details}); it needs {RIGHTS}"
        )),
        "MISCONF" => unavailable(format!(
            "Redis cannot save to its disk and refuses to write (MISCONF: {details}); see to its disk, then it goes on"
        )),
        "NOREPLICAS" => unavailable("Redis has fewer good replicas than min-replicas-to-write wants (NOREPLICAS)"),
        "LOADING" => unavailable("Redis is loading its data"),
        "CLUSTERDOWN" => unavailable(format!("the Redis Cluster is down ({details})")),
        "TRYAGAIN" => unavailable("a slot of the Redis Cluster is being moved"),
        "MASTERDOWN" => unavailable("the replica of Redis has lost its master (MASTERDOWN)"),
        "READONLY" => unavailable("this Redis is a read-only replica: a failover goes on, or REDIS_URL names a replica"),
        "BUSY" => unavailable("Redis is busy with a script that does not end (BUSY); SCRIPT KILL ends it"),
        "UNBLOCKED" => unavailable("Redis unblocked the connection"),
        "MOVED" | "ASK" => unavailable(
            "this Redis is part of a Cluster: write redis+cluster:// in REDIS_URL, with one or a few of its nodes",
        ),
        "PH" => BrokerError::Corrupt { what: format!("PH {details}") },
        code if code == "ERR" && details.contains("max number of clients reached") => {
            unavailable("Redis has no connection left (maxclients); raise it, or run fewer processes")
        }
        code => BrokerError::Corrupt { what: format!("Redis answered {code} {details}") },
    }
}

/// As [`meaning`], of an error that a node of a Cluster answered although the call was sent where the slot should be.
pub(super) fn meaning_in_a_cluster(error: &ServerError) -> BrokerError {
    match error.code() {
        "MOVED" | "ASK" => unavailable(format!(
            "a slot of the Redis Cluster is being moved, or its nodes do not agree yet on who has it ({error}): try again \
             in a moment; if it stays so, redis-cli --cluster check says why"
        )),
        _ => meaning(error),
    }
}

/// What went wrong, for a sentence that goes on: without the words that a [`BrokerError`] begins with.
pub(super) fn sentence(error: &ServerError) -> String {
    match meaning(error) {
        BrokerError::Unavailable { why } => why,
        BrokerError::Full { what } | BrokerError::Corrupt { what } => what,
        other => other.to_string(),
    }
}

pub(super) fn unavailable(why: impl Into<String>) -> BrokerError {
    BrokerError::Unavailable { why: why.into() }
}

#[cfg(test)]
mod tests {
    use posthaste_testkit::{RedisCluster, RedisOptions, RedisServer, protected_redis};

    use super::super::{Link, Oom, Script, slot_of};
    use super::*;

    const KEY: &[u8] = b"ph:{t:0}:m";

    fn link_to(url: &str) -> Link {
        Link::new(&RedisUrl::parse(url).expect("a good URL"))
    }

    async fn refusal(link: &Link) -> String {
        let mut get = redis::cmd("GET");
        get.arg(KEY);
        match link.command(KEY, get).await {
            Err(BrokerError::Unavailable { why }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slot_that_is_being_moved_is_told_from_a_wrong_url() {
        let cluster = RedisCluster::start(3);
        let slot = slot_of(KEY);
        let to = (cluster.owner_of(slot) + 1) % 3;
        // The key is on neither side, so the server answers ASK as long as the move takes.
        cluster.begin_move(slot, to);
        let script = Script::with("peek", Oom::Allow, &["return redis.call('GET', KEYS[1])"]);
        let refused = link_to(&cluster.url()).run(script.call(KEY)).await;
        let Err(BrokerError::Unavailable { why }) = refused else { panic!("{refused:?}") };
        assert!(why.contains("moved") && !why.contains("redis+cluster://"), "{why}");
        let why = refusal(&link_to(&cluster.node(to).url())).await;
        assert!(why.contains("redis+cluster://"), "{why}");
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_says_why_once() {
        let server = RedisServer::start(&RedisOptions {
            args: vec!["--requirepass".to_owned(), "secret".to_owned()],
            ..RedisOptions::default()
        });
        let why = refusal(&link_to(&server.url())).await;
        assert!(why.contains("wants a password") && !why.contains("not available"), "{why}");
        let url = server.url().replace("//", "//:wrong@");
        let why = refusal(&link_to(&url)).await;
        assert!(why.contains("WRONGPASS") && !why.contains("not available"), "{why}");
    }

    #[tokio::test]
    async fn protected_mode_is_no_damage() {
        let why = refusal(&link_to(&protected_redis())).await;
        for part in ["protected mode", "requirepass", "bind"] {
            assert!(why.contains(part), "{why}");
        }
        assert!(!why.contains("damaged"), "{why}");
    }
}
