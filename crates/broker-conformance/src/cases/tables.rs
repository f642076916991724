//! The tables of `core`, row by row: a row without a case here fails, and so does a pair that is
//! not in the table but moves a task.

use posthaste_core::broker::{Cancelled, ClaimRequest, Fenced, ReleaseReason, Retried, Settled};
use posthaste_core::limits::MAX_RESCUES;
use posthaste_core::task::class::{CLASSES, LaneEffect, TaskEffect};
use posthaste_core::task::state::{State, TRANSITIONS, Transition, Trigger, next};
use posthaste_core::{
    Due, Failure, FailureClass, LeaseRef, LeaseToken, NewTask, Outcome, RetryPolicy, TaskId,
};

use crate::rig::*;

/// Moves a task along a row of the table; its id.
async fn drive(r: &mut Rig, row: &Transition) -> TaskId {
    let now = r.now().await;
    match (row.from, row.on) {
        (None, Trigger::EnqueueNow) => r.put(task()).await,
        (None, Trigger::EnqueueLater) => r.put(NewTask { due: Due::After(HOUR), ..task() }).await,
        (Some(from @ (State::Scheduled | State::Retrying)), Trigger::Due) => {
            let made = r.make(from).await;
            r.leap(HOUR + SECOND).await;
            made.id
        }
        (Some(State::Queued), Trigger::Claim) => {
            let id = r.put(task()).await;
            assert_eq!(r.take().await.lease.task, id);
            id
        }
        (Some(State::Running), on) => drive_running(r, on).await,
        (Some(from @ (State::Scheduled | State::Queued | State::Retrying)), Trigger::Cancel) => {
            let made = r.make(from).await;
            assert_eq!(r.cancel(made.id).await, Cancelled::Done);
            made.id
        }
        (Some(from @ (State::Scheduled | State::Queued | State::Retrying)), Trigger::Expire) => {
            let due = if from == State::Scheduled { Due::After(HOUR) } else { Due::Now };
            let expires_at = Some(now.plus(MINUTE));
            let id = r.put(NewTask { due, expires_at, policy: delays(&[59_000]), ..task() }).await;
            if from == State::Retrying {
                assert_eq!(r.fail(&r.take().await, FailureClass::Transient).await, from);
                // Its next try is due before it expires, so time passes without a tick in between.
            }
            assert_eq!(r.state(id).await, from);
            r.advance(MINUTE + SECOND);
            r.tick_all().await;
            id
        }
        (Some(State::Queued), Trigger::MaxAge) => {
            let policy = RetryPolicy { max_age: HOUR, ..RetryPolicy::default() };
            let id = r.put(NewTask { policy, ..in_lane("parked") }).await;
            assert_eq!(r.fail(&r.take().await, FailureClass::Misconfigured).await, State::Queued);
            r.leap(HOUR + MINUTE).await;
            id
        }
        (Some(from @ (State::Failed | State::Cancelled | State::Expired)), Trigger::Retry) => {
            let made = r.make(from).await;
            r.again(made.id).await;
            made.id
        }
        (from, on) => panic!("the row {from:?} on {on:?} has no case"),
    }
}

async fn drive_running(r: &mut Rig, on: Trigger) -> TaskId {
    let max_age = if on == Trigger::MaxAge { HOUR } else { HOUR * 72 };
    let policy = RetryPolicy { max_age, ..delays(&[120_000]) };
    let expires_at = (on == Trigger::FailTooLate).then_some(r.now().await.plus(MINUTE));
    let id = r.put(NewTask { policy, expires_at, ..in_lane("a") }).await;
    let c = r.take().await;
    match on {
        Trigger::Success => r.done(&c).await,
        Trigger::FailRetry | Trigger::FailTooLate => {
            r.fail(&c, FailureClass::Transient).await;
        }
        Trigger::FailFinal => {
            r.fail(&c, FailureClass::Permanent).await;
        }
        Trigger::FailPark => {
            // Longer than its own backoff: with less it waits for that.
            let throttled = Failure::new(FailureClass::Throttled, "slow down").with_retry_after(HOUR);
            r.fail_as(&c, throttled).await;
        }
        Trigger::Release => assert_eq!(r.release(c.lease).await, Fenced::Granted),
        Trigger::ReleaseUnknown => {
            let reason = ReleaseReason::UnknownKind { delay: MINUTE };
            r.store().release(&[c.lease], reason).await.expect("release");
        }
        Trigger::Snooze => {
            r.end(c.lease, Outcome::Snooze { delay: MINUTE }).await;
        }
        Trigger::Rescue => r.lose_leases().await,
        Trigger::WorkerLost => {
            for _ in 0..MAX_RESCUES {
                r.lose_leases().await;
                r.take().await;
            }
            r.lose_leases().await;
        }
        Trigger::Cancel => {
            assert_eq!(r.cancel(id).await, Cancelled::Requested);
            r.fail(&c, FailureClass::Transient).await;
        }
        Trigger::MaxAge => {
            r.release(c.lease).await;
            r.leap(HOUR + SECOND).await;
            let c = r.take().await;
            r.fail(&c, FailureClass::Unavailable).await;
        }
        other => panic!("the row running on {other:?} has no case"),
    }
    id
}

pub(crate) async fn each_row_of_the_state_table_happens(r: &mut Rig) {
    for row in TRANSITIONS {
        let mut fresh = r.another().await;
        let id = drive(&mut fresh, row).await;
        let state = fresh.state(id).await;
        assert_eq!(state, row.to, "{:?} on {:?}: {}", row.from, row.on, row.note);
    }
}

/// What can be done to a task from outside, and the rows of the table that it may follow.
const OPERATIONS: &[(&str, &[Trigger])] = &[
    ("claim", &[Trigger::Claim]),
    ("settle a success", &[Trigger::Success]),
    ("settle a failure", &[Trigger::FailRetry, Trigger::FailFinal]),
    ("settle a throttling", &[Trigger::FailPark]),
    ("settle a snooze", &[Trigger::Snooze]),
    ("release", &[Trigger::Release]),
    ("release as unknown", &[Trigger::ReleaseUnknown]),
    ("mark", &[]),
    ("extend", &[]),
    ("ask for cancel flags", &[]),
    ("cancel", &[Trigger::Cancel]),
    ("retry", &[Trigger::Retry]),
    ("tick", &[]),
    ("pass a lease's time", &[Trigger::Rescue]),
];

async fn operate(r: &Rig, operation: &str, made: &Made) {
    let forged = LeaseRef { task: made.id, token: LeaseToken { epoch: 1, nonce: 1 } };
    let lease = made.lease.unwrap_or(forged);
    let failure = |class| Outcome::Failure(Failure::new(class, "late"));
    match operation {
        "claim" => {
            r.claim_as(ClaimRequest { queues: vec![made.queue.clone()], ..claim_of(10) }).await;
        }
        "settle a success" => assert_not_settled(r.end(lease, Outcome::done()).await),
        "settle a failure" => assert_not_settled(r.end(lease, failure(FailureClass::Transient)).await),
        "settle a throttling" => assert_not_settled(r.end(lease, failure(FailureClass::Throttled)).await),
        "settle a snooze" => assert_not_settled(r.end(lease, Outcome::Snooze { delay: MINUTE }).await),
        "release" => assert_eq!(r.release(lease).await, Fenced::LeaseLost),
        "release as unknown" => {
            let reason = ReleaseReason::UnknownKind { delay: MINUTE };
            let answers = r.store().release(&[lease], reason).await.expect("release");
            assert_eq!(answers, [Fenced::LeaseLost]);
        }
        "mark" => {
            r.mark(lease).await;
        }
        "extend" => {
            r.extend(&[lease]).await;
        }
        "ask for cancel flags" => {
            r.flag(lease).await;
        }
        "cancel" => assert!(matches!(r.cancel(made.id).await, Cancelled::AlreadyFinal(_))),
        "retry" => assert!(matches!(r.retry(made.id).await, Retried::NotRetryable(_))),
        "tick" => {
            r.tick_all().await;
        }
        "pass a lease's time" => r.lose_leases().await,
        other => panic!("{other} is not an operation"),
    }
}

fn assert_not_settled(settled: Settled) {
    assert!(!matches!(settled, Settled::Settled(_)), "a task that does not run was settled");
}

pub(crate) async fn pairs_outside_the_table_leave_the_task_unchanged(r: &mut Rig) {
    let mut refused = 0;
    for state in State::ALL {
        for (operation, triggers) in OPERATIONS {
            if triggers.iter().any(|t| next(Some(state), *t).is_some()) {
                continue;
            }
            let made = r.make(state).await;
            let before = format!("{:?}", r.task(made.id).await);
            let log = r.log(made.id).await;
            operate(r, operation, &made).await;
            assert_eq!(format!("{:?}", r.task(made.id).await), before, "{operation} of a {state} task");
            assert_eq!(r.log(made.id).await, log, "{operation} of a {state} task wrote to its log");
            refused += 1;
        }
    }
    assert!(refused > 60, "only {refused} pairs are refused");
}

pub(crate) async fn each_row_of_the_class_table_holds(r: &mut Rig) {
    for rule in CLASSES {
        let r = r.another().await;
        let id = r.put(NewTask { policy: delays(&[1]), ..in_lane("a/x") }).await;
        let state = r.fail(&r.take().await, rule.class).await;
        let expected = match rule.task {
            TaskEffect::Retry | TaskEffect::ByPolicy => State::Retrying,
            TaskEffect::Park => State::Queued,
            TaskEffect::Fail => State::Failed,
        };
        assert_eq!(state, expected, "{}", rule.class);
        let t = r.task(id).await;
        assert_eq!(t.state, expected);
        let counted = r.log(id).await[0].counted;
        let counts = rule.counts && rule.task != TaskEffect::Fail;
        if counts || !rule.counts {
            assert_eq!((t.failures, counted), (u32::from(rule.counts), rule.counts), "{}", rule.class);
        }
        assert_eq!(t.error.and_then(|e| e.class), Some(rule.class), "the task says why it waits");
        r.pass(SECOND).await;
        let neighbour = r.put(in_lane("a/y")).await;
        let flows = r.claim(10).await.iter().any(|c| c.lease.task == neighbour);
        let held = matches!(rule.lane, LaneEffect::PauseUntil | LaneEffect::PauseAlarm);
        assert_eq!(flows, !held, "{}: the target's other lanes", rule.class);
    }
}
