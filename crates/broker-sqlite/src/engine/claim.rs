//! Handing out work.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use posthaste_core::broker::ClaimRequest;
use posthaste_core::limits::{MAX_CLAIM, TICK_BATCH};
use posthaste_core::task::stored::Ext;
use posthaste_core::{
    Claimed, EndReason, Json, Kind, LaneKey, LeaseRef, LeaseToken, PauseReason, Priority, RetryPolicy, State,
    TaskId, Timestamp,
};
use rand::RngExt;
use rusqlite::OptionalExtension;

use super::enqueue::id_of_columns;
use super::mem::Run;
use super::ring::{Now, Plan, Quota};
use super::series::bucket;
use super::unreadable::readable;
use super::{Done, Fail, Happened, Tx};
use crate::row::run_flag;

/// What a claim reads of a row.
struct Row {
    seq: i64,
    id: TaskId,
    kind: i64,
    kind_name: Kind,
    generation: u32,
    attempt: u32,
    failures: u32,
    ended: u32,
    flags: i64,
    policy: RetryPolicy,
    created: i64,
    due: i64,
    expires: Option<i64>,
    fresh: bool,
    ext: Ext,
    payload: String,
}

/// A task that waits, and its row if that can be read.
struct Fetched {
    seq: i64,
    ord: i64,
    row: Result<Row, Fail>,
}

const FETCH: &str = "SELECT r.seq, r.ord, t.rand, t.kind, t.gen, t.attempt, t.failures, t.ended, t.flags, \
     t.policy, t.created, t.due, t.expires, t.log IS NULL AND t.expires IS NULL AND t.parked IS NULL, t.ext, \
     t.payload FROM ready r JOIN task t ON t.seq = r.seq \
     WHERE r.lane = ?1 AND r.prio = ?2 ORDER BY r.ord, r.seq LIMIT ?3";
/// The same, of one place.
const FETCH_ONE: &str = "SELECT r.seq, r.ord, t.rand, t.kind, t.gen, t.attempt, t.failures, t.ended, t.flags, \
     t.policy, t.created, t.due, t.expires, t.log IS NULL AND t.expires IS NULL AND t.parked IS NULL, t.ext, \
     t.payload FROM ready r JOIN task t ON t.seq = r.seq \
     WHERE r.lane = ?1 AND r.prio = ?2 AND r.ord = ?3 AND r.seq = ?4";

impl Tx<'_> {
    /// Claims up to `request.max` tasks from the queues in their order.
    pub(crate) fn claim(&mut self, request: &ClaimRequest) -> Done<Vec<Claimed>> {
        // Whoever asks for work brings in what has become due: no sweep needs to come by first.
        if self.mem.next_due.is_some_and(|at| at <= self.now.as_millis()) {
            self.move_due()?;
        }
        let max = request.max.min(MAX_CLAIM);
        if max == 0 {
            return Ok(Vec::new());
        }
        self.mem.epoch += 1;
        let token = LeaseToken { epoch: self.mem.epoch, nonce: rand::rng().random() };
        let mut quota = self.quota(request);
        let mut out = Vec::new();
        let mut expired = 0;
        for name in &request.queues {
            let Some(queue) = self.mem.queue_ids.get(name).copied() else { continue };
            while out.len() < max {
                // Any number may have expired since the last sweep: one call passes over a sweep's worth.
                if expired + max - out.len() > TICK_BATCH {
                    self.effects.wake = true;
                    return Ok(out);
                }
                let now = Now { wall: self.now, mono: self.mono };
                let plan = self.mem.plan(queue, max - out.len(), &mut quota, now);
                if plan.is_empty() {
                    break;
                }
                expired += self.serve(&plan, request, token, &mut quota, &mut out)?;
            }
        }
        Ok(out)
    }

    fn quota(&self, request: &ClaimRequest) -> Quota {
        let mut held = HashMap::new();
        for h in &request.held {
            let Some(queue) = self.mem.queue_ids.get(&h.queue) else { continue };
            let key = LaneKey::target(h.target.clone());
            if let Some(lane) = self.mem.find_lane(*queue, Some(&key)) {
                *held.entry(self.mem.lanes[lane].target).or_insert(0) += h.count;
            }
        }
        Quota { per_target: request.per_target, held }
    }

    /// Starts what is planned. Returns how many were ended instead: they had expired, or cannot be read.
    fn serve(
        &mut self,
        plan: &Plan,
        request: &ClaimRequest,
        token: LeaseToken,
        quota: &mut Quota,
        out: &mut Vec<Claimed>,
    ) -> Done<usize> {
        let mut wanted: Vec<((usize, usize), usize)> = Vec::new();
        for (lane, prio, n) in plan {
            match wanted.iter_mut().find(|(k, _)| *k == (*lane, *prio)) {
                Some((_, sum)) => *sum += n,
                None => wanted.push(((*lane, *prio), *n)),
            }
        }
        let mut fetched: HashMap<(usize, usize), VecDeque<Fetched>> = HashMap::new();
        for ((lane, prio), n) in wanted {
            let rows = self.fetch(lane, prio, n)?;
            self.mem.give_back(lane, n, n - rows.len(), quota);
            if rows.len() < n {
                self.mem.emptied(lane, prio);
            }
            fetched.insert((lane, prio), rows);
        }
        let mut expired = 0;
        for (lane, prio, n) in plan {
            for _ in 0..*n {
                let Some(row) = fetched.get_mut(&(*lane, *prio)).and_then(VecDeque::pop_front) else {
                    break;
                };
                let row = match row.row {
                    Ok(row) => row,
                    Err(why) => {
                        self.fail_unreadable_ready(row.seq, *lane, &why)?;
                        self.unprobe(*lane);
                        expired += 1;
                        continue;
                    }
                };
                // Its time passed since the last sweep: it is not handed out any more.
                if row.expires.is_some_and(|e| e <= self.now.as_millis()) {
                    self.expire_fetched(row.seq, *lane)?;
                    expired += 1;
                    continue;
                }
                let started = out.len() < request.start;
                let claimed = self.start(row, *lane, *prio, request, token, started)?;
                out.push(claimed);
            }
        }
        Ok(expired)
    }

    fn expire_fetched(&mut self, seq: i64, lane: usize) -> Done<()> {
        if let Some(t) = self.resting(seq)? {
            self.end_waiting(&t, State::Expired, EndReason::Expired, "expired before it could be run")?;
        }
        self.unprobe(lane);
        Ok(())
    }

    /// What was planned as the probe of a target is not handed out.
    fn unprobe(&mut self, lane: usize) {
        let target = &mut self.mem.targets[self.mem.lanes[lane].target];
        if target.probe == Some(i64::MIN) {
            target.probe = None;
        }
    }

    fn fetch(&mut self, lane: usize, prio: usize, n: usize) -> Done<VecDeque<Fetched>> {
        let together = if self.damage.lost() == 0 { Some(self.fetch_together(lane, prio, n)) } else { None };
        let rows = match together.map(readable).transpose()? {
            Some(Ok(rows)) => rows,
            // A page of one of them is damaged: each by itself.
            Some(Err(_)) | None => self.fetch_apart(lane, prio, n)?,
        };
        if let Some(last) = rows.back() {
            self.db
                .prepare_cached("DELETE FROM ready WHERE lane = ?1 AND prio = ?2 AND (ord, seq) <= (?3, ?4)")?
                .execute((lane as i64 + 1, prio as i64, last.ord, last.seq))?;
        }
        Ok(rows)
    }

    fn fetch_together(&self, lane: usize, prio: usize, n: usize) -> Done<VecDeque<Fetched>> {
        let mut stmt = self.db.prepare_cached(FETCH)?;
        let rows = stmt.query_map((lane as i64 + 1, prio as i64, n as i64), |r| {
            Ok(Fetched { seq: r.get(0)?, ord: r.get(1)?, row: self.row(r) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn fetch_apart(&self, lane: usize, prio: usize, n: usize) -> Done<VecDeque<Fetched>> {
        let mut places = self.db.prepare_cached(
            "SELECT seq, ord FROM ready WHERE lane = ?1 AND prio = ?2 ORDER BY ord, seq LIMIT ?3",
        )?;
        let places: Vec<(i64, i64)> = places
            .query_map((lane as i64 + 1, prio as i64, n as i64), |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut stmt = self.db.prepare_cached(FETCH_ONE)?;
        let mut out = VecDeque::with_capacity(places.len());
        for (seq, ord) in places {
            if let Err(why) = self.damage.check(seq) {
                out.push_back(Fetched { seq, ord, row: Err(why) });
                continue;
            }
            let row = match stmt
                .query_row((lane as i64 + 1, prio as i64, ord, seq), |r| Ok(self.row(r)))
                .optional()
            {
                Ok(Some(row)) => row,
                Ok(None) => continue,
                Err(e) => Err(Fail::Sql(e)),
            };
            let row = row.inspect_err(|why| self.damage.lost_if(seq, why));
            out.push_back(Fetched { seq, ord, row: readable(row)? });
        }
        Ok(out)
    }

    /// Reads all of a row that a claim needs, so that nothing can be wrong with it once something is written.
    fn row(&self, r: &rusqlite::Row<'_>) -> Done<Row> {
        let (seq, rand, flags): (i64, i64, i64) = (r.get(0)?, r.get(2)?, r.get(8)?);
        let ext: Option<String> = r.get(14)?;
        let id = id_of_columns(seq, rand, flags, ext.as_deref())?;
        let ext = Ext::parse(ext.as_deref())?;
        let kind: i64 = r.get(3)?;
        let bad = |what: &str| Fail::Corrupt(format!("task {id}: {what}"));
        Ok(Row {
            seq,
            id,
            kind,
            kind_name: self.mem.kind(kind).ok_or_else(|| bad("its kind is unknown"))?.clone(),
            generation: r.get(4)?,
            attempt: r.get(5)?,
            failures: r.get(6)?,
            ended: r.get(7)?,
            flags,
            policy: self.presets.policy(r.get(9)?, &ext).ok_or_else(|| bad("its policy is missing"))?,
            created: r.get(10)?,
            due: r.get(11)?,
            expires: r.get(12)?,
            fresh: r.get(13)?,
            ext,
            payload: r.get(15)?,
        })
    }

    fn start(
        &mut self,
        row: Row,
        lane: usize,
        prio: usize,
        request: &ClaimRequest,
        token: LeaseToken,
        started: bool,
    ) -> Done<Claimed> {
        let id = row.id;
        let attempt = row.attempt + 1;
        let flags = if started { run_flag::STARTED } else { 0 };
        self.db
            .prepare_cached(
                "INSERT INTO run (seq, epoch, nonce, attempt, at, worker, flags) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                row.seq,
                token.epoch as i64,
                token.nonce as i64,
                attempt,
                self.now.as_millis(),
                request.worker.as_str(),
                flags,
            ))?;
        let run = Run {
            id,
            token,
            kind: row.kind,
            lane,
            prio,
            attempt,
            generation: row.generation,
            started_at: self.now,
            worker: request.worker.clone(),
            flags,
            task_flags: row.flags,
            fresh: row.fresh && row.ended == 0,
            deadline: self.mono.saturating_add(request.lease.max(Duration::from_millis(1))),
            extended: self.mono,
            until: None,
        };
        self.mem.run_started(row.seq, run);
        let target = self.mem.lanes[lane].target;
        let own = self.mem.targets[target].lane;
        if self.mem.lanes[own].settings.auto.as_ref().is_some_and(|p| p.reason != PauseReason::Throttled) {
            self.mem.targets[target].probe = Some(row.seq);
        }
        self.count(lane, Some(State::Queued), Some(State::Running));
        let wait = bucket(self.now.since(Timestamp::from_millis(row.due)));
        self.point(lane, |s| {
            s.claimed += 1;
            s.wait[wait] += 1;
        });
        self.event(&Happened {
            id,
            kind: row.kind,
            lane,
            state: State::Running,
            attempt,
            generation: row.generation,
            class: None,
            next_at: None,
        });
        let queue = self
            .mem
            .queue_of_lane(lane)
            .ok_or_else(|| Fail::Corrupt(format!("task {id}: its queue is unknown")))?;
        Ok(Claimed {
            lease: LeaseRef { task: id, token },
            started,
            kind: row.kind_name,
            queue: queue.name.clone(),
            lane: self.mem.lane_key(lane),
            priority: Priority::from_code(prio as u8).unwrap_or_default(),
            payload: Json::from_trusted(row.payload),
            attempt,
            failures: row.failures,
            generation: row.generation,
            policy: row.policy,
            created_at: Timestamp::from_millis(row.created),
            due_at: Timestamp::from_millis(row.due),
            expires_at: row.expires.map(Timestamp::from_millis),
            tenant: row.ext.tenant,
            trace: row.ext.trace,
        })
    }
}
