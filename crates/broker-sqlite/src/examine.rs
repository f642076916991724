//! A look at a data directory from outside: nothing is locked and nothing of the store is written, also while a server has it open.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::OpenError;
use crate::open::{FILE, ours, refuse_emptied, sql_error};

/// Virtual-machine steps between two looks at the clock.
const STEPS: i32 = 10_000;
/// How long it waits for a server that is just opening or closing the file.
const BUSY: Duration = Duration::from_secs(5);

/// What was found in a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Examined {
    /// There is no store.
    Nothing,
    /// A store, and each of its pages could be read.
    Whole,
    /// A store; what was read in the time given was good.
    AsFarAsRead,
}

/// Reads every page of a store, for as long as `patience`.
///
/// # Errors
/// What opening it would answer, and [`OpenError::Corrupt`] when a page is damaged.
pub fn examine(dir: &Path, patience: Duration) -> Result<Examined, OpenError> {
    let file = dir.join(FILE);
    refuse_emptied(dir)?;
    if std::fs::metadata(&file).is_ok_and(|m| m.len() == 0) || !file.exists() {
        return Ok(Examined::Nothing);
    }
    let sql = |e: rusqlite::Error| sql_error(dir, &file, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(&file, flags).map_err(sql)?;
    db.busy_timeout(BUSY).map_err(sql)?;
    if ours(&db, dir, &file)? {
        return Ok(Examined::Nothing);
    }
    let until = Instant::now() + patience;
    db.progress_handler(STEPS, Some(move || Instant::now() > until)).map_err(sql)?;
    match db.query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0)) {
        Ok(word) if word == "ok" => Ok(Examined::Whole),
        Ok(why) => Err(OpenError::Corrupt { file, why: one_line(&why) }),
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(Examined::AsFarAsRead),
        // A page that the disk does not give back is as lost as one that says something else.
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => {
            Err(OpenError::Corrupt { file, why: e.to_string() })
        }
        Err(e) => Err(sql(e)),
    }
}

/// What the check says, without its headings.
fn one_line(why: &str) -> String {
    let mut said = why.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("***"));
    said.next_back().unwrap_or("its pages do not fit together").to_owned()
}
