//! The task and everything that goes in and out of a store with it.

pub mod class;
pub mod decide;
pub mod policy;
pub mod state;
pub mod stored;
pub mod table;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    FailureClass, Json, Kind, LaneKey, QueueName, RecordKind, RetryPolicy, State, Tenant, Timestamp, WorkerId,
};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// From a UUID.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// As a UUID.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }
    };
}

uuid_id!(
    /// Identifies a task: a UUIDv7 minted by the broker, or one that the caller brought.
    TaskId
);
uuid_id!(
    /// Identifies the tasks that were enqueued together.
    BatchId
);

/// How urgent a task is within its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything.
    Critical,
    /// Before the ordinary.
    High,
    /// The ordinary.
    #[default]
    Normal,
    /// When nothing else waits, and every eighth turn.
    Low,
}

impl Priority {
    /// Every level, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// A small number for stores: 0 is the most urgent.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The level with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        if (code as usize) < Self::ALL.len() { Some(Self::ALL[code as usize]) } else { None }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// When a task becomes ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// At this time of the store's clock; a time that has passed is now.
    At(Timestamp),
    /// This long after the store takes it.
    After(Duration),
}

/// How long a unique key is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueHold {
    /// From enqueue until the task is final.
    UntilFinal,
    /// For this long from enqueue, whatever becomes of the task.
    For(Duration),
}

/// Refuses a second task with the same (tenant, kind, key) while the first holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key, at most 255 bytes.
    pub key: String,
    /// How long it is held.
    pub hold: UniqueHold,
}

/// A task to be enqueued.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// The caller's own id; without it the broker mints one.
    pub id: Option<TaskId>,
    /// Selects the handler.
    pub kind: Kind,
    /// Where it waits.
    pub queue: QueueName,
    /// Its lane inside the queue; without it, the queue's default lane.
    pub lane: Option<LaneKey>,
    /// Whose task it is.
    pub tenant: Option<Tenant>,
    /// How urgent.
    pub priority: Priority,
    /// What the handler gets.
    pub payload: Json,
    /// When it is ready.
    pub due: Due,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
    /// When it is tried again.
    pub policy: RetryPolicy,
    /// Its unique key.
    pub unique: Option<Unique>,
    /// The batch it belongs to.
    pub batch: Option<BatchId>,
    /// Whom it is for, as `channel:address`, so that what was sent to somebody can be found and
    /// erased; at most 255 bytes.
    pub recipient: Option<String>,
    /// A W3C `traceparent` to go on with.
    pub trace: Option<String>,
}

impl NewTask {
    /// A task of `kind`, due now, with every default.
    pub fn new(kind: Kind, payload: Json) -> Self {
        Self {
            id: None,
            kind,
            queue: QueueName::default(),
            lane: None,
            tenant: None,
            priority: Priority::default(),
            payload,
            due: Due::Now,
            expires_at: None,
            policy: RetryPolicy::default(),
            unique: None,
            batch: None,
            recipient: None,
            trace: None,
        }
    }
}

/// Makes repeats of one request answer as the first did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Whose key.
    pub tenant: Option<Tenant>,
    /// Of which operation.
    pub operation: &'static str,
    /// The key, at most 255 bytes.
    pub key: String,
    /// SHA-256 of the request; another one under the same key is refused.
    pub fingerprint: [u8; 32],
}

/// Fences a claim: a counter of the store and a random nonce of the claim call.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken {
    /// The store's counter.
    pub epoch: u64,
    /// 64 random bits: a counter alone repeats after a failover and can be guessed.
    pub nonce: u64,
}

impl LeaseToken {
    /// Its 16 bytes, big endian.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.epoch) << 64) | u128::from(self.nonce)).to_be_bytes()
    }

    /// From its 16 bytes.
    pub fn from_bytes(b: [u8; 16]) -> Self {
        let n = u128::from_be_bytes(b);
        Self { epoch: (n >> 64) as u64, nonce: n as u64 }
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The nonce is a secret between store and worker.
        write!(f, "LeaseToken({})", self.epoch)
    }
}

/// A task under one lease: what every write about a running task carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseRef {
    /// The task.
    pub task: TaskId,
    /// The token of its claim.
    pub token: LeaseToken,
}

/// A task handed to a worker.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its lease.
    pub lease: LeaseRef,
    /// Whether the store has it as started; a prefetched one is reported later.
    pub started: bool,
    /// Selects the handler.
    pub kind: Kind,
    /// Its queue.
    pub queue: QueueName,
    /// Its lane; `None` is the queue's default lane.
    pub lane: Option<LaneKey>,
    /// Whose task.
    pub tenant: Option<Tenant>,
    /// How urgent.
    pub priority: Priority,
    /// What the handler gets.
    pub payload: Json,
    /// Which attempt of this generation, from 1.
    pub attempt: u32,
    /// Tries that counted so far.
    pub failures: u32,
    /// Which generation, from 1.
    pub generation: u32,
    /// Its policy.
    pub policy: RetryPolicy,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When this try was due.
    pub due_at: Timestamp,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
    /// A W3C `traceparent`.
    pub trace: Option<String>,
}

/// Something a success keeps beside the task, stored with it and deleted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is; its name is the task's id.
    pub kind: RecordKind,
    /// Its body.
    pub body: Json,
}

/// A fault of a lane that the failure of one task shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneFault {
    /// The target asks to be left alone, for as long as the failure says.
    Throttled,
    /// The target refuses our configuration.
    Misconfigured,
}

impl LaneFault {
    /// The class that does the same to a lane.
    pub const fn class(self) -> FailureClass {
        match self {
            Self::Throttled => FailureClass::Throttled,
            Self::Misconfigured => FailureClass::Misconfigured,
        }
    }
}

/// How a failed try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Decides what follows.
    pub class: FailureClass,
    /// A sentence for people; kept to [`crate::limits::MAX_ERROR_BYTES`].
    pub message: String,
    /// The other side's answer code, for example `550 5.1.1` or `429`.
    pub code: Option<String>,
    /// A delay the target asked for.
    pub retry_after: Option<Duration>,
    /// What it shows about the lane, beside what its own class says: the task follows its class, the lane is paused as for
    /// this fault. `None` is nothing more than the class says.
    pub lane: Option<LaneFault>,
    /// Under which settings the target was asked, as [`Pause::settings`](crate::Pause::settings) keeps it.
    pub settings: Option<String>,
}

impl Failure {
    /// A failure of `class` with a sentence.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), code: None, retry_after: None, lane: None, settings: None }
    }

    /// With the other side's answer code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With a delay that the target asked for.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// With a fault of the lane that several tasks have shown by now.
    #[must_use]
    pub fn with_lane(mut self, fault: LaneFault) -> Self {
        self.lane = Some(fault);
        self
    }

    /// What pauses its lane, if anything does: the fault of the lane, else that of its class.
    pub fn pauses(&self) -> Option<LaneFault> {
        self.lane.or(match self.class {
            FailureClass::Throttled => Some(LaneFault::Throttled),
            FailureClass::Misconfigured => Some(LaneFault::Misconfigured),
            FailureClass::Transient
            | FailureClass::Unavailable
            | FailureClass::Permanent
            | FailureClass::Suppress
            | FailureClass::Ambiguous => None,
        })
    }
}

/// What a handler decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success {
        /// What it returned.
        result: Option<Json>,
        /// What is kept beside it (a message held by the sandbox).
        kept: Option<Kept>,
    },
    /// Not done.
    Failure(Failure),
    /// Not yet: to be run again later, as if this try had not been. Nothing is counted, no breaker hears of it; the task's
    /// `max_age` and `expires_at` bound how often. It wins over the mark, as a class does.
    Snooze {
        /// How long until it is due again, at most [`crate::limits::MAX_SNOOZE`].
        delay: Duration,
    },
    /// Somebody else settles this try by its lease token: the worker frees the slot and lets go of it. The lease lives on for the
    /// policy's timeout, at most [`crate::limits::MAX_DETACHED_LEASE`], and longer if it is extended; a try that nobody settles is
    /// lost, so a handler marks before it hands the token on. For workers only: a store refuses it.
    Detached,
}

impl Outcome {
    /// A success with nothing to say.
    pub fn done() -> Self {
        Self::Success { result: None, kept: None }
    }

    /// A success with a result.
    pub fn result(result: Json) -> Self {
        Self::Success { result: Some(result), kept: None }
    }
}

/// Why a task is final without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// A failure that will not mend.
    Permanent,
    /// The recipient does not exist.
    Suppressed,
    /// It may have been sent, and the policy holds it.
    Ambiguous,
    /// Failed as often as the policy allows.
    MaxFailures,
    /// Too old for tries that count nothing.
    MaxAge,
    /// Its workers died under it.
    WorkerLost,
    /// Cancelled.
    Cancelled,
    /// Its expiry passed.
    Expired,
}

impl EndReason {
    /// Its name in the API and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Suppressed => "suppressed",
            Self::Ambiguous => "ambiguous",
            Self::MaxFailures => "max_failures",
            Self::MaxAge => "max_age",
            Self::WorkerLost => "worker_lost",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// Why the last try or the task as a whole did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnd {
    /// Why the task ended; `None` while it is still tried.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<EndReason>,
    /// The class of the last failure, if one came from a try.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<FailureClass>,
    /// A sentence for people.
    pub message: String,
    /// The other side's answer code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
}

/// A task as the store knows it.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Selects the handler.
    pub kind: Kind,
    /// Its queue.
    pub queue: QueueName,
    /// Its lane; `None` is the queue's default lane.
    pub lane: Option<LaneKey>,
    /// Whose task.
    pub tenant: Option<Tenant>,
    /// How urgent.
    pub priority: Priority,
    /// Where it is.
    pub state: State,
    /// Which generation, from 1.
    pub generation: u32,
    /// The latest attempt of this generation; 0 before the first claim.
    pub attempt: u32,
    /// Tries of this generation that counted.
    pub failures: u32,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it is or was last due.
    pub due_at: Timestamp,
    /// When the running attempt was claimed.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
    /// Who runs it.
    pub worker: Option<WorkerId>,
    /// Whether a cancel was requested while it runs.
    pub cancel_requested: bool,
    /// Its policy.
    pub policy: RetryPolicy,
    /// Its unique key.
    pub unique: Option<String>,
    /// Its batch.
    pub batch: Option<BatchId>,
    /// Whom it is for, as `channel:address`.
    pub recipient: Option<String>,
    /// A W3C `traceparent`.
    pub trace: Option<String>,
    /// Why it last failed or ended.
    pub error: Option<TaskEnd>,
    /// What the handler gets; left out of lists unless asked for.
    pub payload: Option<Json>,
    /// What the handler returned.
    pub result: Option<Json>,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Still running.
    Running,
    /// Success.
    Succeeded,
    /// A failure of some class.
    Failed,
    /// Released by its worker.
    Released,
    /// Its lease ran out.
    LeaseExpired,
    /// Cancelled.
    Cancelled,
}

/// One attempt in a task's log, keyed by (generation, attempt).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which generation.
    pub generation: u32,
    /// Which attempt of it.
    pub attempt: u32,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<Timestamp>,
    /// By whom.
    pub worker: WorkerId,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The class of its failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<FailureClass>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// The other side's answer code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// Whether it counted against `max_failures`.
    #[serde(default)]
    pub counted: bool,
}
