//! How a worker stops: claims end, what had not started is given back, handlers get the grace; then
//! their futures are dropped, what is not marked is given back, and what is marked is settled as
//! `ambiguous` by the worker itself.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::Settled;
use tokio::time::Instant;
use tracing::info;

use crate::attempt::stopped_after_mark;
use crate::board::{End, Filled};
use crate::calls::Ended;
use crate::driver::Driver;
use crate::running::Running;
use crate::traced::task_line;

/// The end of the grace, or this long after a second signal, is kept for telling the store.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Handlers whose future is not dropped by then block their thread; it is decided without them.
const DROPPED_WITHIN: Duration = Duration::from_millis(500);

/// What a shutdown did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Attempts that ended by themselves after the shutdown began, and whose outcome is stored.
    pub finished: usize,
    /// Tasks given back; nothing counts against them.
    pub released: usize,
    /// Attempts that were past their point of no return and still running at the end of the grace.
    pub ambiguous: usize,
    /// Tasks whose end the store did not take in time; their lease runs out and another worker
    /// rescues them.
    pub left: usize,
}

/// A shutdown on its way.
pub(crate) struct Stopping {
    pub(crate) report: ShutdownReport,
    kill_at: Instant,
    force_at: Option<Instant>,
    end_at: Instant,
}

impl Stopping {
    fn new(now: Instant, grace: Duration) -> Self {
        let kill_at = now + (grace - LAST_WORDS.min(grace / 5));
        let end_at = (now + grace).max(kill_at + LAST_WORDS);
        Self { report: ShutdownReport::default(), kill_at, force_at: None, end_at }
    }

    pub(crate) fn next_step(&self) -> Instant {
        match self.force_at {
            Some(force_at) => force_at.min(self.end_at),
            None => self.kill_at,
        }
    }

    pub(crate) fn count_settled(&mut self, ended: &[Ended], answers: &[Settled]) {
        for (end, answer) in ended.iter().zip(answers) {
            if *answer == Settled::LeaseLost {
                continue;
            }
            if end.outcome == stopped_after_mark() {
                self.report.ambiguous += 1;
            } else {
                self.report.finished += 1;
            }
        }
    }
}

impl Driver {
    /// Takes the step of the shutdown that is due, if one is.
    pub(crate) fn step_stop(&mut self, now: Instant) {
        let aborted = self.shared.abort.is_cancelled();
        if self.stopping.is_none() && (aborted || self.shared.stop.is_cancelled()) {
            self.shared.stop.cancel();
            let grace = self.shared.config.shutdown_grace;
            info!(?grace, held = self.held, "the worker stops: nothing more is claimed");
            self.stopping = Some(Stopping::new(now, grace));
            for task in self.shared.board.close() {
                self.ended_by(task, End::Release);
            }
        }
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.force_at.is_none() && (aborted || now >= stopping.kill_at) {
            if aborted {
                stopping.end_at = stopping.end_at.min(now + LAST_WORDS);
            }
            let left = stopping.end_at.saturating_duration_since(now);
            stopping.force_at = Some(now + DROPPED_WITHIN.min(left / 2));
            // Told first, so that a handler that listens may still end in its own words.
            self.running().iter().for_each(|task| task.cancel.cancel());
            self.shared.kill.cancel();
        } else if stopping.force_at.is_some_and(|t| now >= t && t < stopping.end_at) {
            stopping.force_at = Some(stopping.end_at);
            for task in self.running() {
                task_line!(warn, task, "a handler blocks its thread: it is left behind");
                let end = if task.is_marked() { End::Outcome(stopped_after_mark()) } else { End::Release };
                self.ended_by(task, end);
            }
        }
    }

    /// The report, once there is nothing more to wait for.
    pub(crate) fn finished(&self, now: Instant, filled: Filled) -> Option<ShutdownReport> {
        let stopping = self.stopping.as_ref()?;
        let nothing_runs = filled.running == 0 || self.running().is_empty();
        let done = nothing_runs && self.is_idle();
        if !done && now < stopping.end_at {
            return None;
        }
        let report = ShutdownReport { left: self.held, ..stopping.report };
        info!(?report, "the worker has stopped");
        Some(report)
    }

    fn running(&self) -> Vec<Arc<Running>> {
        self.shared.leases.all().into_iter().filter(|t| !t.is_ended()).collect()
    }
}
