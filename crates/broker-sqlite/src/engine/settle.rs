//! How a try ends: the one place where a running task leaves its run.

use std::time::Duration;

use posthaste_core::broker::{LaneNews, SettleReply, SettleRequest, Settled, Settlement};
use posthaste_core::task::decide::{Facts, LostLease, Verdict, on_failure, on_lost_lease, on_snooze};
use posthaste_core::task::state::{Trigger, next};
use posthaste_core::task::stored::{Ext, cut, log_append, log_parse, unique_key};
use posthaste_core::{
    Attempt, AttemptOutcome, EndReason, Failure, FailureClass, Json, Kept, LeaseRef, Outcome, RetryPolicy,
    State, TaskEnd, Timestamp,
};
use rand::RngExt;
use rusqlite::OptionalExtension;

use super::mem::{Run, retention_class};
use super::series::bucket;
use super::unreadable::readable;
use super::{Done, Fail, Happened, Tx};
use crate::damage::TaskOrRow;
use crate::row::{flag, run_flag};

/// What ending a try needs of the row.
pub(crate) struct Facet {
    failures: u32,
    ended: u32,
    rescues: u32,
    first_due: Timestamp,
    expires: Option<Timestamp>,
    parked: Option<i64>,
    policy: RetryPolicy,
    log: Option<String>,
    error: Option<String>,
    unique: Option<String>,
}

/// How the attempt log tells a try's end.
pub(crate) struct Told {
    pub(crate) outcome: AttemptOutcome,
    pub(crate) class: Option<FailureClass>,
    pub(crate) message: Option<String>,
    pub(crate) code: Option<String>,
    /// Whether its worker said so: only an outcome makes a repeat `already settled`; a worker that lost its lease is told.
    pub(crate) said: bool,
}

impl Told {
    /// What the store itself found out, or a worker that gave up.
    pub(crate) fn unsaid(outcome: AttemptOutcome) -> Self {
        Self { outcome, class: None, message: None, code: None, said: false }
    }
}

impl Tx<'_> {
    /// The row number of a lease that holds.
    pub(crate) fn fenced(&mut self, lease: &LeaseRef) -> Done<Option<i64>> {
        let seq = crate::ids::seq_of(lease.task);
        if let Some(run) = self.mem.runs.get(&seq)
            && run.id == lease.task
        {
            return Ok((run.token == lease.token).then_some(seq));
        }
        if !self.mem.has_foreign {
            return Ok(None);
        }
        let seq = self.find(lease.task)?;
        Ok(seq.filter(|s| self.mem.runs.get(s).is_some_and(|r| r.token == lease.token)))
    }

    /// Stores outcomes, each fenced on its own, then claims.
    pub(crate) fn settle(&mut self, request: &SettleRequest) -> Done<SettleReply> {
        let mut settled = Vec::with_capacity(request.settlements.len());
        let mut lanes = Vec::new();
        for (at, s) in request.settlements.iter().enumerate() {
            self.effects.lanes.clear();
            settled.push(self.settle_one(s)?);
            lanes.extend(self.effects.lanes.drain(..).map(|news| LaneNews { at, ..news }));
        }
        for lease in &request.started {
            if let Some(seq) = self.fenced(lease)? {
                self.set_run_flag(seq, run_flag::STARTED)?;
            }
        }
        let claimed = match &request.claim {
            Some(claim) => self.claim(claim)?,
            None => Vec::new(),
        };
        Ok(SettleReply { settled, claimed, lanes })
    }

    fn settle_one(&mut self, s: &Settlement) -> Done<Settled> {
        let Some(seq) = self.fenced(&s.lease)? else {
            return match readable(self.settled_before(&s.lease))? {
                Ok(settled) => Ok(settled),
                Err(why) => {
                    self.damage.unreadable(TaskOrRow::Task(s.lease.task), &why, "its outcome is left out");
                    Ok(Settled::LeaseLost)
                }
            };
        };
        let state = match &s.outcome {
            Outcome::Success { result, kept } => self.succeed(seq, result.as_ref(), kept.as_ref())?,
            Outcome::Failure(f) => self.fail(seq, f)?,
            Outcome::Snooze { delay } => self.snooze(seq, *delay)?,
            // Refused before it came here.
            Outcome::Detached => return Ok(Settled::LeaseLost),
        };
        Ok(Settled::Settled(state))
    }

    fn settled_before(&mut self, lease: &LeaseRef) -> Done<Settled> {
        let Some(seq) = self.find(lease.task)? else { return Ok(Settled::LeaseLost) };
        let last = self.last_token(seq).inspect_err(|why| self.damage.lost_if(seq, why))?;
        Ok(if last.as_deref() == Some(&lease.token.to_bytes()[..]) {
            Settled::AlreadySettled
        } else {
            Settled::LeaseLost
        })
    }

    /// The token that settled a task's last try.
    fn last_token(&self, seq: i64) -> Done<Option<Vec<u8>>> {
        // One in a damaged page has ended, or nobody settled it: to read it again would void this transaction, too.
        let sql = if self.damage.is_lost(seq) {
            "SELECT token FROM outcome WHERE seq = ?1"
        } else {
            "SELECT coalesce(o.token, t.token) FROM task t LEFT JOIN outcome o ON o.seq = t.seq \
             WHERE t.seq = ?1"
        };
        let mut stmt = self.db.prepare_cached(sql)?;
        Ok(stmt.query_row([seq], |r| r.get::<_, Option<Vec<u8>>>(0)).optional()?.flatten())
    }

    fn succeed(&mut self, seq: i64, result: Option<&Json>, kept: Option<&Kept>) -> Done<State> {
        let run = self.run(seq)?;
        // A plain task needs no look at its row: one statement ends it.
        let facet = if run.fresh && run.task_flags & flag::UNIQUE == 0 {
            None
        } else {
            match readable(self.facet(seq))? {
                Ok(facet) => Some(facet),
                // It was done, whatever its row says now.
                Err(why) => {
                    self.damage.unreadable(
                        TaskOrRow::Task(run.id),
                        &why,
                        "its earlier attempts are left out",
                    );
                    self.free_unique_of(seq)?;
                    None
                }
            }
        };
        self.end_run(seq)?;
        if let Some(kept) = kept {
            self.upsert_record(kept.kind, &run.id.to_string(), kept.body.as_str())?;
            self.mem.count_held(run.lane, 1);
        }
        let (log, failures) = match facet {
            None => (None, 0),
            Some(facet) => {
                self.leave_waiting_marks(seq, &run, &facet)?;
                let told = Told::unsaid(AttemptOutcome::Succeeded);
                let attempt = self.attempt_of(&run, told, false);
                (Some(log_append(facet.log.as_deref(), &attempt)?), facet.failures)
            }
        };
        self.db
            .prepare_cached(
                "INSERT INTO outcome (seq, state, keep, finished, attempt, failures, held, started, worker, token, log, \
                 result) VALUES (?1, 4, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute((
                seq,
                self.now.as_millis(),
                run.attempt,
                failures,
                i64::from(kept.is_some()),
                run.started_at.as_millis(),
                run.worker.as_str(),
                run.token.to_bytes(),
                log,
                result.map(Json::as_str),
            ))?;
        self.count(run.lane, Some(State::Running), Some(State::Succeeded));
        let held = kept.is_some();
        let took = bucket(self.now.since(run.started_at));
        self.point(run.lane, |s| {
            s.succeeded += 1;
            s.held += u64::from(held);
            s.run[took] += 1;
        });
        self.target_answered(run.lane, seq, None)?;
        self.tell(&run, State::Succeeded, None, None);
        Ok(State::Succeeded)
    }

    /// Ends a try in failure, as the tables say.
    pub(crate) fn fail(&mut self, seq: i64, f: &Failure) -> Done<State> {
        let facet = match readable(self.facet(seq))? {
            Ok(facet) => facet,
            Err(why) => return self.fail_unreadable_run(seq, &why, true),
        };
        let run = self.run(seq)?;
        let verdict = on_failure(f.class, f.retry_after, &self.facts(&run, &facet));
        // The target first: what is parked goes back behind a closed door.
        self.target_answered(run.lane, seq, Some(f))?;
        let message = cut(&f.message);
        let cancelled = verdict.trigger == Trigger::Cancel;
        let told = Told {
            outcome: if cancelled { AttemptOutcome::Cancelled } else { AttemptOutcome::Failed },
            class: Some(f.class),
            message: Some(message),
            code: f.code.clone(),
            said: true,
        };
        self.leave(seq, &facet, verdict, told, 0)
    }

    /// Ends a try that shall be made again later, as if it had not been.
    fn snooze(&mut self, seq: i64, delay: Duration) -> Done<State> {
        let facet = match readable(self.facet(seq))? {
            Ok(facet) => facet,
            Err(why) => return self.fail_unreadable_run(seq, &why, true),
        };
        let run = self.run(seq)?;
        let verdict = on_snooze(delay, &self.facts(&run, &facet));
        let cancelled = verdict.trigger == Trigger::Cancel;
        let outcome = if cancelled { AttemptOutcome::Cancelled } else { AttemptOutcome::Released };
        let told =
            Told { message: Some("put off by its handler".into()), said: true, ..Told::unsaid(outcome) };
        self.leave(seq, &facet, verdict, told, 0)
    }

    /// Ends the try of a lost lease.
    pub(crate) fn lose(&mut self, seq: i64, worker_gone: bool) -> Done<State> {
        let facet = match readable(self.facet(seq))? {
            Ok(facet) => facet,
            Err(why) => return self.fail_unreadable_run(seq, &why, false),
        };
        let run = self.run(seq)?;
        let lost = LostLease {
            marked: run.has(run_flag::MARKED),
            started: run.has(run_flag::STARTED),
            worker_gone,
            rescues: facet.rescues,
        };
        let (verdict, counts) = on_lost_lease(lost, &self.facts(&run, &facet));
        let told = Told {
            class: lost.marked.then_some(FailureClass::Ambiguous),
            message: Some(if lost.marked {
                "the worker was lost after the point of no return: it may have been sent".into()
            } else {
                "the worker was lost".into()
            }),
            ..Told::unsaid(AttemptOutcome::LeaseExpired)
        };
        self.leave(seq, &facet, verdict, told, u32::from(counts))
    }

    /// Gives a task back untried. `delay` sends it to `retrying` instead of the front.
    pub(crate) fn give_back(&mut self, seq: i64, delay: Option<Duration>) -> Done<State> {
        let run = self.run(seq)?;
        if run.has(run_flag::MARKED) {
            let f = Failure::new(
                FailureClass::Ambiguous,
                "the worker stopped after the point of no return: it may have been sent",
            );
            return self.fail(seq, &f);
        }
        let facet = match readable(self.facet(seq))? {
            Ok(facet) => facet,
            Err(why) => return self.fail_unreadable_run(seq, &why, false),
        };
        let facts = self.facts(&run, &facet);
        let verdict = if facts.cancel_requested {
            Verdict {
                trigger: Trigger::Cancel,
                counted: false,
                next_at: None,
                end: Some(EndReason::Cancelled),
            }
        } else if let Some(delay) = delay {
            // No worker here knows its kind: that goes round uncounted, so its age bounds it.
            if self.now.since(facet.first_due) >= facet.policy.max_age {
                Verdict {
                    trigger: Trigger::MaxAge,
                    counted: false,
                    next_at: None,
                    end: Some(EndReason::MaxAge),
                }
            } else {
                let next_at = Some(self.now.plus(delay));
                Verdict { trigger: Trigger::ReleaseUnknown, counted: false, next_at, end: None }
            }
        } else {
            Verdict { trigger: Trigger::Release, counted: false, next_at: None, end: None }
        };
        let outcome =
            if facts.cancel_requested { AttemptOutcome::Cancelled } else { AttemptOutcome::Released };
        let message = delay.map(|_| "no handler of this kind in that worker".into());
        let told = Told { message, ..Told::unsaid(outcome) };
        self.leave(seq, &facet, verdict, told, 0)
    }

    /// Takes a task out of its run to wherever the verdict says.
    fn leave(&mut self, seq: i64, facet: &Facet, v: Verdict, told: Told, rescued: u32) -> Done<State> {
        // To store a row anew reads all of it, also what its facet does not need.
        self.leave_run(seq, facet, v, told, rescued).inspect_err(|why| self.damage.blame(seq, why))
    }

    fn leave_run(&mut self, seq: i64, facet: &Facet, v: Verdict, told: Told, rescued: u32) -> Done<State> {
        let run = self.end_run(seq)?;
        let to = next(Some(State::Running), v.trigger)
            .ok_or_else(|| Fail::Corrupt(format!("no row of the state table for {:?}", v.trigger)))?;
        let ended = u32::from(told.class.is_some());
        let class = told.class;
        let said = told.said;
        // A prefetched task that never started leaves no line in its log.
        let log = if run.has(run_flag::STARTED) || said || told.class.is_some() {
            let attempt = self.attempt_of(&run, told, v.counted);
            let error = self.task_end(&attempt, &v, to)?;
            Some((log_append(facet.log.as_deref(), &attempt)?, error))
        } else if v.end.is_some() {
            let attempt = self.attempt_of(&run, told, v.counted);
            Some((facet.log.clone().unwrap_or_else(|| "[]".into()), self.task_end(&attempt, &v, to)?))
        } else {
            None
        };
        let (log, error) = match log {
            Some((log, error)) => (Some(log), error.or_else(|| facet.error.clone())),
            None => (facet.log.clone(), facet.error.clone()),
        };
        let token = said.then(|| run.token.to_bytes());
        if to.is_final() {
            self.leave_waiting_marks(seq, &run, facet)?;
            self.insert_outcome(&Ended {
                seq,
                state: to,
                attempt: run.attempt,
                failures: facet.failures + u32::from(v.counted),
                token,
                error,
                log,
            })?;
        } else {
            let place = self.place(seq, &run, facet, &v, to)?;
            self.db
                .prepare_cached(
                    "UPDATE task SET attempt = ?2, failures = failures + ?3, ended = ended + ?4, \
                     rescues = rescues + ?5, due = coalesce(?6, due), ord = ?7, parked = ?8, \
                     token = coalesce(?9, token), error = ?10, log = ?11 WHERE seq = ?1",
                )?
                .execute((
                    seq,
                    run.attempt,
                    u32::from(v.counted),
                    ended,
                    rescued,
                    place.due,
                    place.ord,
                    place.parked,
                    token,
                    error,
                    log,
                ))?;
        }
        self.count(run.lane, Some(State::Running), Some(to));
        let took = bucket(self.now.since(run.started_at));
        self.point(run.lane, |s| {
            match to {
                State::Failed => s.failed += 1,
                State::Cancelled => s.cancelled += 1,
                State::Expired => s.expired += 1,
                // Put off by its handler: nothing failed.
                State::Retrying if v.trigger != Trigger::Snooze => s.retried += 1,
                _ => {}
            }
            s.run[took] += 1;
        });
        self.tell(&run, to, class, v.next_at.filter(|_| to == State::Retrying));
        Ok(to)
    }

    /// Puts a task that left its run where it waits.
    fn place(&mut self, seq: i64, run: &Run, facet: &Facet, v: &Verdict, to: State) -> Done<Place> {
        if let Some(e) = facet.expires {
            self.insert_expiry(e.as_millis(), seq, 0)?;
        }
        if let Some(at) = facet.parked {
            self.delete_expiry(at, seq, 1)?;
        }
        if to == State::Retrying {
            let at = v.next_at.unwrap_or(self.now).as_millis();
            self.insert_due(at, seq, run.lane, run.prio, State::Retrying)?;
            return Ok(Place { due: Some(at), ord: at, parked: None });
        }
        if v.trigger == Trigger::FailPark {
            // Behind what waits: neither is what caused a pause the probe, nor is it first when the pause is over.
            let now = self.now.as_millis();
            let ord = now.max(self.last_place(run.lane, run.prio)?.saturating_add(1));
            self.insert_ready(run.lane, run.prio, ord, seq)?;
            let at = facet.first_due.plus(facet.policy.max_age).as_millis();
            self.insert_expiry(at, seq, 1)?;
            return Ok(Place { due: Some(now), ord, parked: Some(at) });
        }
        let ord = self.mem.front_place();
        self.insert_ready(run.lane, run.prio, ord, seq)?;
        Ok(Place { due: None, ord, parked: None })
    }

    /// The place of the last task that waits in a lane at one priority.
    fn last_place(&self, lane: usize, prio: usize) -> Done<i64> {
        let last: Option<i64> = self
            .db
            .prepare_cached("SELECT max(ord) FROM ready WHERE lane = ?1 AND prio = ?2")?
            .query_row((lane as i64 + 1, prio as i64), |r| r.get(0))?;
        Ok(last.unwrap_or(0))
    }

    /// Removes what a waiting task has beside its row: expiries and its unique key.
    pub(crate) fn leave_waiting_marks(&mut self, seq: i64, run: &Run, facet: &Facet) -> Done<()> {
        if let Some(e) = facet.expires {
            self.delete_expiry(e.as_millis(), seq, 0)?;
        }
        if let Some(at) = facet.parked {
            self.delete_expiry(at, seq, 1)?;
        }
        if run.task_flags & flag::UNIQUE != 0 {
            self.free_unique(seq, facet.unique.as_deref())?;
        }
        Ok(())
    }

    /// Frees a unique key that was held until its task is final.
    pub(crate) fn free_unique(&mut self, seq: i64, key: Option<&str>) -> Done<()> {
        if let Some(key) = key {
            self.db
                .prepare_cached("DELETE FROM uniq WHERE key = ?1 AND seq = ?2 AND until IS NULL")?
                .execute((key, seq))?;
        }
        Ok(())
    }

    pub(crate) fn delete_expiry(&mut self, at: i64, seq: i64, why: i64) -> Done<()> {
        self.db
            .prepare_cached("DELETE FROM expiry WHERE at = ?1 AND seq = ?2 AND why = ?3")?
            .execute((at, seq, why))?;
        Ok(())
    }

    /// Stores how a task ended other than in success.
    pub(crate) fn insert_outcome(&mut self, e: &Ended) -> Done<()> {
        self.db
            .prepare_cached(
                "INSERT INTO outcome (seq, state, keep, finished, attempt, failures, held, token, error, log) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9)",
            )?
            .execute((
                e.seq,
                e.state.code(),
                retention_class(e.state).map(|c| c as i64),
                self.now.as_millis(),
                e.attempt,
                e.failures,
                e.token,
                &e.error,
                e.log.as_deref().unwrap_or("[]"),
            ))?;
        Ok(())
    }

    fn task_end(&self, a: &Attempt, v: &Verdict, to: State) -> Done<Option<String>> {
        if a.class.is_none() && v.end.is_none() {
            return Ok(None);
        }
        let message = match (to, &a.message) {
            (State::Cancelled, _) => "cancelled".to_owned(),
            (_, Some(m)) => m.clone(),
            (_, None) => v.end.map_or("", EndReason::as_str).to_owned(),
        };
        let end = TaskEnd { reason: v.end, class: a.class, message, code: a.code.clone() };
        Ok(Some(serde_json::to_string(&end)?))
    }

    pub(crate) fn attempt_of(&self, run: &Run, told: Told, counted: bool) -> Attempt {
        Attempt {
            generation: run.generation,
            attempt: run.attempt,
            started_at: run.started_at,
            ended_at: Some(self.now),
            worker: run.worker.clone(),
            outcome: told.outcome,
            class: told.class,
            message: told.message,
            code: told.code,
            counted,
        }
    }

    fn facts<'f>(&self, run: &Run, facet: &'f Facet) -> Facts<'f> {
        Facts {
            policy: &facet.policy,
            failures: facet.failures,
            ended: facet.ended,
            first_due: facet.first_due,
            expires_at: facet.expires,
            cancel_requested: run.has(run_flag::CANCEL),
            now: self.now,
            jitter: rand::rng().random(),
        }
    }

    fn run(&self, seq: i64) -> Done<Run> {
        self.mem.runs.get(&seq).cloned().ok_or_else(|| Fail::Corrupt("a run has vanished".into()))
    }

    pub(crate) fn end_run(&mut self, seq: i64) -> Done<Run> {
        self.db.prepare_cached("DELETE FROM run WHERE seq = ?1")?.execute([seq])?;
        let run = self.mem.run_ended(seq).ok_or_else(|| Fail::Corrupt("a run has vanished".into()))?;
        // A place that became free is news to whoever found the lane full.
        let lane = &self.mem.lanes[run.lane];
        let own = &self.mem.lanes[self.mem.targets[lane.target].lane];
        if lane.settings.limits.concurrency.or(own.settings.limits.concurrency).is_some() {
            self.effects.wake = true;
        }
        Ok(run)
    }

    pub(crate) fn set_run_flag(&mut self, seq: i64, bit: i64) -> Done<()> {
        let Some(run) = self.mem.runs.get_mut(&seq) else { return Ok(()) };
        if run.flags & bit == 0 {
            run.flags |= bit;
            self.db.prepare_cached("UPDATE run SET flags = ?2 WHERE seq = ?1")?.execute((seq, run.flags))?;
        }
        Ok(())
    }

    /// Reads what the end of a try needs to know.
    pub(crate) fn facet(&mut self, seq: i64) -> Done<Facet> {
        self.damage.check(seq)?;
        self.read_facet(seq).inspect_err(|why| self.damage.lost_if(seq, why))
    }

    fn read_facet(&self, seq: i64) -> Done<Facet> {
        let mut stmt = self.db.prepare_cached(
            "SELECT t.failures, t.ended, t.rescues, t.first_due, t.expires, t.parked, t.policy, t.ext, t.log, t.error, \
             n.text FROM task t JOIN name n ON n.id = t.kind WHERE t.seq = ?1",
        )?;
        let mut rows = stmt.query([seq])?;
        let r = rows.next()?.ok_or_else(|| Fail::Corrupt("a running task has no row".into()))?;
        let ext = Ext::parse(r.get::<_, Option<String>>(7)?.as_deref())?;
        let kind: String = r.get(10)?;
        let log: Option<String> = r.get(8)?;
        // It is added to as a text, and must be found out here, before anything is written.
        log_parse(log.as_deref())?;
        Ok(Facet {
            failures: r.get(0)?,
            ended: r.get(1)?,
            rescues: r.get(2)?,
            first_due: Timestamp::from_millis(r.get(3)?),
            expires: r.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
            parked: r.get(5)?,
            policy: self
                .presets
                .policy(r.get(6)?, &ext)
                .ok_or_else(|| Fail::Corrupt("a task has no policy".into()))?,
            log,
            error: r.get(9)?,
            unique: ext.unique.as_ref().map(|key| unique_key(ext.tenant.as_ref(), &kind, key)),
        })
    }

    pub(crate) fn tell(
        &mut self,
        run: &Run,
        state: State,
        class: Option<FailureClass>,
        next_at: Option<Timestamp>,
    ) {
        self.event(&Happened {
            id: run.id,
            kind: run.kind,
            lane: run.lane,
            state,
            attempt: run.attempt,
            generation: run.generation,
            class,
            next_at,
        });
    }
}

/// Where a task waits after a try.
struct Place {
    due: Option<i64>,
    ord: i64,
    parked: Option<i64>,
}

/// How a task ended other than in success.
pub(crate) struct Ended {
    pub(crate) seq: i64,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) failures: u32,
    pub(crate) token: Option<[u8; 16]>,
    pub(crate) error: Option<String>,
    pub(crate) log: Option<String>,
}
