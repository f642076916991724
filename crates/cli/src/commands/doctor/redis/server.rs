//! What a server tells about itself. Only INFO and TIME are asked: CONFIG is closed on managed services. What INFO says of
//! the disk is told by `disk`.

use std::time::{Duration, SystemTime};

use posthaste_broker_redis::{Durability, Mode};

use super::super::Check;
use super::connect::Node;
use crate::settings::store::RedisSettings;

/// The oldest version with everything that the scripts use.
const OLDEST: u32 = 7;
/// From this share of maxmemory on, in percent, finished tasks make room before their time.
const FULL: u64 = 80;
/// A clock that is further off confuses people who compare times.
const CLOCK_OFF: Duration = Duration::from_secs(1);

/// The answer to INFO.
pub(super) struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    /// Of this text.
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// A field, if it is there.
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        self.0.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).map(str::trim)
    }

    /// A number; 0 if it is not there.
    pub(super) fn number(&self, field: &str) -> u64 {
        self.get(field).and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

/// Version, role, eviction, persistence, memory.
pub(super) fn checks(info: &Info<'_>, redis: &RedisSettings) -> Vec<Check> {
    let mut out = vec![version(info), role(info)];
    out.extend(lone_node(info, redis));
    out.extend(replicas(info, redis));
    out.extend([eviction(info, redis), persistence(info), memory(info)]);
    out
}

fn version(info: &Info<'_>) -> Check {
    let version = info.get("redis_version").unwrap_or("unknown");
    let shown = match info.get("valkey_version") {
        Some(valkey) => format!("Valkey {valkey}"),
        None => format!("Redis {version}"),
    };
    let major = version.split('.').next().and_then(|n| n.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST => Check::ok("redis version", shown),
        _ => Check::fail("redis version", shown, "use Redis 7.0 or Valkey 7.2, or a later one"),
    }
}

fn role(info: &Info<'_>) -> Check {
    match info.get("role") {
        Some("master") => Check::ok("redis role", "master"),
        other => Check::fail(
            "redis role",
            format!(
                "it is a {}",
                other.map_or("server that does not say", |r| if r == "slave" { "replica" } else { r })
            ),
            "name the master in the URL, or let the sentinels find it: redis+sentinel://",
        ),
    }
}

/// A node of a Cluster that the URL takes for a server of its own.
fn lone_node(info: &Info<'_>, redis: &RedisSettings) -> Option<Check> {
    let alone = *redis.url.mode() != Mode::Cluster && info.get("cluster_enabled") == Some("1");
    alone.then(|| {
        Check::fail(
            "redis mode",
            "it is a node of a Cluster, which has other parts of the data elsewhere",
            "write redis+cluster:// in the URL, with one or a few of its nodes",
        )
    })
}

fn replicas(info: &Info<'_>, redis: &RedisSettings) -> Option<Check> {
    if redis.durability != Durability::Replicated {
        return lonely_master(info, redis);
    }
    Some(match info.number("connected_slaves") {
        0 => Check::fail(
            "redis replicas",
            "none, and durability is replicated: every enqueue would answer 503",
            "give it a replica, or set POSTHASTE_DURABILITY=acknowledged",
        ),
        n => Check::ok("redis replicas", format!("{n} connected")),
    })
}

/// A master behind sentinels that accepts although no replica hears it. INFO tells of good replicas only where both
/// settings are there.
fn lonely_master(info: &Info<'_>, redis: &RedisSettings) -> Option<Check> {
    let behind_sentinels = matches!(redis.url.mode(), Mode::Sentinel { .. });
    let bounded = info.get("min_slaves_good_slaves").is_some();
    (behind_sentinels && !bounded).then(|| {
        Check::warn(
            "redis replicas",
            "min-replicas-to-write is not set: a master that is cut off from its replicas goes on accepting, and a failover loses that",
            "set min-replicas-to-write 1 and min-replicas-max-lag 10 on every server, or POSTHASTE_DURABILITY=replicated",
        )
    })
}

fn eviction(info: &Info<'_>, redis: &RedisSettings) -> Check {
    let name = "redis eviction";
    let policy = info.get("maxmemory_policy").unwrap_or("noeviction");
    let remedy = "set maxmemory-policy noeviction: any other takes accepted tasks away when memory is full";
    match policy {
        "noeviction" => Check::ok(name, policy),
        p if p.starts_with("volatile-") => {
            Check::ok(name, format!("{p} spares our keys, which have no expiry; noeviction is recommended"))
        }
        p if redis.allow_eviction => {
            Check::warn(name, format!("{p}, allowed by POSTHASTE_ALLOW_EVICTION"), remedy)
        }
        p => Check::fail(name, p, remedy),
    }
}

fn persistence(info: &Info<'_>) -> Check {
    let name = "redis persistence";
    if info.get("loading") == Some("1") {
        return Check::fail(name, "it is loading its data", "wait until it has done so");
    }
    match info.get("aof_enabled") {
        Some("1") => Check::ok(name, "append-only file"),
        _ => Check::warn(
            name,
            "no append-only file: a crash loses what was accepted since the last snapshot",
            "set appendonly yes with appendfsync everysec (loses two seconds at most) or always (loses nothing)",
        ),
    }
}

fn memory(info: &Info<'_>) -> Check {
    let name = "redis memory";
    let (used, max) = (info.number("used_memory"), info.number("maxmemory"));
    let mib = |n: u64| n >> 20;
    if max == 0 {
        return Check::ok(name, format!("{} MiB used, no limit set", mib(used)));
    }
    let percent = used.saturating_mul(100) / max;
    let found = format!("{} of {} MiB used ({percent} %)", mib(used), mib(max));
    if percent > FULL {
        let remedy = "raise maxmemory, or shorten the retention: at the limit nothing more is accepted (503)";
        return Check::warn(name, found, remedy);
    }
    Check::ok(name, found)
}

/// How far its clock is from ours; the way there and back counts half each.
pub(super) async fn clock(node: &mut Node) -> Check {
    let name = "redis clock";
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let before = now();
    match node.ask::<(u64, u64)>(&redis::cmd("TIME")).await {
        Ok((seconds, micros)) => {
            let here = (before + now()) / 2;
            off(Duration::from_secs(seconds) + Duration::from_micros(micros), here)
        }
        Err(problem) => Check::warn(name, problem, "allow TIME to the user of the URL"),
    }
}

fn off(there: Duration, here: Duration) -> Check {
    let off = there.abs_diff(here);
    let word = if there > here { "ahead of" } else { "behind" };
    if off > CLOCK_OFF {
        return Check::warn(
            "redis clock",
            format!("{:.1} s {word} this machine", off.as_secs_f64()),
            "set both clocks by NTP: due times follow the clock of Redis, people and logs follow the other",
        );
    }
    Check::ok("redis clock", format!("{} ms {word} this machine", off.as_millis()))
}

#[cfg(test)]
mod tests {
    use posthaste_broker_redis::RedisUrl;
    use posthaste_notify::Secret;

    use super::super::super::Status;
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nconnected_slaves:1\r\nmaxmemory_policy:noeviction\r\n\
        loading:0\r\naof_enabled:1\r\nused_memory:1048576\r\n\
        used_memory_human:1.00M\r\nmaxmemory:104857600\r\n";

    fn settings() -> RedisSettings {
        RedisSettings {
            url: RedisUrl::parse("redis://h").expect("valid"),
            text: Secret::new("redis://h"),
            namespace: "posthaste".into(),
            shards: None,
            durability: Durability::Replicated,
            allow_eviction: false,
        }
    }

    fn worst(info: &str, redis: &RedisSettings) -> Vec<(String, Status)> {
        let checks = checks(&Info::new(info), redis).into_iter();
        checks.filter(|c| c.status != Status::Ok).map(|c| (c.name, c.status)).collect()
    }

    #[test]
    fn each_trouble_is_found_by_itself() {
        assert_eq!(worst(GOOD, &settings()), []);
        for (from, to, name, status) in [
            ("redis_version:7.0.15", "redis_version:6.2.1", "redis version", Status::Fail),
            ("role:master", "role:slave", "redis role", Status::Fail),
            ("loading:0", "cluster_enabled:1", "redis mode", Status::Fail),
            ("connected_slaves:1", "connected_slaves:0", "redis replicas", Status::Fail),
            ("noeviction", "allkeys-lru", "redis eviction", Status::Fail),
            ("loading:0", "loading:1", "redis persistence", Status::Fail),
            ("aof_enabled:1", "aof_enabled:0", "redis persistence", Status::Warn),
            ("used_memory:1048576", "used_memory:94371840", "redis memory", Status::Warn),
        ] {
            assert_eq!(worst(&GOOD.replace(from, to), &settings()), [(name.to_owned(), status)], "{to}");
        }
        assert_eq!(worst(&GOOD.replace("noeviction", "volatile-lru"), &settings()), []);
        let allowed = RedisSettings { allow_eviction: true, ..settings() };
        let found = worst(&GOOD.replace("noeviction", "allkeys-lru"), &allowed);
        assert_eq!(found, [("redis eviction".to_owned(), Status::Warn)]);
        assert_eq!(worst(&GOOD.replace("maxmemory:104857600", "maxmemory:0"), &settings()), []);
    }

    #[test]
    fn a_master_behind_sentinels_needs_a_replica_that_hears_it() {
        let url = RedisUrl::parse("redis+sentinel://h/mymaster/0").expect("valid");
        let redis = RedisSettings { url, durability: Durability::Acknowledged, ..settings() };
        assert_eq!(worst(GOOD, &redis), [("redis replicas".to_owned(), Status::Warn)]);
        assert_eq!(worst(&format!("{GOOD}min_slaves_good_slaves:1\r\n"), &redis), []);
        let replicated = RedisSettings { durability: Durability::Replicated, ..redis };
        assert_eq!(worst(GOOD, &replicated), [], "there each write waits for a replica");
    }

    #[test]
    fn a_clock_is_off_after_a_second_either_way() {
        let at = Duration::from_millis;
        assert_eq!(off(at(100_000), at(100_900)).status, Status::Ok);
        assert!(off(at(103_000), at(100_000)).found.contains("3.0 s ahead"));
        assert!(off(at(100_000), at(103_000)).found.contains("3.0 s behind"));
    }
}
