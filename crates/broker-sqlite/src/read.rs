//! Reading: a few connections of their own, each bounded in time, that never wait for the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use posthaste_core::broker::{Bodies, ListRequest, Page, SeriesPoint, SeriesRequest};
use posthaste_core::limits::{LIST_TIME, MAX_LIST_SCAN, MAX_PAGE, MAX_SERIES_POINTS};
use posthaste_core::task::stored::{Ext, Presets, log_parse};
use posthaste_core::{
    Attempt, AttemptOutcome, BrokerError, Json, Kind, LaneKey, Name, Priority, QueueName, Record, RecordKind,
    RecordOrder, State, Task, TaskEnd, TaskId, Timestamp, WorkerId,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use tokio::sync::Semaphore;

use crate::damage::{Damage, TaskOrRow};
use crate::engine::enqueue::{id_of_columns, row_of};
use crate::engine::records::kind_code;
use crate::engine::series::Point;
use crate::engine::unreadable::readable;
use crate::engine::{Done, Fail};
use crate::error::{closed, map};
use crate::row::{recipient_hash, run_flag};

/// Reading connections at the most.
const READERS: usize = 4;
/// A query that takes longer is stopped.
const QUERY_TIME: Duration = Duration::from_secs(5);
/// Virtual-machine steps between two looks at the clock.
const STEPS: i32 = 10_000;

/// The pool.
pub(crate) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    presets: Arc<Presets>,
    damage: Arc<Damage>,
}

impl Readers {
    pub(crate) fn new(file: PathBuf, damage: Arc<Damage>) -> Arc<Self> {
        Arc::new(Self {
            file,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(READERS)),
            presets: Arc::new(Presets::new()),
            damage,
        })
    }

    /// Runs a query on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Reader<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let this = Arc::clone(self);
        let run = move || {
            // Goes with the query, not with the caller, who may leave before it ends.
            let _permit = permit;
            this.run(query)
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| closed())?
    }

    fn run<T>(&self, query: impl FnOnce(&Reader<'_>) -> Done<T>) -> Result<T, BrokerError> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut db = match taken {
            Some(db) => db,
            None => self.open().inspect_err(|e| self.damage.saw(e)).map_err(|e| map(&e))?,
        };
        let until = Instant::now() + QUERY_TIME;
        db.progress_handler(STEPS, Some(move || Instant::now() > until)).map_err(|e| map(&e))?;
        // One snapshot, so that a task is never seen between two places.
        let result = db
            .transaction()
            .map_err(Fail::Sql)
            .and_then(|tx| query(&Reader { db: &tx, presets: &self.presets, damage: &self.damage }))
            .inspect_err(|fail| self.damage.saw_fail(fail));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        result.map_err(BrokerError::from)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(
            &self.file,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -512; PRAGMA busy_timeout = 2000;")?;
        db.set_prepared_statement_cache_capacity(16);
        // Without this, a plan that was held against a partial index depends on the values bound, and
        // SQLite parses such a statement anew after each `clear_bindings`: once per row of a list.
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(db)
    }

    /// Closes every idle connection, so that the last one to close can remove the log.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A snapshot to read from.
pub(crate) struct Reader<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) presets: &'a Presets,
    pub(crate) damage: &'a Damage,
}

const COLUMNS: &str = "t.seq, t.rand, k.text, q.text, l.target, l.tenant, t.prio, coalesce(o.state, 0), t.gen, \
     coalesce(o.attempt, t.attempt), coalesce(o.failures, t.failures), t.flags, t.policy, t.created, t.due, \
     t.expires, o.finished, CASE WHEN o.state IS NULL THEN t.error ELSE o.error END, t.ext, \
     r.attempt, r.at, r.worker, r.flags, d.retrying";
const JOINS: &str = "FROM task t JOIN name k ON k.id = t.kind JOIN lane l ON l.id = t.lane \
     JOIN name q ON q.id = l.queue LEFT JOIN run r ON r.seq = t.seq \
     LEFT JOIN due d ON d.at = t.due AND d.seq = t.seq LEFT JOIN outcome o ON o.seq = t.seq";

impl Reader<'_> {
    pub(crate) fn get(&self, ids: &[TaskId]) -> Done<Vec<Option<Task>>> {
        ids.iter().map(|id| self.get_one(*id)).collect()
    }

    fn get_one(&self, id: TaskId) -> Done<Option<Task>> {
        let Some(seq) = self.find(id)? else { return Ok(None) };
        self.task_or_rest(seq, Bodies::Include)
    }

    fn find(&self, id: TaskId) -> Done<Option<i64>> {
        row_of(self.db, id, true)
    }

    pub(crate) fn task(&self, seq: i64, bodies: Bodies) -> Done<Option<Task>> {
        let tail = if bodies == Bodies::Include { ", t.payload, o.result" } else { "" };
        let mut stmt = self.db.prepare_cached(&format!("SELECT {COLUMNS}{tail} {JOINS} WHERE t.seq = ?1"))?;
        let mut rows = stmt.query([seq])?;
        rows.next()?.map(|r| self.task_of(r, bodies)).transpose()
    }

    fn task_of(&self, r: &Row<'_>, bodies: Bodies) -> Done<Task> {
        let seq: i64 = r.get(0)?;
        let flags: i64 = r.get(11)?;
        let ext_text: Option<String> = r.get(18)?;
        let id = id_of_columns(seq, r.get(1)?, flags, ext_text.as_deref())?;
        let bad = |what: &str| Fail::Corrupt(format!("task {id}: {what}"));
        let ext = Ext::parse(ext_text.as_deref())?;
        let running: Option<u32> = r.get(19)?;
        let state = match (r.get::<_, u8>(7)?, running, r.get::<_, Option<i64>>(23)?) {
            (0, Some(_), _) => State::Running,
            (0, None, None) => State::Queued,
            (0, None, Some(0)) => State::Scheduled,
            (0, None, Some(_)) => State::Retrying,
            (code, ..) => State::from_code(code).ok_or_else(|| bad("its state is unknown"))?,
        };
        let target: String = r.get(4)?;
        let tenant: String = r.get(5)?;
        let lane = (!target.is_empty())
            .then(|| Name::new(&target).map(|target| LaneKey { target, tenant: Name::new(&tenant).ok() }))
            .transpose()
            .map_err(|e| bad(&e.to_string()))?;
        let error: Option<TaskEnd> = match r.get::<_, Option<String>>(17)? {
            Some(text) => Some(serde_json::from_str(&text)?),
            None => None,
        };
        let worker = r.get::<_, Option<String>>(21)?.map(WorkerId::new).transpose();
        let (payload, result) = match bodies {
            Bodies::Omit => (None, None),
            Bodies::Include => (
                // Checked: an answer that holds one that is no JSON could not be read as a whole.
                Some(Json::from_text(r.get(24)?)?),
                r.get::<_, Option<String>>(25)?.map(Json::from_text).transpose()?,
            ),
        };
        Ok(Task {
            id,
            kind: Kind::new(r.get::<_, String>(2)?).map_err(|e| bad(&e.to_string()))?,
            queue: QueueName::new(r.get::<_, String>(3)?).map_err(|e| bad(&e.to_string()))?,
            lane,
            tenant: ext.tenant.clone(),
            priority: Priority::from_code(r.get(6)?).ok_or_else(|| bad("its priority is unknown"))?,
            state,
            generation: r.get(8)?,
            attempt: running.map_or_else(|| r.get(9), Ok)?,
            failures: r.get(10)?,
            created_at: Timestamp::from_millis(r.get(13)?),
            due_at: Timestamp::from_millis(r.get(14)?),
            started_at: r.get::<_, Option<i64>>(20)?.map(Timestamp::from_millis),
            finished_at: r.get::<_, Option<i64>>(16)?.map(Timestamp::from_millis),
            expires_at: r.get::<_, Option<i64>>(15)?.map(Timestamp::from_millis),
            worker: worker.map_err(|e| bad(&e.to_string()))?,
            cancel_requested: r.get::<_, Option<i64>>(22)?.is_some_and(|f| f & run_flag::CANCEL != 0),
            policy: self.presets.policy(r.get(12)?, &ext).ok_or_else(|| bad("its policy is missing"))?,
            unique: ext.unique,
            batch: ext.batch,
            recipient: ext.recipient,
            trace: ext.trace,
            error,
            payload,
            result,
        })
    }

    pub(crate) fn attempts(&self, id: TaskId) -> Done<Option<Vec<Attempt>>> {
        let Some(seq) = self.find(id)? else { return Ok(None) };
        match readable(self.attempts_at(seq))? {
            Ok(attempts) => Ok(attempts),
            Err(why) => {
                self.damage.unreadable(TaskOrRow::Task(id), &why, "its attempts are left out");
                Ok(Some(Vec::new()))
            }
        }
    }

    /// The attempts of a row, the running one last.
    pub(crate) fn attempts_at(&self, seq: i64) -> Done<Option<Vec<Attempt>>> {
        let mut stmt = self.db.prepare_cached(
            "SELECT coalesce(o.log, t.log), t.gen, r.attempt, r.at, r.worker, r.flags, o.attempt, o.started, o.worker, \
             o.finished, o.log IS NULL AND o.started IS NOT NULL \
             FROM task t LEFT JOIN run r ON r.seq = t.seq LEFT JOIN outcome o ON o.seq = t.seq WHERE t.seq = ?1",
        )?;
        let mut rows = stmt.query([seq])?;
        let Some(r) = rows.next()? else { return Ok(None) };
        let mut log = log_parse(r.get::<_, Option<String>>(0)?.as_deref())?;
        if r.get(10)? {
            // The commonest history has one line, kept as columns.
            log.push(Attempt {
                generation: r.get(1)?,
                attempt: r.get(6)?,
                started_at: Timestamp::from_millis(r.get(7)?),
                ended_at: Some(Timestamp::from_millis(r.get(9)?)),
                worker: WorkerId::new(r.get::<_, String>(8)?).map_err(|e| Fail::Corrupt(e.to_string()))?,
                outcome: AttemptOutcome::Succeeded,
                class: None,
                message: None,
                code: None,
                counted: false,
            });
        }
        if let Some(attempt) = r.get::<_, Option<u32>>(2)? {
            log.push(Attempt {
                generation: r.get(1)?,
                attempt,
                started_at: Timestamp::from_millis(r.get(3)?),
                ended_at: None,
                worker: WorkerId::new(r.get::<_, String>(4)?).map_err(|e| Fail::Corrupt(e.to_string()))?,
                outcome: AttemptOutcome::Running,
                class: None,
                message: None,
                code: None,
                counted: false,
            });
        }
        Ok(Some(log))
    }

    pub(crate) fn list(&self, request: &ListRequest) -> Done<Page> {
        let until = Instant::now() + LIST_TIME;
        let limit = request.limit.clamp(1, MAX_PAGE);
        let mut before = match &request.cursor {
            Some(c) => cursor_parse(c).ok_or(Fail::Caller(BrokerError::BadCursor))?,
            None => i64::MAX,
        };
        let mut page = Page::default();
        let mut looked = 0;
        loop {
            let seqs = self.candidates(request, before, (limit - page.tasks.len()).max(16))?;
            if seqs.is_empty() {
                return Ok(page);
            }
            for seq in seqs {
                let stop = looked >= MAX_LIST_SCAN || (looked % 16 == 15 && Instant::now() > until);
                if stop || page.tasks.len() >= limit {
                    page.next_cursor = Some(cursor(before));
                    if page.tasks.len() < limit {
                        page.searched_until = Some(Timestamp::from_millis(crate::ids::millis_of(before)));
                    }
                    return Ok(page);
                }
                looked += 1;
                before = seq;
                if let Some(task) = self.task_or_rest(seq, request.bodies)?
                    && fits(&task, request)
                {
                    page.tasks.push(task);
                }
            }
        }
    }

    /// Rows below `before` that may fit, newest first, by the narrowest index there is.
    fn candidates(&self, request: &ListRequest, before: i64, n: usize) -> Done<Vec<i64>> {
        let f = &request.filter;
        if let Some(recipient) = &f.recipient {
            return self.of_recipient(recipient_hash(recipient), before, n);
        }
        if let Some(batch) = &f.batch {
            return self.seqs(
                "SELECT seq FROM batch_task WHERE batch = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2",
                (before, n as i64, batch.as_bytes()),
            );
        }
        if f.states == [State::Running] {
            return self
                .seqs("SELECT seq FROM run WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2", (before, n as i64));
        }
        let ended = |s: &State| s.code() > State::Succeeded.code();
        if !f.states.is_empty() && f.states.iter().all(ended) {
            let mut all = Vec::new();
            for state in &f.states {
                all.extend(self.seqs(
                    "SELECT seq FROM outcome WHERE state = ?3 AND state > 4 AND seq < ?1 ORDER BY seq DESC LIMIT ?2",
                    (before, n as i64, state.code()),
                )?);
            }
            all.sort_unstable_by(|a, b| b.cmp(a));
            all.dedup();
            all.truncate(n);
            return Ok(all);
        }
        self.all_below(before, n)
    }

    /// Rows below `before`, newest first, round pages that are damaged.
    fn all_below(&self, before: i64, n: usize) -> Done<Vec<i64>> {
        // Up to a row, not below the next: a page is found by its own greatest row.
        const UP_TO: &str = "SELECT seq FROM task WHERE seq <= ?1 ORDER BY seq DESC LIMIT ?2";
        let up_to = |last: i64, n: usize| readable(self.seqs(UP_TO, (last, n as i64)));
        let last = before.saturating_sub(1);
        let mut n = n;
        loop {
            match up_to(last, n)? {
                Ok(seqs) => return Ok(seqs),
                Err(why) => self.damage.saw_fail(&why),
            }
            if n == 1 {
                break;
            }
            n /= 2;
        }
        // The next row lies in a damaged page. Where that begins is found by halves; what is below it goes on.
        let (mut good, mut bad) = (0, last);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            match up_to(middle, 1)? {
                Ok(_) => good = middle,
                Err(_) => bad = middle,
            }
        }
        Ok(up_to(good, 1)?.unwrap_or_default())
    }

    /// Rows below `before` of a recipient, newest first. Each part holds its rows up to those of the next; the oldest, earlier ones
    /// too.
    fn of_recipient(&self, hash: i64, before: i64, n: usize) -> Done<Vec<i64>> {
        let mut stmt = self.db.prepare_cached("SELECT part, first FROM recipient_part ORDER BY part DESC")?;
        let parts: Vec<(i64, i64)> =
            stmt.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut found = Vec::new();
        for (i, (part, first)) in parts.iter().enumerate() {
            let oldest = i + 1 == parts.len();
            if *first < before || oldest {
                found.extend(self.seqs(
                    "SELECT seq FROM recipient_entry WHERE part = ?4 AND hash = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2",
                    (before, (n - found.len()) as i64, hash, part),
                )?);
            }
            if found.len() >= n {
                break;
            }
        }
        Ok(found)
    }

    fn seqs(&self, sql: &str, params: impl rusqlite::Params) -> Done<Vec<i64>> {
        Ok(self.db.prepare_cached(sql)?.query_map(params, |r| r.get(0))?.collect::<Result<_, _>>()?)
    }

    pub(crate) fn series(&self, request: &SeriesRequest) -> Done<Vec<SeriesPoint>> {
        let mut stmt = self.db.prepare_cached(
            "SELECT s.at, n.text, s.data FROM series s JOIN name n ON n.id = s.queue \
             WHERE s.at >= ?1 AND s.at < ?2 AND (?3 IS NULL OR n.text = ?3) ORDER BY s.at, n.text LIMIT ?4",
        )?;
        let queue = request.queue.as_ref().map(QueueName::as_str);
        let params = (request.from.as_millis(), request.until.as_millis(), queue, MAX_SERIES_POINTS as i64);
        let mut rows = stmt.query(params)?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            out.push(point_of(r)?);
        }
        Ok(out)
    }

    pub(crate) fn record(&self, kind: RecordKind, name: &str) -> Done<Option<Record>> {
        let mut stmt = self.db.prepare_cached(
            "SELECT name, version, updated, body FROM record WHERE kind = ?1 AND name = ?2",
        )?;
        Ok(stmt.query_row((kind_code(kind), name), |r| record_of(kind, r)).optional()?)
    }

    pub(crate) fn records(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Done<Vec<Record>> {
        let sql = match order {
            RecordOrder::Ascending => {
                "SELECT name, version, updated, body FROM record WHERE kind = ?1 AND (?2 IS NULL OR name > ?2) \
                 ORDER BY name LIMIT ?3"
            }
            RecordOrder::Descending => {
                "SELECT name, version, updated, body FROM record WHERE kind = ?1 AND (?2 IS NULL OR name < ?2) \
                 ORDER BY name DESC LIMIT ?3"
            }
        };
        debug_assert!(limit <= MAX_PAGE, "whoever asks for {limit} takes fewer for the end");
        let limit = limit.min(MAX_PAGE) as i64;
        let mut stmt = self.db.prepare_cached(sql)?;
        let rows = stmt.query_map((kind_code(kind), after, limit), |r| record_of(kind, r))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Bytes that the file and its log occupy.
    pub(crate) fn size(&self) -> Done<u64> {
        let pages: i64 = self.db.query_row("PRAGMA page_count", [], |r| r.get(0))?;
        let size: i64 = self.db.query_row("PRAGMA page_size", [], |r| r.get(0))?;
        Ok(u64::try_from(pages.saturating_mul(size)).unwrap_or(0))
    }
}

/// A point of `at`, the queue's name and `data`.
pub(crate) fn point_of(r: &Row<'_>) -> Done<SeriesPoint> {
    let p: Point = serde_json::from_str(&r.get::<_, String>(2)?)?;
    Ok(SeriesPoint {
        at: Timestamp::from_millis(r.get(0)?),
        queue: QueueName::new(r.get::<_, String>(1)?).map_err(|e| Fail::Corrupt(e.to_string()))?,
        enqueued: p.enqueued,
        claimed: p.claimed,
        succeeded: p.succeeded,
        held: p.held,
        failed: p.failed,
        retried: p.retried,
        cancelled: p.cancelled,
        expired: p.expired,
        wait_ms: p.wait,
        run_ms: p.run,
    })
}

fn record_of(kind: RecordKind, r: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        kind,
        name: r.get(0)?,
        version: u64::try_from(r.get::<_, i64>(1)?).unwrap_or(0),
        updated_at: Timestamp::from_millis(r.get(2)?),
        body: Json::from_trusted(r.get(3)?),
    })
}

fn fits(t: &Task, request: &ListRequest) -> bool {
    let f = &request.filter;
    (f.states.is_empty() || f.states.contains(&t.state))
        && f.kind.as_ref().is_none_or(|k| *k == t.kind)
        && f.queue.as_ref().is_none_or(|q| *q == t.queue)
        && f.batch.is_none_or(|b| t.batch == Some(b))
        && f.recipient.as_ref().is_none_or(|r| t.recipient.as_ref() == Some(r))
        && f.tenant.as_ref().is_none_or(|x| t.tenant.as_ref() == Some(x))
        && f.class.is_none_or(|c| t.error.as_ref().and_then(|e| e.class) == Some(c))
}

/// A cursor: the row where a page ended, with a check digit so that a typing error is noticed.
fn cursor(seq: i64) -> String {
    format!("{seq:016x}{:02x}", check(seq))
}

fn cursor_parse(text: &str) -> Option<i64> {
    if text.len() != 18 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let seq = i64::from_str_radix(&text[..16], 16).ok()?;
    (u8::from_str_radix(&text[16..], 16).ok()? == check(seq)).then_some(seq)
}

fn check(seq: i64) -> u8 {
    seq.to_be_bytes().iter().fold(0x5a, |c: u8, b| c.rotate_left(3) ^ b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cursors_read_back_and_foreign_ones_are_refused() {
        for seq in [0, 1, 1 << 59, i64::MAX] {
            assert_eq!(cursor_parse(&cursor(seq)), Some(seq));
        }
        for bad in ["", "x", "000000000000000000", "ffffffffffffffffff", "00000000000000zz5a", "é"] {
            assert_eq!(cursor_parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_no_cursor_or_the_one_that_was_given(text in "[0-9a-fA-F]{17,19}|.{0,20}", seq in 0..i64::MAX) {
            for text in [text, cursor(seq)] {
                if let Some(seq) = cursor_parse(&text) {
                    prop_assert_eq!(cursor(seq), text.to_lowercase());
                }
            }
        }
    }
}
