//! Workers, and what each runs.

use posthaste_api::view::{QueueView, WorkerView};
use posthaste_api::{ApiError, TaskPage, TaskView};
use posthaste_core::limits::WORKER_KEPT;
use posthaste_core::{State, Timestamp};

use crate::present::overview::{store_problem, unserved};
use crate::present::task::{heading, last_change};
use crate::view::{Fact, Words, WorkerBadge, WorkerCard, WorkerTask, Workers};
use crate::words;

/// Tasks shown with one worker.
const MAX_TASKS: usize = 8;

/// What was read for the page.
pub(crate) struct WorkersRead {
    pub(crate) workers: Vec<WorkerView>,
    pub(crate) queues: Vec<QueueView>,
    /// Tasks that run, newest first, without those that found no room on the page.
    pub(crate) running: TaskPage,
}

/// The workers as they were read.
pub(crate) fn workers(mut read: WorkersRead, now: Timestamp) -> Workers {
    // By host and start, so that a card keeps its place while the page follows.
    read.workers
        .sort_by(|a, b| (&a.host, a.started_at, a.id.as_str()).cmp(&(&b.host, b.started_at, b.id.as_str())));
    let cards: Vec<_> = read.workers.iter().map(|w| card(w, &read.running, now)).collect();
    Workers {
        problem: None,
        summary: summary(&read.workers),
        warnings: unserved(&read.queues),
        cards,
        empty: Words {
            title: "No worker is running".to_owned(),
            text: "Accepted tasks wait. Start `posthaste worker` with the same REDIS_URL as this server, \
                   or `posthaste up`, which brings one of its own."
                .to_owned(),
        },
    }
}

/// The page when they could not be read.
pub(crate) fn workers_problem(error: &ApiError) -> Workers {
    let empty = Words { title: String::new(), text: String::new() };
    Workers {
        problem: Some(store_problem(error, "The workers could not be read")),
        summary: None,
        warnings: Vec::new(),
        cards: Vec::new(),
        empty,
    }
}

fn summary(workers: &[WorkerView]) -> Option<String> {
    let serving = workers.iter().filter(|w| !w.stopping && !w.silent);
    let (n, slots, busy) = serving.fold((0_u64, 0_u64, 0_u64), |(n, slots, busy), w| {
        (n + 1, slots + u64::from(w.slots), busy + u64::from(w.running))
    });
    let number = words::number;
    let word = if n == 1 { "worker serves" } else { "workers serve" };
    match n {
        0 if workers.is_empty() => None,
        0 => Some("No worker serves now.".to_owned()),
        n => Some(format!("{} {word}, {} of {} slots busy.", number(n), number(busy), number(slots))),
    }
}

fn card(w: &WorkerView, running: &TaskPage, now: Timestamp) -> WorkerCard {
    let held: Vec<&TaskView> = running.data.iter().filter(|t| t.worker.as_ref() == Some(&w.id)).collect();
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let fact = |label, value| Fact { label, value, long: false };
    WorkerCard {
        key: w.id.to_string(),
        title: w.host.clone(),
        badge: badge(w, now),
        busy: w.running,
        slots: w.slots,
        load: format!("{} of {} slots busy", words::number(w.running.into()), words::number(w.slots.into())),
        seen: words::when(w.seen_at, now),
        started: words::when(w.started_at, now),
        facts: vec![
            fact("Queues", list(w.queues.iter().map(|q| q.as_str()).collect())),
            fact("Kinds", list(w.kinds.iter().map(|k| k.as_str()).collect())),
            fact("Process", w.pid.to_string()),
            fact("Version", w.version.clone()),
        ],
        more: more(&held, w.running, running.next_cursor.is_some()),
        tasks: held.into_iter().take(MAX_TASKS).map(|t| task(t, now)).collect(),
    }
}

/// What a worker's state looks like: the style of a task's state that means the same.
fn badge(w: &WorkerView, now: Timestamp) -> WorkerBadge {
    if w.silent {
        let note = format!(
            "Not heard of for {} s: other workers take over what it held. It leaves this list after {} s.",
            now.since(w.seen_at).as_secs(),
            WORKER_KEPT.as_secs()
        );
        return WorkerBadge { state: "failed", label: "Silent", note: Some(note) };
    }
    if w.stopping {
        let note = "It takes no new work and ends what it runs.".to_owned();
        return WorkerBadge { state: "retrying", label: "Stopping", note: Some(note) };
    }
    let (state, label) = if w.running > 0 { ("running", "Busy") } else { ("succeeded", "Idle") };
    WorkerBadge { state, label, note: None }
}

fn task(t: &TaskView, now: Timestamp) -> WorkerTask {
    let (title, subtitle) = heading(t);
    debug_assert_eq!(t.state, State::Running, "only running tasks were asked for");
    WorkerTask { href: format!("/tasks/{}", t.id), title, subtitle, since: words::when(last_change(t), now) }
}

/// What is not shown of a worker's tasks. It may be told by heartbeats that are seconds old.
fn more(held: &[&TaskView], running: u32, cut: bool) -> Option<String> {
    let beyond = held.len().saturating_sub(MAX_TASKS);
    let unseen = cut && (held.len() as u64) < u64::from(running);
    match (beyond, unseen) {
        (0, false) => None,
        (0, true) => Some("Only the newest running tasks of all workers are listed.".to_owned()),
        (n, _) => Some(format!("and {} more", words::number(n as u64))),
    }
}
