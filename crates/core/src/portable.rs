//! Taking a store apart and putting it together again: erasing tasks, exporting everything, importing it elsewhere.
//!
//! What is exported is read item by item while the store works on: each item is whole and as it was at some moment of the
//! export. Two stores hold the same once nothing changes either of them and their exports agree.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::broker::SeriesPoint;
use crate::task::decide::{Facts, LostLease, on_lost_lease};
use crate::task::state::next;
use crate::{
    Attempt, AttemptOutcome, BatchId, BrokerError, EndReason, FailureClass, Json, Kind, LaneKey, LaneLimits,
    Pause, Priority, QueueName, RecordKind, RetryPolicy, State, TaskEnd, TaskId, Tenant, Timestamp, WorkerId,
};

/// The version of [`PortableItem`]. A newer program reads older versions.
pub const PORTABLE_VERSION: u32 = 1;

/// What an erase did to one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// It is gone, with all that belonged to it.
    Erased,
    /// It runs, and stays: cancel it first.
    Running,
    /// No such task. A repeat of an erase answers this.
    NotFound,
}

/// A part of an export.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exported {
    /// At most as many as were asked for; may be fewer, also none, before the end.
    pub items: Vec<PortableItem>,
    /// Where to go on; `None` at the end.
    pub next_cursor: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Items that were stored.
    pub stored: usize,
    /// Items that were there already, or are of no use any more; they were left as they are.
    pub left: usize,
}

/// One thing that a store holds.
#[allow(
    clippy::large_enum_variant,
    reason = "items are read and written one by one; the series, which is large, is one of the most common"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortableItem {
    /// A task in any state.
    Task(Box<PortableTask>),
    /// A unique key that is held.
    Unique(PortableUnique),
    /// What a request with an idempotency key was answered.
    Idempotency(PortableIdempotency),
    /// A record.
    Record(PortableRecord),
    /// Limits, pauses and breaker of a lane or target.
    Lane(PortableLane),
    /// The pause of a queue.
    Queue(PortableQueue),
    /// One minute of one queue.
    Series(SeriesPoint),
}

/// A task with all that belongs to it, but a message held by the sandbox, which is a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortableTask {
    /// Its id, which it keeps.
    pub id: TaskId,
    /// Selects the handler.
    pub kind: Kind,
    /// Its queue.
    pub queue: QueueName,
    /// Its lane; `None` is the queue's default lane.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lane: Option<LaneKey>,
    /// Whose task.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant: Option<Tenant>,
    /// How urgent.
    pub priority: Priority,
    /// Where it is.
    pub state: State,
    /// Which generation, from 1.
    pub generation: u32,
    /// The latest attempt of this generation that ended.
    pub attempt: u32,
    /// Tries of this generation that counted.
    pub failures: u32,
    /// Tries of this generation that ended in a class; zero once it is final.
    #[serde(default)]
    pub ended: u32,
    /// Times its worker was lost under it; zero once it is final.
    #[serde(default)]
    pub rescues: u32,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it is or was last due.
    pub due_at: Timestamp,
    /// When this generation was first due; once it is final, `due_at`.
    pub first_due_at: Timestamp,
    /// When it became final.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<Timestamp>,
    /// When it is of no use any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
    /// Until when it may wait in its paused lane.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parked_until: Option<Timestamp>,
    /// Its policy.
    pub policy: RetryPolicy,
    /// Its unique key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unique: Option<String>,
    /// Whether that is held until it is final, and again when it is retried.
    #[serde(default)]
    pub unique_until_final: bool,
    /// Its batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<BatchId>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recipient: Option<String>,
    /// A W3C `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<String>,
    /// Why it last failed or ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<TaskEnd>,
    /// Whether the sandbox holds its message.
    #[serde(default)]
    pub held: bool,
    /// Its running attempt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<PortableRun>,
    /// Its attempts that ended.
    pub attempts: Vec<Attempt>,
    /// What the handler gets.
    pub payload: Json,
    /// What the handler returned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<Json>,
}

/// A running attempt. Its token stays behind: whoever has it has lost its lease once the task is imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortableRun {
    /// Which attempt of its generation.
    pub attempt: u32,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// By whom.
    pub worker: WorkerId,
    /// Whether its handler has started.
    pub started: bool,
    /// Whether the point of no return is behind it.
    pub marked: bool,
    /// Whether a cancel was requested.
    pub cancel_requested: bool,
}

/// A unique key that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortableUnique {
    /// Tenant, kind and key, with `U+001F` between them.
    pub key: String,
    /// The task that holds it, which may be gone.
    pub task: TaskId,
    /// Until when; `None` is until its task is final.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

/// What a request with an idempotency key was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortableIdempotency {
    /// Tenant, operation and key, with `U+001F` between them.
    pub key: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// When it was first used.
    pub at: Timestamp,
    /// The tasks of the answer, and whether each was a duplicate.
    pub tasks: Vec<(TaskId, bool)>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortableRecord {
    /// What it is.
    pub kind: RecordKind,
    /// Its name.
    pub name: String,
    /// Its version, which it keeps.
    pub version: u64,
    /// When it was last put.
    pub updated_at: Timestamp,
    /// Its body.
    pub body: Json,
}

/// Limits, pauses and breaker of a lane or target. A store of several shards may tell of one several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortableLane {
    /// Its queue.
    pub queue: QueueName,
    /// Its key; `None` is the queue's default lane.
    pub lane: Option<LaneKey>,
    /// Its limits.
    pub limits: LaneLimits,
    /// A pause by a person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manual: Option<Pause>,
    /// A pause by outcomes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auto: Option<Pause>,
    /// `unavailable` outcomes in a row.
    #[serde(default)]
    pub strikes: u32,
    /// Times that its breaker opened in a row.
    #[serde(default)]
    pub opens: u32,
}

/// The pause of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortableQueue {
    /// The queue.
    pub queue: QueueName,
    /// Its pause.
    pub paused: Pause,
}

impl PortableTask {
    /// The task as it is once nobody runs it: what the rules make of a lost lease, of which no worker is to blame. A task that
    /// does not run stays as it is.
    #[must_use]
    pub fn at_rest(mut self, now: Timestamp) -> Self {
        let Some(run) = self.run.take() else { return self };
        let facts = Facts {
            policy: &self.policy,
            failures: self.failures,
            ended: self.ended,
            first_due: self.first_due_at,
            expires_at: self.expires_at,
            cancel_requested: run.cancel_requested,
            now,
            jitter: 0.5,
        };
        let lost =
            LostLease { marked: run.marked, started: run.started, worker_gone: false, rescues: self.rescues };
        let (verdict, _) = on_lost_lease(lost, &facts);
        let class = run.marked.then_some(FailureClass::Ambiguous);
        let message = if run.marked {
            "the store moved after the point of no return: it may have been sent"
        } else {
            "the store moved under its worker"
        };
        // A lost lease leads along a row of the table, whatever its facts.
        self.state = next(Some(State::Running), verdict.trigger).unwrap_or(State::Queued);
        self.attempt = run.attempt;
        self.failures += u32::from(verdict.counted);
        self.ended += u32::from(class.is_some());
        self.parked_until = None;
        if class.is_some() || verdict.end.is_some() {
            let message = if verdict.end == Some(EndReason::Cancelled) { "cancelled" } else { message };
            self.error = Some(TaskEnd { reason: verdict.end, class, message: message.into(), code: None });
        }
        if run.started || class.is_some() {
            self.attempts.push(Attempt {
                generation: self.generation,
                attempt: run.attempt,
                started_at: run.started_at,
                ended_at: Some(now),
                worker: run.worker,
                outcome: AttemptOutcome::LeaseExpired,
                class,
                message: Some(message.into()),
                code: None,
                counted: verdict.counted,
            });
        }
        if self.state.is_final() {
            self.finished_at = Some(now);
            (self.ended, self.rescues, self.first_due_at) = (0, 0, self.due_at);
        } else if let Some(at) = verdict.next_at {
            self.due_at = at;
        }
        self
    }

    /// Whether it waits before what was never tried: it was given back or rescued. What was parked lets others go first.
    pub fn is_in_front(&self) -> bool {
        let last = self.attempts.iter().rfind(|a| a.generation == self.generation);
        self.state == State::Queued
            && self.parked_until.is_none()
            && last.is_some_and(|a| self.due_at <= a.started_at)
    }
}

/// The third half of a store: what moves it. Pinned by the conformance cases `portable_*`.
#[async_trait]
pub trait Portable: Send + Sync {
    /// Removes tasks that do not run: payload, result, attempts, held message, unique key and every index entry; counters stay
    /// right. Idempotency keys stay, and answer their ids. Durable on return.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn erase(&self, ids: &[TaskId]) -> Result<Vec<Erased>, BrokerError>;

    /// At most `limit` items, and at most [`crate::limits::MAX_PORTABLE`], of everything that the store holds: tasks in every
    /// state, unique keys, idempotency keys, records, limits, pauses, series. An item may come twice; one that is there from the
    /// first call to the last is never missed.
    ///
    /// # Errors
    /// [`BrokerError::BadCursor`], [`BrokerError::Unavailable`].
    async fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError>;

    /// Stores at most [`crate::limits::MAX_PORTABLE`] items as they were exported; what is there already stays as it is, so a
    /// repeat changes nothing. A running task comes to rest, see [`PortableTask::at_rest`]. Among the waiting of a lane the order
    /// is by due time, with those in front before. Durable on return.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for too many, [`BrokerError::Full`], [`BrokerError::Unavailable`]: a part may be stored.
    async fn import(&self, items: Vec<PortableItem>) -> Result<Imported, BrokerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn running(marked: bool, cancel_requested: bool) -> PortableTask {
        let text = format!(
            r#"{{"id":"01890000-0000-7000-8000-0000000000b0","kind":"k","queue":"default","priority":"normal","state":"running",
            "generation":1,"attempt":0,"failures":0,"created_at":{t},"due_at":{t},"first_due_at":{t},"policy":{p},
            "attempts":[],"payload":[1]}}"#,
            t = serde_json::to_string(&Timestamp::from_millis(5_000)).expect("serializes"),
            p = serde_json::to_string(&RetryPolicy::default()).expect("serializes"),
        );
        let mut task: PortableTask = serde_json::from_str(&text).expect("reads");
        task.run = Some(PortableRun {
            attempt: 1,
            started_at: Timestamp::from_millis(6_000),
            worker: WorkerId::new("w").expect("valid"),
            started: true,
            marked,
            cancel_requested,
        });
        task
    }

    #[test]
    fn what_ran_comes_to_rest_by_the_rule_of_the_mark() {
        let plain = running(false, false).at_rest(NOW);
        assert_eq!((plain.state, plain.attempt, plain.failures), (State::Queued, 1, 0));
        assert!(plain.is_in_front());
        let marked = running(true, false).at_rest(NOW);
        assert_eq!((marked.state, marked.failures, marked.ended), (State::Retrying, 1, 1));
        assert!(marked.due_at > NOW && !marked.is_in_front());
        let cancelled = running(false, true).at_rest(NOW);
        assert_eq!((cancelled.state, cancelled.finished_at), (State::Cancelled, Some(NOW)));
        assert_eq!(marked.clone().at_rest(NOW), marked, "and stays there");
    }

    #[test]
    fn an_item_is_a_line_that_reads_back() {
        let item = PortableItem::Task(Box::new(running(true, false)));
        let line = serde_json::to_string(&item).expect("serializes");
        assert!(line.starts_with(r#"{"task":{"#) && !line.contains('\n'));
        assert_eq!(serde_json::from_str::<PortableItem>(&line).expect("reads"), item);
    }
}
