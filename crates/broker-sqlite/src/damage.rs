//! What was found to be wrong with the file while it is in use. Whoever meets it says it here, and the store's health tells it
//! for as long as it holds: an operator must not learn of it from tasks that stand still.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use posthaste_core::TaskId;
use rusqlite::{ErrorCode, ffi};

use crate::engine::Fail;

/// An error of the disk that need not last (a full file system shows such, too) is told for so long after it was last met.
const PASSING: Duration = Duration::from_secs(60);
/// Tasks that are remembered as told of; of more, the same task may be told of again.
const TOLD: usize = 1_000;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Damage {
    found: Mutex<Found>,
    /// How many rows lie in damaged pages, so that a store without any pays nothing for asking.
    lost: AtomicUsize,
    /// How many of them were known when the transaction began.
    known: AtomicUsize,
}

#[derive(Default)]
struct Found {
    /// The file is damaged: that does not mend while it is open.
    lasting: Option<String>,
    /// The disk failed, and when it last did.
    passing: Option<(String, Instant)>,
    told: BTreeSet<TaskOrRow>,
    /// Rows in damaged pages.
    lost: BTreeSet<i64>,
    /// A damaged page lies among the rows that are removed with time.
    keeps_all: bool,
}

/// What a row that cannot be read is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskOrRow {
    /// The task's id.
    Task(TaskId),
    /// Its row alone, where its id cannot be read either.
    Row(i64),
}

/// What an error of SQLite says of the file.
enum Sign {
    /// Nothing.
    None,
    /// The file is damaged.
    Lasting,
    /// The disk failed.
    Passing,
}

fn sign(e: &rusqlite::Error) -> Sign {
    let rusqlite::Error::SqliteFailure(code, _) = e else { return Sign::None };
    // https://www.sqlite.org/rescode.html: these say that a page came back wrong, or not at all.
    let unreadable = [
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_IOERR_SHORT_READ,
        ffi::SQLITE_IOERR_DATA,
        ffi::SQLITE_IOERR_CORRUPTFS,
    ];
    match code.code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Sign::Lasting,
        ErrorCode::SystemIoFailure if unreadable.contains(&code.extended_code) => Sign::Lasting,
        ErrorCode::SystemIoFailure => Sign::Passing,
        _ => Sign::None,
    }
}

/// Whether an error says that what was read is not what was written.
pub(crate) fn is_unreadable(fail: &Fail) -> bool {
    match fail {
        Fail::Corrupt(_) => true,
        Fail::Sql(e) => e.sqlite_error_code().is_none() || matches!(sign(e), Sign::Lasting),
        Fail::Caller(_) => false,
    }
}

impl Damage {
    fn found(&self) -> MutexGuard<'_, Found> {
        // Each value is set in one statement, so a panic elsewhere does not spoil it.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at an error of an operation on the file.
    pub(crate) fn saw(&self, e: &rusqlite::Error) {
        match sign(e) {
            Sign::None => {}
            Sign::Lasting => {
                let mut found = self.found();
                if found.lasting.is_none() {
                    let why = format!(
                        "the store's file is damaged ({e}): stop, move the data directory away and restore a backup"
                    );
                    tracing::error!("{why}");
                    found.lasting = Some(why);
                }
            }
            Sign::Passing => {
                let why =
                    format!("the disk of the data directory failed ({e}): look at it and at its file system");
                self.found().passing = Some((why, Instant::now()));
            }
        }
    }

    /// Looks at why an operation failed.
    pub(crate) fn saw_fail(&self, fail: &Fail) {
        if let Fail::Sql(e) = fail {
            self.saw(e);
        }
    }

    /// What is wrong with the file, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let found = self.found();
        let passing = || found.passing.as_ref().filter(|(_, at)| at.elapsed() < PASSING);
        found.lasting.clone().or_else(|| passing().map(|(why, _)| why.clone()))
    }

    /// Looks at an error of reading a row. One in a damaged page is remembered: SQLite lets a transaction that met it write
    /// nothing any more, so the next one must go round it.
    pub(crate) fn lost_if(&self, seq: i64, fail: &Fail) {
        if let Fail::Sql(e) = fail
            && matches!(sign(e), Sign::Lasting)
        {
            self.saw(e);
            let mut found = self.found();
            found.lost.insert(seq);
            self.lost.store(found.lost.len(), Ordering::Release);
        }
    }

    /// A transaction of the writer's begins.
    pub(crate) fn begins(&self) {
        self.known.store(self.lost(), Ordering::Release);
    }

    /// Whether this transaction met a damaged page: nothing of it is stored, it must be made again round what it found.
    pub(crate) fn met(&self) -> bool {
        self.lost() > self.known.load(Ordering::Acquire)
    }

    /// Looks at an error of changing a row, which may meet what reading some of its columns did not: a long payload lies in pages
    /// of its own. Once a transaction met damage, each further change of it fails, whatever row it is of.
    pub(crate) fn blame(&self, seq: i64, fail: &Fail) {
        if !self.met() {
            self.lost_if(seq, fail);
        }
    }

    /// How many rows are known to lie in damaged pages.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Acquire)
    }

    /// Whether a row lies in a damaged page.
    pub(crate) fn is_lost(&self, seq: i64) -> bool {
        self.lost() > 0 && self.found().lost.contains(&seq)
    }

    /// Whether a row may be read.
    pub(crate) fn check(&self, seq: i64) -> Result<(), Fail> {
        if self.is_lost(seq) { Err(Fail::Corrupt("it lies in a damaged page".into())) } else { Ok(()) }
    }

    /// Removing what is old meets a damaged page: it is left. The store grows from here on, so the health tells it.
    pub(crate) fn keep_all(&self, why: &Fail) {
        self.saw_fail(why);
        let mut found = self.found();
        found.keeps_all = true;
        if found.lasting.is_none() {
            let told = format!(
                "finished tasks are not removed any more ({}): stop, move the data directory away and restore a backup",
                said(why)
            );
            tracing::error!("{told}");
            found.lasting = Some(told);
        }
    }

    /// Whether nothing is removed with time any more.
    pub(crate) fn keeps_all(&self) -> bool {
        self.found().keeps_all
    }

    /// How many tasks were told of.
    pub(crate) fn told(&self) -> usize {
        self.found().told.len()
    }

    /// A task's row cannot be read: said once for each.
    pub(crate) fn unreadable(&self, what: TaskOrRow, fail: &Fail, then: &str) {
        self.saw_fail(fail);
        {
            let mut found = self.found();
            if !found.told.insert(what) {
                return;
            }
            if found.told.len() > TOLD {
                found.told.pop_first();
            }
        }
        let why = said(fail);
        match what {
            TaskOrRow::Task(id) => {
                tracing::error!(task_id = %id, why, "the row of a task cannot be read: {then}")
            }
            TaskOrRow::Row(row) => tracing::error!(row, why, "the row of a task cannot be read: {then}"),
        }
    }
}

/// Why, in words.
pub(crate) fn said(fail: &Fail) -> String {
    match fail {
        Fail::Caller(e) => e.to_string(),
        Fail::Sql(e) => e.to_string(),
        Fail::Corrupt(what) => what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(extended: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)
    }

    #[test]
    fn a_damaged_file_is_told_for_good_and_a_full_disk_or_a_busy_file_is_no_damage() {
        for code in
            [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CORRUPT_INDEX, ffi::SQLITE_IOERR_READ]
        {
            let damage = Damage::default();
            damage.saw(&failure(code));
            assert!(damage.found().lasting.is_some(), "{code}");
            assert!(damage.problem().is_some_and(|p| p.contains("restore a backup")), "{code}");
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_INTERRUPT, ffi::SQLITE_READONLY] {
            let damage = Damage::default();
            damage.saw(&failure(code));
            assert_eq!(damage.problem(), None, "{code}");
        }
    }

    #[test]
    fn a_transaction_blames_the_first_row_that_it_met_alone() {
        let damage = Damage::default();
        let corrupt = || Fail::Sql(failure(ffi::SQLITE_CORRUPT));
        damage.begins();
        damage.blame(1, &Fail::Sql(failure(ffi::SQLITE_FULL)));
        assert!(!damage.met() && !damage.is_lost(1));
        damage.blame(1, &corrupt());
        damage.blame(2, &corrupt());
        assert!(damage.met() && damage.is_lost(1) && !damage.is_lost(2));
        damage.begins();
        assert!(!damage.met());
        damage.blame(2, &corrupt());
        assert!(damage.is_lost(2));
    }

    #[test]
    fn whatever_ends_the_removing_of_what_is_old_is_told() {
        let damage = Damage::default();
        damage.keep_all(&Fail::Corrupt("a column".into()));
        assert!(damage.keeps_all());
        assert!(damage.problem().is_some_and(|p| p.contains("a column") && p.contains("not removed")));
    }

    #[test]
    fn a_disk_that_failed_is_told_for_a_while() {
        let damage = Damage::default();
        damage.saw(&failure(ffi::SQLITE_IOERR_WRITE));
        assert!(damage.problem().is_some_and(|p| p.contains("disk")));
        let long_ago = Instant::now().checked_sub(PASSING + Duration::from_secs(1));
        if let (Some((_, at)), Some(long_ago)) = (&mut damage.found().passing, long_ago) {
            *at = long_ago;
        }
        assert_eq!(damage.problem(), None);
    }
}
