//! What a store gives so that the suite can run on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::limits::Retention;
use posthaste_core::{Store, Timestamp};

/// Opens stores.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A fresh, empty store that keeps finished tasks as `retention` says.
    async fn open_with(&self, retention: Retention) -> Box<dyn Fixture>;

    // What follows says which side of a rule with two sides holds. A case proves the side of its store; none is left out.

    /// Whether the store lives inside its only process. Then the leases that it finds at open belong to a process that is
    /// gone, and are expired. A store that others share leaves them alone: their workers may well live.
    fn is_embedded(&self) -> bool {
        true
    }

    /// Whether one clock counts for leases and for what people wrote down. Then a jump of it is a jump of both, and a jump
    /// forward looks like time that passed without a tick.
    fn has_one_clock(&self) -> bool {
        false
    }

    /// Whether a queue has one order. A store in several parts keeps the order within each of them, and so within a lane;
    /// of what lies in different parts it promises only that all of it comes out. An own id and a unique key each say in which
    /// part a task lies, so there it may have one of them.
    fn has_one_order(&self) -> bool {
        true
    }
}

/// One open store and its clocks.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The store's wall clock.
    async fn now(&self) -> Timestamp;

    /// Lets time pass on both clocks. More than two seconds without a tick is a gap of the store.
    fn advance(&self, d: Duration);

    /// Sets the wall clock forward or back without time passing.
    fn jump_wall(&self, by_ms: i64);

    /// Closes the store and opens the same data again, as after a crash of its only process.
    async fn reopen(&mut self);
}
