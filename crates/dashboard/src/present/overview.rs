//! Counts and the last tasks.

use posthaste_api::view::{LaneView, PauseView, QueueView};
use posthaste_api::{ApiError, TaskPage, TaskView};
use posthaste_core::{PauseReason, State, Timestamp};

use crate::present::task::{heading, held_in_sandbox, last_change};
use crate::view::{Overview, Row, Tile, Words};
use crate::words;

/// Pauses that are told one by one.
const MAX_PAUSES: usize = 4;

/// Which part of the list was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Tasks in this state only.
    pub(crate) state: Option<State>,
    /// Where an earlier page ended.
    pub(crate) cursor: Option<String>,
}

impl Asked {
    /// `path` with this as its query. A cursor is made of letters, digits, `-`, `_`, `.`, `~`; one
    /// that is not ours is left out rather than escaped.
    pub(crate) fn at(&self, path: &str) -> String {
        let plain = |c: &String| c.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
        let state = self.state.map(|s| format!("state={s}"));
        let cursor = self.cursor.as_ref().filter(|c| plain(c)).map(|c| format!("cursor={c}"));
        let query: Vec<_> = state.into_iter().chain(cursor).collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }
}

/// What was read for the overview.
pub(crate) struct Read {
    pub(crate) page: TaskPage,
    /// `None` for whom they are not.
    pub(crate) queues: Option<Vec<QueueView>>,
    pub(crate) lanes: Vec<LaneView>,
}

/// The overview as it was read.
pub(crate) fn overview(read: Read, asked: &Asked, now: Timestamp) -> Overview {
    let older = read.page.next_cursor.map(|c| Asked { cursor: Some(c), ..asked.clone() }.at("/") + "#tasks");
    Overview {
        fragment: asked.at("/fragments/overview"),
        problem: None,
        tiles: read.queues.as_ref().map_or_else(Vec::new, |queues| tiles(queues, asked)),
        pauses: read
            .queues
            .as_ref()
            .map_or_else(Vec::new, |queues| [unserved(queues), pauses(queues, &read.lanes, now)].concat()),
        heading: match (asked.state, &asked.cursor) {
            (None, None) => "Last tasks".to_owned(),
            (None, Some(_)) => "Older tasks".to_owned(),
            (Some(s), _) => format!("{} tasks", words::label(s)),
        },
        filtered: asked.state.is_some() || asked.cursor.is_some(),
        rows: read.page.data.iter().map(|t| row(t, now)).collect(),
        older,
        empty: empty(asked),
    }
}

/// The overview when it could not be read.
pub(crate) fn overview_problem(error: &ApiError, asked: &Asked) -> Overview {
    Overview {
        fragment: asked.at("/fragments/overview"),
        problem: Some(store_problem(error, "The tasks could not be read")),
        tiles: Vec::new(),
        pauses: Vec::new(),
        heading: String::new(),
        filtered: false,
        rows: Vec::new(),
        older: None,
        empty: empty(asked),
    }
}

/// Why a page shows nothing; `title` says it when the store is not to blame.
pub(crate) fn store_problem(error: &ApiError, title: &str) -> Words {
    match error {
        ApiError::Unavailable { .. } => Words {
            title: "The store does not answer".to_owned(),
            text: "Nothing can be shown or accepted until it does. This page keeps trying.".to_owned(),
        },
        other => Words { title: title.to_owned(), text: other.detail() },
    }
}

fn tiles(queues: &[QueueView], asked: &Asked) -> Vec<Tile> {
    let count = |state: State| queues.iter().map(|q| q.counts.of(state)).sum::<u64>();
    let held: u64 = queues.iter().map(|q| q.held).sum();
    let mut out = Vec::new();
    for state in State::ALL {
        let n = count(state);
        // States that most people never meet take no room until somebody does.
        let rare = matches!(state, State::Scheduled | State::Cancelled | State::Expired);
        if rare && n == 0 && asked.state != Some(state) {
            continue;
        }
        let note = (state == State::Succeeded && held > 0).then(|| {
            if held >= n { "all held".to_owned() } else { format!("{} held", words::short_number(held)) }
        });
        out.push(Tile {
            state: state.as_str(),
            label: words::label(state),
            value: words::short_number(n),
            exact: words::number(n),
            zero: n == 0,
            note,
            href: Asked { state: Some(state), cursor: None }.at("/") + "#tasks",
            current: asked.state == Some(state),
        });
    }
    out
}

/// Queues whose tasks wait because no worker serves them: a typing mistake in a name, as a rule.
pub(crate) fn unserved(queues: &[QueueView]) -> Vec<String> {
    let waiting = |q: &QueueView| -> u64 {
        [State::Scheduled, State::Queued, State::Retrying].iter().map(|s| q.counts.of(*s)).sum()
    };
    let found = queues.iter().filter(|q| q.workers == 0).map(|q| (q, waiting(q))).filter(|(_, n)| *n > 0);
    let mut out: Vec<_> = found
        .map(|(q, n)| {
            let wait =
                if n == 1 { "1 task waits".to_owned() } else { format!("{} tasks wait", words::number(n)) };
            format!("No worker serves the queue {}: {wait}. POSTHASTE_QUEUES says which are served.", q.queue)
        })
        .collect();
    let more = out.len().saturating_sub(MAX_PAUSES);
    if more > 0 {
        out.truncate(MAX_PAUSES);
        out.push(format!("{} more are not served: /v1/queues lists them.", words::number(more as u64)));
    }
    out
}

fn pauses(queues: &[QueueView], lanes: &[LaneView], now: Timestamp) -> Vec<String> {
    let queues = queues
        .iter()
        .filter_map(|q| q.paused.as_ref().map(|p| pause(&format!("The queue {}", q.queue), p, now)));
    let lanes = lanes.iter().filter_map(|l| {
        let paused = l.paused.as_ref()?;
        let name = l.lane.as_ref().map_or_else(|| l.queue.to_string(), ToString::to_string);
        Some(pause(&format!("The lane {name}"), paused, now))
    });
    let mut out: Vec<_> = queues.chain(lanes).collect();
    let more = out.len().saturating_sub(MAX_PAUSES);
    if more > 0 {
        out.truncate(MAX_PAUSES);
        out.push(format!("{} more are paused: /v1/lanes lists them.", words::number(more as u64)));
    }
    out
}

fn pause(what: &str, pause: &PauseView, now: Timestamp) -> String {
    let why = match pause.reason {
        PauseReason::Manual => "is paused by hand",
        PauseReason::Throttled => "is paused because its provider asked for it",
        PauseReason::Misconfigured => "is paused because its provider refused our configuration",
        PauseReason::Breaker => "is paused because its provider cannot be reached",
    };
    let mut out = format!("{what} {why}");
    if let Some(until) = pause.until {
        let word = match pause.reason {
            PauseReason::Manual | PauseReason::Throttled => "it ends",
            PauseReason::Misconfigured | PauseReason::Breaker => "the next probe goes out",
        };
        out += &format!("; {word} {}", words::when(until, now).relative);
    }
    out.push('.');
    if let Some(message) = &pause.message {
        out.push(' ');
        out += message;
    }
    out
}

fn row(task: &TaskView, now: Timestamp) -> Row {
    let (title, subtitle) = heading(task);
    let note = match task.state {
        State::Failed | State::Retrying | State::Expired => task.error.as_ref().map(|e| e.message.clone()),
        State::Queued => task.error.as_ref().and_then(|e| e.class).map(|c| words::class_title(c).to_owned()),
        State::Succeeded => held_in_sandbox(task).then(|| "Held in the sandbox".to_owned()),
        State::Scheduled | State::Running | State::Cancelled => None,
    };
    Row {
        href: format!("/tasks/{}", task.id),
        badge: words::badge(task.state),
        title,
        subtitle,
        note,
        when: words::when(last_change(task), now),
    }
}

fn empty(asked: &Asked) -> Words {
    match asked.state {
        Some(s) => Words {
            title: format!("No {} tasks", words::label(s).to_lowercase()),
            text: "Finished tasks are kept for a day, failed ones for two weeks.".to_owned(),
        },
        None => Words {
            title: "Nothing here yet".to_owned(),
            text: "Send a notification with the form, or post one to /notify/: it shows up here at once."
                .to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use posthaste_api::view::StateCounts;

    use super::*;

    #[test]
    fn a_queue_that_nobody_serves_is_told_while_tasks_wait() {
        let queue = |name: &str, workers, queued, succeeded| QueueView {
            queue: name.parse().unwrap(),
            counts: StateCounts([0, queued, 0, 0, succeeded, 0, 0, 0]),
            held: 0,
            workers,
            paused: None,
        };
        let told = unserved(&[
            queue("served", 1, 9, 0),
            queue("mial", 0, 1, 0),
            queue("done", 0, 0, 5),
            queue("old", 0, 2_000, 0),
        ]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("No worker serves the queue mial: 1 task waits."), "{told:?}");
        assert!(told[1].starts_with("No worker serves the queue old: 2,000 tasks wait."), "{told:?}");
        let many: Vec<_> = (0..10).map(|n| queue(&format!("q{n}"), 0, 1, 0)).collect();
        assert_eq!(unserved(&many).last().unwrap(), "6 more are not served: /v1/queues lists them.");
    }

    #[test]
    fn a_query_holds_what_was_asked_and_no_foreign_cursor() {
        let asked = Asked { state: Some(State::Failed), cursor: Some("abc-1".into()) };
        assert_eq!(asked.at("/"), "/?state=failed&cursor=abc-1");
        assert_eq!(Asked { cursor: Some("\"><script>".into()), ..Asked::default() }.at("/"), "/");
    }
}
