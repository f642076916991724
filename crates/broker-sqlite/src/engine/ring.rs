//! Who is served next. Rings turn over targets, then over the lanes of a target; the highest
//! priority goes first, every eighth turn the lowest that is not empty.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::limits::LOW_PRIORITY_TURN;
use posthaste_core::{PauseReason, Timestamp};

use super::mem::{Mem, PRIOS};

/// What one worker may still take, beside the store's own limits.
pub(crate) struct Quota {
    /// At most this many of one target.
    pub(crate) per_target: Option<u32>,
    /// What it holds of each target.
    pub(crate) held: HashMap<usize, u32>,
}

impl Quota {
    fn left(&self, target: usize) -> usize {
        self.per_target.map_or(usize::MAX, |max| {
            max.saturating_sub(self.held.get(&target).copied().unwrap_or(0)) as usize
        })
    }
}

/// Turns that a claim planned: lane and priority, in order, some of them several at once.
pub(crate) type Plan = Vec<(usize, usize, usize)>;

/// Targets and lanes, by priority, that are out of the rings until the end of a plan: nothing makes
/// room in its course, so what has none is looked at once, not at each turn.
#[derive(Default)]
struct Aside {
    targets: Vec<(usize, usize)>,
    lanes: Vec<(usize, usize)>,
}

/// Now, on both clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) wall: Timestamp,
    pub(crate) mono: Duration,
}

impl Mem {
    /// Plans up to `n` turns of a queue, taking rate and concurrency for each.
    pub(crate) fn plan(&mut self, queue: i64, n: usize, quota: &mut Quota, now: Now) -> Plan {
        let mut plan = Plan::new();
        let mut aside = Aside::default();
        let mut left = n;
        if self.queues.get(&queue).is_none_or(|q| q.paused.is_some()) {
            return plan;
        }
        while left > 0 {
            let Some((lane, prio, most)) = self.turn(queue, quota, now, &mut aside) else { break };
            let take = most.min(left);
            self.take(lane, take, quota, now);
            left -= take;
            plan.push((lane, prio, take));
        }
        self.put_back(queue, aside);
        plan
    }

    /// One turn: the lane and priority to serve, and how many at the most.
    fn turn(
        &mut self,
        queue: i64,
        quota: &Quota,
        now: Now,
        aside: &mut Aside,
    ) -> Option<(usize, usize, usize)> {
        let q = self.queues.get_mut(&queue)?;
        q.turn = q.turn.wrapping_add(1);
        let lowest_first = q.turn.is_multiple_of(LOW_PRIORITY_TURN);
        let filled = (0..PRIOS).filter(|p| !q.ring[*p].is_empty()).count();
        for i in 0..PRIOS {
            let prio = if lowest_first { PRIOS - 1 - i } else { i };
            if let Some((lane, most)) = self.turn_at(queue, prio, quota, now, aside) {
                let alone = filled == 1 && self.is_alone(queue, lane, prio);
                return Some((lane, prio, if alone { most } else { 1 }));
            }
        }
        None
    }

    /// Whether nothing else waits in the queue at this priority, so that turns need not be counted.
    fn is_alone(&self, queue: i64, lane: usize, prio: usize) -> bool {
        let target = self.lanes[lane].target;
        self.queues[&queue].ring[prio].len() == 1 && self.targets[target].ring[prio].len() == 1
    }

    fn turn_at(
        &mut self,
        queue: i64,
        prio: usize,
        quota: &Quota,
        now: Now,
        aside: &mut Aside,
    ) -> Option<(usize, usize)> {
        while let Some(target) = self.queues.get_mut(&queue)?.ring[prio].pop_front() {
            let room = self.target_room(target, now).min(quota_of(self, quota, target));
            if let Some(found) = self.lane_of(target, prio, room, now, aside) {
                self.queues.get_mut(&queue)?.ring[prio].push_back(target);
                return Some(found);
            }
            aside.targets.push((prio, target));
        }
        None
    }

    /// The next lane of a target that has `room`, and how many of its tasks may start.
    fn lane_of(
        &mut self,
        target: usize,
        prio: usize,
        room: usize,
        now: Now,
        aside: &mut Aside,
    ) -> Option<(usize, usize)> {
        if room == 0 {
            return None;
        }
        while let Some(lane) = self.targets[target].ring[prio].pop_front() {
            let most = room.min(self.lane_room(lane, now));
            if most > 0 {
                self.targets[target].ring[prio].push_back(lane);
                return Some((lane, most));
            }
            aside.lanes.push((prio, lane));
        }
        None
    }

    /// Puts back into the rings what a plan found held up.
    fn put_back(&mut self, queue: i64, aside: Aside) {
        if let Some(q) = self.queues.get_mut(&queue) {
            for (prio, target) in aside.targets {
                q.ring[prio].push_back(target);
            }
        }
        for (prio, lane) in aside.lanes {
            let target = self.lanes[lane].target;
            self.targets[target].ring[prio].push_back(lane);
        }
    }

    /// How many tasks of a target may start now.
    pub(crate) fn target_room(&self, target: usize, now: Now) -> usize {
        let t = &self.targets[target];
        let own = &self.lanes[t.lane];
        let s = &own.settings;
        if s.manual.as_ref().is_some_and(|p| p.until.is_none_or(|u| u > now.wall)) {
            return 0;
        }
        let mut room = usize::MAX;
        if let Some(p) = &s.auto {
            if p.until.is_none_or(|u| u > now.wall) {
                return 0;
            }
            // Half-open: one task finds out.
            if p.reason != PauseReason::Throttled {
                room = usize::from(t.probe.is_none());
            }
        }
        if let Some(max) = s.limits.concurrency {
            room = room.min(max.saturating_sub(t.running) as usize);
        }
        if let Some(left) = own.bucket.left(&s.limits, now.mono) {
            room = room.min(left);
        }
        room
    }

    /// How many tasks of a lane may start now, its target apart.
    fn lane_room(&self, lane: usize, now: Now) -> usize {
        let l = &self.lanes[lane];
        if l.tenant.is_empty() {
            return usize::MAX;
        }
        let s = &l.settings;
        if s.manual.as_ref().is_some_and(|p| p.until.is_none_or(|u| u > now.wall)) {
            return 0;
        }
        let mut room = usize::MAX;
        if let Some(max) = s.limits.concurrency {
            room = room.min(max.saturating_sub(l.running) as usize);
        }
        if let Some(left) = l.bucket.left(&s.limits, now.mono) {
            room = room.min(left);
        }
        room
    }

    /// Takes `n` starts from the limits of a lane and its target.
    fn take(&mut self, lane: usize, n: usize, quota: &mut Quota, now: Now) {
        let target = self.lanes[lane].target;
        let own = self.targets[target].lane;
        *quota.held.entry(target).or_insert(0) += n as u32;
        self.lanes[lane].running += n as u32;
        self.targets[target].running += n as u32;
        for ix in [own, lane] {
            let l = &mut self.lanes[ix];
            if l.settings.limits.rate.is_some() {
                for _ in 0..n {
                    l.bucket.take(&l.settings.limits, now.mono);
                }
            }
            if own == lane {
                break;
            }
        }
        if self.lanes[own].settings.auto.as_ref().is_some_and(|p| p.reason != PauseReason::Throttled) {
            // Known by its row once it is fetched; until then any mark will do.
            self.targets[target].probe = Some(i64::MIN);
        }
    }

    /// Gives back what a plan took: `unused` starts for which no task was there, and the running
    /// count of all `n`, which `run_started` books again for those that were.
    pub(crate) fn give_back(&mut self, lane: usize, n: usize, unused: usize, quota: &mut Quota) {
        let target = self.lanes[lane].target;
        let own = self.targets[target].lane;
        self.lanes[lane].running -= n as u32;
        self.targets[target].running -= n as u32;
        if let Some(held) = quota.held.get_mut(&target) {
            *held = held.saturating_sub(unused as u32);
        }
        for ix in [own, lane] {
            for _ in 0..unused {
                self.lanes[ix].bucket.give_back();
            }
            if own == lane {
                break;
            }
        }
        if unused == n && self.targets[target].probe == Some(i64::MIN) {
            self.targets[target].probe = None;
        }
    }

    /// A lane turned out to be empty: out of the rings with it.
    pub(crate) fn emptied(&mut self, lane: usize, prio: usize) {
        let l = &mut self.lanes[lane];
        l.waiting[prio] = false;
        let target = l.target;
        self.targets[target].ring[prio].retain(|x| *x != lane);
        if self.targets[target].ring[prio].is_empty()
            && let Some(q) = self.queues.get_mut(&self.lanes[lane].queue)
        {
            q.ring[prio].retain(|x| *x != target);
        }
    }

    /// How long until time itself makes work claimable: something is due, a pause ends, a rate allows.
    pub(crate) fn next_change(&self, now: Now) -> Option<Duration> {
        let due = self.next_due.map(|at| Timestamp::from_millis(at).since(now.wall));
        due.into_iter().chain(self.next_ready(now)).min()
    }

    /// Whether work waits that a claim would hand out now; and if not, when that may change.
    fn next_ready(&self, now: Now) -> Option<Duration> {
        let mut soonest: Option<Duration> = None;
        let mut note = |d: Duration| soonest = Some(soonest.map_or(d, |s| s.min(d)));
        for ix in &self.special {
            let l = &self.lanes[*ix];
            let t = &self.targets[l.target];
            let waits = if l.tenant.is_empty() {
                t.ring.iter().any(|r| !r.is_empty())
            } else {
                l.waiting.iter().any(|w| *w)
            };
            if !waits {
                continue;
            }
            for p in [&l.settings.manual, &l.settings.auto].into_iter().flatten() {
                if let Some(until) = p.until.filter(|u| *u > now.wall) {
                    note(until.since(now.wall));
                }
            }
            if let Some(wait) = l.bucket.wait(&l.settings.limits, now.mono) {
                note(wait);
            }
        }
        soonest
    }
}

/// The bulkhead is for lanes with a key: a queue's default lane has no target to protect others from.
fn quota_of(mem: &Mem, quota: &Quota, target: usize) -> usize {
    if mem.targets[target].name.is_empty() { usize::MAX } else { quota.left(target) }
}
