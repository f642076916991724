//! The machine and its own limits, told beside the figures: they mean nothing without it.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::report::{Floor, Row};

/// One line about the machine, the file system of `dir`, the moment and the commit.
pub(crate) fn describe(dir: &Path) -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    format!(
        "{cpu}, {cores} cores, {memory}, Linux {kernel}, {} · {now} · commit {} · {} build",
        file_system(dir).unwrap_or_else(|| "unknown file system".into()),
        commit(),
        if cfg!(debug_assertions) { "DEBUG" } else { "release" },
    )
}

/// How many threads wanted to run, over the last minute and the last five.
pub(crate) fn load_average() -> String {
    let text = read("/proc/loadavg");
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The type of the file system that holds `dir`: the mount with the longest matching path.
pub(crate) fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut best: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let mut halves = line.split(" - ");
        let point = halves.next()?.split(' ').nth(4)?;
        let kind = halves.next()?.split(' ').next()?;
        if dir.starts_with(point) && best.as_ref().is_none_or(|(len, _)| point.len() >= *len) {
            best = Some((point.len(), kind.to_owned()));
        }
    }
    best.map(|(_, kind)| kind)
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let out = std::process::Command::new("git").args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".into() };
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    if dirty { format!("{hash} with changes") } else { hash }
}

/// What this disk and SQLite can do at best, each for `time`.
///
/// # Errors
/// When `dir` cannot be written to.
pub(crate) fn limits(dir: &Path, time: Duration) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![Row::new("machine: fdatasync of 4 KiB", fdatasync(dir, time)?, "/s", Floor::None)];
    for per_transaction in [1, 100, 1_000] {
        rows.push(Row::new(
            format!(
                "machine: SQLite WAL, synchronous=FULL, 200-byte rows, {per_transaction} per transaction"
            ),
            sqlite(dir, time, per_transaction)?,
            "rows/s",
            Floor::None,
        ));
    }
    Ok(rows)
}

fn fdatasync(dir: &Path, time: Duration) -> anyhow::Result<f64> {
    let path = dir.join("fdatasync");
    let mut file = File::create(&path)?;
    let block = [7u8; 4096];
    // Written once before, so that no sync has to grow the file.
    for _ in 0..256 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let start = Instant::now();
    let mut n = 0u64;
    while start.elapsed() < time {
        file.seek(SeekFrom::Start((n % 256) * 4096))?;
        file.write_all(&block)?;
        file.sync_data()?;
        n += 1;
    }
    let rate = n as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

fn sqlite(dir: &Path, time: Duration, per_transaction: u64) -> anyhow::Result<f64> {
    let path = dir.join(format!("limits-{per_transaction}.db"));
    let mut db = rusqlite::Connection::open(&path)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB) STRICT")?;
    let body = [7u8; 200];
    let start = Instant::now();
    let mut n = 0u64;
    while start.elapsed() < time {
        let tx = db.transaction()?;
        {
            let mut insert = tx.prepare_cached("INSERT INTO t (body) VALUES (?1)")?;
            for _ in 0..per_transaction {
                insert.execute([&body[..]])?;
            }
        }
        tx.commit()?;
        n += per_transaction;
    }
    let rate = n as f64 / start.elapsed().as_secs_f64();
    drop(db);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("limits-{per_transaction}.db{end}")));
    }
    Ok(rate)
}
