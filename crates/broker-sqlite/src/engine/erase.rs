//! Removing tasks for good: finished ones when their time has come, others when a person asks.

use posthaste_core::portable::Erased;
use posthaste_core::task::stored::{Ext, unique_key};
use posthaste_core::{Kind, State, TaskId};
use rusqlite::OptionalExtension;

use super::people::Resting;
use super::unreadable::readable;
use super::{Done, Fail, Tx};
use crate::row::flag;

/// What is needed to find all that belongs to a task.
pub(crate) struct Remains {
    pub(crate) seq: i64,
    pub(crate) id: TaskId,
    pub(crate) lane: usize,
    pub(crate) state: State,
    pub(crate) flags: i64,
    pub(crate) ext: Option<String>,
    pub(crate) held: bool,
}

impl Tx<'_> {
    /// Removes tasks that do not run, one by one.
    pub(crate) fn erase(&mut self, ids: &[TaskId]) -> Done<Vec<Erased>> {
        ids.iter().map(|id| self.erase_one(*id)).collect()
    }

    fn erase_one(&mut self, id: TaskId) -> Done<Erased> {
        let Some(seq) = self.find(id)? else { return Ok(Erased::NotFound) };
        if self.mem.runs.contains_key(&seq) {
            return Ok(Erased::Running);
        }
        let task = match readable(self.resting(seq))? {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(Erased::NotFound),
            Err(why) => return self.erase_unreadable(seq, &why),
        };
        if !task.state.is_final() {
            self.leave_place(&task)?;
        }
        let (ext, held): (Option<String>, Option<bool>) = self
            .db
            .prepare_cached(
                "SELECT t.ext, o.held FROM task t LEFT JOIN outcome o ON o.seq = t.seq WHERE t.seq = ?1",
            )?
            .query_row([seq], |r| Ok((r.get(0)?, r.get(1)?)))?;
        // A key that is held for a period is told apart by its holder, whatever became of that.
        let parsed = Ext::parse(ext.as_deref())?;
        if let (Some(key), Some(kind)) = (&parsed.unique, self.mem.kind(task.kind).map(Kind::as_str)) {
            let key = unique_key(parsed.tenant.as_ref(), kind, key);
            self.db.prepare_cached("DELETE FROM uniq WHERE key = ?1 AND seq = ?2")?.execute((key, seq))?;
        }
        self.forget(&Remains {
            seq,
            id,
            lane: task.lane,
            state: task.state,
            flags: task.flags,
            ext,
            held: held.unwrap_or(false),
        })?;
        Ok(Erased::Erased)
    }

    /// Takes a task that waits out of wherever it waits.
    pub(crate) fn leave_place(&mut self, t: &Resting) -> Done<()> {
        if t.state == State::Queued {
            self.db
                .prepare_cached("DELETE FROM ready WHERE lane = ?1 AND prio = ?2 AND ord = ?3 AND seq = ?4")?
                .execute((t.lane as i64 + 1, t.prio as i64, t.ord, t.seq))?;
        } else {
            self.db.prepare_cached("DELETE FROM due WHERE at = ?1 AND seq = ?2")?.execute((t.due, t.seq))?;
        }
        if let Some(at) = t.expires {
            self.delete_expiry(at, t.seq, 0)?;
        }
        if let Some(at) = t.parked {
            self.delete_expiry(at, t.seq, 1)?;
        }
        Ok(())
    }

    /// Removes a task that waits nowhere any more, and all that goes with it.
    pub(crate) fn forget(&mut self, row: &Remains) -> Done<()> {
        if row.held {
            self.delete_held(row.id)?;
            self.mem.count_held(row.lane, -1);
        }
        if row.flags & flag::FOREIGN != 0 {
            self.db.prepare_cached("DELETE FROM foreign_id WHERE id = ?1")?.execute([row.id.as_bytes()])?;
        }
        if row.flags & (flag::BATCH | flag::RECIPIENT) != 0 {
            // What cannot be read leaves entries behind that lead nowhere.
            let ext = Ext::parse(row.ext.as_deref()).unwrap_or_default();
            if let Some(batch) = ext.batch {
                self.db
                    .prepare_cached("DELETE FROM batch_task WHERE batch = ?1 AND seq = ?2")?
                    .execute((batch.as_bytes(), row.seq))?;
            }
            if let Some(recipient) = &ext.recipient {
                self.delete_recipient(recipient, row.seq)?;
            }
        }
        self.db.prepare_cached("DELETE FROM outcome WHERE seq = ?1")?.execute([row.seq])?;
        // It frees the pages of a long payload, too, one after the other.
        let removed = self.db.prepare_cached("DELETE FROM task WHERE seq = ?1")?.execute([row.seq]);
        removed.map_err(Fail::Sql).inspect_err(|why| self.damage.blame(row.seq, why))?;
        self.count(row.lane, Some(row.state), None);
        Ok(())
    }

    /// Whether a row number is taken.
    pub(crate) fn is_taken(&mut self, seq: i64) -> Done<bool> {
        let found: Option<i64> = self
            .db
            .prepare_cached("SELECT 1 FROM task WHERE seq = ?1")?
            .query_row([seq], |r| r.get(0))
            .optional()?;
        Ok(found.is_some())
    }
}
