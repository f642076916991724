//! The state table. A task changes state only along a row of [`TRANSITIONS`]; stores encode it and
//! the conformance suite proves each row and refuses each pair that is not there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting for its due time.
    Scheduled,
    /// Ready to be claimed.
    Queued,
    /// Claimed by a worker under a lease.
    Running,
    /// Waiting for its next try.
    Retrying,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Stopped by a person or program.
    Cancelled,
    /// Its `expires_at` passed first.
    Expired,
}

impl State {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Whether nothing happens to it any more unless somebody retries it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// Its name in the API, in logs and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// A small number for stores, equal to its place in [`State::ALL`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        if (code as usize) < Self::ALL.len() { Some(Self::ALL[code as usize]) } else { None }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a state.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("not a state: use scheduled, queued, running, retrying, succeeded, failed, cancelled or expired")]
pub struct StateError;

impl FromStr for State {
    type Err = StateError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|st| st.as_str() == s).ok_or(StateError)
    }
}

/// What moves a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Enqueued, due now.
    EnqueueNow,
    /// Enqueued, due later.
    EnqueueLater,
    /// Its due time came.
    Due,
    /// A worker claimed it: new lease token, attempt + 1.
    Claim,
    /// The handler succeeded.
    Success,
    /// A try failed and another follows.
    FailRetry,
    /// A try failed and none follows.
    FailFinal,
    /// The target is throttled or misconfigured: behind what waits in its lane, nothing counted.
    FailPark,
    /// A try failed, and the next one would come after `expires_at`.
    FailTooLate,
    /// Released before its mark, by a shutdown: to the front, nothing counted.
    Release,
    /// Released by a worker that knows no handler of its kind: tried again later, nothing counted.
    ReleaseUnknown,
    /// The lease ran out before the mark: to the front (rescued).
    Rescue,
    /// The lease ran out before the mark once too often, the worker gone each time.
    WorkerLost,
    /// Cancelled by request; of a running task, when its try ends other than in success.
    Cancel,
    /// `expires_at` passed.
    Expire,
    /// Parked in a paused lane for longer than `max_age`.
    MaxAge,
    /// A person or the API asked for another generation.
    Retry,
    /// The handler asked to be run again later: nothing counted.
    Snooze,
}

/// A row of the state table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Where from; `None` is "not there yet".
    pub from: Option<State>,
    /// What happens.
    pub on: Trigger,
    /// Where to.
    pub to: State,
    /// What it means.
    pub note: &'static str,
}

const fn row(from: Option<State>, on: Trigger, to: State, note: &'static str) -> Transition {
    Transition { from, on, to, note }
}

/// The state table.
pub const TRANSITIONS: &[Transition] = &[
    row(None, Trigger::EnqueueNow, State::Queued, "enqueued, due now"),
    row(None, Trigger::EnqueueLater, State::Scheduled, "enqueued, due later"),
    row(Some(State::Scheduled), Trigger::Due, State::Queued, "its due time came"),
    row(Some(State::Retrying), Trigger::Due, State::Queued, "its next try is due"),
    row(Some(State::Queued), Trigger::Claim, State::Running, "claimed: new lease token, attempt + 1"),
    row(
        Some(State::Running),
        Trigger::Success,
        State::Succeeded,
        "the handler succeeded; stands even after a cancel request",
    ),
    row(Some(State::Running), Trigger::FailRetry, State::Retrying, "the failure's class allows another try"),
    row(
        Some(State::Running),
        Trigger::FailFinal,
        State::Failed,
        "the failure's class, or max_failures, allows no other try",
    ),
    row(
        Some(State::Running),
        Trigger::FailPark,
        State::Queued,
        "throttled or misconfigured: behind what waits in its paused lane, nothing counted",
    ),
    row(
        Some(State::Running),
        Trigger::FailTooLate,
        State::Expired,
        "the next try would be later than expires_at",
    ),
    row(
        Some(State::Running),
        Trigger::Release,
        State::Queued,
        "released before its mark: front, nothing counted",
    ),
    row(
        Some(State::Running),
        Trigger::ReleaseUnknown,
        State::Retrying,
        "no handler of its kind in that worker: later, nothing counted",
    ),
    row(
        Some(State::Running),
        Trigger::Snooze,
        State::Retrying,
        "the handler asked to be run again later: nothing counted",
    ),
    row(
        Some(State::Running),
        Trigger::Rescue,
        State::Queued,
        "lease expired before its mark: front; after it, as class ambiguous",
    ),
    row(
        Some(State::Running),
        Trigger::WorkerLost,
        State::Failed,
        "lease expired before its mark after 3 rescues whose workers were gone",
    ),
    row(
        Some(State::Running),
        Trigger::Cancel,
        State::Cancelled,
        "cancel was requested and the try ended other than in success",
    ),
    row(Some(State::Running), Trigger::MaxAge, State::Failed, "an uncounted failure after max_age"),
    row(Some(State::Scheduled), Trigger::Cancel, State::Cancelled, "cancelled"),
    row(Some(State::Queued), Trigger::Cancel, State::Cancelled, "cancelled"),
    row(Some(State::Retrying), Trigger::Cancel, State::Cancelled, "cancelled"),
    row(Some(State::Scheduled), Trigger::Expire, State::Expired, "expires_at passed"),
    row(Some(State::Queued), Trigger::Expire, State::Expired, "expires_at passed"),
    row(Some(State::Retrying), Trigger::Expire, State::Expired, "expires_at passed"),
    row(
        Some(State::Queued),
        Trigger::MaxAge,
        State::Failed,
        "parked in a paused lane for longer than max_age",
    ),
    row(
        Some(State::Failed),
        Trigger::Retry,
        State::Queued,
        "new generation, counters from zero, history kept",
    ),
    row(
        Some(State::Cancelled),
        Trigger::Retry,
        State::Queued,
        "new generation, counters from zero, history kept",
    ),
    row(
        Some(State::Expired),
        Trigger::Retry,
        State::Queued,
        "new generation, counters from zero, history kept",
    ),
];

/// Where `on` leads from `from`; `None` when the table does not allow it.
pub fn next(from: Option<State>, on: Trigger) -> Option<State> {
    TRANSITIONS.iter().find(|t| t.from == from && t.on == on).map(|t| t.to)
}

/// Whether any row leads from `from` to `to`.
pub fn allowed(from: Option<State>, to: State) -> bool {
    TRANSITIONS.iter().any(|t| t.from == from && t.to == to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back() {
        for s in State::ALL {
            assert_eq!(State::from_code(s.code()), Some(s));
            assert_eq!(s.as_str().parse::<State>(), Ok(s));
        }
        assert_eq!(State::from_code(8), None);
    }

    #[test]
    fn one_row_per_state_and_trigger() {
        for (i, a) in TRANSITIONS.iter().enumerate() {
            for b in &TRANSITIONS[i + 1..] {
                assert!(!(a.from == b.from && a.on == b.on), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn final_states_are_left_by_retry_alone_and_success_by_nothing() {
        for t in TRANSITIONS {
            if t.from.is_some_and(State::is_final) {
                assert_eq!(t.on, Trigger::Retry);
                assert_ne!(t.from, Some(State::Succeeded));
            }
        }
    }
}
