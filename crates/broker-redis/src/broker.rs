//! The three traits, each call checked and passed on.

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
    RecordKind, RecordOrder, Records, Scope, Subscription, Task, TaskId, Timestamp, Wakeups, validate,
};

use crate::store::RedisStore;
use crate::{health, overview, reads, records, series, workers};

#[async_trait]
impl Broker for RedisStore {
    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        validate::enqueue(&request)?;
        self.inner.enqueue(request).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        if request.max == 0 {
            return Ok(Vec::new());
        }
        self.inner.claim(request).await
    }

    async fn settle(&self, request: SettleRequest) -> Result<SettleReply, BrokerError> {
        validate::settle(&request)?;
        self.inner.settle(request).await
    }

    async fn mark(&self, leases: &[LeaseRef]) -> Result<Vec<Fenced>, BrokerError> {
        validate::batch(leases.len())?;
        self.inner.mark(leases).await
    }

    async fn extend(&self, leases: &[Extend], lease: Duration) -> Result<Vec<Extended>, BrokerError> {
        validate::batch(leases.len())?;
        self.inner.extend(leases, lease).await
    }

    async fn cancel_flags(&self, leases: &[LeaseRef]) -> Result<Vec<bool>, BrokerError> {
        validate::batch(leases.len())?;
        self.inner.cancel_flags(leases).await
    }

    async fn release(&self, leases: &[LeaseRef], reason: ReleaseReason) -> Result<Vec<Fenced>, BrokerError> {
        validate::batch(leases.len())?;
        self.inner.release(leases, reason).await
    }

    async fn cancel(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>, BrokerError> {
        validate::batch(ids.len())?;
        self.inner.cancel(ids).await
    }

    async fn retry(
        &self,
        ids: &[TaskId],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<Retried>, BrokerError> {
        validate::batch(ids.len())?;
        self.inner.retry(ids, expires_at).await
    }

    async fn tick(&self) -> Result<TickReport, BrokerError> {
        self.inner.tick().await
    }

    async fn get(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, BrokerError> {
        validate::batch(ids.len())?;
        self.inner.get(ids).await
    }

    async fn list(&self, request: ListRequest) -> Result<Page, BrokerError> {
        reads::list(self.inner.found().await?, &self.inner.names, &request).await
    }

    async fn counts(&self) -> Result<Vec<QueueCounts>, BrokerError> {
        overview::counts(self.inner.found().await?).await
    }

    async fn series(&self, request: SeriesRequest) -> Result<Vec<SeriesPoint>, BrokerError> {
        series::series(self.inner.found().await?, &request).await
    }

    async fn attempts(&self, id: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError> {
        reads::attempts(self.inner.found().await?, id).await
    }

    async fn pause(&self, request: PauseRequest) -> Result<(), BrokerError> {
        validate::pause(&request)?;
        self.inner.pause(request).await
    }

    async fn resume(&self, scope: &Scope) -> Result<(), BrokerError> {
        self.inner.resume(scope).await
    }

    async fn lift(&self, settings: &[String]) -> Result<usize, BrokerError> {
        self.inner.lift(settings).await
    }

    async fn set_limits(&self, scope: &Scope, limits: LaneLimits) -> Result<(), BrokerError> {
        validate::limits(&limits)?;
        self.inner.set_limits(scope, limits).await
    }

    async fn lanes(&self, queue: Option<&QueueName>) -> Result<Vec<LaneInfo>, BrokerError> {
        overview::lanes(self.inner.found().await?, queue).await
    }

    fn subscribe(&self, task: Option<TaskId>) -> Box<dyn Subscription> {
        self.inner.live.subscribe(task)
    }

    fn wakeups(&self) -> Box<dyn Wakeups> {
        self.inner.live.wakeups()
    }

    async fn heartbeat(&self, worker: WorkerInfo) -> Result<(), BrokerError> {
        workers::heartbeat(self.inner.found().await?, &worker).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, BrokerError> {
        workers::workers(self.inner.found().await?).await
    }

    async fn health(&self) -> Health {
        // Never set up means never reached: the probe says why.
        let _known = self.inner.found().await;
        health::health(self.inner.shards(), self.inner.allow_eviction).await
    }
}

#[async_trait]
impl Records for RedisStore {
    async fn get_record(&self, kind: RecordKind, name: &str) -> Result<Option<Record>, BrokerError> {
        records::get(self.inner.found().await?, kind, name).await
    }

    async fn put_record(
        &self,
        kind: RecordKind,
        name: &str,
        body: Json,
        expect: Expect,
    ) -> Result<u64, BrokerError> {
        validate::record(name, &body)?;
        records::put(self.inner.found().await?, kind, name, &body, expect).await
    }

    async fn list_records(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, BrokerError> {
        records::list(self.inner.found().await?, kind, order, after, limit).await
    }

    async fn delete_record(&self, kind: RecordKind, name: &str, expect: Expect) -> Result<bool, BrokerError> {
        records::delete(self.inner.found().await?, kind, name, expect).await
    }
}

#[async_trait]
impl Portable for RedisStore {
    async fn erase(&self, ids: &[TaskId]) -> Result<Vec<Erased>, BrokerError> {
        validate::batch(ids.len())?;
        self.inner.erase(ids).await
    }

    async fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError> {
        self.inner.export(cursor, limit).await
    }

    async fn import(&self, items: Vec<PortableItem>) -> Result<Imported, BrokerError> {
        validate::import(items.len())?;
        self.inner.import(items).await
    }
}
