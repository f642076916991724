//! The words of the pages: states, classes and reasons in plain language, times, numbers.

use posthaste_core::{AttemptOutcome, EndReason, FailureClass, State, Timestamp};

use crate::view::{Badge, When};

/// The badge of a state.
pub(crate) fn badge(state: State) -> Badge {
    Badge { state: state.as_str(), label: label(state) }
}

/// The state's name for people.
pub(crate) fn label(state: State) -> &'static str {
    match state {
        State::Scheduled => "Scheduled",
        State::Queued => "Queued",
        State::Running => "Running",
        State::Retrying => "Retrying",
        State::Succeeded => "Succeeded",
        State::Failed => "Failed",
        State::Cancelled => "Cancelled",
        State::Expired => "Expired",
    }
}

/// What a failure class means, as a headline.
pub(crate) fn class_title(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Transient => "A temporary failure",
        FailureClass::Unavailable => "The other side could not be reached",
        FailureClass::Throttled => "The provider asked for a pause",
        FailureClass::Misconfigured => "The provider refused our configuration",
        FailureClass::Permanent => "Refused for good",
        FailureClass::Suppress => "The recipient does not exist",
        FailureClass::Ambiguous => "It may or may not have been sent",
    }
}

/// What a failure class means, as a chip beside an attempt.
pub(crate) fn class_chip(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Transient => "temporary",
        FailureClass::Unavailable => "unreachable",
        FailureClass::Throttled => "throttled",
        FailureClass::Misconfigured => "misconfigured",
        FailureClass::Permanent => "permanent",
        FailureClass::Suppress => "no such recipient",
        FailureClass::Ambiguous => "unknown outcome",
    }
}

/// Why a task is final without success, as a headline.
pub(crate) fn end_title(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Permanent => "Refused for good",
        EndReason::Suppressed => "The recipient does not exist",
        EndReason::Ambiguous => "It may or may not have been sent",
        EndReason::MaxFailures => "Every allowed try failed",
        EndReason::MaxAge => "Waited too long",
        EndReason::WorkerLost => "Its workers were lost",
        EndReason::Cancelled => "Cancelled",
        EndReason::Expired => "Its time ran out",
    }
}

/// What a person can do about a final task.
pub(crate) fn end_advice(reason: EndReason) -> Option<&'static str> {
    match reason {
        EndReason::Permanent => Some("Trying again helps only after what it names has changed."),
        EndReason::Suppressed => Some(
            "The address is remembered, and later messages to it fail without being sent. Check it for a typing mistake; if it is right, a retry of the task that found out asks the server again.",
        ),
        EndReason::Ambiguous => Some(
            "The message may have arrived: ask the recipient before you retry, or they may get it twice.",
        ),
        EndReason::MaxFailures => Some("Retry starts over, with its tries counted from zero."),
        EndReason::MaxAge => Some("Mend what held it up, then retry."),
        EndReason::WorkerLost => {
            Some("Its workers died while they ran it: look at their logs before you retry.")
        }
        EndReason::Cancelled | EndReason::Expired => None,
    }
}

/// What a person can do while the task waits on its target.
pub(crate) fn waiting_advice(class: FailureClass) -> Option<&'static str> {
    match class {
        FailureClass::Throttled => {
            Some("It goes on by itself when the pause is over. Nothing is counted against it.")
        }
        FailureClass::Misconfigured => Some(
            "Mend the provider's credentials or sender and restart; until then it is tried every 5 minutes. Nothing is counted against it.",
        ),
        FailureClass::Unavailable => Some("Nothing was sent, so nothing is counted against it."),
        FailureClass::Transient
        | FailureClass::Permanent
        | FailureClass::Suppress
        | FailureClass::Ambiguous => None,
    }
}

/// How an attempt ended.
pub(crate) fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Running => "running",
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Released => "given back by its worker",
        AttemptOutcome::LeaseExpired => "lost with its worker",
        AttemptOutcome::Cancelled => "cancelled",
    }
}

/// The style of an attempt in the timeline.
pub(crate) fn outcome_tone(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Running => "running",
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Failed | AttemptOutcome::LeaseExpired => "failed",
        AttemptOutcome::Released | AttemptOutcome::Cancelled => "plain",
    }
}

/// A time in both forms, seen from `now`.
pub(crate) fn when(at: Timestamp, now: Timestamp) -> When {
    When { iso: at.to_string(), relative: relative(at, now), absolute: absolute(at) }
}

/// `2026-11-22 21:43:02 UTC`. The script shows it in the reader's time zone.
fn absolute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        // A time outside the calendar prints as a number.
        _ => text,
    }
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let ms = at.as_millis().saturating_sub(now.as_millis());
    let s = (ms.unsigned_abs() + 500) / 1000;
    if s < 2 {
        return "just now".to_owned();
    }
    let text = match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    };
    if ms > 0 { format!("in {text}") } else { format!("{text} ago") }
}

/// How long something took: `12 ms`, `3.4 s`, `2 min 5 s`.
pub(crate) fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// A count with its digits in groups: `1,204,331`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count that fits a small space: in full up to 999,999, then `1.20 M`.
pub(crate) fn short_number(n: u64) -> String {
    match n {
        0..1_000_000 => number(n),
        1_000_000..1_000_000_000 => format!("{}.{:02} M", n / 1_000_000, n % 1_000_000 / 10_000),
        _ => format!("{} M", number(n / 1_000_000)),
    }
}

/// `1 try`, `2 tries`.
pub(crate) fn tries(n: u32) -> String {
    if n == 1 { "1 try".to_owned() } else { format!("{n} tries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_both_ways() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let at = |ms: i64| when(Timestamp::from_millis(1_700_000_000_000 + ms), now);
        assert_eq!(at(0).relative, "just now");
        assert_eq!(at(-2_000).relative, "2 s ago");
        assert_eq!(at(30_400).relative, "in 30 s");
        assert_eq!(at(-125_000).relative, "2 min ago");
        assert_eq!(at(-7_200_000).relative, "2 h ago");
        assert_eq!(at(-200_000_000).relative, "2 days ago");
        assert_eq!(at(0).absolute, "2023-11-14 22:13:20 UTC");
        assert_eq!(at(0).iso, "2023-11-14T22:13:20.000Z");
    }

    #[test]
    fn durations_and_numbers_are_short() {
        assert_eq!(took(12), "12 ms");
        assert_eq!(took(3_449), "3.4 s");
        assert_eq!(took(125_000), "2 min 5 s");
        assert_eq!(took(3_720_000), "1 h 2 min");
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_204_331), "1,204,331");
        assert_eq!(short_number(204_331), "204,331");
        assert_eq!(short_number(1_204_331), "1.20 M");
        assert_eq!(short_number(12_345_678_901), "12,345 M");
    }
}
