//! The address and the data directory.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use posthaste_broker_sqlite::{Examined, OpenError, SqliteConfig, SqliteStore, examine};

use super::Check;
use crate::http::{Refused, Server};

/// Below this much free disk nothing more should be accepted soon.
const LITTLE: u64 = 100 << 20;
/// Below this much somebody should look.
const SCARCE: u64 = 1 << 30;
/// How long the pages of a store are read; a larger one is checked in part.
const READING: Duration = Duration::from_secs(20);
/// A disk slower than this per sync is felt by every request.
const SLOW_SYNC: Duration = Duration::from_millis(20);

/// What answers at the configured address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Running {
    /// A Posthaste server.
    Posthaste,
    /// A Posthaste server that is not ready.
    Unready {
        /// Why.
        problem: String,
    },
    /// Nothing.
    Nothing,
}

/// Asks who is there.
pub(crate) async fn server(addr: SocketAddr) -> Running {
    let url = format!("http://{addr}").parse().map(Server::at);
    let Ok(Ok(server)) = url else { return Running::Nothing };
    // The wire of the oldest route tells Posthaste from other programs.
    match server.get_within("health", &[], Duration::from_secs(2)).await {
        Ok(body) if body.get("status").and_then(|s| s.as_str()) == Some("OK") => {}
        _ => return Running::Nothing,
    }
    match server.get_within("readyz", &[], Duration::from_secs(5)).await {
        Ok(_) => Running::Posthaste,
        Err(e) => match e.downcast_ref::<Refused>() {
            Some(refused) if refused.status == 503 => Running::Unready { problem: refused.message.clone() },
            _ => Running::Posthaste,
        },
    }
}

/// Whether the server could listen.
pub(crate) fn address(addr: SocketAddr, running: &Running) -> Check {
    if *running != Running::Nothing {
        return Check::ok("address", format!("a Posthaste server answers on {addr}"));
    }
    match std::net::TcpListener::bind(addr) {
        Ok(_) => Check::ok("address", format!("{addr} is free")),
        Err(e) => Check::fail(
            "address",
            format!("{addr} cannot be listened on: {e}"),
            "stop the program that uses it, or choose another address with --addr",
        ),
    }
}

/// Whether the worker could listen.
pub(crate) async fn worker_address(addr: SocketAddr) -> Check {
    let name = "worker address";
    let url = format!("http://{addr}").parse().map(Server::at);
    if let Ok(Ok(worker)) = url
        && worker.get_within("healthz", &[], Duration::from_secs(2)).await.is_ok()
    {
        return Check::ok(name, format!("a worker answers on {addr}"));
    }
    match std::net::TcpListener::bind(addr) {
        Ok(_) => Check::ok(name, format!("{addr} is free")),
        Err(e) => Check::warn(
            name,
            format!("{addr} cannot be listened on: {e}"),
            "choose another with --worker-addr, or off: of several workers on one machine each needs its own",
        ),
    }
}

/// Whether the directory can be written to, how fast, and how much room there is.
pub(crate) fn data_directory(dir: &Path) -> Vec<Check> {
    let name = "data directory";
    // One that is not there yet is made by `up`, inside the nearest one that is.
    let place = existing(dir);
    let mut checks = Vec::new();
    match write_test(&place) {
        Ok(took) if took > SLOW_SYNC => checks.push(Check::warn(
            name,
            format!("{} is writable, a sync takes {:.0} ms", place.display(), took.as_secs_f64() * 1e3),
            "use a faster disk: requests share syncs, but each waits for one",
        )),
        Ok(took) => checks.push(Check::ok(
            name,
            format!("{} is writable, a sync takes {:.1} ms", place.display(), took.as_secs_f64() * 1e3),
        )),
        Err(e) => checks.push(Check::fail(
            name,
            format!("{} cannot be written to: {e}", place.display()),
            "check its owner, and that the file system is not mounted read-only",
        )),
    }
    checks.extend(room("disk", &place, "make room: without it nothing more is accepted (503)"));
    checks
}

/// How much room there is at `dir`, if that can be asked.
pub(crate) fn room(name: &str, dir: &Path, remedy: &str) -> Option<Check> {
    let fs = rustix::fs::statvfs(dir).ok()?;
    let free = fs.f_bavail.saturating_mul(fs.f_frsize);
    let found = format!("{} MiB free", free >> 20);
    Some(match free {
        f if f < LITTLE => Check::fail(name, found, remedy),
        f if f < SCARCE => Check::warn(name, found, remedy),
        _ => Check::ok(name, found),
    })
}

fn existing(dir: &Path) -> PathBuf {
    let mut place = dir;
    while !place.exists() {
        match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => place = parent,
            _ => return PathBuf::from("."),
        }
    }
    place.to_owned()
}

fn write_test(dir: &Path) -> std::io::Result<Duration> {
    let path = dir.join(format!(".posthaste-doctor-{}", std::process::id()));
    let start = Instant::now();
    let written = std::fs::File::create_new(&path).and_then(|mut file| {
        file.write_all(&[7; 4096])?;
        file.sync_data()
    });
    let took = start.elapsed();
    let removed = std::fs::remove_file(&path);
    written.and(removed).map(|()| took)
}

/// Whether the store can be opened.
pub(crate) async fn store(dir: &Path, running: &Running) -> Check {
    let name = "store";
    let empty = std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()).unwrap_or(true);
    if empty {
        return Check::ok(name, "not there yet; `posthaste up` makes it");
    }
    // Before it is opened, which writes: a damaged one is left as it is.
    let looked = {
        let dir = dir.to_owned();
        tokio::task::spawn_blocking(move || examine(&dir, READING)).await
    };
    match looked {
        Ok(Ok(Examined::Nothing | Examined::Whole | Examined::AsFarAsRead)) => {}
        Ok(Err(e)) => return refused(&e, running),
        Err(e) => return Check::fail(name, format!("its pages could not be read: {e}"), "run it again"),
    }
    if let Running::Unready { problem } = running {
        return Check::fail(name, problem.as_str(), "see the log of the running server");
    }
    match SqliteStore::open(SqliteConfig::new(dir)).await {
        Ok(store) => {
            use posthaste_core::Broker;
            let health = store.health().await;
            store.close().await;
            match health.problem {
                None => Check::ok(
                    name,
                    format!("{} {}, {} MiB", health.store, health.version, health.size_bytes >> 20),
                ),
                Some(problem) => Check::fail(name, problem, "see the log of `posthaste up`"),
            }
        }
        Err(e) => refused(&e, running),
    }
}

/// What it means that the store cannot be opened or read.
fn refused(error: &OpenError, running: &Running) -> Check {
    let name = "store";
    match error {
        OpenError::Locked { .. } if *running == Running::Posthaste => {
            Check::ok(name, "in use by the running server")
        }
        OpenError::Locked { .. } => Check::warn(
            name,
            error.to_string(),
            "if it should answer here, check addr; else stop that process",
        ),
        OpenError::NewerVersion { .. } => {
            Check::fail(name, error.to_string(), "run the release that wrote it, or a later one")
        }
        OpenError::Corrupt { .. } => Check::fail(
            name,
            error.to_string(),
            "stop the server, restore a backup, or move the directory away to start anew",
        ),
        OpenError::ReadOnly { .. } | OpenError::Io { .. } => {
            Check::fail(name, error.to_string(), "check the owner of the directory and its file system")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_is_checked_where_it_would_be_made() {
        let dir = tempfile::tempdir().expect("works here");
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
        assert!(data_directory(&dir.path().join("a")).iter().all(|c| c.status != Status::Fail));
        assert_eq!(std::fs::read_dir(dir.path()).expect("works here").count(), 0, "nothing is left behind");
    }

    #[test]
    fn an_address_in_use_is_a_failure() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("works here");
        let check = address(taken.local_addr().expect("works here"), &Running::Nothing);
        assert_eq!(check.status, Status::Fail);
    }
}
