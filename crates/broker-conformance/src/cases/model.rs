//! Random operations against a small model of what each task must be.

use std::collections::BTreeMap;

use posthaste_core::broker::{Cancelled, Fenced, Retried, Settled};
use posthaste_core::limits::LEASE;
use posthaste_core::{Due, Failure, FailureClass, LeaseRef, NewTask, Outcome, RetryPolicy, State, TaskId};

use super::numbers::{counted, recount};
use crate::rig::*;

const OPERATIONS: usize = 300;
const MAX_FAILURES: u32 = 3;
/// Between whole seconds, so that a store whose clock runs on by itself agrees with the model.
const DELAY_MS: u64 = 4_500;

/// What a task must be.
#[derive(Debug, Clone)]
struct Expected {
    state: State,
    generation: u32,
    attempt: u32,
    failures: u32,
    due_ms: u64,
    lease: Option<LeaseRef>,
    old_lease: Option<LeaseRef>,
    marked: bool,
    cancel: bool,
}

pub(crate) struct Model {
    tasks: BTreeMap<TaskId, Expected>,
    now_ms: u64,
    random: Random,
}

/// xorshift64*: enough to choose operations, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap_or(0) % n
    }
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        Self { tasks: BTreeMap::new(), now_ms: 0, random: Random(seed | 1) }
    }

    fn pick(&mut self, state: State) -> Option<TaskId> {
        let of: Vec<_> = self.tasks.iter().filter(|(_, t)| t.state == state).map(|(id, _)| *id).collect();
        (!of.is_empty()).then(|| of[self.random.below(of.len())])
    }

    fn any(&mut self) -> Option<TaskId> {
        let n = self.tasks.len();
        (n > 0).then(|| self.random.below(n)).and_then(|i| self.tasks.keys().nth(i).copied())
    }

    fn leases(&self) -> Vec<LeaseRef> {
        self.tasks.values().filter_map(|t| t.lease).collect()
    }

    fn time_passes(&mut self, ms: u64) {
        self.now_ms += ms;
        for t in self.tasks.values_mut() {
            if matches!(t.state, State::Scheduled | State::Retrying) && t.due_ms <= self.now_ms {
                t.state = State::Queued;
            }
        }
    }
}

impl Expected {
    fn leave(&mut self, to: State) {
        self.old_lease = self.lease.take();
        self.state = to;
        self.marked = false;
    }

    fn fail(&mut self, class: FailureClass, now_ms: u64) {
        let to = if self.cancel {
            State::Cancelled
        } else if class == FailureClass::Permanent {
            State::Failed
        } else {
            self.failures += 1;
            self.due_ms = now_ms + DELAY_MS;
            if self.failures >= MAX_FAILURES { State::Failed } else { State::Retrying }
        };
        // Whether a last, permanent or cancelled try shows in `failures` decides nothing any more.
        self.leave(to);
    }
}

pub(crate) async fn step(r: &Rig, m: &mut Model) {
    match m.random.below(12) {
        0 | 1 => enqueue(r, m).await,
        2..=4 => claim(r, m).await,
        5 | 6 => end(r, m).await,
        7 => release(r, m).await,
        8 => cancel(r, m).await,
        9 => retry(r, m).await,
        10 => mark_or_stale(r, m).await,
        _ => time(r, m).await,
    }
}

async fn enqueue(r: &Rig, m: &mut Model) {
    let policy = RetryPolicy { max_failures: MAX_FAILURES, ..delays(&[DELAY_MS]) };
    let new = NewTask { policy, ..task() };
    for _ in 0..=m.random.below(3) {
        let later = m.random.below(3) == 0;
        let due = if later { Due::After(std::time::Duration::from_millis(DELAY_MS)) } else { Due::Now };
        let id = r.put(NewTask { due, ..new.clone() }).await;
        let expected = Expected {
            state: if later { State::Scheduled } else { State::Queued },
            generation: 1,
            attempt: 0,
            failures: 0,
            due_ms: m.now_ms + DELAY_MS,
            lease: None,
            old_lease: None,
            marked: false,
            cancel: false,
        };
        m.tasks.insert(id, expected);
    }
}

async fn claim(r: &Rig, m: &mut Model) {
    let max = 1 + m.random.below(3);
    let ready = m.tasks.values().filter(|t| t.state == State::Queued).count();
    let claimed = r.claim(max).await;
    assert_eq!(claimed.len(), ready.min(max), "{ready} are ready");
    for c in claimed {
        let t = m.tasks.get_mut(&c.lease.task).expect("a task of ours");
        assert_eq!(t.state, State::Queued, "{:?} was handed out", c.lease.task);
        t.state = State::Running;
        t.attempt += 1;
        t.lease = Some(c.lease);
        assert_eq!((c.attempt, c.generation), (t.attempt, t.generation));
    }
}

async fn end(r: &Rig, m: &mut Model) {
    let Some(id) = m.pick(State::Running) else { return };
    let class =
        [None, Some(FailureClass::Transient), Some(FailureClass::Ambiguous), Some(FailureClass::Permanent)]
            [m.random.below(4)];
    let now_ms = m.now_ms;
    let t = m.tasks.get_mut(&id).expect("picked");
    let lease = t.lease.expect("it runs");
    let outcome = match class {
        None => {
            t.leave(State::Succeeded);
            Outcome::done()
        }
        Some(class) => {
            t.fail(class, now_ms);
            Outcome::Failure(Failure::new(class, "random"))
        }
    };
    assert_eq!(r.end(lease, outcome).await, Settled::Settled(t.state));
}

async fn release(r: &Rig, m: &mut Model) {
    let Some(id) = m.pick(State::Running) else { return };
    let now_ms = m.now_ms;
    let t = m.tasks.get_mut(&id).expect("picked");
    assert_eq!(r.release(t.lease.expect("it runs")).await, Fenced::Granted);
    if t.marked {
        t.fail(FailureClass::Ambiguous, now_ms);
    } else {
        t.leave(if t.cancel { State::Cancelled } else { State::Queued });
    }
}

async fn cancel(r: &Rig, m: &mut Model) {
    // Some tasks shall live longer than a dozen operations.
    if m.random.below(2) == 0 {
        return;
    }
    let Some(id) = m.any() else { return };
    let t = m.tasks.get_mut(&id).expect("picked");
    let expected = match t.state {
        State::Running => Cancelled::Requested,
        s if s.is_final() => Cancelled::AlreadyFinal(s),
        _ => Cancelled::Done,
    };
    assert_eq!(r.cancel(id).await, expected);
    match expected {
        Cancelled::Requested => t.cancel = true,
        Cancelled::Done => t.state = State::Cancelled,
        _ => {}
    }
}

async fn retry(r: &Rig, m: &mut Model) {
    let Some(id) = m.any() else { return };
    let t = m.tasks.get_mut(&id).expect("picked");
    let answer = r.retry(id).await;
    if matches!(t.state, State::Failed | State::Cancelled | State::Expired) {
        assert!(matches!(answer, Retried::Done { .. }), "{answer:?}");
        t.generation += 1;
        (t.attempt, t.failures, t.cancel, t.state) = (0, 0, false, State::Queued);
    } else {
        assert_eq!(answer, Retried::NotRetryable(t.state));
    }
}

async fn mark_or_stale(r: &Rig, m: &mut Model) {
    if let Some(id) = m.pick(State::Running) {
        let t = m.tasks.get_mut(&id).expect("picked");
        assert_eq!(r.mark(t.lease.expect("it runs")).await, Fenced::Granted);
        t.marked = true;
    }
    let Some(id) = m.any() else { return };
    if let Some(old) = m.tasks[&id].old_lease {
        let late = Outcome::Failure(Failure::new(FailureClass::Permanent, "late"));
        let settled = r.end(old, late).await;
        assert!(!matches!(settled, Settled::Settled(_)), "a stale lease settled {id}");
    }
}

/// Time passes under living leases, or long enough that all are lost and all delays are over.
async fn time(r: &Rig, m: &mut Model) {
    if m.random.below(4) > 0 {
        let s = 1 + m.random.below(3) as u64;
        r.pass_alive(secs(s), &m.leases()).await;
        m.time_passes(s * 1_000);
        return;
    }
    let lost = LEASE + secs(10);
    r.pass_alive(lost, &[]).await;
    let now_ms = m.now_ms;
    for t in m.tasks.values_mut().filter(|t| t.state == State::Running) {
        if t.marked {
            t.fail(FailureClass::Ambiguous, now_ms);
        } else {
            t.leave(if t.cancel { State::Cancelled } else { State::Queued });
        }
    }
    m.time_passes(lost.as_secs() * 1_000);
}

async fn compare(r: &Rig, m: &Model, what: &str) {
    let ids: Vec<_> = m.tasks.keys().copied().collect();
    let found = r.store().get(&ids).await.expect("get");
    for (expected, found) in m.tasks.values().zip(found) {
        let t = found.unwrap_or_else(|| panic!("{what}: a task is gone: {expected:?}"));
        assert_eq!(
            (t.state, t.generation, t.attempt, t.cancel_requested && t.state == State::Running),
            (
                expected.state,
                expected.generation,
                expected.attempt,
                expected.cancel && t.state == State::Running
            ),
            "{what}: {} {expected:?}",
            t.id
        );
        if !t.state.is_final() {
            assert_eq!(t.failures, expected.failures, "{what}: {} {expected:?}", t.id);
        }
    }
}

pub(crate) async fn random_operations_agree_with_the_model(r: &mut Rig) {
    for seed in [1, 7, 42, 1_234, 987_654_321] {
        let r = r.another().await;
        let mut m = Model::new(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        r.heartbeat("w1").await;
        for n in 0..OPERATIONS {
            step(&r, &mut m).await;
            if n % 20 == 19 {
                compare(&r, &m, &format!("seed {seed}, after operation {n}")).await;
            }
        }
        let states: std::collections::BTreeSet<_> = m.tasks.values().map(|t| t.state).collect();
        assert!(states.len() >= 4, "the run was too tame: {states:?}");
    }
}

pub(crate) async fn counters_agree_with_a_recount_after_a_random_run(r: &mut Rig) {
    let mut m = Model::new(0xC0FFEE);
    r.heartbeat("w1").await;
    for n in 0..OPERATIONS {
        step(r, &mut m).await;
        if n % 50 == 49 {
            assert_eq!(counted(r).await, recount(r).await, "after operation {n}");
        }
    }
    let mut expected = [0; 8];
    for t in m.tasks.values() {
        expected[usize::from(t.state.code())] += 1;
    }
    assert_eq!(counted(r).await, expected);
}
