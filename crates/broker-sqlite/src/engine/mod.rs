//! The rules of the store, run by the writer thread inside its transaction.

pub(crate) mod claim;
pub(crate) mod enqueue;
pub(crate) mod erase;
pub(crate) mod idempotency;
pub(crate) mod import;
pub(crate) mod lanes;
pub(crate) mod lease;
pub(crate) mod mem;
mod names;
pub(crate) mod people;
pub(crate) mod recipients;
pub(crate) mod records;
pub(crate) mod ring;
pub(crate) mod series;
pub(crate) mod settle;
pub(crate) mod tick;
pub(crate) mod unreadable;

use std::time::Duration;

use posthaste_core::broker::LaneNews;
use posthaste_core::limits::Retention;
use posthaste_core::task::stored::Presets;
use posthaste_core::{BrokerError, Event, FailureClass, State, TaskId, Timestamp};
use rusqlite::Connection;

use crate::damage::Damage;
use crate::error::{corrupt, map};
use mem::Mem;

/// Why an operation did not happen.
pub(crate) enum Fail {
    /// The caller's fault, found before anything was written: its neighbours go on.
    Caller(BrokerError),
    /// SQLite failed: the whole transaction is void.
    Sql(rusqlite::Error),
    /// The data is not what it can be: the whole transaction is void.
    Corrupt(String),
}

impl From<rusqlite::Error> for Fail {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl From<serde_json::Error> for Fail {
    fn from(e: serde_json::Error) -> Self {
        Self::Corrupt(e.to_string())
    }
}

impl From<Fail> for BrokerError {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Caller(e) => e,
            Fail::Sql(e) => map(&e),
            Fail::Corrupt(what) => corrupt(what),
        }
    }
}

pub(crate) type Done<T> = Result<T, Fail>;

/// What to tell the living once the transaction is stored.
#[derive(Default)]
pub(crate) struct Effects {
    /// Whether anybody watches events.
    pub(crate) watched: bool,
    /// State changes in order.
    pub(crate) events: Vec<Event>,
    /// Whether work became claimable.
    pub(crate) wake: bool,
    /// What outcomes did to pauses, since the last settle looked.
    pub(crate) lanes: Vec<LaneNews>,
}

/// One operation inside the writer's transaction.
pub(crate) struct Tx<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) mem: &'a mut Mem,
    pub(crate) presets: &'a Presets,
    pub(crate) retention: &'a Retention,
    pub(crate) effects: &'a mut Effects,
    pub(crate) damage: &'a Damage,
    pub(crate) now: Timestamp,
    pub(crate) mono: Duration,
}

/// What an event says beside its task's queue.
pub(crate) struct Happened {
    pub(crate) id: TaskId,
    pub(crate) kind: i64,
    pub(crate) lane: usize,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) generation: u32,
    pub(crate) class: Option<FailureClass>,
    pub(crate) next_at: Option<Timestamp>,
}

impl Tx<'_> {
    /// Notes a state change for watchers, if there are any.
    pub(crate) fn event(&mut self, h: &Happened) {
        if !self.effects.watched {
            return;
        }
        let (Some(kind), Some(queue)) = (self.mem.kind(h.kind), self.mem.queue_of_lane(h.lane)) else {
            return;
        };
        self.effects.events.push(Event {
            id: h.id,
            kind: kind.clone(),
            queue: queue.name.clone(),
            state: h.state,
            at: self.now,
            attempt: h.attempt,
            generation: h.generation,
            class: h.class,
            next_at: h.next_at,
        });
    }

    /// Moves one task of `lane`'s queue between counters.
    pub(crate) fn count(&mut self, lane: usize, from: Option<State>, to: Option<State>) {
        self.mem.count(lane, from, to);
    }
}
