//! What the log says about lanes: paused and why, until when; a breaker that opened or closed. A lane that goes on and off is
//! told of once a minute.

use posthaste_core::broker::LaneNews;
use posthaste_core::{Pause, PauseReason, QueueName};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::running::Running;
use crate::told::{Told, without_addresses};

/// Longest part of a cause.
const MAX_CAUSE: usize = 500;

/// What was said, and when.
pub(crate) struct LaneLines(Told<(QueueName, String, What)>);

impl Default for LaneLines {
    fn default() -> Self {
        Self(Told::at_most(1))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Paused(PauseReason),
    Ended(PauseReason),
}

impl LaneLines {
    /// Says what the outcome of `task` did to the pause of its lane.
    pub(crate) fn tell(&mut self, task: &Running, news: &LaneNews) {
        // A throttle ends by itself; that its record goes is no news.
        let what = match (&news.paused, news.before) {
            (Some(pause), _) => What::Paused(pause.reason),
            (None, Some(before @ (PauseReason::Breaker | PauseReason::Misconfigured))) => What::Ended(before),
            (None, _) => return,
        };
        let about = &task.task;
        // Outcomes pause targets, whosever lane it was.
        let lane = about.lane.as_ref().map_or("", |l| l.target.as_str());
        if self.0.may((about.queue.clone(), lane.to_owned(), what), Instant::now()).is_none() {
            return;
        }
        match (&news.paused, what) {
            (Some(pause), _) => paused(task, lane, pause),
            (None, What::Ended(PauseReason::Breaker)) => {
                info!(task_id = %about.lease.task, queue = %about.queue, lane, "the breaker closed: the lane's target answers again");
            }
            (None, _) => {
                info!(task_id = %about.lease.task, queue = %about.queue, lane, "the pause is over: the provider takes messages again");
            }
        }
    }
}

fn paused(task: &Running, lane: &str, pause: &Pause) {
    let about = &task.task;
    let what = match pause.reason {
        PauseReason::Misconfigured => "the provider refuses our configuration: its lane is paused",
        PauseReason::Throttled => "the lane is paused: its target asks to be left alone",
        PauseReason::Breaker => "the breaker opened: the lane's target cannot be reached",
        PauseReason::Manual => "the lane is paused",
    };
    let until = pause.until.map(|t| t.to_string()).unwrap_or_default();
    let cause = without_addresses(pause.message.as_deref().unwrap_or_default(), MAX_CAUSE);
    warn!(
        task_id = %about.lease.task, kind = %about.kind, queue = %about.queue, attempt = about.attempt, lane, until, cause,
        "{what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::told::{MINUTE, MOST};

    #[test]
    fn the_same_is_said_of_a_lane_once_a_minute() {
        let mut lines = LaneLines::default();
        let now = Instant::now();
        let key = |lane: &str, what| (QueueName::default(), lane.to_owned(), what);
        let paused = What::Paused(PauseReason::Throttled);
        assert!(lines.0.may(key("a", paused), now).is_some());
        assert!(lines.0.may(key("a", paused), now).is_none());
        assert!(lines.0.may(key("b", paused), now).is_some());
        assert!(lines.0.may(key("a", What::Paused(PauseReason::Breaker)), now).is_some());
        let now = now + MINUTE;
        assert!(lines.0.may(key("a", paused), now).is_some());
        for n in 0..2 * MOST {
            lines.0.may(key(&format!("l{n}"), paused), now);
        }
        assert!(lines.0.len() <= MOST);
    }
}
