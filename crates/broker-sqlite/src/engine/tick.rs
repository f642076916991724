//! What time moves: due tasks, lost leases, expiries, retention. Each step is bounded.

use std::time::Duration;

use posthaste_core::broker::TickReport;
use posthaste_core::limits::{LEASE, SERIES_KEPT, STORE_GAP, TICK_BATCH};
use posthaste_core::{EndReason, State, Timestamp};

use super::erase::Remains;
use super::mem::Run;
use super::ring::Now;
use super::unreadable::{id_of_row, readable};
use super::{Done, Fail, Happened, Tx};
use crate::damage::is_unreadable;

/// When the sweep last came by, and until when it must not rescue.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pub(crate) last: Option<Duration>,
    pub(crate) no_rescue_before: Duration,
}

impl Tx<'_> {
    /// One sweep. `gone` tells whether a running task's worker is gone.
    pub(crate) fn tick(&mut self, sweep: &mut Sweep, gone: impl Fn(&Run) -> bool) -> Done<TickReport> {
        // Nobody came by for a while: the store or its process stood still, and healthy workers
        // could not extend. They get one full lease before anything is taken from them.
        if sweep.last.is_some_and(|last| self.mono.saturating_sub(last) > STORE_GAP) {
            sweep.no_rescue_before = self.mono + LEASE;
        }
        sweep.last = Some(self.mono);
        let due = self.move_due()?;
        let broken = self.fail_broken_runs()?;
        let rescued = broken + if self.mono >= sweep.no_rescue_before { self.rescue(gone)? } else { 0 };
        let expired = self.expire()?;
        let pruned = self.prune()?;
        self.flush_series()?;
        let more = [due, rescued, expired, pruned].iter().any(|n| *n >= TICK_BATCH);
        let next = self.mem.next_change(Now { wall: self.now, mono: self.mono });
        Ok(TickReport { due, rescued, expired, pruned, more, next })
    }

    /// Scheduled and retrying tasks whose time has come become queued.
    pub(crate) fn move_due(&mut self) -> Done<usize> {
        if self.mem.next_due.is_none_or(|at| at > self.now.as_millis()) {
            return Ok(0);
        }
        let mut stmt = self.db.prepare_cached(
            "SELECT at, seq, lane, prio, retrying FROM due WHERE at <= ?1 ORDER BY at, seq LIMIT ?2",
        )?;
        let rows: Vec<(i64, i64, i64, i64, bool)> = stmt
            .query_map((self.now.as_millis(), TICK_BATCH as i64), |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
            })?
            .collect::<Result<_, _>>()?;
        for (at, seq, lane, prio, retrying) in &rows {
            let lane = usize::try_from(lane - 1).map_err(|_| Fail::Corrupt("due.lane".into()))?;
            let prio = usize::try_from(*prio).map_err(|_| Fail::Corrupt("due.prio".into()))?;
            self.insert_ready(lane, prio, *at, *seq)?;
            let from = if *retrying { State::Retrying } else { State::Scheduled };
            self.count(lane, Some(from), Some(State::Queued));
            self.due_event(*seq, lane)?;
        }
        if let Some((at, seq, ..)) = rows.last() {
            self.db.prepare_cached("DELETE FROM due WHERE (at, seq) <= (?1, ?2)")?.execute((at, seq))?;
        }
        self.mem.next_due = self.db.prepare_cached("SELECT min(at) FROM due")?.query_row([], |r| r.get(0))?;
        Ok(rows.len())
    }

    /// Reads what an event must say, only while somebody watches.
    fn due_event(&mut self, seq: i64, lane: usize) -> Done<()> {
        if !self.effects.watched {
            return Ok(());
        }
        // One that cannot be read fails once it is claimed, which is told.
        let Ok(Some(t)) = readable(self.resting(seq))? else { return Ok(()) };
        self.event(&Happened {
            id: t.id,
            kind: t.kind,
            lane,
            state: State::Queued,
            attempt: t.attempt,
            generation: t.generation,
            class: None,
            next_at: None,
        });
        Ok(())
    }

    fn rescue(&mut self, gone: impl Fn(&Run) -> bool) -> Done<usize> {
        let mut lost: Vec<(Duration, i64, bool)> = self
            .mem
            .runs
            .iter()
            .filter(|(_, r)| r.deadline <= self.mono)
            .map(|(seq, r)| (r.deadline, *seq, gone(r)))
            .collect();
        lost.sort_unstable();
        lost.truncate(TICK_BATCH);
        // Backwards, so that the oldest is the foremost again.
        for (_, seq, gone) in lost.iter().rev() {
            self.lose(*seq, *gone)?;
        }
        Ok(lost.len())
    }

    fn expire(&mut self) -> Done<usize> {
        let mut stmt = self.db.prepare_cached(
            "SELECT at, seq, why FROM expiry WHERE at <= ?1 ORDER BY at, seq, why LIMIT ?2",
        )?;
        let rows: Vec<(i64, i64, i64)> = stmt
            .query_map((self.now.as_millis(), TICK_BATCH as i64), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for (at, seq, why) in &rows {
            self.delete_expiry(*at, *seq, *why)?;
            // A running task goes on; what follows its try looks at the expiry again.
            if self.mem.runs.contains_key(seq) {
                continue;
            }
            let t = match readable(self.resting(*seq))? {
                Ok(Some(t)) => t,
                Ok(None) => continue,
                Err(why) => {
                    self.state_of_unreadable(*seq, &why)?;
                    continue;
                }
            };
            if t.state.is_final() {
                continue;
            }
            if *why == 0 && t.expires == Some(*at) {
                self.end_waiting(&t, State::Expired, EndReason::Expired, "expired before it could be run")?;
            } else if *why == 1 && t.parked == Some(*at) && t.state == State::Queued {
                self.end_waiting(&t, State::Failed, EndReason::MaxAge, "waited too long in a paused lane")?;
            }
        }
        Ok(rows.len())
    }

    fn prune(&mut self) -> Done<usize> {
        let now = self.now;
        let r = *self.retention;
        let mut pruned = 0;
        for (class, age, count) in
            [(0usize, r.succeeded_age, r.succeeded_count), (1, r.failed_age, r.failed_count)]
        {
            let surplus = self.mem.kept[class].saturating_sub(count).min(TICK_BATCH as u64) as usize;
            if self.damage.keeps_all() {
                break;
            }
            let rows = match readable(self.old(class, now.minus(age), surplus))? {
                Ok(rows) => rows,
                // A damaged page among them: nothing is removed any more, and the store's health says why.
                Err(why) => {
                    self.damage.keep_all(&why);
                    break;
                }
            };
            pruned += rows.len();
            for row in rows {
                self.forget(&row).inspect_err(|why| self.keep_old(why))?;
            }
        }
        for (sql, at) in [
            ("DELETE FROM uniq WHERE key IN (SELECT key FROM uniq WHERE until <= ?1 LIMIT ?2)", now),
            (
                "DELETE FROM series WHERE (at, queue) IN (SELECT at, queue FROM series WHERE at <= ?1 LIMIT ?2)",
                now.minus(SERIES_KEPT),
            ),
        ] {
            pruned += self.db.prepare_cached(sql)?.execute((at.as_millis(), TICK_BATCH as i64))?;
        }
        pruned += self.prune_keys()?;
        self.mem.forget_brought(self.db, self.now)?;
        self.sweep_recipients()?;
        Ok(pruned)
    }

    /// Removing an old task failed. One in a damaged page is gone round the next time; anything else would fail every sweep.
    fn keep_old(&self, why: &Fail) {
        if is_unreadable(why) && !self.damage.met() {
            self.damage.keep_all(why);
        }
    }

    /// Finished tasks that are too old, or else too many.
    fn old(&mut self, class: usize, until: Timestamp, surplus: usize) -> Done<Vec<Remains>> {
        let rows = self.finished(class, Some(until), TICK_BATCH)?;
        if rows.len() < surplus { self.finished(class, None, surplus) } else { Ok(rows) }
    }

    /// The oldest of them that can be removed; those that cannot be read stay, and hold up no others.
    fn finished(&mut self, class: usize, until: Option<Timestamp>, limit: usize) -> Done<Vec<Remains>> {
        let mut stmt = self.db.prepare_cached(
            "SELECT seq, state, held FROM outcome WHERE keep = ?1 AND finished <= ?2 ORDER BY finished",
        )?;
        let until = until.map_or(i64::MAX, Timestamp::as_millis);
        let mut rows = stmt.query((class as i64, until))?;
        let mut out = Vec::new();
        while out.len() < limit
            && let Some(r) = rows.next()?
        {
            let seq: i64 = r.get(0)?;
            match readable(self.remains(seq, r))? {
                Ok(Some(row)) => out.push(row),
                Ok(None) => {}
                Err(why) => self.damage.unreadable(self.name_of(seq), &why, "it is kept"),
            }
        }
        Ok(out)
    }

    /// What must be known to remove a finished task, unless its row is gone.
    fn remains(&self, seq: i64, outcome: &rusqlite::Row<'_>) -> Done<Option<Remains>> {
        self.damage.check(seq)?;
        self.read_remains(seq, outcome).inspect_err(|why| self.damage.lost_if(seq, why))
    }

    fn read_remains(&self, seq: i64, outcome: &rusqlite::Row<'_>) -> Done<Option<Remains>> {
        let mut stmt = self.db.prepare_cached("SELECT rand, lane, flags, ext FROM task WHERE seq = ?1")?;
        let mut rows = stmt.query([seq])?;
        let Some(t) = rows.next()? else { return Ok(None) };
        let (flags, ext): (i64, Option<String>) = (t.get(2)?, t.get(3)?);
        Ok(Some(Remains {
            seq,
            id: id_of_row(self.db, seq, t.get(0)?, flags, ext.as_deref()),
            lane: self.lane_of(t.get(1)?)?,
            state: State::from_code(outcome.get(1)?).ok_or_else(|| Fail::Corrupt("outcome.state".into()))?,
            flags,
            ext,
            held: outcome.get(2)?,
        }))
    }
}
