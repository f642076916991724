//! The seam between Posthaste and a store of tasks.
//!
//! Every operation may be sent twice: each method says what a repeat answers. Writes about a
//! running task carry its lease and are fenced per task. All methods are cancel safe in the sense
//! that a dropped future leaves the store in a valid state; whether the operation happened is then
//! unknown, and the repeat rules apply.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::limits::{DEFAULT_PAGE, LEASE};
use crate::{
    Attempt, BatchId, BrokerError, Claimed, FailureClass, IdempotencyKey, Kind, LaneKey, LaneLimits,
    LeaseRef, Name, NewTask, Outcome, Pause, PauseReason, Portable, QueueName, Records, Scope, State,
    Subscription, Task, TaskId, Tenant, Timestamp, Wakeups, WorkerId,
};

/// Tasks to be stored together.
#[derive(Debug, Clone, Default)]
pub struct EnqueueRequest {
    /// At most [`crate::limits::MAX_ENQUEUE`]; all are stored or none.
    pub tasks: Vec<NewTask>,
    /// Makes repeats answer as the first did.
    pub idempotency: Option<IdempotencyKey>,
}

/// What an enqueue answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnqueueReply {
    /// One per task, in order.
    pub tasks: Vec<Enqueued>,
    /// Whether an idempotency key had been used before, so that nothing was stored now.
    pub replayed: bool,
}

/// One enqueued task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id; of a duplicate, the id of the holder of the unique key.
    pub id: TaskId,
    /// Its state when it was stored (of a replay or duplicate: now).
    pub state: State,
    /// Whether another task holds its unique key, so that nothing was stored.
    pub duplicate: bool,
}

/// A share of a target that a worker holds already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The queue of the target.
    pub queue: QueueName,
    /// The target of its lanes.
    pub target: Name,
    /// Tasks of it that the worker holds, prefetched ones included.
    pub count: u32,
}

/// A request for work.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Who asks.
    pub worker: WorkerId,
    /// The queues to take from, in the order to be served.
    pub queues: Vec<QueueName>,
    /// At most this many, and at most [`crate::limits::MAX_CLAIM`].
    pub max: usize,
    /// Free slots: that many are stored as started, the rest as prefetched.
    pub start: usize,
    /// How long the lease lasts.
    pub lease: Duration,
    /// The worker's bulkhead: it wants at most this many of one target (lanes with a key only; a
    /// queue's default lane has no target), prefetched ones included.
    pub per_target: Option<u32>,
    /// What it holds of each target already.
    pub held: Vec<Held>,
}

/// The end of one try.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The lease it was run under.
    pub lease: LeaseRef,
    /// How it ended.
    pub outcome: Outcome,
}

/// Outcomes to store and, in the same transaction, work to hand out.
#[derive(Debug, Clone, Default)]
pub struct SettleRequest {
    /// At most [`crate::limits::MAX_SETTLE`].
    pub settlements: Vec<Settlement>,
    /// Prefetched leases that have since started.
    pub started: Vec<LeaseRef>,
    /// What to claim afterwards.
    pub claim: Option<ClaimRequest>,
}

/// What became of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Stored; the task is now in this state.
    Settled(State),
    /// This very token settled it before; nothing changed.
    AlreadySettled,
    /// The lease is not the task's any more; nothing changed.
    LeaseLost,
    /// The part of the store that has the task did not answer while others did: whether it is stored is not known, and it
    /// is to be sent again.
    Unanswered,
}

/// What an outcome did to the pause of its lane, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneNews {
    /// Which settlement of the request.
    pub at: usize,
    /// The pause that is in force now; `None` when this outcome ended one.
    pub paused: Option<Pause>,
    /// Why it was paused before.
    pub before: Option<PauseReason>,
}

/// What a settle answers.
#[derive(Debug, Clone, Default)]
pub struct SettleReply {
    /// One per settlement, in order.
    pub settled: Vec<Settled>,
    /// Newly claimed tasks.
    pub claimed: Vec<Claimed>,
    /// Pauses that these outcomes began, made longer or ended.
    pub lanes: Vec<LaneNews>,
}

/// Whether a lease still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced {
    /// It holds; the operation was done.
    Granted,
    /// It is not the task's any more; nothing was done.
    LeaseLost,
    /// The part of the store that has the task did not answer while others did: nothing is known, and it is to be asked again.
    Unanswered,
}

/// What an extend answers for one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// Whether the lease holds.
    pub lease: Fenced,
    /// Whether a cancel was requested.
    pub cancel_requested: bool,
}

/// One lease to extend.
#[derive(Debug, Clone, Copy)]
pub struct Extend {
    /// The lease.
    pub lease: LeaseRef,
    /// Whether its handler has started since it was claimed.
    pub started: bool,
    /// Whether its worker has let go of it: it ends when this extend says, whatever becomes of the worker, and an extend that
    /// does not say so leaves it alone. An embedded store keeps it over a restart.
    pub detached: bool,
}

/// Why a worker gives a task back untried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseReason {
    /// It is stopping: the task goes to the front of its lane.
    Shutdown,
    /// It has no handler of that kind: the task is tried again after this delay.
    UnknownKind {
        /// How long it waits.
        delay: Duration,
    },
}

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It was waiting and is cancelled now.
    Done,
    /// It runs: the handler is told. A repeat answers the same.
    Requested,
    /// It was final before, in this state. A repeat of a cancel answers `AlreadyFinal(Cancelled)`.
    AlreadyFinal(State),
    /// No such task.
    NotFound,
}

/// What a retry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It is queued again, in this generation.
    Done {
        /// The new generation.
        generation: u32,
    },
    /// It is not failed, cancelled or expired, but in this state. A repeat of a retry answers this.
    NotRetryable(State),
    /// Another task holds its unique key.
    UniqueHeld {
        /// That task.
        by: TaskId,
    },
    /// No such task.
    NotFound,
}

/// What one tick moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Scheduled and retrying tasks that became queued.
    pub due: usize,
    /// Running tasks whose lease had run out.
    pub rescued: usize,
    /// Tasks that expired, or were parked for longer than their `max_age`.
    pub expired: usize,
    /// Finished tasks and old keys that were removed.
    pub pruned: usize,
    /// Whether any step reached its limit: call again.
    pub more: bool,
    /// How long until something is due; `None` when nothing is known to be.
    pub next: Option<Duration>,
}

/// Which tasks to list. All given conditions hold.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// In one of these states; empty is any.
    pub states: Vec<State>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this queue.
    pub queue: Option<QueueName>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// For this recipient, written as [`NewTask::recipient`] was. Stores keep an index of it.
    pub recipient: Option<String>,
    /// Of this tenant.
    pub tenant: Option<Tenant>,
    /// Whose last failure was of this class.
    pub class: Option<FailureClass>,
}

/// A page of a list to read, newest first.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// Which tasks.
    pub filter: ListFilter,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// At most this many, and at most [`crate::limits::MAX_PAGE`].
    pub limit: usize,
    /// Whether payloads and results come along.
    pub bodies: Bodies,
}

impl Default for ListRequest {
    fn default() -> Self {
        Self { filter: ListFilter::default(), cursor: None, limit: DEFAULT_PAGE, bodies: Bodies::Omit }
    }
}

/// Whether payloads and results are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Left out.
    Omit,
    /// Read.
    Include,
}

/// A page of tasks.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The tasks, newest first.
    pub tasks: Vec<Task>,
    /// Where to go on; `None` at the end.
    pub next_cursor: Option<String>,
    /// Set when the call stopped looking before its page was full: everything created at or after
    /// this time was looked at.
    pub searched_until: Option<Timestamp>,
}

/// How many tasks of a queue are in each state. Pre-aggregated; costs nothing to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCounts {
    /// The queue.
    pub queue: QueueName,
    /// By [`State::code`].
    pub by_state: [u64; 8],
    /// Of the succeeded ones that are kept: how many were held by the sandbox, not sent.
    pub held: u64,
    /// Whether the queue as a whole is paused.
    pub paused: Option<Pause>,
}

impl QueueCounts {
    /// The number in `state`.
    pub fn of(&self, state: State) -> u64 {
        self.by_state[usize::from(state.code())]
    }
}

/// Which part of the series to read.
#[derive(Debug, Clone)]
pub struct SeriesRequest {
    /// From this time.
    pub from: Timestamp,
    /// Until before this time.
    pub until: Timestamp,
    /// Of one queue; `None` is all, one point per queue and minute.
    pub queue: Option<QueueName>,
}

/// Buckets of a series histogram: bucket `i` counts durations below `2^i` ms, the last one the rest.
pub const SERIES_BUCKETS: usize = 24;

/// One minute of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// The start of the minute.
    pub at: Timestamp,
    /// The queue.
    pub queue: QueueName,
    /// Tasks enqueued.
    pub enqueued: u64,
    /// Tasks claimed.
    pub claimed: u64,
    /// Tasks succeeded, those held by the sandbox included.
    pub succeeded: u64,
    /// Of those, held by the sandbox.
    pub held: u64,
    /// Tasks failed.
    pub failed: u64,
    /// Tries that failed and are tried again.
    pub retried: u64,
    /// Tasks cancelled.
    pub cancelled: u64,
    /// Tasks expired.
    pub expired: u64,
    /// Due → claimed, per bucket.
    pub wait_ms: [u64; SERIES_BUCKETS],
    /// Claimed → settled, per bucket.
    pub run_ms: [u64; SERIES_BUCKETS],
}

/// A request to stop handing out work.
#[derive(Debug, Clone)]
pub struct PauseRequest {
    /// What.
    pub scope: Scope,
    /// Why.
    pub reason: PauseReason,
    /// For how long; `None` until resumed. The latest end wins over one in force.
    pub for_: Option<Duration>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// A lane as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneInfo {
    /// Its queue.
    pub queue: QueueName,
    /// Its key; `None` is the default lane.
    pub lane: Option<LaneKey>,
    /// The pause in force on it or on its target.
    pub paused: Option<Pause>,
    /// Its own limits.
    pub limits: LaneLimits,
    /// Running tasks.
    pub running: u64,
    /// Whether tasks wait in it.
    pub waiting: bool,
    /// Since when the task has been due that waits longest of those at its front, one per priority; `None` while none waits.
    pub waiting_since: Option<Timestamp>,
}

/// A living worker process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its id.
    pub id: WorkerId,
    /// Its host name.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Its program version.
    pub version: String,
    /// The queues it serves.
    pub queues: Vec<QueueName>,
    /// The kinds it knows.
    pub kinds: Vec<Kind>,
    /// Its slots.
    pub slots: u32,
    /// Tasks it runs now.
    pub running: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Its last heartbeat, by the store's clock; set by the store.
    pub seen_at: Timestamp,
    /// Whether it is shutting down.
    pub stopping: bool,
}

impl WorkerInfo {
    /// For how long nothing was heard of it, once it has missed three heartbeats: what it held is being given to others. The one
    /// rule of whether a worker counts; `now` is the asker's clock, so it decides about words and numbers alone.
    pub fn silence(&self, now: Timestamp) -> Option<Duration> {
        Some(now.since(self.seen_at)).filter(|silent| *silent > LEASE)
    }

    /// Whether it takes on work: it is heard of and is not shutting down.
    pub fn serves(&self, now: Timestamp) -> bool {
        !self.stopping && self.silence(now).is_none()
    }
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The store's kind: `sqlite`, `redis`.
    pub store: String,
    /// Its version.
    pub version: String,
    /// Whether it takes writes now.
    pub writable: bool,
    /// Why not, if not.
    pub problem: Option<String>,
    /// How long the check took, in microseconds.
    pub latency_us: u64,
    /// Bytes it occupies.
    pub size_bytes: u64,
}

/// The task half of a store. Pinned by the cases of `posthaste-broker-conformance`.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Stores tasks, all or none; durable on return (see the store's durability).
    ///
    /// A repeat without an idempotency key or own ids stores them again; with a key it answers as
    /// the first with `replayed: true`, also after the tasks were pruned. The key is looked at
    /// before unique keys. A request of no tasks under a key stores nothing and does not use the key:
    /// it answers as the first did, or nothing with `replayed: false` (pinned by
    /// `a_key_is_looked_up_by_a_request_of_no_tasks`).
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] names the field; [`BrokerError::IdExists`];
    /// [`BrokerError::IdempotencyMismatch`]; [`BrokerError::Full`] and [`BrokerError::Unavailable`]:
    /// nothing was stored.
    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, BrokerError>;

    /// Hands out ready tasks under new leases, in the order of the rings. A repeat is a new claim;
    /// tasks of a lost reply are rescued when their lease ends, uncounted while the worker lives.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError>;

    /// Stores outcomes, each fenced on its own, then claims. Durable on return. A repeat answers
    /// `AlreadySettled` for each settlement whose token was the last to settle its task.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] (a result too large, for that index alone nothing is stored and the
    /// whole call is refused before anything is written); [`BrokerError::Unavailable`].
    async fn settle(&self, request: SettleRequest) -> Result<SettleReply, BrokerError>;

    /// Marks the point of no return, before something is sent; durable on return. A repeat answers
    /// `Granted` again while the lease holds.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`]: it must not be sent.
    async fn mark(&self, leases: &[LeaseRef]) -> Result<Vec<Fenced>, BrokerError>;

    /// Makes leases last `lease` from now, at most [`crate::limits::MAX_DETACHED_LEASE`]. A repeat does the same.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn extend(&self, leases: &[Extend], lease: Duration) -> Result<Vec<Extended>, BrokerError>;

    /// Whether a cancel was requested, per lease; `true` too when the lease is lost.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn cancel_flags(&self, leases: &[LeaseRef]) -> Result<Vec<bool>, BrokerError>;

    /// Gives tasks back untried; nothing is counted. A task whose cancel was requested is cancelled;
    /// a marked one is settled as `ambiguous`. A repeat answers `LeaseLost`.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn release(&self, leases: &[LeaseRef], reason: ReleaseReason) -> Result<Vec<Fenced>, BrokerError>;

    /// Cancels tasks, or asks the handlers of running ones to stop. Durable on return.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn cancel(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>, BrokerError>;

    /// Starts a new generation of failed, cancelled or expired tasks: queued, counters from zero,
    /// history kept, `expires_at` replaced (by nothing, unless given). Durable on return.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn retry(&self, ids: &[TaskId], expires_at: Option<Timestamp>)
    -> Result<Vec<Retried>, BrokerError>;

    /// Moves what time has moved: due tasks, lost leases, expiries, retention, old keys; at most
    /// [`crate::limits::TICK_BATCH`] per step. Safe from any number of workers at once.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn tick(&self) -> Result<TickReport, BrokerError>;

    /// The tasks, in order, with payload and result; `None` where there is none.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn get(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, BrokerError>;

    /// A page of tasks, newest first; bounded in time and in headers looked at.
    ///
    /// # Errors
    /// [`BrokerError::BadCursor`], [`BrokerError::Unavailable`].
    async fn list(&self, request: ListRequest) -> Result<Page, BrokerError>;

    /// Every queue with its counters.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn counts(&self) -> Result<Vec<QueueCounts>, BrokerError>;

    /// Points of the series, oldest first.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn series(&self, request: SeriesRequest) -> Result<Vec<SeriesPoint>, BrokerError>;

    /// The attempts of a task over all generations, oldest first, the running one last; `None`
    /// when there is no such task.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn attempts(&self, id: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError>;

    /// Stops handing out work of a queue or lane. Running tasks go on. A repeat does nothing more.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] beyond [`crate::limits::MAX_PAUSE`]; [`BrokerError::Unavailable`].
    async fn pause(&self, request: PauseRequest) -> Result<(), BrokerError>;

    /// Ends a pause of any reason and closes the breaker. A repeat does nothing.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn resume(&self, scope: &Scope) -> Result<(), BrokerError>;

    /// Ends the pauses of misconfigured targets that one of these settings mends ([`Pause::is_mended_by`]), in every queue;
    /// pauses of other reasons stay. How many it ended. A repeat ends none.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn lift(&self, settings: &[String]) -> Result<usize, BrokerError>;

    /// Sets the limits of a lane or, without a tenant, of a target. `Scope::Queue` limits the
    /// queue's default lane.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn set_limits(&self, scope: &Scope, limits: LaneLimits) -> Result<(), BrokerError>;

    /// Lanes that hold work, a pause or limits; at most [`crate::limits::MAX_LANES_LISTED`].
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn lanes(&self, queue: Option<&QueueName>) -> Result<Vec<LaneInfo>, BrokerError>;

    /// Watches state changes, of one task or of all.
    fn subscribe(&self, task: Option<TaskId>) -> Box<dyn Subscription>;

    /// Watches for work.
    fn wakeups(&self) -> Box<dyn Wakeups>;

    /// Registers or renews a worker; `seen_at` is set by the store. Empty queues and
    /// `stopping: true` with no slots remove it.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn heartbeat(&self, worker: WorkerInfo) -> Result<(), BrokerError>;

    /// Workers seen within [`crate::limits::WORKER_KEPT`].
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn workers(&self) -> Result<Vec<WorkerInfo>, BrokerError>;

    /// Whether the store answers and takes writes; never an error.
    async fn health(&self) -> Health;
}

/// All of a store.
pub trait Store: Broker + Records + Portable {}

impl<T: Broker + Records + Portable + ?Sized> Store for T {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_missed_three_heartbeats_is_silent_and_serves_no_more() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let seen = |ago: Duration, stopping| WorkerInfo {
            id: WorkerId::new("w").expect("valid"),
            host: "h".into(),
            pid: 1,
            version: "1".into(),
            queues: Vec::new(),
            kinds: Vec::new(),
            slots: 1,
            running: 0,
            started_at: now,
            seen_at: now.minus(ago),
            stopping,
        };
        let second = Duration::from_secs(1);
        assert_eq!(seen(LEASE, false).silence(now), None);
        assert_eq!(seen(LEASE + second, false).silence(now), Some(LEASE + second));
        let serves = |ago, stopping| seen(ago, stopping).serves(now);
        assert!(serves(second, false) && !serves(second, true) && !serves(LEASE + second, false));
    }
}
