//! How the servers are: what they say of themselves, and whether each takes a write now.

use std::sync::LazyLock;
use std::time::Instant;

use futures_util::future::try_join_all;
use posthaste_core::BrokerError;
use posthaste_core::broker::Health;

use crate::link::{Oom, Script};
use crate::memory::evicting;
use crate::open::OpenError;
use crate::reply;
use crate::shards::Shards;
use crate::store::Info;

/// A small write that is refused as an enqueue would be.
static PROBE: LazyLock<Script> = LazyLock::new(|| {
    Script::with("probe", Oom::Refuse, &["return redis.call('HSET', KEYS[1], 'probe', ARGV[1])"])
});

/// What the masters say of themselves.
#[derive(Debug, Default, PartialEq, Eq)]
struct Servers {
    store: Option<&'static str>,
    version: String,
    used: u64,
    problem: Option<String>,
    /// The policy by which one of them may throw tasks away.
    evicts: Option<String>,
}

impl Servers {
    /// Adds what one of them says.
    fn add(&mut self, info: &Info) {
        let field = |name: &str| info.get(name);
        self.evicts = self.evicts.take().or_else(|| evicting(info).map(str::to_owned));
        let number = |name: &str| field(name).and_then(|v| v.trim().parse::<u64>().ok()).unwrap_or(0);
        let valkey = field("valkey_version").or_else(|| field("server_name").filter(|n| *n == "valkey"));
        if self.store.is_none() {
            self.store = Some(if valkey.is_some() { "valkey" } else { "redis" });
            self.version =
                field("valkey_version").or_else(|| field("redis_version")).unwrap_or("").to_owned();
        }
        self.used += number("used_memory");
        if number("loading") == 1 {
            self.problem = Some("the server is loading its data".into());
        }
        let (used, most) = (number("used_memory"), number("maxmemory"));
        if most > 0 && used >= most {
            let policy = field("maxmemory_policy").unwrap_or("noeviction");
            self.problem = Some(format!(
                "the server has reached maxmemory ({used} of {most} bytes, policy {policy}); give it more memory or shorten the retention"
            ));
        }
    }
}

async fn ask(shards: &Shards) -> Result<Servers, BrokerError> {
    let mut servers = Servers::default();
    for node in shards.link().masters().await? {
        let mut cmd = redis::cmd("INFO");
        cmd.arg("everything");
        servers.add(&Info(reply::text(node.command(&cmd).await?)?));
    }
    Ok(servers)
}

async fn probe(shards: &Shards) -> Result<(), BrokerError> {
    let writes = shards.all().map(|shard| {
        let mut call = PROBE.call(&shards.m_key(shard));
        call.arg("1");
        shards.link().run(call)
    });
    try_join_all(writes).await.map(drop)
}

/// Whether the store answers and takes writes. A server that may throw tasks away takes none, unless that is allowed.
pub(crate) async fn health(shards: &Shards, allow_eviction: bool) -> Health {
    let start = Instant::now();
    let written = probe(shards).await;
    let latency_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let servers = ask(shards).await;
    let written = written.err().map(|e| e.to_string());
    let servers = servers.unwrap_or_else(|e| Servers { problem: Some(e.to_string()), ..Servers::default() });
    let evicts = servers.evicts.filter(|_| !allow_eviction);
    let problem = written.or(evicts.map(|policy| OpenError::Eviction { policy }.to_string()));
    let writable = problem.is_none();
    Health {
        store: servers.store.unwrap_or("redis").into(),
        version: servers.version,
        writable,
        // What refused the write says more than what the server says of itself.
        problem: problem.or(servers.problem),
        latency_us,
        size_bytes: servers.used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_apart_and_added_up() {
        let mut redis = Servers::default();
        let info = |text: &str| Info(text.to_owned());
        redis.add(&info(
            "# Server\r\nredis_version:7.0.15\r\nused_memory:100\r\nmaxmemory:0\r\nloading:0\r\n",
        ));
        redis.add(&info(
            "redis_version:7.0.14\r\nused_memory:50\r\nmaxmemory:50\r\nmaxmemory_policy:noeviction\r\n",
        ));
        assert_eq!((redis.store, redis.version.as_str(), redis.used), (Some("redis"), "7.0.15", 150));
        assert!(redis.problem.is_some_and(|p| p.contains("maxmemory")));
        let mut valkey = Servers::default();
        valkey.add(&info(
            "server_name:valkey\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nused_memory:1\r\n",
        ));
        assert_eq!((valkey.evicts.clone(), valkey.problem.clone()), (None, None));
        valkey.add(&info("maxmemory_policy:allkeys-random\r\n"));
        assert_eq!(valkey.evicts.as_deref(), Some("allkeys-random"));
        assert_eq!((valkey.store, valkey.version.as_str()), (Some("valkey"), "8.0.1"));
    }
}
