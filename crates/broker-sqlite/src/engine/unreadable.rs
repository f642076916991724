//! A task whose row cannot be read ends alone: it fails and says why, whatever met it goes on with the others.

use posthaste_core::portable::Erased;
use posthaste_core::{AttemptOutcome, EndReason, FailureClass, State, TaskEnd, TaskId};
use rusqlite::{Connection, OptionalExtension};

use super::enqueue::id_of_columns;
use super::settle::{Ended, Told};
use super::{Done, Fail, Tx};
use crate::damage::{TaskOrRow, is_unreadable, said};
use crate::ids::id_of;
use crate::row::flag;

/// The code that such a failure has.
pub(crate) const CODE: &str = "unreadable";

/// Sets apart what cannot be read from what failed otherwise.
pub(crate) fn readable<T>(read: Done<T>) -> Done<Result<T, Fail>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(fail) if is_unreadable(&fail) => Ok(Err(fail)),
        Err(fail) => Err(fail),
    }
}

/// What a row that cannot be read as a whole is known by: the columns alone tell most ids.
pub(crate) fn name_of(db: &Connection, seq: i64) -> TaskOrRow {
    let columns = db
        .prepare_cached("SELECT rand, flags FROM task WHERE seq = ?1")
        .and_then(|mut s| s.query_row([seq], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?))));
    match columns {
        Ok((rand, flags)) if flags & flag::FOREIGN == 0 => TaskOrRow::Task(id_of(seq, rand)),
        _ => foreign_id(db, seq).map_or(TaskOrRow::Row(seq), TaskOrRow::Task),
    }
}

/// The id of a row, also where the columns do not tell it.
pub(crate) fn id_of_row(db: &Connection, seq: i64, rand: i64, flags: i64, ext: Option<&str>) -> TaskId {
    match id_of_columns(seq, rand, flags, ext) {
        Ok(id) => id,
        // That of no task: whatever goes by it is not there.
        Err(_) => foreign_id(db, seq).unwrap_or(TaskId::from_uuid(uuid::Uuid::nil())),
    }
}

/// The caller's own id of a row, looked for the long way round.
fn foreign_id(db: &Connection, seq: i64) -> Option<TaskId> {
    let id: Result<[u8; 16], _> =
        db.query_row("SELECT id FROM foreign_id WHERE seq = ?1", [seq], |r| r.get(0));
    id.ok().map(|b| TaskId::from_uuid(uuid::Uuid::from_bytes(b)))
}

/// How it ended, for people.
fn end(why: &Fail) -> TaskEnd {
    TaskEnd {
        reason: Some(EndReason::Permanent),
        class: Some(FailureClass::Permanent),
        message: format!("its row cannot be read: {}", said(why)),
        code: Some(CODE.to_owned()),
    }
}

impl Tx<'_> {
    /// Ends a running task that cannot be read. `by_worker` says whether its worker told an outcome.
    pub(crate) fn fail_unreadable_run(&mut self, seq: i64, why: &Fail, by_worker: bool) -> Done<State> {
        let run = self.end_run(seq)?;
        self.damage.unreadable(TaskOrRow::Task(run.id), why, "the task fails");
        let end = end(why);
        let told = Told {
            class: end.class,
            message: Some(end.message.clone()),
            code: end.code.clone(),
            ..Told::unsaid(AttemptOutcome::Failed)
        };
        let attempt = self.attempt_of(&run, told, true);
        let log = posthaste_core::task::stored::log_append(None, &attempt)?;
        self.free_unique_of(seq)?;
        self.insert_outcome(&Ended {
            seq,
            state: State::Failed,
            attempt: run.attempt,
            failures: 1,
            token: by_worker.then(|| run.token.to_bytes()),
            error: Some(serde_json::to_string(&end)?),
            log: Some(log),
        })?;
        self.count(run.lane, Some(State::Running), Some(State::Failed));
        self.point(run.lane, |s| s.failed += 1);
        self.tell(&run, State::Failed, end.class, None);
        Ok(State::Failed)
    }

    /// Ends a task that was about to be handed out and cannot be read.
    pub(crate) fn fail_unreadable_ready(&mut self, seq: i64, lane: usize, why: &Fail) -> Done<()> {
        self.damage.unreadable(self.name_of(seq), why, "the task fails");
        self.free_unique_of(seq)?;
        self.insert_outcome(&Ended {
            seq,
            state: State::Failed,
            attempt: 0,
            failures: 0,
            token: None,
            error: Some(serde_json::to_string(&end(why))?),
            log: None,
        })?;
        self.count(lane, Some(State::Queued), Some(State::Failed));
        self.point(lane, |s| s.failed += 1);
        Ok(())
    }

    /// Ends runs that could not be read when the store was opened: no worker has them.
    pub(crate) fn fail_broken_runs(&mut self) -> Done<usize> {
        let broken = std::mem::take(&mut self.mem.broken_runs);
        for (seq, why) in &broken {
            let why = Fail::Corrupt(why.clone());
            self.damage.unreadable(self.name_of(*seq), &why, "the task fails");
            self.db.prepare_cached("DELETE FROM run WHERE seq = ?1")?.execute([seq])?;
            self.free_unique_of(*seq)?;
            self.insert_outcome(&Ended {
                seq: *seq,
                state: State::Failed,
                attempt: 0,
                failures: 0,
                token: None,
                error: Some(serde_json::to_string(&end(&why))?),
                log: None,
            })?;
            if let Some(lane) = self.lane_of_row(*seq) {
                self.count(lane, Some(State::Running), Some(State::Failed));
            }
        }
        Ok(broken.len())
    }

    /// The state of a task that cannot be read, as far as it is known: that of its end.
    pub(crate) fn state_of_unreadable(&mut self, seq: i64, why: &Fail) -> Done<Option<State>> {
        self.damage.unreadable(self.name_of(seq), why, "it is left as it is");
        let code: Option<u8> = self
            .db
            .prepare_cached("SELECT state FROM outcome WHERE seq = ?1")?
            .query_row([seq], |r| r.get(0))
            .optional()?;
        Ok(code.and_then(State::from_code))
    }

    /// Removes a task that cannot be read, and what points at it, wherever that is.
    pub(crate) fn erase_unreadable(&mut self, seq: i64, why: &Fail) -> Done<Erased> {
        let state = self.state_of_unreadable(seq, why)?;
        let lane = self.lane_of_row(seq);
        // The long way round: what would lead there is what cannot be read.
        for table in [
            "ready",
            "due",
            "expiry",
            "uniq",
            "batch_task",
            "recipient_entry",
            "foreign_id",
            "outcome",
            "task",
        ] {
            self.db.execute(&format!("DELETE FROM {table} WHERE seq = ?1"), [seq])?;
        }
        if let Some(lane) = lane {
            self.count(lane, Some(state.unwrap_or(State::Queued)), None);
        }
        Ok(Erased::Erased)
    }

    /// What a row is known by; one in a damaged page is not looked at.
    pub(crate) fn name_of(&self, seq: i64) -> TaskOrRow {
        if self.damage.is_lost(seq) { TaskOrRow::Row(seq) } else { name_of(self.db, seq) }
    }

    /// The lane that a row names.
    pub(crate) fn lane_of(&self, lane: i64) -> Done<usize> {
        let ix = usize::try_from(lane).ok().and_then(|l| l.checked_sub(1));
        let ix = ix.filter(|l| *l < self.mem.lanes.len());
        ix.ok_or_else(|| Fail::Corrupt("its lane is unknown".into()))
    }

    /// The lane of a row, if the row names one that there is.
    fn lane_of_row(&self, seq: i64) -> Option<usize> {
        self.damage.check(seq).ok()?;
        let mut stmt = self.db.prepare_cached("SELECT lane FROM task WHERE seq = ?1").ok()?;
        let lane: i64 = stmt.query_row([seq], |r| r.get(0)).ok()?;
        self.lane_of(lane).ok()
    }

    /// Frees a unique key by its holder, where the key itself cannot be read.
    pub(crate) fn free_unique_of(&mut self, seq: i64) -> Done<()> {
        self.db.execute("DELETE FROM uniq WHERE seq = ?1 AND until IS NULL", [seq])?;
        Ok(())
    }
}
