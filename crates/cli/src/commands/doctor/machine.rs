//! Clock and limits of this machine.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};

use super::Check;

/// Before this, the clock was never set: 2025-01-01.
const OLDEST: Duration = Duration::from_secs(1_735_689_600);
/// File times may be this much ahead: network file systems have clocks of their own.
const AHEAD: Duration = Duration::from_secs(60);
/// Connections, store files and logs want this many open files.
const FILES: u64 = 4_096;

/// Clock and limits.
pub(crate) fn checks(dir: &Path) -> Vec<Check> {
    vec![clock(dir, SystemTime::now()), files(), file_system(dir)]
}

/// Whether the clock was set, and not back: due times, expiry and retention follow it.
fn clock(dir: &Path, now: SystemTime) -> Check {
    let remedy = "set the clock, best by NTP: due times, expiry and retention follow it";
    if now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() < OLDEST {
        return Check::fail("clock", "it was never set", remedy);
    }
    let newest = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .max();
    match newest.and_then(|t| t.duration_since(now).ok()) {
        Some(ahead) if ahead > AHEAD => {
            Check::warn("clock", format!("the store was written {} s from now", ahead.as_secs()), remedy)
        }
        _ => Check::ok("clock", "set"),
    }
}

/// Whether enough files may be open.
pub(crate) fn files() -> Check {
    match getrlimit(Resource::Nofile).current {
        Some(n) if n < FILES => Check::warn(
            "open files",
            format!("at most {n}"),
            format!("each connection takes one: raise it to {FILES} or more (ulimit -n, LimitNOFILE=)"),
        ),
        Some(n) => Check::ok("open files", format!("at most {n}")),
        None => Check::ok("open files", "unlimited"),
    }
}

fn file_system(dir: &Path) -> Check {
    let place = if dir.exists() { dir } else { Path::new(".") };
    match crate::commands::bench::file_system(place).as_deref() {
        Some("tmpfs" | "ramfs") => Check::warn(
            "file system",
            "the data directory is in memory",
            "everything is gone at a reboot: put data_dir on a disk",
        ),
        Some(fs @ ("nfs" | "nfs4" | "cifs" | "smb3")) => Check::fail(
            "file system",
            format!("the data directory is on {fs}"),
            "SQLite needs locks and shared memory that network file systems lack: use a local disk",
        ),
        Some(fs) => Check::ok("file system", fs),
        None => Check::ok("file system", "unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_or_runs_behind_the_store_is_told() {
        let dir = tempfile::tempdir().expect("works here");
        std::fs::write(dir.path().join("x"), "x").expect("works here");
        assert_eq!(clock(dir.path(), SystemTime::now()).status, Status::Ok);
        let early = SystemTime::now() - Duration::from_secs(3_600);
        assert_eq!(clock(dir.path(), early).status, Status::Warn);
        assert_eq!(clock(dir.path(), SystemTime::UNIX_EPOCH).status, Status::Fail);
    }
}
