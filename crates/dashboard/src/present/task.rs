//! One task in words.

use posthaste_api::{AttemptView, TaskErrorView, TaskView};
use posthaste_core::limits::MAX_ATTEMPTS_KEPT;
use posthaste_core::task::state::{Trigger, next};
use posthaste_core::{AttemptOutcome, FailureClass, Json, Kind, State, Timestamp};
use posthaste_notify::{Notification, result_sentence};

use crate::view::{Document, Entry, Fact, Reason, Task, TimeFact, Tone};
use crate::words;

/// Longest value shown in full among the facts, in characters; the payload below has the rest.
const MAX_SHOWN: usize = 2_000;

/// The task, seen at `now`.
pub(crate) fn task(task: &TaskView, now: Timestamp) -> Task {
    let (title, subtitle) = heading(task);
    let href = format!("/tasks/{}", task.id);
    let attempts = task.attempts.as_deref().unwrap_or_default();
    Task {
        id: task.id.to_string(),
        badge: words::badge(task.state),
        is_final: task.state.is_final(),
        title,
        subtitle,
        sentence: sentence(task),
        changed: words::when(last_change(task), now),
        reason: reason(task),
        next: next_try(task, now),
        tries: tries(task),
        held_href: held_in_sandbox(task).then(|| format!("{href}/message")),
        csrf: None,
        can_cancel: next(Some(task.state), Trigger::Cancel).is_some() && !task.cancel_requested,
        can_retry: next(Some(task.state), Trigger::Retry).is_some(),
        timeline: timeline(task, attempts, now),
        cut: (attempts.len() >= MAX_ATTEMPTS_KEPT)
            .then(|| format!("The log keeps the last {MAX_ATTEMPTS_KEPT} attempts.")),
        message: message_facts(task),
        facts: facts(task),
        times: times(task, now),
        documents: documents(task),
        href,
    }
}

/// What a task is called in a list: its recipient, or its kind; and what it is about.
pub(crate) fn heading(task: &TaskView) -> (String, Option<String>) {
    match notification(task) {
        Some(n) => (n.to.to_string(), Some(n.subject.unwrap_or_else(|| "(no subject)".to_owned()))),
        None => (task.kind.to_string(), None),
    }
}

/// Whether the message was held instead of sent.
pub(crate) fn held_in_sandbox(task: &TaskView) -> bool {
    #[derive(serde::Deserialize)]
    struct Result {
        sandbox: bool,
    }
    task.state == State::Succeeded
        && task.kind == Kind::notify()
        && task.result.as_ref().and_then(|r| r.parse::<Result>().ok()).is_some_and(|r| r.sandbox)
}

/// When the task came into its state, as far as it is known.
pub(crate) fn last_change(task: &TaskView) -> Timestamp {
    let ended = || task.attempts.as_deref().and_then(|a| a.last()).and_then(|a| a.ended_at);
    let known = match task.state {
        State::Scheduled => None,
        State::Queued => Some(task.due_at),
        State::Running => task.started_at,
        State::Retrying => ended().or(task.started_at),
        State::Succeeded | State::Failed | State::Cancelled | State::Expired => task.finished_at,
    };
    known.unwrap_or(task.created_at)
}

fn notification(task: &TaskView) -> Option<Notification> {
    if task.kind != Kind::notify() {
        return None;
    }
    task.payload.as_ref()?.parse().ok()
}

fn sentence(task: &TaskView) -> String {
    let notify = task.kind == Kind::notify();
    let class = task.error.as_ref().and_then(|e| e.class);
    let text = match task.state {
        State::Scheduled => "Waits for its due time.",
        State::Queued => match class {
            Some(FailureClass::Throttled | FailureClass::Misconfigured) => {
                "Waits until its provider can be used again."
            }
            Some(_) if task.attempt > 0 => "Waits for a worker to try again.",
            _ => "Waits for a worker.",
        },
        State::Running if task.cancel_requested => "Running; it was asked to stop.",
        State::Running if notify => "Being sent.",
        State::Running => "Running.",
        State::Retrying => "The last try failed; it is tried again.",
        State::Succeeded => {
            return task.result.as_ref().and_then(result_sentence).unwrap_or_else(|| "Done.".to_owned());
        }
        State::Failed if class == Some(FailureClass::Ambiguous) && notify => {
            "It is not known whether the notification was delivered."
        }
        State::Failed if notify => "The notification was not delivered.",
        State::Failed => "The task failed.",
        State::Cancelled => "Cancelled before it was done.",
        State::Expired => "Its time ran out before it was done.",
    };
    text.to_owned()
}

fn reason(task: &TaskView) -> Option<Reason> {
    let TaskErrorView { reason, class, message, code } = task.error.as_ref()?;
    let (tone, title, advice) = match task.state {
        // The error that a success or a running try has behind it is in the timeline.
        State::Succeeded | State::Running | State::Scheduled | State::Cancelled => return None,
        State::Failed => (
            Tone::Danger,
            reason.map(words::end_title).or(class.map(words::class_title)),
            reason.and_then(words::end_advice),
        ),
        State::Expired => (Tone::Quiet, reason.map(words::end_title), None),
        State::Queued | State::Retrying => {
            (Tone::Warn, class.map(words::class_title), class.and_then(words::waiting_advice))
        }
    };
    Some(Reason {
        tone,
        title: title.unwrap_or("The last try failed").to_owned(),
        text: message.clone(),
        // Many messages quote the code already.
        code: code.clone().filter(|c| !message.contains(c.as_str())),
        advice: advice.map(str::to_owned),
    })
}

fn next_try(task: &TaskView, now: Timestamp) -> Option<TimeFact> {
    let label = match task.state {
        State::Scheduled => "Due",
        State::Retrying => "Next try",
        _ => return None,
    };
    Some(TimeFact { label, when: words::when(task.due_at, now) })
}

fn tries(task: &TaskView) -> Option<String> {
    let max = task.retry.max_failures;
    match task.state {
        _ if task.attempt == 0 => None,
        State::Succeeded if task.attempt == 1 => None,
        State::Succeeded => Some(format!("Took {}.", words::tries(task.attempt))),
        state if state.is_final() => {
            Some(format!("{}, {} counted.", words::tries(task.attempt), task.failures))
        }
        _ => Some(format!(
            "{} so far, {} counted; given up after {max}.",
            words::tries(task.attempt),
            task.failures
        )),
    }
}

fn timeline(task: &TaskView, attempts: &[AttemptView], now: Timestamp) -> Vec<Entry> {
    let plain = |tone, title: &str, at| Entry {
        tone,
        title: title.to_owned(),
        chip: None,
        when: words::when(at, now),
        text: None,
        code: None,
        note: None,
    };
    let mut out = vec![plain("plain", "Accepted", task.created_at)];
    out.extend(attempts.iter().map(|a| attempt(a, now)));
    let told = attempts.last().is_some_and(|a| {
        a.generation == task.generation
            && matches!(
                (task.state, a.outcome),
                (State::Succeeded, AttemptOutcome::Succeeded)
                    | (State::Failed, AttemptOutcome::Failed)
                    | (State::Cancelled, AttemptOutcome::Cancelled)
            )
    });
    match (task.state, task.finished_at) {
        (State::Retrying, _) => out.push(plain("retrying", "Next try", task.due_at)),
        (State::Scheduled, _) => out.push(plain("scheduled", "Due", task.due_at)),
        (state, Some(at)) if state.is_final() && !told => {
            out.push(plain(state.as_str(), words::label(state), at));
        }
        _ => {}
    }
    out
}

fn attempt(a: &AttemptView, now: Timestamp) -> Entry {
    let mut title = format!("Attempt {}", a.attempt);
    if a.generation > 1 {
        title += &format!(" of generation {}", a.generation);
    }
    title += &format!(" {}", words::outcome(a.outcome));
    let took = a.ended_at.map(|end| {
        let ms = u64::try_from(end.since(a.started_at).as_millis()).unwrap_or(u64::MAX);
        format!("took {}", words::took(ms))
    });
    let uncounted = (a.outcome == AttemptOutcome::Failed && !a.counted).then(|| "not counted".to_owned());
    let worker = Some(format!("by {}", a.worker));
    let note: Vec<_> = took.into_iter().chain(worker).chain(uncounted).collect();
    let text = a.message.clone();
    Entry {
        tone: words::outcome_tone(a.outcome),
        title,
        chip: a.class.map(words::class_chip),
        when: words::when(a.ended_at.unwrap_or(a.started_at), now),
        code: a.code.clone().filter(|c| !text.as_ref().is_some_and(|t| t.contains(c.as_str()))),
        text,
        note: Some(note.join(", ")),
    }
}

fn fact(label: &'static str, value: impl ToString) -> Fact {
    Fact { label, value: value.to_string(), long: false }
}

fn message_facts(task: &TaskView) -> Vec<Fact> {
    let Some(n) = notification(task) else { return Vec::new() };
    let mut out = vec![fact("To", &n.to), fact("Subject", n.subject.as_deref().unwrap_or("(none)"))];
    if let Some(provider) = &n.provider {
        out.push(fact("Provider", provider));
    }
    if let Some(message) = &n.message {
        out.push(Fact { label: "Message", value: shorten(message), long: true });
    }
    if let Some(html) = &n.html {
        out.push(fact("HTML part", format!("{} bytes", words::number(html.len() as u64))));
    }
    out
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn facts(task: &TaskView) -> Vec<Fact> {
    let mut out = vec![fact("Kind", &task.kind), fact("Queue", &task.queue)];
    out.extend(task.lane.as_ref().map(|l| fact("Lane", l)));
    out.extend(task.tenant.as_ref().map(|t| fact("Tenant", t)));
    out.push(fact("Priority", task.priority.as_str()));
    if task.generation > 1 {
        out.push(fact("Generation", task.generation));
    }
    out.push(fact("Attempts", task.attempt));
    out.push(fact("Failures", format!("{} of at most {}", task.failures, task.retry.max_failures)));
    out.extend(task.worker.as_ref().map(|w| fact("Worker", w)));
    out.extend(task.unique_key.as_ref().map(|k| fact("Unique key", k)));
    out.extend(task.batch.as_ref().map(|b| fact("Batch", b)));
    out
}

fn times(task: &TaskView, now: Timestamp) -> Vec<TimeFact> {
    let rows = [
        ("Accepted", Some(task.created_at)),
        ("Due", Some(task.due_at).filter(|d| *d != task.created_at)),
        ("Started", task.started_at),
        ("Finished", task.finished_at),
        ("Expires", task.expires_at),
    ];
    rows.into_iter()
        .filter_map(|(label, at)| at.map(|at| TimeFact { label, when: words::when(at, now) }))
        .collect()
}

fn documents(task: &TaskView) -> Vec<Document> {
    [("Payload", &task.payload), ("Result", &task.result)]
        .into_iter()
        .filter_map(|(label, json)| json.as_ref().map(|j| Document { label, text: indented(j) }))
        .collect()
}

fn indented(json: &Json) -> String {
    json.parse::<serde_json::Value>()
        .and_then(|v| serde_json::to_string_pretty(&v))
        .unwrap_or_else(|_| json.as_str().to_owned())
}
