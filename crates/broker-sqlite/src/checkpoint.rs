//! Checkpoints by rule: a thread of its own copies most of the write-ahead log into the file while
//! the writer goes on, then the writer copies the few frames that came meanwhile, so that the log
//! starts over and no request waits for a large copy.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use rusqlite::Connection;

use crate::engine::Done;

/// Pages in the log that start a copy (8 MiB at 4 KiB a page).
const START_PAGES: i32 = 2_000;
/// Pages in the log at which the writer copies itself, because the thread cannot keep up.
const MUST_PAGES: i32 = 64_000;
/// Free pages worth giving back to the file system, and how many at a time.
const VACUUM_FREE: i64 = 8_192;
const VACUUM_STEP: i64 = 512;

/// The writer's half.
pub(crate) struct Checkpoints {
    pages: Arc<AtomicI32>,
    busy: Arc<AtomicBool>,
    copied: Arc<AtomicBool>,
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Takes over checkpoints of `db` and starts the thread.
    pub(crate) fn start(db: &mut Connection, file: &Path) -> std::io::Result<Self> {
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
                if let Err(error) = result {
                    tracing::warn!(%error, "a checkpoint failed; the next one tries again");
                }
                copied2.store(true, Ordering::Release);
                busy2.store(false, Ordering::Release);
            }
        })?;
        Ok(Self { pages, busy, copied, wake: Some(wake), thread: Some(thread) })
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
            if let Err(error) = passive(db) {
                tracing::warn!(%error, "a checkpoint failed; the next one tries again");
            }
            self.pages.store(0, Ordering::Relaxed);
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

fn passive(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
