//! Opening a data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use posthaste_core::Clock;
use posthaste_core::limits::Retention;
use rusqlite::{Connection, ErrorCode};

use crate::engine::Fail;
use crate::engine::mem::Mem;
use crate::{OpenError, SystemClock, schema};

/// Name of the store file inside the data directory.
pub(crate) const FILE: &str = "posthaste.sqlite3";
/// Name of the lock file inside the data directory.
const LOCK: &str = "posthaste.lock";

/// Where the store is and what it keeps.
#[derive(Clone)]
pub struct SqliteConfig {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// What it reads time from.
    pub clock: Arc<dyn Clock>,
    /// How long and how many finished tasks it keeps.
    pub retention: Retention,
}

impl SqliteConfig {
    /// The machine's clock and default retention.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), clock: Arc::new(SystemClock::new()), retention: Retention::default() }
    }
}

/// An open data directory. The lock is held as long as `lock` lives.
pub(crate) struct Opened {
    pub(crate) db: Connection,
    pub(crate) mem: Mem,
    pub(crate) file: PathBuf,
    pub(crate) lock: File,
}

/// Locks the directory, opens the file, brings it to the newest format, reads the writer's memory.
pub(crate) fn open(dir: &Path) -> Result<Opened, OpenError> {
    // Payloads and held messages are for the owner's eyes; a directory that is there is left as it is.
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| io_error(dir, &e))?;
    let lock = lock(dir)?;
    let file = dir.join(FILE);
    let mut db = Connection::open(&file).map_err(|e| sql_error(dir, &file, &e))?;
    // Looked at before anything is set: some settings write, and a store of a newer program is left
    // as it is.
    let found = schema::found(&db).map_err(|e| sql_error(dir, &file, &e))?;
    if found > schema::known() {
        return Err(OpenError::NewerVersion { dir: dir.into(), found, known: schema::known() });
    }
    let foreign =
        || OpenError::Corrupt { file: file.clone(), why: "it is an SQLite file of another program".into() };
    let new = match whose(&db, found).map_err(|e| sql_error(dir, &file, &e))? {
        Whose::New => true,
        Whose::Ours => false,
        Whose::Foreign => return Err(foreign()),
    };
    configure(&db, new).map_err(|e| sql_error(dir, &file, &e))?;
    let mem = prepare(&mut db).map_err(|e| match e {
        Fail::Sql(e) => sql_error(dir, &file, &e),
        Fail::Corrupt(why) => OpenError::Corrupt { file: file.clone(), why },
        Fail::Caller(e) => OpenError::Corrupt { file: file.clone(), why: e.to_string() },
    })?;
    Ok(Opened { db, mem, file, lock })
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(LOCK))
        .map_err(|e| io_error(dir, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.into() }),
        Err(TryLockError::Error(e)) => Err(io_error(dir, &e)),
    }
}

fn configure(db: &Connection, new: bool) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(128);
    // Plans never depend on bound values: a cached statement is parsed once.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // auto_vacuum only takes effect before the first page is written; later it is a no-op.
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0; \
         PRAGMA busy_timeout = 5000;",
    )?;
    if new {
        db.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    }
    Ok(())
}

enum Whose {
    New,
    Ours,
    Foreign,
}

/// Whose file it is; told without writing to it.
fn whose(db: &Connection, found: i64) -> rusqlite::Result<Whose> {
    let id: i64 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    Ok(if id == schema::APPLICATION_ID {
        Whose::Ours
    } else if found == 0 && id == 0 && tables == 0 {
        Whose::New
    } else {
        Whose::Foreign
    })
}

fn prepare(db: &mut Connection) -> Result<Mem, Fail> {
    schema::migrate(db)?;
    // Each life of the store counts claims from a number that no earlier life reached.
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('opens', 1) ON CONFLICT DO UPDATE SET value = value + 1",
        [],
    )?;
    let opens: i64 = db.query_row("SELECT value FROM meta WHERE key = 'opens'", [], |r| r.get(0))?;
    Mem::load(db, (opens as u64) << 32)
}

fn io_error(dir: &Path, e: &io::Error) -> OpenError {
    let why = e.to_string();
    match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { dir: dir.into(), why }
        }
        _ => OpenError::Io { dir: dir.into(), why },
    }
}

fn sql_error(dir: &Path, file: &Path, e: &rusqlite::Error) -> OpenError {
    let why = e.to_string();
    match e.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            OpenError::ReadOnly { dir: dir.into(), why }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Corrupt { file: file.into(), why }
        }
        Some(_) => OpenError::Io { dir: dir.into(), why },
        None => OpenError::Corrupt { file: file.into(), why },
    }
}
