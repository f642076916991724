//! Handing out work.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use posthaste_core::broker::ClaimRequest;
use posthaste_core::limits::{MAX_CLAIM, TICK_BATCH};
use posthaste_core::task::stored::Ext;
use posthaste_core::{
    Claimed, EndReason, Json, LaneKey, LeaseRef, LeaseToken, PauseReason, Priority, State, Timestamp,
};
use rand::RngExt;

use super::enqueue::id_of_columns;
use super::mem::Run;
use super::ring::{Now, Plan, Quota};
use super::series::bucket;
use super::{Done, Fail, Happened, Tx};
use crate::row::run_flag;

/// What a claim reads of a row.
struct Row {
    seq: i64,
    ord: i64,
    rand: i64,
    kind: i64,
    generation: u32,
    attempt: u32,
    failures: u32,
    ended: u32,
    flags: i64,
    policy: u8,
    created: i64,
    due: i64,
    expires: Option<i64>,
    fresh: bool,
    ext: Option<String>,
    payload: String,
}

const FETCH: &str = "SELECT r.seq, r.ord, t.rand, t.kind, t.gen, t.attempt, t.failures, t.ended, t.flags, \
     t.policy, t.created, t.due, t.expires, t.log IS NULL AND t.expires IS NULL AND t.parked IS NULL, t.ext, \
     t.payload FROM ready r JOIN task t ON t.seq = r.seq \
     WHERE r.lane = ?1 AND r.prio = ?2 ORDER BY r.ord, r.seq LIMIT ?3";

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

    /// Starts what is planned. Returns how many had expired and were ended instead.
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
        let mut fetched: HashMap<(usize, usize), VecDeque<Row>> = HashMap::new();
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
        let target = &mut self.mem.targets[self.mem.lanes[lane].target];
        if target.probe == Some(i64::MIN) {
            target.probe = None;
        }
        Ok(())
    }

    fn fetch(&mut self, lane: usize, prio: usize, n: usize) -> Done<VecDeque<Row>> {
        let mut stmt = self.db.prepare_cached(FETCH)?;
        let rows = stmt.query_map((lane as i64 + 1, prio as i64, n as i64), |r| {
            Ok(Row {
                seq: r.get(0)?,
                ord: r.get(1)?,
                rand: r.get(2)?,
                kind: r.get(3)?,
                generation: r.get(4)?,
                attempt: r.get(5)?,
                failures: r.get(6)?,
                ended: r.get(7)?,
                flags: r.get(8)?,
                policy: r.get(9)?,
                created: r.get(10)?,
                due: r.get(11)?,
                expires: r.get(12)?,
                fresh: r.get(13)?,
                ext: r.get(14)?,
                payload: r.get(15)?,
            })
        })?;
        let rows: VecDeque<Row> = rows.collect::<Result<_, _>>()?;
        if let Some(last) = rows.back() {
            self.db
                .prepare_cached("DELETE FROM ready WHERE lane = ?1 AND prio = ?2 AND (ord, seq) <= (?3, ?4)")?
                .execute((lane as i64 + 1, prio as i64, last.ord, last.seq))?;
        }
        Ok(rows)
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
        let id = id_of_columns(row.seq, row.rand, row.flags, row.ext.as_deref())?;
        let ext = Ext::parse(row.ext.as_deref())?;
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
        let corrupt = |what: &str| Fail::Corrupt(format!("task {id}: {what}"));
        let queue = self.mem.queue_of_lane(lane).ok_or_else(|| corrupt("its queue is unknown"))?;
        Ok(Claimed {
            lease: LeaseRef { task: id, token },
            started,
            kind: self.mem.kind(row.kind).ok_or_else(|| corrupt("its kind is unknown"))?.clone(),
            queue: queue.name.clone(),
            lane: self.mem.lane_key(lane),
            priority: Priority::from_code(prio as u8).unwrap_or_default(),
            payload: Json::from_trusted(row.payload),
            attempt,
            failures: row.failures,
            generation: row.generation,
            policy: self.presets.policy(row.policy, &ext).ok_or_else(|| corrupt("its policy is missing"))?,
            created_at: Timestamp::from_millis(row.created),
            due_at: Timestamp::from_millis(row.due),
            expires_at: row.expires.map(Timestamp::from_millis),
            tenant: ext.tenant,
            trace: ext.trace,
        })
    }
}
