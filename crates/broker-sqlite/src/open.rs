//! Opening a data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::Clock;
use posthaste_core::limits::Retention;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::damage::Damage;
use crate::engine::Fail;
use crate::engine::mem::Mem;
use crate::{OpenError, SystemClock, schema};

/// Name of the store file inside the data directory.
pub(crate) const FILE: &str = "posthaste.sqlite3";
/// Name of the lock file inside the data directory.
const LOCK: &str = "posthaste.lock";

/// How often the store is read anew when that met one more damaged page.
const ROUND_TRIES: usize = 4;
/// How long the writer waits for another connection that has the file.
pub(crate) const BUSY_MS: u64 = 5_000;
/// Bytes of the log that are kept once it starts over: what a slow reader made it grow to is given back.
const LOG_KEPT: i64 = 32 << 20;

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
    /// What was found to be wrong with it so far.
    pub(crate) damage: Arc<Damage>,
}

/// Locks the directory, opens the file, brings it to the newest format, reads the writer's memory.
///
/// A store that is refused is left as it is: whoever looks into what happened to it finds it so.
pub(crate) fn open(dir: &Path) -> Result<Opened, OpenError> {
    // Payloads and held messages are for the owner's eyes; a directory that is there is left as it is.
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| io_error(dir, &e))?;
    let mut lock = lock(dir)?;
    let file = dir.join(FILE);
    refuse_emptied(dir)?;
    let mut db = Connection::open(&file).map_err(|e| sql_error(dir, &file, &e))?;
    // Closing copies the log into the file: not into one that is refused.
    checkpoint_on_close(&db, false).map_err(|e| sql_error(dir, &file, &e))?;
    // Looked at before anything is set: some settings write.
    let new = ours(&db, dir, &file)?;
    let fail = |e: Fail| match e {
        Fail::Sql(e) => sql_error(dir, &file, &e),
        Fail::Corrupt(why) => OpenError::Corrupt { file: file.clone(), why },
        Fail::Caller(e) => OpenError::Corrupt { file: file.clone(), why: e.to_string() },
    };
    configure(&db, new).map_err(|e| sql_error(dir, &file, &e))?;
    let damage = Arc::new(Damage::default());
    let mut prepared = prepare(&mut db, &damage);
    // A transaction that met a damaged page stores nothing any more: the next one goes round it.
    for _ in 0..ROUND_TRIES {
        if damage.lost() == 0 || prepared.is_ok() {
            break;
        }
        prepared = prepare(&mut db, &damage);
    }
    let mem = prepared.map_err(fail)?;
    checkpoint_on_close(&db, true).map_err(|e| sql_error(dir, &file, &e))?;
    leave_mark(&mut lock).map_err(|e| io_error(dir, &e))?;
    Ok(Opened { db, mem, file, lock, damage })
}

/// Whether the file is a new one; told without writing to it.
///
/// # Errors
/// [`OpenError::NewerVersion`], [`OpenError::Corrupt`] of another program's file and of a damaged one.
pub(crate) fn ours(db: &Connection, dir: &Path, file: &Path) -> Result<bool, OpenError> {
    let found = schema::found(db).map_err(|e| sql_error(dir, file, &e))?;
    if found > schema::known() {
        return Err(OpenError::NewerVersion { dir: dir.into(), found, known: schema::known() });
    }
    match whose(db, found).map_err(|e| sql_error(dir, file, &e))? {
        Whose::New => Ok(true),
        Whose::Ours => Ok(false),
        Whose::Foreign => Err(OpenError::Corrupt {
            file: file.into(),
            why: "it is an SQLite file of another program".into(),
        }),
    }
}

/// An empty file beside a log, or where a store was, is what a failed disk or copy left of it. SQLite would take it as new, and
/// throw the log away.
pub(crate) fn refuse_emptied(dir: &Path) -> Result<(), OpenError> {
    let file = dir.join(FILE);
    let bytes = |name: &str| std::fs::metadata(dir.join(name)).map(|m| m.len());
    let size = match bytes(FILE) {
        Ok(n) => n,
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(io_error(dir, &e)),
    };
    if size > 0 {
        return Ok(());
    }
    let why = if bytes(&format!("{FILE}-wal")).is_ok_and(|n| n > 0) {
        "it is empty or gone, but its log is there"
    } else if file.exists() && bytes(LOCK).is_ok_and(|n| n > 0) {
        "it is empty, but a store was here"
    } else {
        return Ok(());
    };
    Err(OpenError::Corrupt { file, why: why.into() })
}

fn checkpoint_on_close(db: &Connection, wanted: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !wanted).map(|_| ())
}

/// Says in the lock file that there is a store: an empty file beside it is not taken as new any more.
fn leave_mark(lock: &mut File) -> io::Result<()> {
    if lock.metadata()?.len() > 0 {
        return Ok(());
    }
    lock.write_all(b"The store of this directory was made. To start anew, move the whole directory away.\n")?;
    lock.sync_all()
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
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if new {
        // It only takes effect before the first page is written; later it would write for nothing.
        db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;",
    )?;
    db.busy_timeout(Duration::from_millis(BUSY_MS))?;
    db.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
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

/// Brings the format up to date, counts this opening and reads everything that the writer keeps, all of it or nothing.
fn prepare(db: &mut Connection, damage: &Damage) -> Result<Mem, Fail> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::migrate(&tx)?;
    // Each life of the store counts claims from a number that no earlier life reached.
    tx.execute(
        "INSERT INTO meta (key, value) VALUES ('opens', 1) ON CONFLICT DO UPDATE SET value = value + 1",
        [],
    )?;
    let opens: i64 = tx.query_row("SELECT value FROM meta WHERE key = 'opens'", [], |r| r.get(0))?;
    // Before anything is stored: what cannot be read is refused as it was found.
    let mem = Mem::load(&tx, (opens as u64) << 32, damage)?;
    tx.commit()?;
    Ok(mem)
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

pub(crate) fn sql_error(dir: &Path, file: &Path, e: &rusqlite::Error) -> OpenError {
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
