//! One moment of a data directory, read without its lock: also while a server has it open.

use std::path::Path;
use std::time::Duration;

use posthaste_core::BrokerError;
use posthaste_core::portable::Exported;
use posthaste_core::task::stored::Presets;
use rusqlite::{Connection, OpenFlags};

use crate::error::map;
use crate::open::FILE;
use crate::read::Reader;
use crate::schema;

/// How long it waits for a server that is just opening or closing the file.
const BUSY: Duration = Duration::from_secs(5);

/// One moment of a store. What is written later is not in it; while it lives, the store's log is not cut short.
pub struct Snapshot {
    db: Connection,
    presets: Presets,
}

impl Snapshot {
    /// Reads a data directory as it is now.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when there is no store, or one of another format; a program that starts on it brings an older
    /// one up to date.
    pub fn open(dir: &Path) -> Result<Self, BrokerError> {
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
        // The first read of a transaction decides which moment it sees.
        let begin = "BEGIN; SELECT count(*) FROM meta;";
        db.execute_batch(begin).map_err(|e| map(&e))?;
        Ok(Self { db, presets: Presets::new() })
    }

    /// The items behind `cursor`, as [`posthaste_core::Portable::export`] gives them.
    ///
    /// # Errors
    /// [`BrokerError::BadCursor`], [`BrokerError::Corrupt`], [`BrokerError::Unavailable`].
    pub fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError> {
        let reader = Reader { db: &self.db, presets: &self.presets };
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
