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
