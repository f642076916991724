//! What every case starts with: an open store and short words for what is done to it.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::{
    Cancelled, ClaimRequest, EnqueueReply, EnqueueRequest, Extend, Extended, Fenced, PauseRequest,
    ReleaseReason, Retried, SettleRequest, Settled, Settlement, TickReport,
};
use posthaste_core::limits::{LEASE, Retention};
use posthaste_core::{
    Attempt, BrokerError, Claimed, Due, Failure, FailureClass, IdempotencyKey, LeaseRef, NewTask, Outcome,
    PauseReason, QueueName, Scope, State, Store, Task, TaskId, Timestamp,
};

pub(crate) use crate::words::*;
use crate::{Fixture, Harness};

/// Most ticks that one moment may need; a store that wants more goes round for ever.
const MOST_TICKS: usize = 2_000;
/// A task in a state, and the last lease it had.
pub(crate) struct Made {
    pub(crate) id: TaskId,
    pub(crate) queue: QueueName,
    pub(crate) lease: Option<LeaseRef>,
}

pub(crate) struct Rig {
    harness: Arc<dyn Harness>,
    fixture: Box<dyn Fixture>,
    made: u32,
}

impl Rig {
    pub(crate) async fn open(harness: Arc<dyn Harness>) -> Self {
        let fixture = harness.open_with(Retention::default()).await;
        Self { harness, fixture, made: 0 }
    }

    /// Another fresh store with other retention.
    pub(crate) async fn open_with(&self, retention: Retention) -> Self {
        let fixture = self.harness.open_with(retention).await;
        Self { harness: self.harness.clone(), fixture, made: 0 }
    }

    /// Another fresh store.
    pub(crate) async fn another(&self) -> Self {
        Self::open(self.harness.clone()).await
    }

    /// Which side of the rules with two sides holds.
    pub(crate) fn harness(&self) -> &dyn Harness {
        &*self.harness
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.fixture.store()
    }

    pub(crate) async fn now(&self) -> Timestamp {
        self.fixture.now().await
    }

    pub(crate) async fn reopen(&mut self) {
        self.fixture.reopen().await;
    }

    // Time.

    pub(crate) fn jump_wall(&self, by_ms: i64) {
        self.fixture.jump_wall(by_ms);
    }

    /// Time passes and nobody ticks: beyond two seconds, a gap of the store.
    pub(crate) fn advance(&self, d: Duration) {
        self.fixture.advance(d);
    }

    pub(crate) async fn tick(&self) -> TickReport {
        self.store().tick().await.expect("tick")
    }

    /// Ticks until nothing more moves; the sums.
    pub(crate) async fn tick_all(&self) -> TickReport {
        let mut sum = TickReport::default();
        for _ in 0..MOST_TICKS {
            let t = self.tick().await;
            sum.due += t.due;
            sum.rescued += t.rescued;
            sum.expired += t.expired;
            sum.pruned += t.pruned;
            sum.next = t.next;
            if !t.more {
                return sum;
            }
        }
        panic!("the store still wants to tick after {MOST_TICKS} ticks");
    }

    /// Time passes as a worker sees it: a tick each second.
    pub(crate) async fn pass(&self, d: Duration) {
        self.pass_with(d, &[], false).await;
    }

    /// Time passes; `alive` leases are extended, and their worker renews its registration.
    pub(crate) async fn pass_alive(&self, d: Duration, alive: &[LeaseRef]) {
        self.pass_with(d, alive, true).await;
    }

    async fn pass_with(&self, d: Duration, alive: &[LeaseRef], heartbeat: bool) {
        let mut left = d;
        while !left.is_zero() {
            let step = left.min(SECOND);
            self.advance(step);
            left -= step;
            if heartbeat {
                self.heartbeat("w1").await;
            }
            if !alive.is_empty() {
                self.extend(alive).await;
            }
            self.tick_all().await;
        }
    }

    /// A long time passes at once, then a tick. Rescue is held back by it; everything else is not.
    pub(crate) async fn leap(&self, d: Duration) {
        self.advance(d);
        self.tick_all().await;
    }

    /// Long enough that every lease that is not extended is lost.
    pub(crate) async fn lose_leases(&self) {
        self.pass(LEASE + secs(2)).await;
    }

    // In.

    pub(crate) async fn enqueue(&self, tasks: Vec<NewTask>) -> EnqueueReply {
        self.try_enqueue(tasks, None).await.expect("enqueue")
    }

    pub(crate) async fn try_enqueue(
        &self,
        tasks: Vec<NewTask>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<EnqueueReply, BrokerError> {
        self.store().enqueue(EnqueueRequest { tasks, idempotency }).await
    }

    /// Stores one task.
    pub(crate) async fn put(&self, task: NewTask) -> TaskId {
        let reply = self.enqueue(vec![task]).await;
        assert!(!reply.tasks[0].duplicate, "a fresh task was taken for a duplicate");
        reply.tasks[0].id
    }

    /// Stores `n` like it, in thousands, with their number as payload.
    pub(crate) async fn put_n(&self, n: usize, like: &NewTask) -> Vec<TaskId> {
        let mut ids = Vec::with_capacity(n);
        while ids.len() < n {
            let chunk = (n - ids.len()).min(1_000);
            let tasks = (0..chunk).map(|i| NewTask { payload: number(ids.len() + i), ..like.clone() });
            let reply = self.enqueue(tasks.collect()).await;
            ids.extend(reply.tasks.iter().map(|t| t.id));
        }
        ids
    }

    // Out.

    pub(crate) async fn claim_as(&self, request: ClaimRequest) -> Vec<Claimed> {
        self.store().claim(request).await.expect("claim")
    }

    /// At most `max` of the default queue, all started, by worker `w1`.
    pub(crate) async fn claim(&self, max: usize) -> Vec<Claimed> {
        self.claim_as(claim_of(max)).await
    }

    /// The one task that is ready.
    pub(crate) async fn take(&self) -> Claimed {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "a task should be ready");
        claimed.remove(0)
    }

    pub(crate) async fn ids(&self, max: usize) -> Vec<TaskId> {
        self.claim(max).await.iter().map(|c| c.lease.task).collect()
    }

    // Ends.

    pub(crate) async fn settle(&self, settlements: Vec<(LeaseRef, Outcome)>) -> Vec<Settled> {
        let settlements =
            settlements.into_iter().map(|(lease, outcome)| Settlement { lease, outcome }).collect();
        let request = SettleRequest { settlements, ..SettleRequest::default() };
        self.store().settle(request).await.expect("settle").settled
    }

    pub(crate) async fn end(&self, lease: LeaseRef, outcome: Outcome) -> Settled {
        self.settle(vec![(lease, outcome)]).await[0]
    }

    pub(crate) async fn done(&self, claimed: &Claimed) {
        let settled = self.end(claimed.lease, Outcome::done()).await;
        assert_eq!(settled, Settled::Settled(State::Succeeded));
    }

    pub(crate) async fn fail(&self, claimed: &Claimed, class: FailureClass) -> State {
        self.fail_as(claimed, Failure::new(class, "it went wrong")).await
    }

    pub(crate) async fn fail_as(&self, claimed: &Claimed, failure: Failure) -> State {
        match self.end(claimed.lease, Outcome::Failure(failure)).await {
            Settled::Settled(state) => state,
            other => panic!("a held lease could not be settled: {other:?}"),
        }
    }

    pub(crate) async fn mark(&self, lease: LeaseRef) -> Fenced {
        self.store().mark(&[lease]).await.expect("mark")[0]
    }

    pub(crate) async fn extend(&self, leases: &[LeaseRef]) -> Vec<Extended> {
        let leases: Vec<_> =
            leases.iter().map(|l| Extend { lease: *l, started: false, detached: false }).collect();
        self.store().extend(&leases, LEASE).await.expect("extend")
    }

    /// Lets go of a lease for this long.
    pub(crate) async fn detach(&self, lease: LeaseRef, length: Duration) -> Extended {
        let extend = Extend { lease, started: true, detached: true };
        self.store().extend(&[extend], length).await.expect("extend")[0]
    }

    pub(crate) async fn flag(&self, lease: LeaseRef) -> bool {
        self.store().cancel_flags(&[lease]).await.expect("cancel_flags")[0]
    }

    pub(crate) async fn release(&self, lease: LeaseRef) -> Fenced {
        self.store().release(&[lease], ReleaseReason::Shutdown).await.expect("release")[0]
    }

    pub(crate) async fn cancel(&self, id: TaskId) -> Cancelled {
        self.store().cancel(&[id]).await.expect("cancel")[0]
    }

    pub(crate) async fn retry(&self, id: TaskId) -> Retried {
        self.store().retry(&[id], None).await.expect("retry")[0]
    }

    /// Retries a task that can be.
    pub(crate) async fn again(&self, id: TaskId) {
        let retried = self.retry(id).await;
        assert!(matches!(retried, Retried::Done { .. }), "{retried:?}");
    }

    // What people see.

    pub(crate) async fn find(&self, id: TaskId) -> Option<Task> {
        self.store().get(&[id]).await.expect("get").remove(0)
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.find(id).await.expect("the task is stored")
    }

    pub(crate) async fn state(&self, id: TaskId) -> State {
        self.task(id).await.state
    }

    pub(crate) async fn log(&self, id: TaskId) -> Vec<Attempt> {
        self.store().attempts(id).await.expect("attempts").expect("the task is stored")
    }

    /// Tasks of all queues in `state`, by the counters.
    pub(crate) async fn count(&self, state: State) -> u64 {
        self.store().counts().await.expect("counts").iter().map(|q| q.of(state)).sum()
    }

    // Steering.

    pub(crate) async fn pause(&self, scope: Scope, for_: Option<Duration>) {
        let request = PauseRequest { scope, reason: PauseReason::Manual, for_, message: None };
        self.store().pause(request).await.expect("pause");
    }

    pub(crate) async fn resume(&self, scope: &Scope) {
        self.store().resume(scope).await.expect("resume");
    }

    pub(crate) async fn heartbeat(&self, id: &str) {
        self.store().heartbeat(worker_info(id, self.now().await)).await.expect("heartbeat");
    }

    /// A task brought to `state`, alone in a queue of its own.
    pub(crate) async fn make(&mut self, state: State) -> Made {
        self.made += 1;
        let queue = queue(&format!("made-{}", self.made));
        let now = self.now().await;
        let mut new = NewTask { queue: queue.clone(), policy: delays(&[3_600_000]), ..task() };
        match state {
            State::Scheduled => new.due = Due::After(HOUR),
            State::Expired => new.expires_at = Some(now.plus(MINUTE)),
            _ => {}
        }
        let id = self.put(new).await;
        let mut made = Made { id, queue, lease: None };
        if state == State::Scheduled {
            return made;
        }
        let request = ClaimRequest { queues: vec![made.queue.clone()], ..claim_of(1) };
        let claimed = self.claim_as(request).await.remove(0);
        made.lease = Some(claimed.lease);
        match state {
            State::Scheduled | State::Running => {}
            State::Queued => assert_eq!(self.release(claimed.lease).await, Fenced::Granted),
            State::Retrying | State::Expired => {
                self.fail(&claimed, FailureClass::Transient).await;
            }
            State::Succeeded => self.done(&claimed).await,
            State::Failed => {
                self.fail(&claimed, FailureClass::Permanent).await;
            }
            State::Cancelled => {
                assert_eq!(self.cancel(id).await, Cancelled::Requested);
                self.fail(&claimed, FailureClass::Transient).await;
            }
        }
        assert_eq!(self.state(id).await, state, "a task could not be brought there");
        made
    }
}
