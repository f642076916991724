//! What the writer keeps in memory. Everything but leases, rate buckets and worker registrations is
//! rebuilt from the tables, at open and after a transaction that failed.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use posthaste_core::limits::{LEASE, MAX_DETACHED_LEASE, MAX_LANES};
use posthaste_core::{
    BrokerError, Kind, LaneKey, LaneLimits, LeaseToken, Name, Pause, QueueName, State, TaskId, Tenant,
    Timestamp, WorkerId,
};
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::idempotency::Recent;
use super::names::Names;
use super::recipients::Parts;
use super::series::Gathered;
use super::unreadable::{id_of_row, readable};
use super::{Done, Fail};
use crate::damage::{Damage, said};
use crate::ids::Minter;

/// Levels of priority.
pub(crate) const PRIOS: usize = 4;

/// A running task.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: TaskId,
    pub(crate) token: LeaseToken,
    pub(crate) kind: i64,
    pub(crate) lane: usize,
    pub(crate) prio: usize,
    pub(crate) attempt: u32,
    pub(crate) generation: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) worker: WorkerId,
    /// Bits of [`crate::row::run_flag`].
    pub(crate) flags: i64,
    /// Bits of [`flag`].
    pub(crate) task_flags: i64,
    /// Whether the row holds nothing that a plain success must look at.
    pub(crate) fresh: bool,
    /// End of the lease, on the monotonic clock.
    pub(crate) deadline: Duration,
    /// Last extend, on the monotonic clock.
    pub(crate) extended: Duration,
    /// End of the lease by the wall clock, as it was read at open: of a detached run alone.
    pub(crate) until: Option<i64>,
}

impl Run {
    pub(crate) fn has(&self, bit: i64) -> bool {
        self.flags & bit != 0
    }
}

/// A token bucket over the monotonic clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    used: f64,
    at: Duration,
}

impl Bucket {
    fn level(&self, limits: &LaneLimits, now: Duration) -> Option<f64> {
        let rate = f64::from(limits.rate?);
        let refilled = now.saturating_sub(self.at).as_secs_f64() * 1e3 / limits.per_ms as f64 * rate;
        Some((self.used - refilled).max(0.0))
    }

    /// Starts left now; `None` is unlimited.
    pub(crate) fn left(&self, limits: &LaneLimits, now: Duration) -> Option<usize> {
        let rate = f64::from(limits.rate?);
        // A hair of tolerance, so that ten steps of a tenth make a whole.
        Some((rate - self.level(limits, now)? + 1e-9).max(0.0) as usize)
    }

    pub(crate) fn take(&mut self, limits: &LaneLimits, now: Duration) {
        if let Some(level) = self.level(limits, now) {
            *self = Self { used: level + 1.0, at: now };
        }
    }

    /// Goes on under other limits. What was used under a higher rate would take a lower one for ever
    /// to refill, so it counts for at most one period of the new one.
    pub(crate) fn refit(&mut self, old: &LaneLimits, new: &LaneLimits, now: Duration) {
        let level = self.level(old, now).unwrap_or(0.0);
        *self = Self { used: level.min(new.rate.map_or(0.0, f64::from)), at: now };
    }

    pub(crate) fn give_back(&mut self) {
        self.used = (self.used - 1.0).max(0.0);
    }

    /// How long until one start is left.
    pub(crate) fn wait(&self, limits: &LaneLimits, now: Duration) -> Option<Duration> {
        let rate = f64::from(limits.rate?);
        let missing = self.level(limits, now)? + 1.0 - rate;
        if missing <= 0.0 || rate <= 0.0 {
            return None;
        }
        // Too long to be told is as good as for ever; the writer must not panic over it.
        let wait = Duration::try_from_secs_f64(missing / rate * limits.per_ms as f64 / 1e3);
        Some(wait.unwrap_or(Duration::MAX))
    }
}

/// What is stored about a lane or target.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
pub(crate) struct LaneSettings {
    #[serde(default)]
    pub(crate) limits: LaneLimits,
    /// Set by a person.
    #[serde(default)]
    pub(crate) manual: Option<Pause>,
    /// Set by outcomes; on targets only.
    #[serde(default)]
    pub(crate) auto: Option<Pause>,
    /// `unavailable` outcomes in a row; on targets only.
    #[serde(default)]
    pub(crate) strikes: u32,
    /// Times the breaker opened in a row; on targets only.
    #[serde(default)]
    pub(crate) opens: u32,
}

/// One lane.
#[derive(Debug)]
pub(crate) struct Lane {
    /// `None` for a queue's default lane.
    pub(crate) key: Option<LaneKey>,
    pub(crate) queue: i64,
    pub(crate) target: usize,
    pub(crate) tenant: String,
    pub(crate) settings: LaneSettings,
    pub(crate) bucket: Bucket,
    pub(crate) running: u32,
    /// Whether tasks wait in it, per priority; may be true for an emptied lane until a claim looks.
    pub(crate) waiting: [bool; PRIOS],
}

/// One target, with the ring of its lanes. Its settings are those of its lane without tenant.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// The lane without tenant.
    pub(crate) lane: usize,
    pub(crate) running: u32,
    /// The one task that a half-open target has handed out.
    pub(crate) probe: Option<i64>,
    pub(crate) ring: [VecDeque<usize>; PRIOS],
}

/// One queue, with the ring of its targets.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: QueueName,
    /// By state code, then messages held by the sandbox.
    pub(crate) counts: [u64; 9],
    pub(crate) dirty: bool,
    pub(crate) paused: Option<Pause>,
    pub(crate) turn: u32,
    pub(crate) ring: [VecDeque<usize>; PRIOS],
}

/// The writer's memory.
pub(crate) struct Mem {
    pub(crate) minter: Minter,
    /// Places at the front of lanes; only falls.
    pub(crate) front: i64,
    pub(crate) epoch: u64,
    pub(super) kinds: FxHashMap<i64, Kind>,
    pub(super) kind_ids: FxHashMap<Kind, i64>,
    pub(crate) queues: FxHashMap<i64, Queue>,
    pub(crate) queue_ids: FxHashMap<QueueName, i64>,
    pub(super) names: Names,
    pub(crate) lanes: Vec<Lane>,
    lane_ids: HashMap<(i64, String, String), usize>,
    /// The default lane of each queue, to spare the hot path a text key.
    default_lanes: FxHashMap<i64, usize>,
    pub(crate) targets: Vec<Target>,
    /// Lanes with a pause or limits: the sweep looks at these only.
    pub(crate) special: FxHashSet<usize>,
    pub(crate) runs: FxHashMap<i64, Run>,
    /// Running tasks whose rows cannot be read, and why: the next sweep ends them.
    pub(crate) broken_runs: Vec<(i64, String)>,
    pub(crate) next_due: Option<i64>,
    /// Tasks kept per retention class.
    pub(crate) kept: [u64; 2],
    pub(crate) series: Gathered,
    pub(crate) has_foreign: bool,
    pub(crate) recipients: Parts,
    pub(crate) recent_keys: Recent,
}

impl Mem {
    /// Reads the tables. Leases start at zero: they count as expired until somebody says otherwise.
    pub(crate) fn load(db: &Connection, epoch: u64, damage: &Damage) -> Done<Self> {
        let last: Option<i64> = db.query_row("SELECT max(seq) FROM task", [], |r| r.get(0))?;
        let mut mem = Self {
            minter: Minter::after(last.unwrap_or(0)),
            front: db.query_row("SELECT coalesce(min(ord), 0) FROM ready WHERE ord < 0", [], |r| r.get(0))?,
            epoch,
            kinds: FxHashMap::default(),
            kind_ids: FxHashMap::default(),
            queues: FxHashMap::default(),
            queue_ids: FxHashMap::default(),
            names: Names::load(db)?,
            lanes: Vec::new(),
            lane_ids: HashMap::new(),
            default_lanes: FxHashMap::default(),
            targets: Vec::new(),
            special: FxHashSet::default(),
            runs: FxHashMap::default(),
            broken_runs: Vec::new(),
            next_due: db.query_row("SELECT min(at) FROM due", [], |r| r.get(0))?,
            kept: [0; 2],
            series: Gathered::default(),
            has_foreign: db.query_row("SELECT EXISTS (SELECT 1 FROM foreign_id)", [], |r| r.get(0))?,
            recipients: Parts::load(db, last.unwrap_or(0))?,
            recent_keys: Recent::load(db)?,
        };
        mem.load_names(db)?;
        mem.load_lanes(db)?;
        mem.load_runs(db, damage)?;
        Ok(mem)
    }

    fn load_names(&mut self, db: &Connection) -> Done<()> {
        let mut names = db.prepare(
            "SELECT n.id, n.text, q.counts, q.settings FROM name n LEFT JOIN queue q ON q.id = n.id",
        )?;
        let mut rows = names.query([])?;
        while let Some(r) = rows.next()? {
            let id: i64 = r.get(0)?;
            let text: String = r.get(1)?;
            self.names.found(id);
            let kind = Kind::new(&text).map_err(|e| Fail::Corrupt(e.to_string()))?;
            self.kinds.insert(id, kind.clone());
            self.kind_ids.insert(kind, id);
            if let Some(counts) = r.get::<_, Option<String>>(2)? {
                let name = QueueName::new(&text).map_err(|e| Fail::Corrupt(e.to_string()))?;
                let counts: [u64; 9] = serde_json::from_str(&counts)?;
                let paused = match r.get::<_, Option<String>>(3)? {
                    Some(s) => serde_json::from_str(&s)?,
                    None => None,
                };
                self.kept[0] += counts[usize::from(State::Succeeded.code())]
                    + counts[usize::from(State::Cancelled.code())]
                    + counts[usize::from(State::Expired.code())];
                self.kept[1] += counts[usize::from(State::Failed.code())];
                self.queue_ids.insert(name.clone(), id);
                self.queues.insert(
                    id,
                    Queue { name, counts, dirty: false, paused, turn: 0, ring: Default::default() },
                );
            }
        }
        Ok(())
    }

    fn load_lanes(&mut self, db: &Connection) -> Done<()> {
        let mut lanes = db.prepare("SELECT id, queue, target, tenant, settings FROM lane ORDER BY id")?;
        let mut rows = lanes.query([])?;
        while let Some(r) = rows.next()? {
            let id: i64 = r.get(0)?;
            if id != self.lanes.len() as i64 + 1 {
                return Err(Fail::Corrupt(format!("lane {id} is out of order")));
            }
            let settings = match r.get::<_, Option<String>>(4)? {
                Some(s) => serde_json::from_str(&s)?,
                None => LaneSettings::default(),
            };
            self.add_lane(r.get(1)?, r.get(2)?, r.get(3)?, settings);
        }
        // One step per lane and priority that holds work, however much it holds.
        let mut next = db.prepare(
            "SELECT lane, prio FROM ready WHERE (lane, prio) > (?1, ?2) ORDER BY lane, prio LIMIT 1",
        )?;
        let mut at = (0i64, 0i64);
        // Only the end ends this: after any other error, lanes with work would wait for ever.
        while let Some((lane, prio)) =
            next.query_row([at.0, at.1], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?))).optional()?
        {
            let ix = usize::try_from(lane - 1).map_err(|_| Fail::Corrupt("ready.lane".into()))?;
            let prio_ix = usize::try_from(prio).map_err(|_| Fail::Corrupt("ready.prio".into()))?;
            if ix >= self.lanes.len() || prio_ix >= PRIOS {
                return Err(Fail::Corrupt(format!("ready names lane {lane}, priority {prio}")));
            }
            self.ready(ix, prio_ix);
            at = (lane, prio);
        }
        Ok(())
    }

    fn load_runs(&mut self, db: &Connection, damage: &Damage) -> Done<()> {
        // The rows of tasks one by one: each may lie in a damaged page.
        let seqs: Vec<i64> =
            db.prepare("SELECT seq FROM run")?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
        let mut runs = db.prepare(
            "SELECT r.seq, r.epoch, r.nonce, r.attempt, r.at, r.worker, r.flags, \
             t.rand, t.kind, t.lane, t.prio, t.gen, t.flags, t.ext, r.until FROM run r JOIN task t ON t.seq = r.seq \
             WHERE r.seq = ?1",
        )?;
        for seq in seqs {
            // Within a transaction, a damaged page would end all writing; outside of one, what is known to lie in such pages is
            // read as far as that goes: it ends by its run, and is counted.
            let known = if db.is_autocommit() { Ok(()) } else { damage.check(seq) };
            let read = known.and_then(|()| {
                let mut rows = runs.query([seq])?;
                rows.next()?.map(|r| self.run_of(db, seq, r)).transpose()
            });
            match readable(read.inspect_err(|why| damage.lost_if(seq, why)))? {
                Ok(Some(run)) => self.run_started(seq, run),
                Ok(None) => {}
                Err(why) => self.broken_runs.push((seq, said(&why))),
            }
        }
        Ok(())
    }

    fn run_of(&self, db: &Connection, seq: i64, r: &rusqlite::Row<'_>) -> Done<Run> {
        let task_flags: i64 = r.get(12)?;
        let ext: Option<String> = r.get(13)?;
        let lane = usize::try_from(r.get::<_, i64>(9)? - 1).ok().filter(|l| *l < self.lanes.len());
        Ok(Run {
            id: id_of_row(db, seq, r.get(7)?, task_flags, ext.as_deref()),
            token: LeaseToken { epoch: r.get::<_, i64>(1)? as u64, nonce: r.get::<_, i64>(2)? as u64 },
            kind: r.get(8)?,
            lane: lane.ok_or_else(|| Fail::Corrupt("its lane is unknown".into()))?,
            prio: usize::try_from(r.get::<_, i64>(10)?).unwrap_or(0).min(PRIOS - 1),
            attempt: r.get(3)?,
            generation: r.get(11)?,
            started_at: Timestamp::from_millis(r.get(4)?),
            worker: WorkerId::new(r.get::<_, String>(5)?).map_err(|e| Fail::Corrupt(e.to_string()))?,
            flags: r.get(6)?,
            task_flags,
            fresh: false,
            deadline: Duration::ZERO,
            extended: Duration::ZERO,
            until: r.get(14)?,
        })
    }

    /// Lets detached runs that were found at open go on until their time: nobody of the process that is gone had them.
    pub(crate) fn go_on(&mut self, now: Timestamp, mono: Duration) {
        for run in self.runs.values_mut() {
            if let Some(until) = run.until.take() {
                let left = Timestamp::from_millis(until).since(now).min(MAX_DETACHED_LEASE);
                run.deadline = mono + left;
                run.extended = mono;
            }
        }
    }

    /// Takes over from a memory whose transaction failed what the tables do not hold.
    pub(crate) fn inherit(&mut self, old: &mut Self, now: Duration) {
        for (seq, run) in &mut self.runs {
            match old.runs.get(seq) {
                Some(o) if o.token == run.token => {
                    run.deadline = o.deadline;
                    run.extended = o.extended;
                }
                // Its end was in the failed transaction: the worker will send it again.
                _ => {
                    run.deadline = now + LEASE;
                    run.extended = now;
                }
            }
        }
        for (new, old) in self.lanes.iter_mut().zip(&old.lanes) {
            new.bucket = old.bucket.clone();
        }
        for (new, old) in self.targets.iter_mut().zip(&old.targets) {
            new.probe = old.probe.filter(|seq| self.runs.contains_key(seq));
        }
        self.series = std::mem::take(&mut old.series);
        self.series.undone();
        self.epoch = self.epoch.max(old.epoch);
    }

    fn add_lane(&mut self, queue: i64, target: String, tenant: String, settings: LaneSettings) -> usize {
        let ix = self.lanes.len();
        let target_ix = if tenant.is_empty() {
            self.targets.push(Target {
                name: target.clone(),
                lane: ix,
                running: 0,
                probe: None,
                ring: Default::default(),
            });
            self.targets.len() - 1
        } else {
            // The target's own lane is always made first.
            let own = self.lane_ids[&(queue, target.clone(), String::new())];
            self.lanes[own].target
        };
        if settings != LaneSettings::default() {
            self.special.insert(ix);
        }
        if target.is_empty() {
            self.default_lanes.insert(queue, ix);
        }
        self.lane_ids.insert((queue, target, tenant.clone()), ix);
        self.lanes.push(Lane {
            key: Name::new(&self.targets[target_ix].name)
                .ok()
                .map(|target| LaneKey { target, tenant: Name::new(&tenant).ok() }),
            queue,
            target: target_ix,
            tenant,
            settings,
            bucket: Bucket::default(),
            running: 0,
            waiting: [false; PRIOS],
        });
        ix
    }

    /// The lane of a key in a queue, made if it is new.
    pub(crate) fn lane_ix(
        &mut self,
        db: &Connection,
        queue: &QueueName,
        key: Option<&LaneKey>,
        whose: Option<&Tenant>,
    ) -> Done<usize> {
        let queue = self.queue_id(db, queue, whose)?;
        let Some(key) = key else {
            return match self.default_lanes.get(&queue) {
                Some(ix) => Ok(*ix),
                None => self.lane_by_text(db, queue, String::new(), String::new()),
            };
        };
        let target = key.target.as_str().to_owned();
        match &key.tenant {
            None => self.lane_by_text(db, queue, target, String::new()),
            Some(tenant) => {
                self.lane_by_text(db, queue, target.clone(), String::new())?;
                self.lane_by_text(db, queue, target, tenant.as_str().to_owned())
            }
        }
    }

    fn lane_by_text(&mut self, db: &Connection, queue: i64, target: String, tenant: String) -> Done<usize> {
        let key = (queue, target, tenant);
        if let Some(ix) = self.lane_ids.get(&key) {
            return Ok(*ix);
        }
        let (queue, target, tenant) = key;
        if self.lanes.len() >= MAX_LANES {
            return Err(Fail::Caller(BrokerError::invalid(
                0,
                "lane",
                format!("this store knows {MAX_LANES} lanes already; use fewer"),
            )));
        }
        db.prepare_cached("INSERT INTO lane (id, queue, target, tenant) VALUES (?1, ?2, ?3, ?4)")?
            .execute((self.lanes.len() as i64 + 1, queue, &target, &tenant))?;
        Ok(self.add_lane(queue, target, tenant, LaneSettings::default()))
    }

    /// The lane of a key, if the store knows it.
    pub(crate) fn find_lane(&self, queue: i64, key: Option<&LaneKey>) -> Option<usize> {
        let (target, tenant) =
            key.map_or(("", ""), |k| (k.target.as_str(), k.tenant.as_ref().map_or("", Name::as_str)));
        self.lane_ids.get(&(queue, target.to_owned(), tenant.to_owned())).copied()
    }

    /// The key of a lane; `None` is a default lane.
    pub(crate) fn lane_key(&self, lane: usize) -> Option<LaneKey> {
        self.lanes[lane].key.clone()
    }

    /// The queue of a lane.
    pub(crate) fn queue_of_lane(&self, lane: usize) -> Option<&Queue> {
        self.queues.get(&self.lanes[lane].queue)
    }

    /// Moves one task of `lane`'s queue between counters.
    pub(crate) fn count(&mut self, lane: usize, from: Option<State>, to: Option<State>) {
        let queue = self.lanes[lane].queue;
        let Some(q) = self.queues.get_mut(&queue) else { return };
        q.dirty = true;
        if let Some(s) = from {
            let n = &mut q.counts[usize::from(s.code())];
            *n = n.saturating_sub(1);
            if let Some(class) = retention_class(s) {
                self.kept[class] = self.kept[class].saturating_sub(1);
            }
        }
        if let Some(s) = to {
            q.counts[usize::from(s.code())] += 1;
            if let Some(class) = retention_class(s) {
                self.kept[class] += 1;
            }
        }
    }

    /// Counts a message held by the sandbox, or one that goes.
    pub(crate) fn count_held(&mut self, lane: usize, up: i64) {
        let queue = self.lanes[lane].queue;
        if let Some(q) = self.queues.get_mut(&queue) {
            q.dirty = true;
            q.counts[8] = q.counts[8].saturating_add_signed(up);
        }
    }

    /// Stores counters that changed.
    pub(crate) fn flush_counts(&mut self, db: &Connection) -> Done<()> {
        for (id, q) in &mut self.queues {
            if q.dirty {
                let c = &q.counts;
                let text = format!(
                    "[{},{},{},{},{},{},{},{},{}]",
                    c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]
                );
                db.prepare_cached("UPDATE queue SET counts = ?2 WHERE id = ?1")?.execute((id, text))?;
                q.dirty = false;
            }
        }
        Ok(())
    }

    /// Enters a running task into the books of its lane and target.
    pub(crate) fn run_started(&mut self, seq: i64, run: Run) {
        let lane = &mut self.lanes[run.lane];
        lane.running += 1;
        self.targets[lane.target].running += 1;
        self.runs.insert(seq, run);
    }

    /// Takes a running task out of them.
    pub(crate) fn run_ended(&mut self, seq: i64) -> Option<Run> {
        let run = self.runs.remove(&seq)?;
        let lane = &mut self.lanes[run.lane];
        lane.running = lane.running.saturating_sub(1);
        let target = &mut self.targets[lane.target];
        target.running = target.running.saturating_sub(1);
        if target.probe == Some(seq) {
            target.probe = None;
        }
        Some(run)
    }

    /// A task waits in `lane`: into the rings with it.
    pub(crate) fn ready(&mut self, lane: usize, prio: usize) {
        let l = &mut self.lanes[lane];
        if l.waiting[prio] {
            return;
        }
        l.waiting[prio] = true;
        let target = &mut self.targets[l.target];
        if target.ring[prio].is_empty()
            && let Some(q) = self.queues.get_mut(&l.queue)
        {
            q.ring[prio].push_back(l.target);
        }
        target.ring[prio].push_back(lane);
    }

    /// The place before everything that waits.
    pub(crate) fn front_place(&mut self) -> i64 {
        self.front -= 1;
        self.front
    }
}

/// Which retention bound a final state falls under.
pub(crate) fn retention_class(s: State) -> Option<usize> {
    match s {
        State::Succeeded | State::Cancelled | State::Expired => Some(0),
        State::Failed => Some(1),
        State::Scheduled | State::Queued | State::Running | State::Retrying => None,
    }
}
