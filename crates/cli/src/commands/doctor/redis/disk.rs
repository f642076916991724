//! Whether Redis can write to its disk, and how much room is left there if that can be seen from here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::{Check, place};
use super::connect::Node;
use super::server::Info;

const NAME: &str = "redis disk";

/// What is known of the disk.
enum Disk {
    /// It is one of this machine: the directory.
    Here(PathBuf),
    /// It is another machine's, or nobody may ask where it is.
    Elsewhere,
    /// Redis writes nothing to it.
    Unused,
}

/// What went wrong lately, then the room.
pub(super) async fn checks(node: &mut Node, info: &Info<'_>) -> Vec<Check> {
    let mut out = faults(info);
    let room = match of(node, info).await {
        Disk::Unused => Some(Check::ok(NAME, "not used: Redis keeps nothing there")),
        Disk::Here(dir) => room(&dir),
        Disk::Elsewhere => None,
    };
    match room {
        Some(room) => out.push(room),
        None if out.is_empty() => out.push(Check::ok(
            NAME,
            "its last writes succeeded; how much room it has cannot be seen from here: watch it where Redis runs",
        )),
        None => {}
    }
    out
}

fn faults(info: &Info<'_>) -> Vec<Check> {
    let broken = |field: &str| info.get(field).is_some_and(|status| status != "ok");
    let mut out = Vec::new();
    if broken("aof_last_write_status") {
        out.push(Check::fail(
            NAME,
            "the last write to the append-only file failed",
            "make room on the disk of Redis, its log names the error: it refuses writes until one succeeds",
        ));
    }
    if broken("rdb_last_bgsave_status") {
        out.push(Check::fail(
            NAME,
            "the last snapshot failed",
            "make room on its disk and in memory (vm.overcommit_memory=1), its log names the error: it refuses writes until a BGSAVE succeeds",
        ));
    }
    if broken("aof_last_bgrewrite_status") {
        out.push(Check::warn(
            NAME,
            "the last rewrite of the append-only file failed, so the file grows",
            "make room on its disk and in memory (vm.overcommit_memory=1), then BGREWRITEAOF",
        ));
    }
    let delayed = info.number("aof_delayed_fsync");
    // The number counts from the start of the server; one now and then is no trouble.
    if delayed.saturating_mul(3_600) > info.number("uptime_in_seconds") {
        out.push(Check::warn(
            NAME,
            format!("{delayed} times a sync took so long that writes waited for it"),
            "give Redis a faster disk, or one of its own; CONFIG RESETSTAT begins to count anew",
        ));
    }
    out
}

fn room(dir: &Path) -> Option<Check> {
    let remedy = "make room: when its disk is full Redis refuses writes, and nothing more is accepted (503)";
    let mut check = place::room(NAME, dir, remedy)?;
    check.found = format!("{} at {}", check.found, dir.display());
    Some(check)
}

/// Where the files of a server on this machine are. Users without CONFIG are not told, nor is anybody by most managed
/// services.
async fn of(node: &mut Node, info: &Info<'_>) -> Disk {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("dir").arg("save");
    let Ok(settings) = node.try_ask::<HashMap<String, String>>(&command).await else {
        return Disk::Elsewhere;
    };
    let is_empty = |key: &str| settings.get(key).is_some_and(String::is_empty);
    if is_empty("save") && info.get("aof_enabled") == Some("0") {
        return Disk::Unused;
    }
    match settings.get("dir") {
        Some(dir) if node.is_loopback() && is_process_here(info.get("process_id")) => Disk::Here(dir.into()),
        _ => Disk::Elsewhere,
    }
}

/// A Redis that is reached over loopback may still be in a container, with a file system of its own; then its number
/// is that of another process here, or of none.
fn is_process_here(id: Option<&str>) -> bool {
    let Some(id) = id.and_then(|id| id.parse::<u32>().ok()) else { return false };
    std::fs::read_to_string(format!("/proc/{id}/comm"))
        .is_ok_and(|name| name.starts_with("redis") || name.starts_with("valkey"))
}

#[cfg(test)]
mod tests {
    use posthaste_broker_redis::RedisUrl;
    use posthaste_testkit::redis::{Appendonly, RedisOptions, RedisServer};

    use super::super::super::Status;
    use super::super::connect::masters;
    use super::*;

    const GOOD: &str = "uptime_in_seconds:7200\r\naof_enabled:1\r\naof_last_write_status:ok\r\n\
        aof_last_bgrewrite_status:ok\r\nrdb_last_bgsave_status:ok\r\naof_delayed_fsync:2\r\n";

    #[test]
    fn each_fault_is_told_with_what_to_do() {
        assert_eq!(faults(&Info::new(GOOD)), []);
        for (from, to, status, says) in [
            ("last_write_status:ok", "last_write_status:err", Status::Fail, "append-only"),
            ("bgsave_status:ok", "bgsave_status:err", Status::Fail, "snapshot"),
            ("bgrewrite_status:ok", "bgrewrite_status:err", Status::Warn, "rewrite"),
            ("fsync:2", "fsync:3", Status::Warn, "3 times"),
        ] {
            let text = GOOD.replace(from, to);
            let found = faults(&Info::new(&text));
            assert_eq!(found.len(), 1, "{to}: {found:?}");
            assert_eq!((found[0].name.as_str(), found[0].status), (NAME, status), "{found:?}");
            assert!(found[0].found.contains(says) && found[0].remedy.is_some(), "{found:?}");
        }
    }

    async fn of(url: &str) -> String {
        let mut nodes = masters(&RedisUrl::parse(url).expect("valid")).await.expect("it answers");
        let info: String = nodes[0].ask(redis::cmd("INFO").arg("everything")).await.expect("allowed");
        let found = checks(&mut nodes[0], &Info::new(&info)).await;
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].found.clone()
    }

    #[tokio::test]
    async fn room_is_told_of_a_disk_that_is_here() {
        let server = RedisServer::start(&RedisOptions::durable(Appendonly::Everysec));
        let told = of(&server.url()).await;
        let dir = server.dir().canonicalize().expect("it is there");
        assert!(told.contains("MiB free") && told.contains(&dir.display().to_string()), "{told}");
        server.command(&["ACL", "SETUSER", "poor", "on", ">secret", "+@all", "-config"]);
        let told = of(&server.url().replace("//", "//poor:secret@")).await;
        assert!(told.contains("cannot be seen from here"), "{told}");
        let nothing = RedisServer::start(&RedisOptions::default());
        let told = of(&nothing.url()).await;
        assert!(told.contains("keeps nothing"), "{told}");
        // Our own process is none of Redis.
        assert!(!is_process_here(Some(&std::process::id().to_string())));
    }
}
