//! What the log says about lanes: paused and why, until when; a breaker that opened or closed. A lane that goes on and off is
//! told of once a minute.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::broker::LaneNews;
use posthaste_core::{Pause, PauseReason, QueueName};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::running::Running;

/// How often the same is said of a lane.
const AGAIN: Duration = Duration::from_secs(60);
/// Lanes that are remembered; beyond them nothing is said until a minute has passed.
const MOST: usize = 1_000;
/// Longest part of a cause.
const MAX_CAUSE: usize = 500;

/// What was said, and when.
#[derive(Default)]
pub(crate) struct LaneLines {
    said: HashMap<(QueueName, String, What), Instant>,
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
        if !self.is_news((about.queue.clone(), lane.to_owned(), what), Instant::now()) {
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

    fn is_news(&mut self, key: (QueueName, String, What), now: Instant) -> bool {
        if self.said.get(&key).is_some_and(|t| now < *t + AGAIN) {
            return false;
        }
        self.said.retain(|_, t| now < *t + AGAIN);
        if self.said.len() >= MOST {
            return false;
        }
        self.said.insert(key, now);
        true
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
    let cause = without_addresses(pause.message.as_deref().unwrap_or_default());
    warn!(
        task_id = %about.lease.task, kind = %about.kind, queue = %about.queue, attempt = about.attempt, lane, until, cause,
        "{what}"
    );
}

/// A server's words without the addresses in them: a log holds none. Cut to what a line takes.
fn without_addresses(text: &str) -> String {
    let words = text.split_whitespace().map(|w| if w.contains('@') { "…" } else { w });
    let mut out = words.collect::<Vec<_>>().join(" ");
    if out.len() > MAX_CAUSE {
        out.truncate(out.floor_char_boundary(MAX_CAUSE));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_of_a_lane_once_a_minute() {
        let mut lines = LaneLines::default();
        let now = Instant::now();
        let key = |lane: &str, what| (QueueName::default(), lane.to_owned(), what);
        let paused = What::Paused(PauseReason::Throttled);
        assert!(lines.is_news(key("a", paused), now));
        assert!(!lines.is_news(key("a", paused), now));
        assert!(lines.is_news(key("b", paused), now));
        assert!(lines.is_news(key("a", What::Paused(PauseReason::Breaker)), now));
        let now = now + AGAIN;
        assert!(lines.is_news(key("a", paused), now));
        for n in 0..2 * MOST {
            lines.is_news(key(&format!("l{n}"), paused), now);
        }
        assert!(lines.said.len() <= MOST);
    }

    #[test]
    fn a_cause_names_no_address() {
        let text = "450 4.7.1 <bob@example.com>: greylisted,\r\n try again";
        assert_eq!(without_addresses(text), "450 4.7.1 … greylisted, try again");
        assert!(without_addresses(&"ü".repeat(MAX_CAUSE)).len() <= MAX_CAUSE);
    }
}
