//! One moment of a data directory, read without its lock: also while a server has it open.

use std::path::Path;
use std::time::Duration;

use posthaste_core::BrokerError;
use posthaste_core::portable::Exported;
use posthaste_core::task::stored::Presets;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::damage::Damage;
use crate::error::map;
use crate::open::FILE;
use crate::read::Reader;
use crate::schema;

/// How long it waits for a server that is just opening or closing the file.
const BUSY: Duration = Duration::from_secs(5);
/// Pages that one step copies (16 MiB at 4 KiB a page): in between, the server's log may start over.
const STEP_PAGES: i32 = 4_096;
/// Each write of the server has the copy begin again. After so many times it is made in one step.
const RESTARTS: usize = 3;

/// One moment of a store. What is written later is not in it.
///
/// It is a copy in a temporary file, so that whoever takes long to read it keeps no log from being cut short.
pub struct Snapshot {
    db: Connection,
    presets: Presets,
    damage: Damage,
    holds_log: Option<String>,
}

impl Snapshot {
    /// Reads a data directory as it is now.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when there is no store, or one of another format; a program that starts on it brings an older
    /// one up to date.
    pub fn open(dir: &Path) -> Result<Self, BrokerError> {
        let source = source(dir)?;
        let this = |db, holds_log| Self { db, presets: Presets::new(), damage: Damage::default(), holds_log };
        match copy(&source) {
            Ok(db) => Ok(this(db, None)),
            Err(e) if is_no_room(&e) => {
                // The first read of a transaction decides which moment it sees.
                let begin = "BEGIN; SELECT count(*) FROM meta;";
                source.execute_batch(begin).map_err(|e| map(&e))?;
                Ok(this(source, Some(e.to_string())))
            }
            Err(e) => Err(map(&e)),
        }
    }

    /// Why there is no copy, if there is none: then the log of the store grows for as long as this lives.
    pub fn holds_log(&self) -> Option<&str> {
        self.holds_log.as_deref()
    }

    /// How many tasks could not be read and were left out so far.
    pub fn left_out(&self) -> usize {
        self.damage.told()
    }

    /// The items behind `cursor`, as [`posthaste_core::Portable::export`] gives them.
    ///
    /// # Errors
    /// [`BrokerError::BadCursor`], [`BrokerError::Corrupt`], [`BrokerError::Unavailable`].
    pub fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError> {
        let reader = Reader { db: &self.db, presets: &self.presets, damage: &self.damage };
        reader.export(cursor, limit).map_err(BrokerError::from)
    }

    /// How many tasks it holds.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub fn tasks(&self) -> Result<u64, BrokerError> {
        let n: i64 = self.db.query_row("SELECT count(*) FROM task", [], |r| r.get(0)).map_err(|e| map(&e))?;
        Ok(u64::try_from(n).unwrap_or(0))
    }
}

/// The store's file, to be read.
fn source(dir: &Path) -> Result<Connection, BrokerError> {
    let why = |why: String| BrokerError::Unavailable { why };
    let file = dir.join(FILE);
    if !file.exists() {
        return Err(why(format!("there is no store in {}", dir.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&file, flags).map_err(|e| map(&e))?;
    db.busy_timeout(BUSY).map_err(|e| map(&e))?;
    let id: i64 = db.query_row("PRAGMA application_id", [], |r| r.get(0)).map_err(|e| map(&e))?;
    let (found, known) = (schema::found(&db).map_err(|e| map(&e))?, schema::known());
    if id != schema::APPLICATION_ID || found != known {
        return Err(why(format!(
            "its format is {found}, this program reads {known}: start `posthaste up` of this version on it once, or use the program that fits"
        )));
    }
    Ok(db)
}

/// Copies the store into a temporary file, which goes with its connection.
fn copy(source: &Connection) -> rusqlite::Result<Connection> {
    // A name that is empty is a file of SQLite's own, made where TMPDIR says and removed at once.
    let mut spool = Connection::open("")?;
    {
        let copying = Backup::new(source, &mut spool)?;
        let (mut left, mut restarts) = (i32::MAX, 0);
        loop {
            let pages = if restarts < RESTARTS { STEP_PAGES } else { -1 };
            match copying.step(pages)? {
                StepResult::Done => break,
                // The server writes its log at this moment: the next step waits for it as long as this one did.
                _ => {
                    let now = copying.progress().remaining;
                    restarts += usize::from(now >= left);
                    left = now;
                }
            }
        }
    }
    Ok(spool)
}

/// Whether a copy fails for want of a place to put it.
fn is_no_room(e: &rusqlite::Error) -> bool {
    matches!(
        e.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::OutOfMemory
        )
    )
}
