//! What is stored in our namespace, and whether we may write there.

use posthaste_broker_redis::{Mode, RedisStore};
use posthaste_core::limits::Retention;

use super::super::Check;
use super::connect::{Node, ask_owner};
use crate::settings::store::RedisSettings;

/// A shard of more tasks makes a key of hundreds of megabytes; moving its slot to another node of a
/// Cluster stops both for seconds.
const LARGE_SHARD: u64 = 500_000;

/// Writes a key and removes it, in one script, as the store does everything.
const TRY_WRITE: &str = "redis.call('SET', KEYS[1], ARGV[1], 'PX', 10000)
local read = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return read";

/// Writing, then shards.
pub(super) async fn checks(nodes: &mut [Node], redis: &RedisSettings) -> Vec<Check> {
    let mut out = vec![write(nodes, redis).await];
    out.extend(shards(nodes, redis).await);
    out
}

/// The prefix of a shard's keys; docs/adr/0005.
fn prefix(redis: &RedisSettings, shard: u64) -> String {
    format!("ph:{{{}:{shard}}}:", redis.namespace)
}

async fn write(nodes: &mut [Node], redis: &RedisSettings) -> Check {
    let key = format!("{}doctor:{}", prefix(redis, 0), std::process::id());
    let mut command = redis::cmd("EVAL");
    command.arg(TRY_WRITE).arg(1).arg(key).arg("works");
    match ask_owner::<String>(nodes, &command).await {
        Ok(_) => Check::ok("redis write", format!("scripts may write in the namespace {}", redis.namespace)),
        Err(problem) => Check::fail(
            "redis write",
            problem,
            "allow EVAL, EVALSHA and SCRIPT, and writing keys that begin with ph:, to the user of the URL; make room if memory is full",
        ),
    }
}

async fn shards(nodes: &mut [Node], redis: &RedisSettings) -> Vec<Check> {
    let name = "redis shards";
    let stored = redis::cmd("HGET").arg(format!("{}m", prefix(redis, 0))).arg("shards").clone();
    let count = match ask_owner::<Option<u64>>(nodes, &stored).await {
        Ok(Some(count)) => count,
        Ok(None) => {
            let found =
                format!("the namespace {} is not there yet; the first process makes it", redis.namespace);
            return vec![Check::ok(name, found)];
        }
        Err(problem) => {
            return vec![Check::fail(
                name,
                problem,
                "another program uses our keys: choose another POSTHASTE_NAMESPACE",
            )];
        }
    };
    // It is there, so the store's own look changes nothing.
    let fits = match RedisStore::open(redis.open_with(Retention::default())) {
        Ok(store) => {
            let fits = store.check().await;
            store.close().await;
            fits
        }
        Err(e) => Err(e),
    };
    if let Err(e) = fits {
        return vec![Check::fail(name, e.to_string(), "change the setting that it names")];
    }
    vec![size(nodes, redis, count).await]
}

async fn size(nodes: &mut [Node], redis: &RedisSettings, count: u64) -> Check {
    let (mut all, mut largest) = (0, 0);
    for shard in 0..count {
        let tasks = redis::cmd("HLEN").arg(format!("{}t", prefix(redis, shard))).clone();
        match ask_owner::<u64>(nodes, &tasks).await {
            Ok(n) => (all, largest) = (all + n, largest.max(n)),
            Err(problem) => {
                return Check::warn("redis shards", problem, "run it again once the Cluster is quiet");
            }
        }
    }
    let found =
        format!("{count} in the namespace {}, {all} tasks, at most {largest} in one", redis.namespace);
    if *redis.url.mode() == Mode::Cluster && largest > LARGE_SHARD {
        let remedy = "moving its slot to another node would stop both for seconds: shorten the retention, or use a namespace of more shards";
        return Check::warn("redis shards", found, remedy);
    }
    Check::ok("redis shards", found)
}
