//! The JSON forms of tasks, queues, lanes and workers. Fields without a value are left out, never
//! `null`; times are RFC 3339 in UTC.

use posthaste_core::broker::{Enqueued, LaneInfo, QueueCounts, WorkerInfo};
use posthaste_core::{
    Attempt, AttemptOutcome, BatchId, EndReason, FailureClass, Json, Kind, LaneKey, LaneLimits, Pause,
    Priority, QueueName, RetryPolicy, State, Task, TaskEnd, TaskId, Tenant, Timestamp, WorkerId,
};
use posthaste_notify::lanes;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::schema;

/// One attempt of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Attempt, example = json!({
    "generation": 1, "attempt": 1, "started_at": "2026-01-31T09:30:00.120Z", "ended_at": "2026-01-31T09:30:00.480Z", "worker": "mail-1:4711:a3", "outcome": "succeeded", "counted": false
}))]
pub struct AttemptView {
    /// Which generation, from 1; a retry by a person starts a new one.
    pub generation: u32,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// When a worker took it.
    #[schema(value_type = schema::Time)]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub ended_at: Option<Timestamp>,
    /// By whom.
    #[schema(value_type = String)]
    pub worker: WorkerId,
    /// How it ended.
    #[schema(value_type = schema::AttemptOutcome)]
    pub outcome: AttemptOutcome,
    /// The class of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::FailureClass>, nullable = false)]
    pub class: Option<FailureClass>,
    /// A sentence about its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// The other side's answer code, for example `550 5.1.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// Whether it counted against `max_failures`.
    pub counted: bool,
}

impl From<Attempt> for AttemptView {
    fn from(a: Attempt) -> Self {
        Self {
            generation: a.generation,
            attempt: a.attempt,
            started_at: a.started_at,
            ended_at: a.ended_at,
            worker: a.worker,
            outcome: a.outcome,
            class: a.class,
            message: a.message,
            code: a.code,
            counted: a.counted,
        }
    }
}

/// Why the last try or the task as a whole did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TaskError, example = json!({
    "reason": "permanent", "class": "permanent", "code": "550 5.7.1", "message": "The server said 550 5.7.1 relaying denied"
}))]
pub struct TaskErrorView {
    /// Why the task ended; left out while it is still tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EndReason>, nullable = false)]
    pub reason: Option<EndReason>,
    /// The class of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::FailureClass>, nullable = false)]
    pub class: Option<FailureClass>,
    /// A sentence for people.
    pub message: String,
    /// The other side's answer code, for example `550 5.1.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
}

impl From<TaskEnd> for TaskErrorView {
    fn from(e: TaskEnd) -> Self {
        Self { reason: e.reason, class: e.class, message: e.message, code: e.code }
    }
}

/// A task. Fields without a value are left out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Task, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "kind": "notify", "queue": "default", "lane": "email:default", "priority": "normal",
    "state": "succeeded", "generation": 1, "attempt": 1, "failures": 0, "created_at": "2026-01-31T09:30:00.000Z",
    "due_at": "2026-01-31T09:30:00.000Z", "started_at": "2026-01-31T09:30:00.120Z", "finished_at": "2026-01-31T09:30:00.480Z",
    "cancel_requested": false,
    "payload": { "channel": "email", "to": "ann@example.com", "message": "Hello!" },
    "result": { "message": "Notification sent to ann@example.com", "sandbox": false },
    "retry": { "max_failures": 8, "backoff": { "type": "listed", "delays_ms": [30000, 120000, 600000] },
        "max_age_ms": 259200000, "timeout_ms": 660000, "on_ambiguous": "retry" },
    "attempts": [{ "generation": 1, "attempt": 1, "started_at": "2026-01-31T09:30:00.120Z", "ended_at": "2026-01-31T09:30:00.480Z", "worker": "mail-1:4711:a3", "outcome": "succeeded", "counted": false }]
}))]
pub struct TaskView {
    /// Its id.
    #[schema(value_type = schema::Id)]
    pub id: TaskId,
    /// Selects the handler.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Where it waits.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Its lane, `target` or `target/tenant`; left out for the queue's default lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub lane: Option<LaneKey>,
    /// Whose task it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub tenant: Option<Tenant>,
    /// How urgent.
    #[schema(value_type = schema::Priority)]
    pub priority: Priority,
    /// Where it is in its life.
    #[schema(value_type = schema::State)]
    pub state: State,
    /// Which generation, from 1; a retry by a person starts a new one.
    pub generation: u32,
    /// The latest attempt of this generation; 0 before the first.
    pub attempt: u32,
    /// Attempts of this generation that counted against `max_failures`.
    pub failures: u32,
    /// When it was accepted.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
    /// When it is or was last due.
    #[schema(value_type = schema::Time)]
    pub due_at: Timestamp,
    /// When the latest attempt was taken by a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub finished_at: Option<Timestamp>,
    /// When it is of no use any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub expires_at: Option<Timestamp>,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub worker: Option<WorkerId>,
    /// Whether a cancel was requested while it runs.
    pub cancel_requested: bool,
    /// When it is tried again and when it is given up.
    #[schema(value_type = schema::RetryPolicy)]
    pub retry: RetryPolicy,
    /// Its unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unique_key: Option<String>,
    /// The tasks it was enqueued with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>, nullable = false)]
    pub batch: Option<BatchId>,
    /// Why it last failed or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<TaskErrorView>,
    /// What the handler gets; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub payload: Option<Json>,
    /// What the handler returned; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub result: Option<Json>,
    /// Its log, at most the last 50; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempts: Option<Vec<AttemptView>>,
}

impl TaskView {
    /// The task with its log, or without one in lists.
    pub fn new(task: Task, attempts: Option<Vec<Attempt>>) -> Self {
        Self {
            id: task.id,
            kind: task.kind,
            queue: task.queue,
            lane: task.lane.map(lanes::shown),
            tenant: task.tenant,
            priority: task.priority,
            state: task.state,
            generation: task.generation,
            attempt: task.attempt,
            failures: task.failures,
            created_at: task.created_at,
            due_at: task.due_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            expires_at: task.expires_at,
            worker: task.worker,
            cancel_requested: task.cancel_requested,
            retry: task.policy,
            unique_key: task.unique,
            batch: task.batch,
            error: task.error.map(Into::into),
            payload: task.payload,
            result: task.result,
            attempts: attempts.map(|list| list.into_iter().map(Into::into).collect()),
        }
    }
}

/// A page of a list of tasks, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TaskPage, example = json!({
    "data": [{ "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "kind": "notify", "queue": "default", "lane": "email:default", "priority": "normal",
    "state": "succeeded", "generation": 1, "attempt": 1, "failures": 0, "created_at": "2026-01-31T09:30:00.000Z",
    "due_at": "2026-01-31T09:30:00.000Z", "started_at": "2026-01-31T09:30:00.120Z", "finished_at": "2026-01-31T09:30:00.480Z",
    "cancel_requested": false, "retry": { "max_failures": 8, "backoff": { "type": "listed", "delays_ms": [30000, 120000, 600000] },
        "max_age_ms": 259200000, "timeout_ms": 660000, "on_ambiguous": "retry" } }],
    "next_cursor": "AZnzoHwecqUtnQ4"
}))]
pub struct TaskPage {
    /// The tasks, without payloads, results and logs.
    pub data: Vec<TaskView>,
    /// Send it as `cursor` to go on; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
    /// Set when the search stopped for lack of time: everything newer was looked at. Left out with a tenant's key: the time
    /// would be that of another's task.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub searched_until: Option<Timestamp>,
}

/// A list that is whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub data: Vec<T>,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Paged<T> {
    /// The items.
    pub data: Vec<T>,
    /// Send it as `cursor` to go on; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

/// What an enqueue answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Enqueued, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "state": "queued", "duplicate": false
}))]
pub struct EnqueuedView {
    /// Its id; of a duplicate, the id of the task that holds the unique key.
    #[schema(value_type = schema::Id)]
    pub id: TaskId,
    /// Its state.
    #[schema(value_type = schema::State)]
    pub state: State,
    /// Whether another task holds its unique key, so that nothing was stored.
    pub duplicate: bool,
}

impl From<Enqueued> for EnqueuedView {
    fn from(e: Enqueued) -> Self {
        Self { id: e.id, state: e.state, duplicate: e.duplicate }
    }
}

/// What a cancel answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Cancelled, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "state": "cancelled", "cancel_requested": false
}))]
pub struct CancelView {
    /// The task.
    #[schema(value_type = schema::Id)]
    pub id: TaskId,
    /// `cancelled`, or `running` until its handler has stopped.
    #[schema(value_type = schema::State)]
    pub state: State,
    /// Whether it runs and its handler is being told.
    pub cancel_requested: bool,
}

/// What a retry answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Retried, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "state": "queued", "generation": 2
}))]
pub struct RetryView {
    /// The task.
    #[schema(value_type = schema::Id)]
    pub id: TaskId,
    /// `queued`.
    #[schema(value_type = schema::State)]
    pub state: State,
    /// Its new generation.
    pub generation: u32,
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Pause, example = json!({
    "reason": "manual", "since": "2026-01-31T09:30:00.000Z", "message": "A deployment is under way."
}))]
pub struct PauseView {
    /// Why.
    #[schema(value_type = schema::PauseReason)]
    pub reason: posthaste_core::PauseReason,
    /// When it ends or when the next probe goes out; left out when only a person ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub until: Option<Timestamp>,
    /// Since when.
    #[schema(value_type = schema::Time)]
    pub since: Timestamp,
    /// What caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
}

impl From<Pause> for PauseView {
    fn from(p: Pause) -> Self {
        Self { reason: p.reason, until: p.until, since: p.since, message: p.message }
    }
}

/// Tasks of one queue by state, in the order of a task's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCounts(pub [u64; 8]);

impl StateCounts {
    /// How many are in `state`.
    pub fn of(&self, state: State) -> u64 {
        self.0[usize::from(state.code())]
    }
}

impl Serialize for StateCounts {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(State::ALL.iter().map(|st| (st.as_str(), self.of(*st))))
    }
}

/// A queue and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Queue, example = json!({
    "queue": "default", "held": 0, "workers": 2, "paused": { "reason": "manual", "since": "2026-01-31T09:30:00.000Z", "message": "A deployment is under way." },
    "counts": { "scheduled": 4, "queued": 12, "running": 3, "retrying": 1, "succeeded": 4821, "failed": 7, "cancelled": 0, "expired": 0 }
}))]
pub struct QueueView {
    /// Its name.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Tasks by state.
    #[schema(value_type = schema::StateCounts)]
    pub counts: StateCounts,
    /// Of the succeeded: messages held by the sandbox instead of sent.
    pub held: u64,
    /// Workers that serve it and are heard of; while there is none, its tasks wait.
    pub workers: u32,
    /// The pause of the whole queue, if one is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub paused: Option<PauseView>,
}

impl QueueView {
    /// What the store counted, and which of `workers` serve the queue at `now`.
    pub fn new(q: QueueCounts, workers: &[WorkerInfo], now: Timestamp) -> Self {
        let serving = workers.iter().filter(|w| w.serves(now) && w.queues.contains(&q.queue)).count();
        Self {
            workers: u32::try_from(serving).unwrap_or(u32::MAX),
            queue: q.queue,
            counts: StateCounts(q.by_state),
            held: q.held,
            paused: q.paused.map(Into::into),
        }
    }
}

/// Limits of a lane over all workers; left out means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LaneLimits, example = json!({
    "rate": 100, "per_ms": 1000, "concurrency": 20
}))]
pub struct LimitsView {
    /// Starts per `per_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rate: Option<u32>,
    /// The period of `rate` in milliseconds.
    pub per_ms: u64,
    /// How many run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub concurrency: Option<u32>,
}

impl From<LaneLimits> for LimitsView {
    fn from(l: LaneLimits) -> Self {
        Self { rate: l.rate, per_ms: l.per_ms, concurrency: l.concurrency }
    }
}

/// A lane that holds work, a pause or limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Lane, example = json!({
    "queue": "default", "lane": "email:default", "limits": { "rate": 100, "per_ms": 1000, "concurrency": 20 }, "running": 3, "waiting": true, "waiting_since": "2026-01-31T09:29:58.000Z"
}))]
pub struct LaneView {
    /// Its queue.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Its key; left out for the queue's default lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub lane: Option<LaneKey>,
    /// Its pause, if one is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub paused: Option<PauseView>,
    /// Its limits.
    pub limits: LimitsView,
    /// Tasks of it that run.
    pub running: u64,
    /// Whether tasks of it wait.
    pub waiting: bool,
    /// Since when the task has been due that waits longest of those at its front, one per priority; left out while none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub waiting_since: Option<Timestamp>,
}

impl From<LaneInfo> for LaneView {
    fn from(l: LaneInfo) -> Self {
        Self {
            queue: l.queue,
            lane: l.lane.map(lanes::shown),
            paused: l.paused.map(Into::into),
            limits: l.limits.into(),
            running: l.running,
            waiting: l.waiting,
            waiting_since: l.waiting_since,
        }
    }
}

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Worker, example = json!({
    "id": "mail-1:4711:a3", "host": "mail-1", "pid": 4711, "version": "0.1.0", "queues": ["default"], "kinds": ["callback", "http", "notify"],
    "slots": 64, "running": 3, "started_at": "2026-01-31T09:00:00.000Z", "seen_at": "2026-01-31T09:30:00.000Z", "stopping": false,
    "silent": false
}))]
pub struct WorkerView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: WorkerId,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The queues it serves.
    #[schema(value_type = Vec<String>)]
    pub queues: Vec<QueueName>,
    /// The kinds it has handlers for.
    #[schema(value_type = Vec<String>)]
    pub kinds: Vec<Kind>,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// How many it runs now.
    pub running: u32,
    /// When it started.
    #[schema(value_type = schema::Time)]
    pub started_at: Timestamp,
    /// When it was last heard of.
    #[schema(value_type = schema::Time)]
    pub seen_at: Timestamp,
    /// Whether it is stopping.
    pub stopping: bool,
    /// Whether it missed three heartbeats: what it held is being given to others.
    pub silent: bool,
}

impl WorkerView {
    /// What the store keeps of a worker, looked at at `now`.
    pub fn new(w: WorkerInfo, now: Timestamp) -> Self {
        Self {
            silent: w.silence(now).is_some(),
            id: w.id,
            host: w.host,
            pid: w.pid,
            version: w.version,
            queues: w.queues,
            kinds: w.kinds,
            slots: w.slots,
            running: w.running,
            started_at: w.started_at,
            seen_at: w.seen_at,
            stopping: w.stopping,
        }
    }
}
