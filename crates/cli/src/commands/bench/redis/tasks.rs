//! What the runs have in common: waiting for tasks, and whether what was accepted was run.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::ensure;
use posthaste::State;

use super::instance::Opened;
use crate::commands::bench::library;
use crate::commands::bench::server::compare;

/// A run that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(600);

/// Tasks that are not final.
pub(super) async fn pending(opened: &Opened) -> anyhow::Result<u64> {
    let counts = opened.app.store().counts().await?;
    Ok(State::ALL.iter().filter(|s| !s.is_final()).flat_map(|s| counts.iter().map(|q| q.of(*s))).sum())
}

/// Waits until at least `done` tasks have succeeded.
pub(super) async fn until_succeeded(opened: &Opened, done: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = library::count(&opened.app, State::Succeeded).await?;
        if now >= done {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {now} of {done} tasks are done after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until nothing is pending.
pub(super) async fn until_empty(opened: &Opened) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = pending(opened).await?;
        if left == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{left} tasks still pending after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs what is there with a worker of this process: what is wrong with the end, if anything is.
async fn drained(opened: &Opened, ids: &[u128]) -> anyhow::Result<Option<String>> {
    let ran = library::noop(&opened.app)?;
    let worker = opened.app.worker().start().await?;
    until_empty(opened).await?;
    worker.shutdown().await;
    let ran = ran.load(Ordering::Relaxed);
    if ran != ids.len() as u64 {
        return Ok(Some(format!("{ran} runs of {} tasks", ids.len())));
    }
    compare(&opened.app, ids, Some(State::Succeeded)).await
}

/// The store holds exactly these ids, and they drain: what is wrong, if anything is.
pub(super) async fn end_well(opened: &Opened, ids: &[u128]) -> anyhow::Result<Option<String>> {
    if let Some(wrong) = compare(&opened.app, ids, None).await? {
        return Ok(Some(wrong));
    }
    drained(opened, ids).await
}
