//! What people do to tasks: cancel and retry.

use posthaste_core::broker::{Cancelled, Retried};
use posthaste_core::task::stored::{Ext, unique_key};
use posthaste_core::{EndReason, State, TaskEnd, TaskId, Timestamp};

use super::enqueue::id_of_columns;
use super::settle::Ended;
use super::unreadable::readable;
use super::{Done, Fail, Happened, Tx};
use crate::row::{flag, run_flag};

/// A task that does not run, as its row tells.
pub(crate) struct Resting {
    pub(crate) seq: i64,
    pub(crate) id: TaskId,
    pub(crate) kind: i64,
    pub(crate) lane: usize,
    pub(crate) prio: usize,
    pub(crate) state: State,
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
    pub(crate) flags: i64,
    pub(crate) due: i64,
    pub(crate) ord: i64,
    pub(crate) expires: Option<i64>,
    pub(crate) parked: Option<i64>,
    pub(crate) unique: Option<String>,
}

const RESTING: &str = "SELECT t.rand, t.kind, t.lane, t.prio, coalesce(o.state, 0), t.gen, coalesce(o.attempt, t.attempt), t.flags, t.due, t.ord, \
     t.expires, t.parked, t.ext, n.text, d.retrying \
     FROM task t JOIN name n ON n.id = t.kind LEFT JOIN due d ON d.at = t.due AND d.seq = t.seq \
     LEFT JOIN outcome o ON o.seq = t.seq WHERE t.seq = ?1";

impl Tx<'_> {
    /// The state of a task, if it is there.
    pub(crate) fn state_of(&mut self, id: TaskId) -> Done<Option<State>> {
        let Some(seq) = self.find(id)? else { return Ok(None) };
        if self.mem.runs.contains_key(&seq) {
            return Ok(Some(State::Running));
        }
        match readable(self.resting(seq))? {
            Ok(task) => Ok(task.map(|t| t.state)),
            Err(why) => Ok(Some(self.state_of_unreadable(seq, &why)?.unwrap_or(State::Failed))),
        }
    }

    /// A task that does not run.
    pub(crate) fn resting(&mut self, seq: i64) -> Done<Option<Resting>> {
        self.damage.check(seq)?;
        self.read_resting(seq).inspect_err(|why| self.damage.lost_if(seq, why))
    }

    fn read_resting(&self, seq: i64) -> Done<Option<Resting>> {
        let mut stmt = self.db.prepare_cached(RESTING)?;
        let mut rows = stmt.query([seq])?;
        let Some(r) = rows.next()? else { return Ok(None) };
        let flags: i64 = r.get(7)?;
        let ext_text: Option<String> = r.get(12)?;
        let ext = Ext::parse(ext_text.as_deref())?;
        let kind_text: String = r.get(13)?;
        let state = match (r.get::<_, u8>(4)?, r.get::<_, Option<i64>>(14)?) {
            (0, None) => State::Queued,
            (0, Some(0)) => State::Scheduled,
            (0, Some(_)) => State::Retrying,
            (code, _) => State::from_code(code).ok_or_else(|| Fail::Corrupt(format!("state {code}")))?,
        };
        Ok(Some(Resting {
            seq,
            id: id_of_columns(seq, r.get(0)?, flags, ext_text.as_deref())?,
            kind: r.get(1)?,
            lane: self.lane_of(r.get(2)?)?,
            prio: usize::try_from(r.get::<_, i64>(3)?).map_err(|_| Fail::Corrupt("task.prio".into()))?,
            state,
            generation: r.get(5)?,
            attempt: r.get(6)?,
            flags,
            due: r.get(8)?,
            ord: r.get(9)?,
            expires: r.get(10)?,
            parked: r.get(11)?,
            unique: ext.unique.as_ref().map(|key| unique_key(ext.tenant.as_ref(), &kind_text, key)),
        }))
    }

    pub(crate) fn cancel(&mut self, ids: &[TaskId]) -> Done<Vec<Cancelled>> {
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.push(self.cancel_one(*id)?);
        }
        Ok(out)
    }

    fn cancel_one(&mut self, id: TaskId) -> Done<Cancelled> {
        let Some(seq) = self.find(id)? else { return Ok(Cancelled::NotFound) };
        if self.mem.runs.contains_key(&seq) {
            self.set_run_flag(seq, run_flag::CANCEL)?;
            return Ok(Cancelled::Requested);
        }
        let task = match readable(self.resting(seq))? {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(Cancelled::NotFound),
            Err(why) => {
                let state = self.state_of_unreadable(seq, &why)?;
                return Ok(state.map_or(Cancelled::NotFound, Cancelled::AlreadyFinal));
            }
        };
        if task.state.is_final() {
            return Ok(Cancelled::AlreadyFinal(task.state));
        }
        self.end_waiting(&task, State::Cancelled, EndReason::Cancelled, "cancelled")?;
        Ok(Cancelled::Done)
    }

    /// Ends a task that waits.
    pub(crate) fn end_waiting(&mut self, t: &Resting, to: State, why: EndReason, message: &str) -> Done<()> {
        if t.state.is_final() || t.state == State::Running {
            return Ok(());
        }
        self.leave_place(t)?;
        if t.flags & flag::UNIQUE != 0 {
            self.free_unique(t.seq, t.unique.as_deref())?;
        }
        // What the last try said stays; the reason is new.
        let (error, log, failures) = self.last_said(t.seq)?;
        let mut end: TaskEnd = error.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(TaskEnd {
            reason: None,
            class: None,
            message: String::new(),
            code: None,
        });
        end.reason = Some(why);
        if end.message.is_empty() || to == State::Cancelled {
            message.clone_into(&mut end.message);
        }
        let error = Some(serde_json::to_string(&end)?);
        let ended = Ended { seq: t.seq, state: to, attempt: t.attempt, failures, token: None, error, log };
        self.insert_outcome(&ended)?;
        self.count(t.lane, Some(t.state), Some(to));
        self.point(t.lane, |s| match to {
            State::Cancelled => s.cancelled += 1,
            State::Expired => s.expired += 1,
            _ => s.failed += 1,
        });
        self.resting_event(t, to, t.generation, t.attempt);
        Ok(())
    }

    /// What the last try of a task said, all tries, and how many failed. A long log lies in pages of its own.
    fn last_said(&self, seq: i64) -> Done<(Option<String>, Option<String>, u32)> {
        let read = self
            .db
            .prepare_cached("SELECT error, log, failures FROM task WHERE seq = ?1")?
            .query_row([seq], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .map_err(Fail::Sql);
        match readable(read.inspect_err(|why| self.damage.lost_if(seq, why)))? {
            Ok(said) => Ok(said),
            // Nothing of this transaction is stored any more.
            Err(why) if self.damage.is_lost(seq) => Err(why),
            Err(why) => {
                self.damage.unreadable(self.name_of(seq), &why, "its earlier attempts are left out");
                Ok((None, None, 0))
            }
        }
    }

    pub(crate) fn retry(&mut self, ids: &[TaskId], expires_at: Option<Timestamp>) -> Done<Vec<Retried>> {
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.push(self.retry_one(*id, expires_at)?);
        }
        Ok(out)
    }

    fn retry_one(&mut self, id: TaskId, expires_at: Option<Timestamp>) -> Done<Retried> {
        let Some(seq) = self.find(id)? else { return Ok(Retried::NotFound) };
        if self.mem.runs.contains_key(&seq) {
            return Ok(Retried::NotRetryable(State::Running));
        }
        let t = match readable(self.resting(seq))? {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(Retried::NotFound),
            // Without its row there is nothing to be run again.
            Err(why) => {
                let state = self.state_of_unreadable(seq, &why)?;
                return Ok(state.map_or(Retried::NotFound, Retried::NotRetryable));
            }
        };
        if !matches!(t.state, State::Failed | State::Cancelled | State::Expired) {
            return Ok(Retried::NotRetryable(t.state));
        }
        if let Some(key) = &t.unique {
            if let Some(by) = self.unique_holder(key)?.filter(|by| *by != id) {
                return Ok(Retried::UniqueHeld { by });
            }
            if t.flags & flag::UNIQUE != 0 {
                self.db
                    .prepare_cached(
                        "INSERT OR REPLACE INTO uniq (key, seq, id, until) VALUES (?1, ?2, ?3, NULL)",
                    )?
                    .execute((key, seq, id.as_bytes()))?;
            }
        }
        let now = self.now.as_millis();
        let generation = t.generation + 1;
        let again = self
            .db
            .prepare_cached(
                "UPDATE task SET gen = ?2, attempt = 0, failures = 0, ended = 0, rescues = 0, due = ?3, \
                 first_due = ?3, ord = ?3, expires = ?4, parked = NULL, error = NULL, \
                 token = coalesce((SELECT token FROM outcome WHERE seq = ?1), token), \
                 log = (SELECT log FROM outcome WHERE seq = ?1) WHERE seq = ?1",
            )?
            .execute((seq, generation, now, expires_at.map(Timestamp::as_millis)));
        again.map_err(Fail::Sql).inspect_err(|why| self.damage.blame(seq, why))?;
        self.db.prepare_cached("DELETE FROM outcome WHERE seq = ?1")?.execute([seq])?;
        if let Some(e) = expires_at {
            self.insert_expiry(e.as_millis(), seq, 0)?;
        }
        self.insert_ready(t.lane, t.prio, now, seq)?;
        self.count(t.lane, Some(t.state), Some(State::Queued));
        self.resting_event(&t, State::Queued, generation, 0);
        Ok(Retried::Done { generation })
    }

    fn resting_event(&mut self, t: &Resting, state: State, generation: u32, attempt: u32) {
        self.event(&Happened {
            id: t.id,
            kind: t.kind,
            lane: t.lane,
            state,
            attempt,
            generation,
            class: None,
            next_at: None,
        });
    }
}
