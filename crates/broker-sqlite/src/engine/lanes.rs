//! What outcomes and people do to lanes: pauses, the breaker, limits.

use posthaste_core::broker::{LaneInfo, LaneNews, PauseRequest};
use posthaste_core::limits::{BREAKER_BASE, BREAKER_CAP, BREAKER_THRESHOLD, MAX_LANES_LISTED};
use posthaste_core::task::decide::pause_until;
use posthaste_core::task::stored::cut;
use posthaste_core::{
    Failure, FailureClass, LaneFault, LaneLimits, Pause, PauseReason, QueueName, Scope, Timestamp,
};
use rusqlite::OptionalExtension;

use super::mem::{LaneSettings, PRIOS};
use super::ring::Now;
use super::{Done, Tx};

impl Tx<'_> {
    /// A try of `lane`'s target ended: with success (`None`) or in a failure.
    pub(crate) fn target_answered(&mut self, lane: usize, seq: i64, failure: Option<&Failure>) -> Done<()> {
        let target = self.mem.lanes[lane].target;
        let own = self.mem.targets[target].lane;
        let old = &self.mem.lanes[own].settings;
        // Nearly always: all is well and was well before.
        if failure.is_none() && old.auto.is_none() && old.strikes == 0 && old.opens == 0 {
            return Ok(());
        }
        let probe = self.mem.targets[target].probe == Some(seq);
        let mut s = old.clone();
        match (failure, failure.and_then(Failure::pauses)) {
            (Some(f), Some(fault)) => s.paused_for(fault, f, probe, self.now),
            (Some(f), None) if f.class == FailureClass::Unavailable => s.strike(f, probe, self.now),
            // It answered: whatever it said about this one task, it is there and takes us.
            _ => {
                s.strikes = 0;
                s.opens = 0;
                if !s.is_throttled_still(self.now) {
                    s.auto = None;
                    self.effects.wake = true;
                }
            }
        }
        let old = &self.mem.lanes[own].settings;
        if s.auto != old.auto {
            let before = old.auto.as_ref().map(|p| p.reason);
            self.effects.lanes.push(LaneNews { at: 0, paused: s.auto.clone(), before });
        }
        if s != self.mem.lanes[own].settings {
            self.store_settings(own, s)?;
        }
        Ok(())
    }

    pub(crate) fn store_settings(&mut self, lane: usize, s: LaneSettings) -> Done<()> {
        let plain = s == LaneSettings::default();
        let text = if plain { None } else { Some(serde_json::to_string(&s)?) };
        self.db
            .prepare_cached("UPDATE lane SET settings = ?2 WHERE id = ?1")?
            .execute((lane as i64 + 1, text))?;
        if plain {
            self.mem.special.remove(&lane);
        } else {
            self.mem.special.insert(lane);
        }
        self.mem.lanes[lane].settings = s;
        Ok(())
    }

    pub(crate) fn pause(&mut self, request: &PauseRequest) -> Done<()> {
        let pause = Pause {
            reason: request.reason,
            until: request.for_.map(|d| self.now.plus(d)),
            since: self.now,
            message: request.message.clone(),
            settings: None,
        };
        let later = |old: &Option<Pause>| {
            old.as_ref().is_none_or(|o| match (o.until, pause.until) {
                (Some(a), Some(b)) => a <= b,
                (None, Some(_)) => false,
                (_, None) => true,
            })
        };
        match &request.scope {
            Scope::Queue(queue) => {
                let id = self.mem.queue_id(self.db, queue, None)?;
                if let Some(q) = self.mem.queues.get_mut(&id)
                    && later(&q.paused)
                {
                    q.paused = Some(pause);
                    let text = serde_json::to_string(&q.paused)?;
                    self.db.execute("UPDATE queue SET settings = ?2 WHERE id = ?1", (id, text))?;
                }
            }
            Scope::Lane(queue, key) => {
                let lane = self.mem.lane_ix(self.db, queue, Some(key), None)?;
                let mut s = self.mem.lanes[lane].settings.clone();
                // Outcomes pause targets; a lane of one tenant is paused by people only.
                let slot = if request.reason == PauseReason::Manual || key.tenant.is_some() {
                    &mut s.manual
                } else {
                    &mut s.auto
                };
                if later(slot) {
                    *slot = Some(pause);
                    self.store_settings(lane, s)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn resume(&mut self, scope: &Scope) -> Done<()> {
        match scope {
            Scope::Queue(queue) => {
                let Some(id) = self.mem.queue_ids.get(queue).copied() else { return Ok(()) };
                if let Some(q) = self.mem.queues.get_mut(&id) {
                    q.paused = None;
                    self.db.execute("UPDATE queue SET settings = NULL WHERE id = ?1", [id])?;
                }
                // The default lane has no name to be resumed by: it goes with its queue.
                if let Some(lane) = self.mem.find_lane(id, None) {
                    self.clear_pauses(lane)?;
                }
            }
            Scope::Lane(queue, key) => {
                let Some(id) = self.mem.queue_ids.get(queue).copied() else { return Ok(()) };
                if let Some(lane) = self.mem.find_lane(id, Some(key)) {
                    self.clear_pauses(lane)?;
                }
            }
        }
        self.effects.wake = true;
        Ok(())
    }

    /// Ends the pauses of misconfigured targets whose settings were mended.
    pub(crate) fn lift(&mut self, settings: &[String]) -> Done<usize> {
        let mended = |ix: &usize| {
            let lane = &self.mem.lanes[*ix];
            let pause = lane.settings.auto.as_ref();
            pause.is_some_and(|p| settings.iter().any(|s| p.is_mended_by(lane.key.as_ref(), s)))
        };
        let lanes: Vec<usize> = self.mem.special.iter().copied().filter(mended).collect();
        for lane in &lanes {
            let s = LaneSettings { auto: None, ..self.mem.lanes[*lane].settings.clone() };
            let target = self.mem.lanes[*lane].target;
            self.mem.targets[target].probe = None;
            self.store_settings(*lane, s)?;
        }
        self.effects.wake |= !lanes.is_empty();
        Ok(lanes.len())
    }

    fn clear_pauses(&mut self, lane: usize) -> Done<()> {
        let limits = self.mem.lanes[lane].settings.limits;
        let s = LaneSettings { limits, ..LaneSettings::default() };
        let target = self.mem.lanes[lane].target;
        if self.mem.targets[target].lane == lane {
            self.mem.targets[target].probe = None;
        }
        self.store_settings(lane, s)
    }

    pub(crate) fn set_limits(&mut self, scope: &Scope, limits: LaneLimits) -> Done<()> {
        let lane = match scope {
            Scope::Queue(queue) => self.mem.lane_ix(self.db, queue, None, None)?,
            Scope::Lane(queue, key) => self.mem.lane_ix(self.db, queue, Some(key), None)?,
        };
        let l = &mut self.mem.lanes[lane];
        l.bucket.refit(&l.settings.limits, &limits, self.mono);
        let s = LaneSettings { limits, ..l.settings.clone() };
        self.effects.wake = true;
        self.store_settings(lane, s)
    }

    /// After the wall clock was set back, a pause seems to begin in the future: it ends as long after
    /// now as it was to last, not later by the whole jump.
    pub(crate) fn mend_pauses(&mut self) -> Done<()> {
        let now = self.now;
        let begins_later = |p: &Option<Pause>| p.as_ref().is_some_and(|p| p.since > now);
        let lanes: Vec<usize> = self
            .mem
            .special
            .iter()
            .copied()
            .filter(|ix| {
                let s = &self.mem.lanes[*ix].settings;
                begins_later(&s.manual) || begins_later(&s.auto)
            })
            .collect();
        for lane in lanes {
            let mut s = self.mem.lanes[lane].settings.clone();
            [&mut s.manual, &mut s.auto].into_iter().for_each(|p| begin_now(p, now));
            self.store_settings(lane, s)?;
        }
        for (id, q) in &mut self.mem.queues {
            if begins_later(&q.paused) {
                begin_now(&mut q.paused, now);
                let text = serde_json::to_string(&q.paused)?;
                self.db.execute("UPDATE queue SET settings = ?2 WHERE id = ?1", (id, text))?;
            }
        }
        Ok(())
    }

    /// A queue's timed pause ends by itself.
    pub(crate) fn end_queue_pauses(&mut self) -> Done<()> {
        let now = self.now;
        let over: Vec<i64> = self
            .mem
            .queues
            .iter()
            .filter(|(_, q)| q.paused.as_ref().is_some_and(|p| p.until.is_some_and(|u| u <= now)))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if let Some(q) = self.mem.queues.get_mut(&id) {
                q.paused = None;
            }
            self.db.execute("UPDATE queue SET settings = NULL WHERE id = ?1", [id])?;
            self.effects.wake = true;
        }
        Ok(())
    }

    /// Lanes that hold work, a pause or limits.
    pub(crate) fn lanes(&mut self, queue: Option<&QueueName>) -> Done<Vec<LaneInfo>> {
        let now = Now { wall: self.now, mono: self.mono };
        let wanted = queue.map(|q| self.mem.queue_ids.get(q).copied());
        let mut out = Vec::new();
        for (ix, lane) in self.mem.lanes.iter().enumerate() {
            if wanted.is_some_and(|w| w != Some(lane.queue)) {
                continue;
            }
            let waiting = lane.waiting.contains(&true);
            let plain = lane.settings == LaneSettings::default();
            if !waiting && plain && lane.running == 0 {
                continue;
            }
            let Some(queue) = self.mem.queue_of_lane(ix) else { continue };
            let own = &self.mem.lanes[self.mem.targets[lane.target].lane].settings;
            let lasting = |p: &&Pause| {
                p.reason == PauseReason::Misconfigured
                    || p.reason == PauseReason::Breaker
                    || p.until.is_none_or(|u| u > now.wall)
            };
            let paused = [&lane.settings.manual, &own.manual, &own.auto]
                .into_iter()
                .filter_map(Option::as_ref)
                .find(lasting)
                .cloned();
            let waiting_since = if waiting { self.waiting_since(ix)? } else { None };
            out.push(LaneInfo {
                queue: queue.name.clone(),
                lane: self.mem.lane_key(ix),
                paused,
                limits: lane.settings.limits,
                running: u64::from(lane.running),
                // The memory may still say so of a lane that has just been emptied.
                waiting: waiting_since.is_some(),
                waiting_since,
            });
            if out.len() >= MAX_LANES_LISTED {
                break;
            }
        }
        Ok(out)
    }

    /// When the tasks became due that are next in a lane; the earliest of them.
    fn waiting_since(&self, lane: usize) -> Done<Option<Timestamp>> {
        let mut earliest = None;
        for prio in (0..PRIOS).filter(|prio| self.mem.lanes[lane].waiting[*prio]) {
            let due: Option<i64> = self
                .db
                .prepare_cached(
                    "SELECT t.due FROM ready r JOIN task t ON t.seq = r.seq WHERE r.lane = ?1 AND r.prio = ?2 \
                     ORDER BY r.ord, r.seq LIMIT 1",
                )?
                .query_row((lane as i64 + 1, prio as i64), |r| r.get(0))
                .optional()?;
            earliest = earliest.into_iter().chain(due).min();
        }
        Ok(earliest.map(Timestamp::from_millis))
    }
}

impl LaneSettings {
    /// The latest end wins, unless this is the probe that found out what is true now.
    fn paused_for(&mut self, fault: LaneFault, f: &Failure, probe: bool, now: Timestamp) {
        let until = pause_until(fault, f.retry_after, now);
        if !probe && self.auto.as_ref().is_some_and(|p| p.until.is_some_and(|u| u > until)) {
            return;
        }
        let (reason, settings) = match fault {
            LaneFault::Throttled => (PauseReason::Throttled, None),
            LaneFault::Misconfigured => (PauseReason::Misconfigured, f.settings.clone()),
        };
        let message = Some(cut(&f.message));
        self.auto = Some(Pause { reason, until: Some(until), since: now, message, settings });
    }

    /// One more `unavailable` outcome.
    fn strike(&mut self, f: &Failure, probe: bool, now: Timestamp) {
        self.strikes = self.strikes.saturating_add(1);
        // A throttle that is over holds nothing up, though its record stays until the next answer.
        let over = |p: &Pause| p.reason == PauseReason::Throttled && p.until.is_some_and(|u| u <= now);
        let open = !probe && self.auto.as_ref().is_some_and(|p| !over(p));
        if open || (!probe && self.strikes < BREAKER_THRESHOLD) {
            return;
        }
        let wait = BREAKER_BASE.saturating_mul(1 << self.opens.min(16)).min(BREAKER_CAP);
        self.opens = self.opens.saturating_add(1);
        self.auto = Some(Pause {
            reason: PauseReason::Breaker,
            until: Some(now.plus(wait)),
            since: now,
            message: Some(cut(&f.message)),
            settings: None,
        });
    }

    fn is_throttled_still(&self, now: Timestamp) -> bool {
        self.auto
            .as_ref()
            .is_some_and(|p| p.reason == PauseReason::Throttled && p.until.is_none_or(|u| u > now))
    }
}

/// Moves a pause that begins after `now` to begin now.
fn begin_now(pause: &mut Option<Pause>, now: Timestamp) {
    if let Some(p) = pause.as_mut().filter(|p| p.since > now) {
        let early = p.since.since(now);
        p.since = now;
        p.until = p.until.map(|u| u.minus(early));
    }
}
