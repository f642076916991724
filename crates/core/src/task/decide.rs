//! The retry decision: what becomes of a running task whose try ended. Pure, so that every store
//! decides alike.

use std::time::Duration;

use super::class::{FailureClass, TaskEffect};
use super::policy::{OnAmbiguous, RetryPolicy};
use super::state::Trigger;
use crate::limits::{DEFAULT_THROTTLE, MAX_RESCUES, MAX_SNOOZE, MAX_THROTTLE, MISCONFIGURED_PROBE};
use crate::{EndReason, LaneFault, Timestamp};

/// What the store knows about a running task when its try ends.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its policy.
    pub policy: &'a RetryPolicy,
    /// Tries that counted, before this one.
    pub failures: u32,
    /// Tries of this generation that ended in a class, before this one.
    pub ended: u32,
    /// When this generation first became due.
    pub first_due: Timestamp,
    /// Its expiry.
    pub expires_at: Option<Timestamp>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// The store's time.
    pub now: Timestamp,
    /// A draw from `0.0..1.0`.
    pub jitter: f64,
}

/// What becomes of the task. `trigger` is the row of the state table that it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The row of the state table.
    pub trigger: Trigger,
    /// Whether the try counts against `max_failures`.
    pub counted: bool,
    /// When the next try is due ([`Trigger::FailRetry`]) or its lane's pause ends ([`Trigger::FailPark`]).
    pub next_at: Option<Timestamp>,
    /// Why it ended, if it did.
    pub end: Option<EndReason>,
}

impl Verdict {
    fn end(trigger: Trigger, counted: bool, reason: EndReason) -> Self {
        Self { trigger, counted, next_at: None, end: Some(reason) }
    }
}

/// Until when a throttled or misconfigured target stays paused. `asked` is what the provider asked for; a time that says
/// nothing, zero or one that has passed, is none.
pub fn pause_until(fault: LaneFault, asked: Option<Duration>, now: Timestamp) -> Timestamp {
    match fault {
        LaneFault::Misconfigured => now.plus(MISCONFIGURED_PROBE),
        LaneFault::Throttled => {
            now.plus(asked.filter(|a| !a.is_zero()).unwrap_or(DEFAULT_THROTTLE).min(MAX_THROTTLE))
        }
    }
}

/// What becomes of a task whose try failed with `class`. `asked` is a delay that the target named.
pub fn on_failure(class: FailureClass, asked: Option<Duration>, f: &Facts<'_>) -> Verdict {
    let rule = class.rule();
    if f.cancel_requested {
        return Verdict::end(Trigger::Cancel, rule.counts, EndReason::Cancelled);
    }
    let effect = match (rule.task, f.policy.on_ambiguous) {
        (TaskEffect::ByPolicy, OnAmbiguous::Retry) => TaskEffect::Retry,
        (TaskEffect::ByPolicy, OnAmbiguous::Hold) => TaskEffect::Fail,
        (other, _) => other,
    };
    if effect == TaskEffect::Fail {
        let reason = match class {
            FailureClass::Suppress => EndReason::Suppressed,
            FailureClass::Ambiguous => EndReason::Ambiguous,
            _ => EndReason::Permanent,
        };
        return Verdict::end(Trigger::FailFinal, rule.counts, reason);
    }
    if rule.counts && f.failures + 1 >= f.policy.max_failures {
        let reason = match class {
            FailureClass::Ambiguous => EndReason::Ambiguous,
            _ => EndReason::MaxFailures,
        };
        return Verdict::end(Trigger::FailFinal, true, reason);
    }
    // Tries that count nothing would go round for ever: their age bounds them.
    if !rule.counts && f.now.since(f.first_due) >= f.policy.max_age {
        return Verdict::end(Trigger::MaxAge, false, EndReason::MaxAge);
    }
    let own = f.policy.backoff.delay(f.ended, f.jitter);
    let (trigger, next_at) = match (effect, class) {
        (TaskEffect::Park, FailureClass::Misconfigured) => {
            (Trigger::FailPark, pause_until(LaneFault::Misconfigured, asked, f.now))
        }
        // Never sooner than its own backoff, whatever the target says; the lane's pause is no longer for that. A target that
        // asks for moments again and again is met later and later. One whose pauses are long enough is not: what they put off
        // counts for nothing, and would add up to hours in front of a lane that is open.
        (TaskEffect::Park, _) => {
            let pause = pause_until(LaneFault::Throttled, asked, f.now);
            let patient = pause.since(f.now) >= DEFAULT_THROTTLE;
            let own = if patient { f.policy.backoff.delay(f.failures, f.jitter) } else { own };
            let own = f.now.plus(own);
            if own > pause { (Trigger::FailRetry, own) } else { (Trigger::FailPark, pause) }
        }
        _ => {
            let delay = asked.map_or(own, |a| own.max(a.min(MAX_THROTTLE)));
            (Trigger::FailRetry, f.now.plus(delay))
        }
    };
    // A throttled target says when it is ready again, so a task that expires first can end now. A
    // misconfigured one may be mended at any moment: the sweep ends it if nobody does.
    let known = class != FailureClass::Misconfigured;
    if known && f.expires_at.is_some_and(|e| next_at > e) {
        return Verdict::end(Trigger::FailTooLate, rule.counts, EndReason::Expired);
    }
    Verdict { trigger, counted: rule.counts, next_at: Some(next_at), end: None }
}

/// What becomes of a task whose handler asks to be run again after `delay`. Nothing is counted, so its age bounds it.
pub fn on_snooze(delay: Duration, f: &Facts<'_>) -> Verdict {
    if f.cancel_requested {
        return Verdict::end(Trigger::Cancel, false, EndReason::Cancelled);
    }
    if f.now.since(f.first_due) >= f.policy.max_age {
        return Verdict::end(Trigger::MaxAge, false, EndReason::MaxAge);
    }
    let next_at = f.now.plus(delay.min(MAX_SNOOZE));
    if f.expires_at.is_some_and(|e| next_at > e) {
        return Verdict::end(Trigger::FailTooLate, false, EndReason::Expired);
    }
    Verdict { trigger: Trigger::Snooze, counted: false, next_at: Some(next_at), end: None }
}

/// What a lost lease means, told apart by what the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostLease {
    /// The point of no return was marked.
    pub marked: bool,
    /// The attempt was stored as started, not just prefetched.
    pub started: bool,
    /// The worker's registration was not renewed since its last extend.
    pub worker_gone: bool,
    /// Rescues of started attempts with the worker gone, before this one.
    pub rescues: u32,
}

/// What becomes of a task whose lease ran out. The second value says whether this rescue counts
/// towards `worker_lost`.
pub fn on_lost_lease(lost: LostLease, f: &Facts<'_>) -> (Verdict, bool) {
    if lost.marked {
        return (on_failure(FailureClass::Ambiguous, None, f), false);
    }
    if f.cancel_requested {
        return (Verdict::end(Trigger::Cancel, false, EndReason::Cancelled), false);
    }
    let counts = lost.started && lost.worker_gone;
    if counts && lost.rescues >= MAX_RESCUES {
        return (Verdict::end(Trigger::WorkerLost, false, EndReason::WorkerLost), true);
    }
    let verdict = Verdict { trigger: Trigger::Rescue, counted: false, next_at: None, end: None };
    (verdict, counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::class::CLASSES;
    use super::super::state::{State, next};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn facts(policy: &RetryPolicy) -> Facts<'_> {
        Facts {
            policy,
            failures: 0,
            ended: 0,
            first_due: NOW,
            expires_at: None,
            cancel_requested: false,
            now: NOW,
            jitter: 0.5,
        }
    }

    #[test]
    fn each_class_leads_where_its_row_says() {
        let policy = RetryPolicy::default();
        for rule in CLASSES {
            let v = on_failure(rule.class, None, &facts(&policy));
            assert_eq!(v.counted, rule.counts, "{}", rule.class);
            let expected = match rule.task {
                TaskEffect::Retry | TaskEffect::ByPolicy => Trigger::FailRetry,
                TaskEffect::Park => Trigger::FailPark,
                TaskEffect::Fail => Trigger::FailFinal,
            };
            assert_eq!(v.trigger, expected, "{}", rule.class);
        }
    }

    #[test]
    fn the_try_that_reaches_max_failures_is_the_last() {
        let policy = RetryPolicy { max_failures: 3, ..RetryPolicy::default() };
        let f = Facts { failures: 1, ..facts(&policy) };
        assert_eq!(on_failure(FailureClass::Transient, None, &f).trigger, Trigger::FailRetry);
        let f = Facts { failures: 2, ..f };
        let v = on_failure(FailureClass::Transient, None, &f);
        assert_eq!((v.trigger, v.end), (Trigger::FailFinal, Some(EndReason::MaxFailures)));
        assert_eq!(on_failure(FailureClass::Unavailable, None, &f).trigger, Trigger::FailRetry);
    }

    #[test]
    fn uncounted_tries_end_at_max_age_and_counted_ones_do_not() {
        let policy = RetryPolicy::default();
        let old = Facts { now: NOW.plus(policy.max_age), ..facts(&policy) };
        assert_eq!(on_failure(FailureClass::Unavailable, None, &old).end, Some(EndReason::MaxAge));
        assert_eq!(on_failure(FailureClass::Throttled, None, &old).end, Some(EndReason::MaxAge));
        assert_eq!(on_failure(FailureClass::Transient, None, &old).trigger, Trigger::FailRetry);
    }

    #[test]
    fn a_time_that_says_nothing_is_a_minute_and_none_is_sooner_than_the_backoff() {
        let policy = RetryPolicy::webhook();
        let after = |asked: Option<u64>, ended| {
            let f = Facts { ended, ..facts(&policy) };
            let v = on_failure(FailureClass::Throttled, asked.map(Duration::from_secs), &f);
            assert!(!v.counted);
            (v.trigger, v.next_at.map(|at| at.since(NOW).as_secs()))
        };
        assert_eq!(after(None, 0), (Trigger::FailPark, Some(60)));
        assert_eq!(after(Some(0), 0), (Trigger::FailPark, Some(60)), "zero, or a date that has passed");
        assert_eq!(after(Some(30), 0), (Trigger::FailPark, Some(30)));
        assert_eq!(after(Some(1), 0), (Trigger::FailRetry, Some(5)), "the first delay of its policy");
        assert_eq!(after(Some(1), 3), (Trigger::FailRetry, Some(2 * 3600)), "and the fourth");
        assert_eq!(
            after(None, 5),
            (Trigger::FailPark, Some(60)),
            "pauses that are long enough do not add up"
        );
        assert_eq!(after(Some(90), 5), (Trigger::FailPark, Some(90)));
        assert_eq!(after(Some(u64::MAX), 0), (Trigger::FailPark, Some(24 * 3600)));
        let until = |asked| pause_until(LaneFault::Throttled, asked, NOW).since(NOW);
        assert_eq!(until(Some(Duration::ZERO)), DEFAULT_THROTTLE);
        assert_eq!(until(Some(Duration::from_secs(1))), Duration::from_secs(1));
        assert_eq!(until(Some(Duration::MAX)), MAX_THROTTLE);
    }

    #[test]
    fn a_next_try_after_expiry_expires_the_task_now() {
        let policy = RetryPolicy::email();
        let f = Facts { expires_at: Some(NOW.plus(Duration::from_secs(10))), ..facts(&policy) };
        let v = on_failure(FailureClass::Transient, None, &f);
        assert_eq!((v.trigger, v.end), (Trigger::FailTooLate, Some(EndReason::Expired)));
        assert_eq!(on_failure(FailureClass::Throttled, None, &f).trigger, Trigger::FailTooLate);
        assert_eq!(on_failure(FailureClass::Misconfigured, None, &f).trigger, Trigger::FailPark);
    }

    #[test]
    fn hold_fails_an_ambiguous_try() {
        let policy = RetryPolicy { on_ambiguous: OnAmbiguous::Hold, ..RetryPolicy::default() };
        let v = on_failure(FailureClass::Ambiguous, None, &facts(&policy));
        assert_eq!((v.trigger, v.end), (Trigger::FailFinal, Some(EndReason::Ambiguous)));
    }

    #[test]
    fn a_snooze_counts_nothing_and_is_bounded_by_age_and_expiry() {
        let policy = RetryPolicy { max_failures: 1, ..RetryPolicy::default() };
        let f = facts(&policy);
        let minute = Duration::from_secs(60);
        let v = on_snooze(minute, &f);
        assert_eq!((v.trigger, v.counted, v.end), (Trigger::Snooze, false, None));
        assert_eq!(v.next_at, Some(NOW.plus(minute)));
        assert_eq!(on_snooze(Duration::MAX, &f).next_at, Some(NOW.plus(MAX_SNOOZE)));
        let old = Facts { now: NOW.plus(policy.max_age), ..f };
        assert_eq!(on_snooze(minute, &old).end, Some(EndReason::MaxAge));
        let short = Facts { expires_at: Some(NOW.plus(minute / 2)), ..f };
        assert_eq!(on_snooze(minute, &short).end, Some(EndReason::Expired));
        let cancelled = Facts { cancel_requested: true, ..f };
        assert_eq!(on_snooze(minute, &cancelled).end, Some(EndReason::Cancelled));
    }

    #[test]
    fn a_lost_lease_is_rescued_three_times_when_started_and_the_worker_gone() {
        let policy = RetryPolicy::default();
        let f = facts(&policy);
        let lost = LostLease { marked: false, started: true, worker_gone: true, rescues: 0 };
        for rescues in 0..3 {
            let (v, counts) = on_lost_lease(LostLease { rescues, ..lost }, &f);
            assert_eq!((v.trigger, counts), (Trigger::Rescue, true));
        }
        let (v, _) = on_lost_lease(LostLease { rescues: 3, ..lost }, &f);
        assert_eq!(v.end, Some(EndReason::WorkerLost));
        let (v, counts) = on_lost_lease(LostLease { rescues: 3, started: false, ..lost }, &f);
        assert_eq!((v.trigger, counts), (Trigger::Rescue, false));
        let (v, _) = on_lost_lease(LostLease { rescues: 3, worker_gone: false, ..lost }, &f);
        assert_eq!(v.trigger, Trigger::Rescue);
        let (v, _) = on_lost_lease(LostLease { marked: true, ..lost }, &f);
        assert_eq!((v.trigger, v.counted), (Trigger::FailRetry, true));
    }

    proptest! {
        #[test]
        fn every_verdict_is_a_row_of_the_state_table(
            class in prop::sample::select(FailureClass::ALL.to_vec()),
            failures in 0u32..20, ended in 0u32..100, age_s in 0u64..400_000,
            expires_s in prop::option::of(0u64..100_000), cancel: bool, hold: bool, jitter in 0.0f64..1.0,
            asked_s in prop::option::of(0u64..1_000_000),
        ) {
            let policy = RetryPolicy { on_ambiguous: if hold { OnAmbiguous::Hold } else { OnAmbiguous::Retry }, ..RetryPolicy::default() };
            let f = Facts {
                policy: &policy, failures, ended, first_due: NOW, now: NOW.plus(Duration::from_secs(age_s)),
                expires_at: expires_s.map(|s| NOW.plus(Duration::from_secs(age_s + s))), cancel_requested: cancel, jitter,
            };
            let v = on_failure(class, asked_s.map(Duration::from_secs), &f);
            let to = next(Some(State::Running), v.trigger);
            prop_assert!(to.is_some());
            prop_assert_eq!(to.is_some_and(State::is_final), v.end.is_some());
            prop_assert_eq!(v.end.is_none(), v.next_at.is_some());
        }
    }
}
