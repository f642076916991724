//! The writer thread: the one place that changes the store. All requests that wait when it looks
//! are one transaction and one fsync (group commit).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use posthaste_core::broker::{
    Cancelled, ClaimRequest, EnqueueReply, Extend, Extended, Fenced, LaneInfo, PauseRequest, QueueCounts,
    ReleaseReason, Retried, SettleReply, SettleRequest, TickReport, WorkerInfo,
};
use posthaste_core::limits::{Retention, STORE_GAP, WORKER_KEPT};
use posthaste_core::portable::{Erased, Imported, PortableItem};
use posthaste_core::task::stored::Presets;
use posthaste_core::{
    BrokerError, Claimed, Clock, Expect, IdempotencyKey, Json, LaneLimits, LeaseRef, QueueName, RecordKind,
    Scope, TaskId, Timestamp, WorkerId,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::damage::Damage;
use crate::engine::mem::{Mem, Run};
use crate::engine::tick::Sweep;
use crate::engine::{Done, Effects, Fail, Tx};
use crate::live::Live;
use crate::row::Prepared;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, BrokerError>>;

/// Operations in one transaction at the most; the rest wait for the next one.
const MAX_GROUP: usize = 1024;
/// Tasks enqueued in one transaction at the most.
const MAX_GROUP_TASKS: usize = 16_000;

/// A request to the writer.
pub(crate) enum Op {
    Enqueue(Arc<Vec<Prepared>>, Option<IdempotencyKey>, Reply<EnqueueReply>),
    Claim(ClaimRequest, Reply<Vec<Claimed>>),
    Settle(Arc<SettleRequest>, Reply<SettleReply>),
    Mark(Vec<LeaseRef>, Reply<Vec<Fenced>>),
    Extend(Vec<Extend>, Duration, Reply<Vec<Extended>>),
    CancelFlags(Vec<LeaseRef>, Reply<Vec<bool>>),
    Release(Vec<LeaseRef>, ReleaseReason, Reply<Vec<Fenced>>),
    Cancel(Vec<TaskId>, Reply<Vec<Cancelled>>),
    Retry(Vec<TaskId>, Option<Timestamp>, Reply<Vec<Retried>>),
    Tick(Reply<TickReport>),
    Pause(PauseRequest, Reply<()>),
    Resume(Scope, Reply<()>),
    Lift(Vec<String>, Reply<usize>),
    Limits(Scope, LaneLimits, Reply<()>),
    Counts(Reply<Vec<QueueCounts>>),
    Lanes(Option<QueueName>, Reply<Vec<LaneInfo>>),
    FlushSeries(Reply<()>),
    Heartbeat(WorkerInfo, Reply<()>),
    Workers(Reply<Vec<WorkerInfo>>),
    PutRecord(RecordKind, String, Json, Expect, Reply<u64>),
    DeleteRecord(RecordKind, String, Expect, Reply<bool>),
    Erase(Vec<TaskId>, Reply<Vec<Erased>>),
    Import(Vec<PortableItem>, Reply<Imported>),
    /// Writes something, to know whether writing works.
    Probe(Reply<()>),
    /// Stores what is left and ends the thread.
    Close(oneshot::Sender<()>),
}

/// A registered worker.
struct Registered {
    info: WorkerInfo,
    seen: Duration,
}

/// What the thread owns.
pub(crate) struct Writer {
    pub(crate) db: Connection,
    pub(crate) mem: Mem,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retention: Retention,
    pub(crate) live: Arc<Live>,
    pub(crate) checkpoints: Checkpoints,
    damage: Arc<Damage>,
    complaints: Complaints,
    presets: Presets,
    sweep: Sweep,
    workers: HashMap<WorkerId, Registered>,
    /// The memory must be rebuilt after a failure, before anything else.
    stale: bool,
}

/// How often failures of one sort are told.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// When failures were told last, by their sort, and how many were not told since.
#[derive(Default)]
struct Complaints(HashMap<std::mem::Discriminant<BrokerError>, (Duration, u64)>);

impl Complaints {
    /// How many like this one were not told; nothing while it is too soon for another.
    fn due(&mut self, error: &BrokerError, now: Duration) -> Option<u64> {
        match self.0.entry(std::mem::discriminant(error)) {
            Entry::Vacant(entry) => {
                entry.insert((now, 0));
                Some(0)
            }
            Entry::Occupied(mut entry) => {
                let (told, since) = entry.get_mut();
                if now.saturating_sub(*told) < COMPLAIN_EVERY {
                    *since += 1;
                    return None;
                }
                *told = now;
                Some(std::mem::take(since))
            }
        }
    }
}

/// Answers one request once the fate of its transaction is known.
type Finish = Box<dyn FnOnce(Result<(), &BrokerError>)>;

impl Writer {
    pub(crate) fn new(
        db: Connection,
        mem: Mem,
        clock: Arc<dyn Clock>,
        retention: Retention,
        live: Arc<Live>,
        checkpoints: Checkpoints,
        damage: Arc<Damage>,
    ) -> Self {
        let mut mem = mem;
        mem.go_on(clock.wall(), clock.monotonic());
        Self {
            db,
            mem,
            clock,
            retention,
            live,
            checkpoints,
            damage,
            complaints: Complaints::default(),
            presets: Presets::new(),
            sweep: Sweep::default(),
            workers: HashMap::new(),
            stale: false,
        }
    }

    /// Runs until told to close, or until nobody can send any more.
    pub(crate) fn run(mut self, inbox: &Receiver<Op>) {
        let mut closing = None;
        // Once rung for a time that came, the next request decides what the next such time is.
        let mut rung = false;
        while closing.is_none() {
            let first = match inbox.try_recv() {
                Ok(op) => op,
                Err(_) => match self.wait(inbox, &mut rung) {
                    Some(op) => op,
                    None => break,
                },
            };
            rung = false;
            let mut group = vec![first];
            let mut tasks = 0;
            while group.len() < MAX_GROUP && tasks < MAX_GROUP_TASKS {
                let Ok(op) = inbox.try_recv() else { break };
                if let Op::Enqueue(t, ..) = &op {
                    tasks += t.len();
                }
                group.push(op);
            }
            closing = self.commit(group);
        }
        self.checkpoints.finish(&self.db);
        drop(self);
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    fn wait(&self, inbox: &Receiver<Op>, rung: &mut bool) -> Option<Op> {
        if !*rung && let Some(next) = self.next_change() {
            match inbox.recv_timeout(next) {
                Ok(op) => return Some(op),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    *rung = true;
                    self.live.ring();
                }
            }
        }
        inbox.recv().ok()
    }

    fn next_change(&self) -> Option<Duration> {
        let now = crate::engine::ring::Now { wall: self.clock.wall(), mono: self.clock.monotonic() };
        // Never a busy loop, should the clock stand still.
        self.mem.next_change(now).map(|d| d.max(Duration::from_millis(1)))
    }

    /// One transaction. Answers everybody; returns the reply of a close.
    fn commit(&mut self, group: Vec<Op>) -> Option<oneshot::Sender<()>> {
        let mut effects = Effects { watched: self.live.watched(), ..Effects::default() };
        let mut finishes: Vec<Finish> = Vec::with_capacity(group.len());
        let mut closing = None;
        let mut failed = self.begin().err();
        for op in group {
            if let Op::Close(done) = op {
                closing = Some(done);
                continue;
            }
            let (finish, error) = self.apply(op, &mut effects, failed.is_some());
            finishes.push(finish);
            failed = failed.or(error);
        }
        if failed.is_none() {
            failed = self.end(closing.is_some(), &mut effects).err();
        }
        match failed {
            None => {
                if effects.wake {
                    self.live.ring();
                }
                // Asked before anybody is answered: who begins to listen after an answer reads what it
                // stored, and has missed nothing.
                let missed = !effects.watched && self.live.watched();
                for f in finishes {
                    f(Ok(()));
                }
                if !effects.events.is_empty() {
                    self.live.publish(effects.events);
                }
                if missed {
                    self.live.missed();
                }
                self.checkpoints.after_commit(&self.db);
            }
            Some(fail) => {
                let error = self.roll_back(fail);
                for f in finishes {
                    f(Err(&error));
                }
            }
        }
        closing
    }

    fn begin(&mut self) -> Done<()> {
        if self.stale {
            self.reload()?;
        }
        self.damage.begins();
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    fn end(&mut self, closing: bool, effects: &mut Effects) -> Done<()> {
        if closing {
            self.tx(effects).flush_series()?;
        }
        self.mem.flush_counts(&self.db)?;
        self.db.prepare_cached("COMMIT")?.execute([])?;
        self.mem.series.stored();
        Ok(())
    }

    fn roll_back(&mut self, fail: Fail) -> BrokerError {
        self.damage.saw_fail(&fail);
        let error = BrokerError::from(fail);
        // A disk that stays full fails each of them.
        if let Some(more) = self.complaints.due(&error, self.clock.monotonic()) {
            tracing::error!(%error, more, "a transaction failed; nothing of it was stored");
        }
        if !self.db.is_autocommit() {
            // SQLite may have rolled back by itself; then there is nothing left to undo.
            let _ = self.db.execute_batch("ROLLBACK");
        }
        // Read again with the next request, not now: it may fail as this one did.
        self.stale = true;
        error
    }

    fn reload(&mut self) -> Done<()> {
        let mut fresh = Mem::load(&self.db, self.mem.epoch, &self.damage)?;
        fresh.inherit(&mut self.mem, self.clock.monotonic());
        self.mem = fresh;
        self.stale = false;
        Ok(())
    }

    fn tx<'a>(&'a mut self, effects: &'a mut Effects) -> Tx<'a> {
        Tx {
            db: &self.db,
            mem: &mut self.mem,
            presets: &self.presets,
            retention: &self.retention,
            effects,
            damage: &self.damage,
            now: self.clock.wall(),
            mono: self.clock.monotonic(),
        }
    }

    /// Runs one operation, unless the transaction is void already.
    fn apply(&mut self, op: Op, fx: &mut Effects, void: bool) -> (Finish, Option<Fail>) {
        match op {
            Op::Enqueue(tasks, key, r) => answer(r, void, || self.tx(fx).enqueue(&tasks, key.as_ref())),
            Op::Claim(c, r) => answer(r, void, || self.tx(fx).claim(&c)),
            Op::Settle(s, r) => answer(r, void, || self.tx(fx).settle(&s)),
            Op::Mark(l, r) => answer(r, void, || self.tx(fx).mark(&l)),
            Op::Extend(l, lease, r) => answer(r, void, || self.tx(fx).extend(&l, lease)),
            Op::CancelFlags(l, r) => answer(r, void, || self.tx(fx).cancel_flags(&l)),
            Op::Release(l, why, r) => answer(r, void, || self.tx(fx).release(&l, why)),
            Op::Cancel(ids, r) => answer(r, void, || self.tx(fx).cancel(&ids)),
            Op::Retry(ids, at, r) => answer(r, void, || self.tx(fx).retry(&ids, at)),
            Op::Tick(r) => answer(r, void, || self.tick(fx)),
            Op::Pause(p, r) => answer(r, void, || self.tx(fx).pause(&p)),
            Op::Resume(s, r) => answer(r, void, || self.tx(fx).resume(&s)),
            Op::Lift(s, r) => answer(r, void, || self.tx(fx).lift(&s)),
            Op::Limits(s, l, r) => answer(r, void, || self.tx(fx).set_limits(&s, l)),
            Op::Counts(r) => answer(r, void, || Ok(self.counts())),
            Op::Lanes(q, r) => answer(r, void, || self.tx(fx).lanes(q.as_ref())),
            Op::FlushSeries(r) => answer(r, void, || self.tx(fx).flush_series()),
            Op::Heartbeat(w, r) => answer(r, void, || {
                self.heartbeat(w);
                Ok(())
            }),
            Op::Workers(r) => answer(r, void, || Ok(self.workers())),
            Op::PutRecord(k, name, body, e, r) => {
                answer(r, void, || self.tx(fx).put_record(k, &name, body.as_str(), e))
            }
            Op::DeleteRecord(k, name, e, r) => answer(r, void, || self.tx(fx).delete_record(k, &name, e)),
            Op::Erase(ids, r) => answer(r, void, || self.tx(fx).erase(&ids)),
            Op::Import(items, r) => answer(r, void, || self.tx(fx).import(&items)),
            Op::Probe(r) => answer(r, void, || {
                let now = self.clock.wall().as_millis();
                self.db
                    .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', ?1)")?
                    .execute([now])?;
                Ok(())
            }),
            // Taken out by the caller.
            Op::Close(_) => (Box::new(|_| ()), None),
        }
    }

    fn tick(&mut self, effects: &mut Effects) -> Done<TickReport> {
        let Self { db, mem, presets, retention, clock, sweep, workers, damage, .. } = self;
        let mono = clock.monotonic();
        let mut tx = Tx { db, mem, presets, retention, effects, damage, now: clock.wall(), mono };
        tx.mend_pauses()?;
        tx.end_queue_pauses()?;
        // A living worker renews its registration as often as its leases; one that renewed neither
        // since is gone. The margin covers the moment between the two.
        let gone = |run: &Run| workers.get(&run.worker).is_none_or(|w| w.seen <= run.extended + STORE_GAP);
        let report = tx.tick(sweep, gone)?;
        if report.next.is_some_and(|d| d.is_zero()) || report.due > 0 || report.rescued > 0 {
            tx.effects.wake = true;
        }
        self.checkpoints.vacuum(&self.db)?;
        Ok(report)
    }

    fn counts(&self) -> Vec<QueueCounts> {
        let mut out: Vec<QueueCounts> = self
            .mem
            .queues
            .values()
            .map(|q| {
                let mut by_state = [0; 8];
                by_state.copy_from_slice(&q.counts[..8]);
                QueueCounts { queue: q.name.clone(), by_state, held: q.counts[8], paused: q.paused.clone() }
            })
            .collect();
        out.sort_by(|a, b| a.queue.cmp(&b.queue));
        out
    }

    fn heartbeat(&mut self, mut info: WorkerInfo) {
        if info.stopping && info.queues.is_empty() && info.slots == 0 {
            self.workers.remove(&info.id);
            return;
        }
        let seen = self.clock.monotonic();
        info.seen_at = self.clock.wall();
        self.workers.retain(|_, w| seen.saturating_sub(w.seen) < WORKER_KEPT);
        self.workers.insert(info.id.clone(), Registered { info, seen });
    }

    fn workers(&self) -> Vec<WorkerInfo> {
        let now = self.clock.monotonic();
        let mut out: Vec<WorkerInfo> = self
            .workers
            .values()
            .filter(|w| now.saturating_sub(w.seen) < WORKER_KEPT)
            .map(|w| w.info.clone())
            .collect();
        out.sort_by(|a, b| a.id.cmp(&b.id));
        out
    }
}

/// Runs an operation and says how to answer it. An error of the caller's stands whatever becomes of
/// the transaction; any other voids it.
fn answer<T: 'static>(reply: Reply<T>, void: bool, run: impl FnOnce() -> Done<T>) -> (Finish, Option<Fail>) {
    let refuse = |reply: Reply<T>| -> Finish {
        Box::new(move |fate: Result<(), &BrokerError>| {
            if let Err(e) = fate {
                let _ = reply.send(Err(e.clone()));
            }
        })
    };
    if void {
        return (refuse(reply), None);
    }
    match run() {
        // A receiver that is gone does not want the answer; what was done stands.
        Ok(value) => (
            Box::new(move |fate| {
                let _ = reply.send(fate.map(|()| value).map_err(Clone::clone));
            }),
            None,
        ),
        Err(Fail::Caller(e)) => (
            Box::new(move |_| {
                let _ = reply.send(Err(e));
            }),
            None,
        ),
        Err(fail) => (refuse(reply), Some(fail)),
    }
}

/// Starts the thread, which frees `lock` when it has closed the file.
pub(crate) fn spawn(
    writer: Writer,
    lock: File,
) -> std::io::Result<(Sender<Op>, std::thread::JoinHandle<()>)> {
    let (tx, rx) = crossbeam_channel::unbounded();
    let handle = std::thread::Builder::new().name("posthaste-write".into()).spawn(move || {
        // Also when the store is dropped unclosed: until here, another process would read tables that
        // still change.
        let _lock = lock;
        writer.run(&rx);
    })?;
    Ok((tx, handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_stays_full_is_told_every_ten_seconds_and_another_failure_at_once() {
        let mut complaints = Complaints::default();
        let full = BrokerError::Full { what: "the disk".into() };
        let told: Vec<_> = (0..25).filter_map(|s| complaints.due(&full, Duration::from_secs(s))).collect();
        assert_eq!(told, [0, 9, 9]);
        let away = BrokerError::Unavailable { why: "locked".into() };
        assert_eq!(complaints.due(&away, Duration::from_secs(25)), Some(0));
    }
}
