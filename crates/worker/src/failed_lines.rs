//! What the log says of tasks that failed for good: with the task, its lane and the cause, a few of each lane a minute.

use posthaste_core::broker::Settled;
use posthaste_core::{Outcome, State};
use tokio::time::Instant;
use tracing::warn;

use crate::calls::Ended;
use crate::running::Running;
use crate::told::{Told, without_addresses};

/// Lines of a lane a minute; what is beyond them is counted and told with the next.
const PER_LANE: u32 = 5;
/// Longest part of a cause.
const MAX_CAUSE: usize = 300;

/// See the module's documentation.
pub(crate) struct FailedLines(Told<String>);

impl Default for FailedLines {
    fn default() -> Self {
        Self(Told::at_most(PER_LANE))
    }
}

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
        let Some(left_out) = self.0.may(format!("{}/{lane}", about.queue), now) else { return };
        let (class, code, cause) = match outcome {
            Outcome::Failure(f) => (
                f.class.as_str(),
                f.code.as_deref().unwrap_or_default(),
                without_addresses(&f.message, MAX_CAUSE),
            ),
            Outcome::Success { .. } | Outcome::Snooze { .. } | Outcome::Detached => {
                ("", "", "its row cannot be read".to_owned())
            }
        };
        warn!(
            task_id = %about.lease.task, kind = %about.kind, queue = %about.queue, lane, attempt = about.attempt, class, code,
            cause, left_out, "a task failed for good"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::told::{MINUTE, MOST};

    #[test]
    fn a_lane_is_told_of_five_times_a_minute_and_the_rest_is_counted() {
        let mut lines = FailedLines::default();
        let now = Instant::now();
        let told: Vec<_> = (0..20).map(|_| lines.0.may("a".to_owned(), now)).collect();
        assert_eq!(told.iter().filter(|t| t.is_some()).count(), 5);
        assert_eq!(lines.0.may("b".to_owned(), now), Some(0), "each lane for itself");
        assert_eq!(lines.0.may("a".to_owned(), now + MINUTE), Some(15));
        for n in 0..2 * MOST {
            lines.0.may(format!("lane-{n}"), now + MINUTE);
        }
        assert!(lines.0.len() <= MOST);
    }
}
