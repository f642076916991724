//! What every worker does beside running tasks; safe to be done by any number of workers at once.

mod cron;
mod tick;
pub(crate) mod unserved;

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::shared::Shared;

/// Starts every role; each ends when the worker begins to stop.
pub(crate) fn start(shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(tick::run(shared.clone())),
        tokio::spawn(cron::run(shared.clone())),
        tokio::spawn(unserved::watch(shared.store.clone())),
    ]
}
