//! What the log says of tasks that failed for good: with the task, its lane and the cause, a few of each lane a minute.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::broker::Settled;
use posthaste_core::{Outcome, State};
use tokio::time::Instant;
use tracing::warn;

use crate::calls::Ended;
use crate::running::Running;

/// How long a lane is counted.
const MINUTE: Duration = Duration::from_secs(60);
/// Lines of a lane in that time; what is beyond them is counted and told with the next.
const PER_LANE: u32 = 5;
/// Lanes that are counted at once; beyond them nothing is said until one is over.
const MOST: usize = 1_000;
/// Longest part of a cause.
const MAX_CAUSE: usize = 300;

/// What was said of a lane in its minute.
struct Said {
    since: Instant,
    lines: u32,
    left_out: u64,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct FailedLines(HashMap<String, Said>);

impl FailedLines {
    /// Tells of those that failed for good.
    pub(crate) fn tell(&mut self, ended: &[Ended], answers: &[Settled]) {
        for (end, answer) in ended.iter().zip(answers) {
            if *answer == Settled::Settled(State::Failed) {
                self.tell_one(&end.task, &end.outcome, Instant::now());
            }
        }
    }

    fn tell_one(&mut self, task: &Running, outcome: &Outcome, now: Instant) {
        let about = &task.task;
        let lane = about.lane.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let Some(left_out) = self.may(&format!("{}/{lane}", about.queue), now) else { return };
        let (class, code, cause) = match outcome {
            Outcome::Failure(f) => {
                (f.class.as_str(), f.code.as_deref().unwrap_or_default(), without_addresses(&f.message))
            }
            Outcome::Success { .. } | Outcome::Snooze { .. } | Outcome::Detached => {
                ("", "", "its row cannot be read".to_owned())
            }
        };
        warn!(
            task_id = %about.lease.task, kind = %about.kind, queue = %about.queue, lane, attempt = about.attempt, class, code,
            cause, left_out, "a task failed for good"
        );
    }

    /// How many lines of this lane were left out before this one; nothing when this one is to be left out, too.
    fn may(&mut self, lane: &str, now: Instant) -> Option<u64> {
        if !self.0.contains_key(lane) {
            if self.0.len() >= MOST {
                self.0.retain(|_, said| now < said.since + MINUTE);
            }
            if self.0.len() >= MOST {
                return None;
            }
        }
        let said = self.0.entry(lane.to_owned()).or_insert(Said { since: now, lines: 0, left_out: 0 });
        if now >= said.since + MINUTE {
            (said.since, said.lines) = (now, 0);
        }
        if said.lines >= PER_LANE {
            said.left_out += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.left_out))
    }
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
    fn a_lane_is_told_of_five_times_a_minute_and_the_rest_is_counted() {
        let mut lines = FailedLines::default();
        let now = Instant::now();
        let told: Vec<_> = (0..20).map(|_| lines.may("a", now)).collect();
        assert_eq!(told.iter().filter(|t| t.is_some()).count(), 5);
        assert_eq!(lines.may("b", now), Some(0), "each lane for itself");
        assert_eq!(lines.may("a", now + MINUTE), Some(15));
        for n in 0..2 * MOST {
            lines.may(&format!("lane-{n}"), now + MINUTE);
        }
        assert!(lines.0.len() <= MOST);
    }

    #[test]
    fn a_cause_names_no_address_and_is_cut() {
        assert_eq!(without_addresses("550 <bob@example.com>:\r\n no such user"), "550 … no such user");
        assert!(without_addresses(&"ü".repeat(MAX_CAUSE)).len() <= MAX_CAUSE);
    }
}
