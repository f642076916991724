//! Checkpoints by rule: a thread of its own copies most of the write-ahead log into the file while
//! the writer goes on, then the writer copies the few frames that came meanwhile, so that the log
//! starts over and no request waits for a large copy.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use rusqlite::Connection;

use crate::damage::Damage;
use crate::engine::Done;
use crate::open::BUSY_MS;

/// Pages in the log that start a copy (8 MiB at 4 KiB a page).
const START_PAGES: i32 = 2_000;
/// Pages in the log at which the writer copies itself, because the thread cannot keep up.
const MUST_PAGES: i32 = 64_000;
/// Pages of a log that is cut short once it is copied: it grew to that because somebody read for long.
const LARGE_PAGES: i32 = 8_192;
/// Free pages worth giving back to the file system, and how many at a time.
const VACUUM_FREE: i64 = 8_192;
const VACUUM_STEP: i64 = 512;

/// The writer's half.
pub(crate) struct Checkpoints {
    pages: Arc<AtomicI32>,
    busy: Arc<AtomicBool>,
    copied: Arc<AtomicBool>,
    damage: Arc<Damage>,
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Takes over checkpoints of `db` and starts the thread.
    pub(crate) fn start(db: &mut Connection, file: &Path, damage: Arc<Damage>) -> std::io::Result<Self> {
        let pages = Arc::new(AtomicI32::new(0));
        let counted = Arc::clone(&pages);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, n: std::os::raw::c_int| {
            counted.store(n, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(std::io::Error::other)?;
        let (wake, rx) = bounded::<()>(1);
        let busy = Arc::new(AtomicBool::new(false));
        let copied = Arc::new(AtomicBool::new(false));
        let (busy2, copied2, file) = (Arc::clone(&busy), Arc::clone(&copied), file.to_owned());
        let seen = Arc::clone(&damage);
        let thread = std::thread::Builder::new().name("posthaste-ckpt".into()).spawn(move || {
            // Opened when first needed: an idle store needs no second connection.
            let mut own: Option<Connection> = None;
            while rx.recv().is_ok() {
                let result = match &own {
                    Some(db) => passive(db),
                    None => Connection::open(&file).and_then(|db| {
                        db.execute_batch("PRAGMA cache_size = -256")?;
                        let done = passive(&db);
                        own = Some(db);
                        done
                    }),
                };
                tell(result, &seen);
                copied2.store(true, Ordering::Release);
                busy2.store(false, Ordering::Release);
            }
        })?;
        Ok(Self { pages, busy, copied, damage, wake: Some(wake), thread: Some(thread) })
    }

    /// Called by the writer between transactions.
    pub(crate) fn after_commit(&mut self, db: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < START_PAGES {
            return;
        }
        if self.copied.swap(false, Ordering::AcqRel) || pages >= MUST_PAGES {
            // Nobody writes now, so this copies all that is left; the next transaction starts the
            // log over.
            let log = tell(passive(db), &self.damage).unwrap_or_default();
            // What a slow reader still needs stays in the log: the next sweep looks again, also where nothing is written.
            let left = if log.copied < log.pages { log.pages } else { 0 };
            self.pages.store(left, Ordering::Relaxed);
            if left == 0 && log.pages > LARGE_PAGES {
                tell(cut(db), &self.damage);
            }
        } else if !self.busy.swap(true, Ordering::AcqRel)
            && let Some(wake) = &self.wake
        {
            let _ = wake.try_send(());
        }
    }

    /// Gives free pages back to the file system, a few at a time.
    pub(crate) fn vacuum(&self, db: &Connection) -> Done<()> {
        let free: i64 = db.prepare_cached("PRAGMA freelist_count")?.query_row([], |r| r.get(0))?;
        if free < VACUUM_FREE {
            return Ok(());
        }
        let all: i64 = db.prepare_cached("PRAGMA page_count")?.query_row([], |r| r.get(0))?;
        // A file that is a quarter empty will soon be full again; more than that is given back.
        if free > all / 4 {
            db.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM_STEP})"))?;
        }
        Ok(())
    }

    /// Ends the thread and copies what is left.
    pub(crate) fn finish(&mut self, db: &Connection) {
        self.wake = None;
        if let Some(t) = self.thread.take() {
            // A panic there has been printed; the copy below does its work.
            let _ = t.join();
        }
        if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the last checkpoint failed; the log is read at the next start");
        }
    }
}

/// A log after a checkpoint.
#[derive(Debug, Clone, Copy, Default)]
struct Log {
    pages: i32,
    copied: i32,
}

fn tell<T>(result: rusqlite::Result<T>, damage: &Damage) -> Option<T> {
    result
        .inspect_err(|error| {
            damage.saw(error);
            tracing::warn!(%error, "a checkpoint failed; the next one tries again");
        })
        .ok()
}

fn passive(db: &Connection) -> rusqlite::Result<Log> {
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| Ok(Log { pages: r.get(1)?, copied: r.get(2)? }))
}

/// Gives a log that is copied as a whole back to the file system, unless somebody reads it at this moment.
fn cut(db: &Connection) -> rusqlite::Result<()> {
    // The writer waits for no reader.
    db.execute_batch("PRAGMA busy_timeout = 0")?;
    let cut = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    db.execute_batch(&format!("PRAGMA busy_timeout = {BUSY_MS}"))?;
    cut
}
