//! A store that fails, hangs or loses its answer when a test says so, and is the real one otherwise.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::broker::{
    Cancelled, ClaimRequest, EnqueueReply, EnqueueRequest, Extend, Extended, Fenced, Health, LaneInfo,
    ListRequest, Page, PauseRequest, QueueCounts, ReleaseReason, Retried, SeriesPoint, SeriesRequest,
    SettleReply, SettleRequest, TickReport, WorkerInfo,
};
use posthaste_core::portable::{Erased, Exported, Imported, PortableItem};
use posthaste_core::{
    Attempt, Broker, BrokerError, Claimed, Expect, Json, LaneLimits, LeaseRef, Portable, QueueName, Record,
    RecordKind, RecordOrder, Records, Scope, Store, Subscription, Task, TaskId, Timestamp, Wakeups,
};
use tokio::sync::watch;

/// A method of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// [`Broker::enqueue`].
    Enqueue,
    /// [`Broker::claim`].
    Claim,
    /// [`Broker::settle`].
    Settle,
    /// [`Broker::mark`].
    Mark,
    /// [`Broker::extend`].
    Extend,
    /// [`Broker::cancel_flags`].
    CancelFlags,
    /// [`Broker::release`].
    Release,
    /// [`Broker::cancel`].
    Cancel,
    /// [`Broker::retry`].
    Retry,
    /// [`Broker::tick`].
    Tick,
    /// [`Broker::get`].
    Get,
    /// [`Broker::list`].
    List,
    /// [`Broker::counts`].
    Counts,
    /// [`Broker::series`].
    Series,
    /// [`Broker::attempts`].
    Attempts,
    /// [`Broker::pause`].
    Pause,
    /// [`Broker::resume`].
    Resume,
    /// [`Broker::lift`].
    Lift,
    /// [`Broker::set_limits`].
    SetLimits,
    /// [`Broker::lanes`].
    Lanes,
    /// [`Broker::heartbeat`].
    Heartbeat,
    /// [`Broker::workers`].
    Workers,
    /// [`Broker::health`], which answers a fault as a problem.
    Health,
    /// [`Records::get_record`].
    GetRecord,
    /// [`Records::put_record`].
    PutRecord,
    /// [`Records::list_records`].
    ListRecords,
    /// [`Records::delete_record`].
    DeleteRecord,
    /// [`Portable::erase`].
    Erase,
    /// [`Portable::export`].
    Export,
    /// [`Portable::import`].
    Import,
}

const METHODS: usize = Method::Import as usize + 1;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused as unavailable; the store is not asked.
    Fail,
    /// The store does it, and the answer is lost.
    LoseReply,
    /// Nothing comes back until [`FaultStore::heal`], then it is unavailable; the store is not asked.
    Hang,
}

#[derive(Default)]
struct Plan {
    /// For the next calls, in order.
    next: VecDeque<Option<Fault>>,
    /// For every call after those.
    always: Option<Fault>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    begun: u64,
    ended: u64,
}

/// Wraps a store; see [`FaultStore::always`] and [`FaultStore::at`].
pub struct FaultStore {
    inner: Arc<dyn Store>,
    plans: Mutex<[Plan; METHODS]>,
    counts: watch::Sender<[Count; METHODS]>,
    healed: watch::Sender<u64>,
}

impl FaultStore {
    /// Without faults yet.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            plans: Mutex::default(),
            counts: watch::Sender::new([Count::default(); METHODS]),
            healed: watch::Sender::new(0),
        })
    }

    /// Every call of `method` from now on, except those planned by [`FaultStore::at`].
    pub fn always(&self, method: Method, fault: Fault) {
        self.plans()[method as usize].always = Some(fault);
    }

    /// Every call of every method from now on: the store is away.
    pub fn everything(&self, fault: Fault) {
        for plan in self.plans().iter_mut() {
            plan.always = Some(fault);
        }
    }

    /// The `n`-th call of `method` from now on, counted from 1.
    ///
    /// # Panics
    /// When `n` is zero.
    pub fn at(&self, method: Method, n: usize, fault: Fault) {
        let next = &mut self.plans()[method as usize].next;
        if next.len() < n {
            next.resize(n, None);
        }
        next[n - 1] = Some(fault);
    }

    /// Ends all faults; hanging calls come back as unavailable.
    pub fn heal(&self) {
        *self.plans() = Default::default();
        self.healed.send_modify(|n| *n += 1);
    }

    /// Calls of `method` that began so far.
    pub fn begun(&self, method: Method) -> u64 {
        self.counts.borrow()[method as usize].begun
    }

    /// Calls of `method` that ended so far, with or without a fault.
    pub fn ended(&self, method: Method) -> u64 {
        self.counts.borrow()[method as usize].ended
    }

    /// Returns once at least `n` calls of `method` have begun.
    pub async fn wait_begun(&self, method: Method, n: u64) {
        self.wait(|c| c[method as usize].begun >= n).await;
    }

    /// Returns once at least `n` calls of `method` have ended.
    pub async fn wait_ended(&self, method: Method, n: u64) {
        self.wait(|c| c[method as usize].ended >= n).await;
    }

    async fn wait(&self, met: impl Fn(&[Count; METHODS]) -> bool) {
        // The sender lives in `self`, so this ends only when the condition is met.
        let _ = self.counts.subscribe().wait_for(|c| met(c)).await;
    }

    fn plans(&self) -> MutexGuard<'_, [Plan; METHODS]> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, BrokerError>> + Send,
    ) -> Result<T, BrokerError> {
        let mut healed = self.healed.subscribe();
        let fault = {
            let plan = &mut self.plans()[method as usize];
            plan.next.pop_front().unwrap_or(plan.always)
        };
        self.counts.send_modify(|c| c[method as usize].begun += 1);
        let answer = match fault {
            None => call.await,
            Some(Fault::Fail) => Err(injected(method)),
            Some(Fault::LoseReply) => call.await.and_then(|_| Err(injected(method))),
            Some(Fault::Hang) => {
                let _ = healed.changed().await;
                Err(injected(method))
            }
        };
        self.counts.send_modify(|c| c[method as usize].ended += 1);
        answer
    }
}

fn injected(method: Method) -> BrokerError {
    BrokerError::Unavailable { why: format!("injected fault in {method:?}") }
}

#[async_trait]
impl Broker for FaultStore {
    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        self.call(Method::Enqueue, self.inner.enqueue(request)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        self.call(Method::Claim, self.inner.claim(request)).await
    }

    async fn settle(&self, request: SettleRequest) -> Result<SettleReply, BrokerError> {
        self.call(Method::Settle, self.inner.settle(request)).await
    }

    async fn mark(&self, leases: &[LeaseRef]) -> Result<Vec<Fenced>, BrokerError> {
        self.call(Method::Mark, self.inner.mark(leases)).await
    }

    async fn extend(&self, leases: &[Extend], lease: Duration) -> Result<Vec<Extended>, BrokerError> {
        self.call(Method::Extend, self.inner.extend(leases, lease)).await
    }

    async fn cancel_flags(&self, leases: &[LeaseRef]) -> Result<Vec<bool>, BrokerError> {
        self.call(Method::CancelFlags, self.inner.cancel_flags(leases)).await
    }

    async fn release(&self, leases: &[LeaseRef], reason: ReleaseReason) -> Result<Vec<Fenced>, BrokerError> {
        self.call(Method::Release, self.inner.release(leases, reason)).await
    }

    async fn cancel(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>, BrokerError> {
        self.call(Method::Cancel, self.inner.cancel(ids)).await
    }

    async fn retry(
        &self,
        ids: &[TaskId],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<Retried>, BrokerError> {
        self.call(Method::Retry, self.inner.retry(ids, expires_at)).await
    }

    async fn tick(&self) -> Result<TickReport, BrokerError> {
        self.call(Method::Tick, self.inner.tick()).await
    }

    async fn get(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, BrokerError> {
        self.call(Method::Get, self.inner.get(ids)).await
    }

    async fn list(&self, request: ListRequest) -> Result<Page, BrokerError> {
        self.call(Method::List, self.inner.list(request)).await
    }

    async fn counts(&self) -> Result<Vec<QueueCounts>, BrokerError> {
        self.call(Method::Counts, self.inner.counts()).await
    }

    async fn series(&self, request: SeriesRequest) -> Result<Vec<SeriesPoint>, BrokerError> {
        self.call(Method::Series, self.inner.series(request)).await
    }

    async fn attempts(&self, id: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError> {
        self.call(Method::Attempts, self.inner.attempts(id)).await
    }

    async fn pause(&self, request: PauseRequest) -> Result<(), BrokerError> {
        self.call(Method::Pause, self.inner.pause(request)).await
    }

    async fn resume(&self, scope: &Scope) -> Result<(), BrokerError> {
        self.call(Method::Resume, self.inner.resume(scope)).await
    }

    async fn lift(&self, settings: &[String]) -> Result<usize, BrokerError> {
        self.call(Method::Lift, self.inner.lift(settings)).await
    }

    async fn set_limits(&self, scope: &Scope, limits: LaneLimits) -> Result<(), BrokerError> {
        self.call(Method::SetLimits, self.inner.set_limits(scope, limits)).await
    }

    async fn lanes(&self, queue: Option<&QueueName>) -> Result<Vec<LaneInfo>, BrokerError> {
        self.call(Method::Lanes, self.inner.lanes(queue)).await
    }

    fn subscribe(&self, task: Option<TaskId>) -> Box<dyn Subscription> {
        self.inner.subscribe(task)
    }

    fn wakeups(&self) -> Box<dyn Wakeups> {
        self.inner.wakeups()
    }

    async fn heartbeat(&self, worker: WorkerInfo) -> Result<(), BrokerError> {
        self.call(Method::Heartbeat, self.inner.heartbeat(worker)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, BrokerError> {
        self.call(Method::Workers, self.inner.workers()).await
    }

    async fn health(&self) -> Health {
        let asked = self.call(Method::Health, async { Ok(self.inner.health().await) }).await;
        asked.unwrap_or_else(|fault| Health {
            store: "fault".to_owned(),
            version: String::new(),
            writable: false,
            problem: Some(fault.to_string()),
            latency_us: 0,
            size_bytes: 0,
        })
    }
}

#[async_trait]
impl Records for FaultStore {
    async fn get_record(&self, kind: RecordKind, name: &str) -> Result<Option<Record>, BrokerError> {
        self.call(Method::GetRecord, self.inner.get_record(kind, name)).await
    }

    async fn put_record(
        &self,
        kind: RecordKind,
        name: &str,
        body: Json,
        expect: Expect,
    ) -> Result<u64, BrokerError> {
        self.call(Method::PutRecord, self.inner.put_record(kind, name, body, expect)).await
    }

    async fn list_records(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, BrokerError> {
        self.call(Method::ListRecords, self.inner.list_records(kind, order, after, limit)).await
    }

    async fn delete_record(&self, kind: RecordKind, name: &str, expect: Expect) -> Result<bool, BrokerError> {
        self.call(Method::DeleteRecord, self.inner.delete_record(kind, name, expect)).await
    }
}

#[async_trait]
impl Portable for FaultStore {
    async fn erase(&self, ids: &[TaskId]) -> Result<Vec<Erased>, BrokerError> {
        self.call(Method::Erase, self.inner.erase(ids)).await
    }

    async fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError> {
        self.call(Method::Export, self.inner.export(cursor, limit)).await
    }

    async fn import(&self, items: Vec<PortableItem>) -> Result<Imported, BrokerError> {
        self.call(Method::Import, self.inner.import(items)).await
    }
}
