//! The store as its users see it: every method is a message to the writer or a query of a reader.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use crossbeam_channel::Sender;
use posthaste_core::broker::{
    Cancelled, ClaimRequest, EnqueueReply, EnqueueRequest, Extend, Extended, Fenced, Health, LaneInfo,
    ListRequest, Page, PauseRequest, QueueCounts, ReleaseReason, Retried, SeriesPoint, SeriesRequest,
    SettleReply, SettleRequest, TickReport, WorkerInfo,
};
use posthaste_core::portable::{Erased, Exported, Imported, PortableItem};
use posthaste_core::task::stored::Presets;
use posthaste_core::validate;
use posthaste_core::{
    Attempt, Broker, BrokerError, Claimed, Expect, Json, LaneLimits, LeaseRef, Portable, QueueName, Record,
    RecordKind, RecordOrder, Records, Scope, Subscription, Task, TaskId, Timestamp, Wakeups,
};
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::damage::Damage;
use crate::error::closed;
use crate::live::Live;
use crate::lookup::Lookups;
use crate::open::Opened;
use crate::read::Readers;
use crate::row::prepare;
use crate::writer::{Op, Reply, Writer, spawn};
use crate::{OpenError, SqliteConfig};

/// How often an operation is made again when it found one more damaged page.
const ROUND_TRIES: usize = 4;

/// The embedded store. Dropping it stops the writer after what it has been sent.
pub struct SqliteStore {
    inbox: Sender<Op>,
    readers: Arc<Readers>,
    lookups: Arc<Lookups>,
    live: Arc<Live>,
    damage: Arc<Damage>,
    presets: Presets,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens a data directory; makes it if it is not there.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(config: SqliteConfig) -> Result<Arc<Self>, OpenError> {
        let dir = config.dir.clone();
        tokio::task::spawn_blocking(move || Self::open_now(config))
            .await
            .unwrap_or_else(|e| Err(OpenError::Io { dir, why: e.to_string() }))
    }

    fn open_now(config: SqliteConfig) -> Result<Arc<Self>, OpenError> {
        let Opened { mut db, mem, file, lock, damage } = crate::open::open(&config.dir)?;
        let io = |e: std::io::Error| OpenError::Io { dir: config.dir.clone(), why: e.to_string() };
        let checkpoints = Checkpoints::start(&mut db, &file, Arc::clone(&damage)).map_err(io)?;
        let live = Live::new();
        let writer = Writer::new(
            db,
            mem,
            config.clock,
            config.retention,
            Arc::clone(&live),
            checkpoints,
            Arc::clone(&damage),
        );
        let (inbox, thread) = spawn(writer, lock).map_err(io)?;
        Ok(Arc::new(Self {
            inbox,
            readers: Readers::new(file, Arc::clone(&damage)),
            damage,
            lookups: Arc::default(),
            live,
            presets: Presets::new(),
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// Stores what is left, closes the file and frees the directory. Later calls answer
    /// [`BrokerError::Unavailable`]. May be called twice.
    pub async fn close(&self) {
        let (tx, rx) = oneshot::channel();
        self.readers.close();
        if self.inbox.send(Op::Close(tx)).is_ok() {
            // An error means that the thread has ended already.
            let _ = rx.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(t) = thread {
            let _ = tokio::task::spawn_blocking(move || t.join()).await;
        }
        self.readers.close();
    }

    /// As [`SqliteStore::ask`]. A transaction that meets a damaged page is void; it is made again, round what was found.
    async fn ask_round<T>(&self, op: impl Fn(Reply<T>) -> Op) -> Result<T, BrokerError> {
        for _ in 0..ROUND_TRIES {
            let known = self.damage.lost();
            match self.ask(&op).await {
                Err(BrokerError::Corrupt { .. }) if self.damage.lost() > known => {}
                other => return other,
            }
        }
        self.ask(op).await
    }

    async fn ask<T>(&self, op: impl FnOnce(Reply<T>) -> Op) -> Result<T, BrokerError> {
        let (tx, rx) = oneshot::channel();
        self.inbox.send(op(tx)).map_err(|_| closed())?;
        rx.await.map_err(|_| closed())?
    }
}

#[async_trait]
impl Broker for SqliteStore {
    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        validate::enqueue(&request)?;
        let tasks = request
            .tasks
            .into_iter()
            .map(|t| prepare(t, &self.presets))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| BrokerError::invalid(0, "tasks", e.to_string()))?;
        // Kept until the answer is there: freeing thousands of texts is not the writer's work, who has no time for it.
        let tasks = Arc::new(tasks);
        self.ask_round(|r| Op::Enqueue(Arc::clone(&tasks), request.idempotency.clone(), r)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        self.ask_round(|r| Op::Claim(request.clone(), r)).await
    }

    async fn settle(&self, request: SettleRequest) -> Result<SettleReply, BrokerError> {
        validate::settle(&request)?;
        // Kept until the answer is there: it may have to be made again, and freeing many results is not the writer's work.
        let request = Arc::new(request);
        self.ask_round(|r| Op::Settle(Arc::clone(&request), r)).await
    }

    async fn mark(&self, leases: &[LeaseRef]) -> Result<Vec<Fenced>, BrokerError> {
        validate::batch(leases.len())?;
        self.ask(|r| Op::Mark(leases.to_vec(), r)).await
    }

    async fn extend(&self, leases: &[Extend], lease: Duration) -> Result<Vec<Extended>, BrokerError> {
        validate::batch(leases.len())?;
        self.ask(|r| Op::Extend(leases.to_vec(), lease, r)).await
    }

    async fn cancel_flags(&self, leases: &[LeaseRef]) -> Result<Vec<bool>, BrokerError> {
        validate::batch(leases.len())?;
        self.ask(|r| Op::CancelFlags(leases.to_vec(), r)).await
    }

    async fn release(&self, leases: &[LeaseRef], reason: ReleaseReason) -> Result<Vec<Fenced>, BrokerError> {
        validate::batch(leases.len())?;
        self.ask_round(|r| Op::Release(leases.to_vec(), reason, r)).await
    }

    async fn cancel(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>, BrokerError> {
        validate::batch(ids.len())?;
        self.ask_round(|r| Op::Cancel(ids.to_vec(), r)).await
    }

    async fn retry(
        &self,
        ids: &[TaskId],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<Retried>, BrokerError> {
        validate::batch(ids.len())?;
        self.ask_round(|r| Op::Retry(ids.to_vec(), expires_at, r)).await
    }

    async fn tick(&self) -> Result<TickReport, BrokerError> {
        self.ask_round(Op::Tick).await
    }

    async fn get(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, BrokerError> {
        validate::batch(ids.len())?;
        let ids = ids.to_vec();
        self.readers.read(move |r| r.get(&ids)).await
    }

    async fn list(&self, request: ListRequest) -> Result<Page, BrokerError> {
        self.readers.read(move |r| r.list(&request)).await
    }

    async fn counts(&self) -> Result<Vec<QueueCounts>, BrokerError> {
        self.ask(Op::Counts).await
    }

    async fn series(&self, request: SeriesRequest) -> Result<Vec<SeriesPoint>, BrokerError> {
        // What the sweep has not stored yet belongs to the answer.
        self.ask(Op::FlushSeries).await?;
        self.readers.read(move |r| r.series(&request)).await
    }

    async fn attempts(&self, id: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError> {
        self.readers.read(move |r| r.attempts(id)).await
    }

    async fn pause(&self, request: PauseRequest) -> Result<(), BrokerError> {
        validate::pause(&request)?;
        self.ask(|r| Op::Pause(request, r)).await
    }

    async fn resume(&self, scope: &Scope) -> Result<(), BrokerError> {
        self.ask(|r| Op::Resume(scope.clone(), r)).await
    }

    async fn lift(&self, settings: &[String]) -> Result<usize, BrokerError> {
        self.ask(|r| Op::Lift(settings.to_vec(), r)).await
    }

    async fn set_limits(&self, scope: &Scope, limits: LaneLimits) -> Result<(), BrokerError> {
        validate::limits(&limits)?;
        self.ask(|r| Op::Limits(scope.clone(), limits, r)).await
    }

    async fn lanes(&self, queue: Option<&QueueName>) -> Result<Vec<LaneInfo>, BrokerError> {
        self.ask(|r| Op::Lanes(queue.cloned(), r)).await
    }

    fn subscribe(&self, task: Option<TaskId>) -> Box<dyn Subscription> {
        self.live.subscribe(task)
    }

    fn wakeups(&self) -> Box<dyn Wakeups> {
        self.live.wakeups()
    }

    async fn heartbeat(&self, worker: WorkerInfo) -> Result<(), BrokerError> {
        self.ask(|r| Op::Heartbeat(worker, r)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, BrokerError> {
        self.ask(Op::Workers).await
    }

    async fn health(&self) -> Health {
        let start = Instant::now();
        let refused = self.ask(Op::Probe).await.err().map(|e| e.to_string());
        let size_bytes = self.readers.read(|r| r.size()).await.unwrap_or(0);
        Health {
            store: "sqlite".into(),
            version: rusqlite::version().into(),
            writable: refused.is_none(),
            // What was met before holds, though this one write went well.
            problem: self.damage.problem().or(refused),
            latency_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            size_bytes,
        }
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn get_record(&self, kind: RecordKind, name: &str) -> Result<Option<Record>, BrokerError> {
        self.lookups.record(&self.readers, kind, name).await
    }

    async fn put_record(
        &self,
        kind: RecordKind,
        name: &str,
        body: Json,
        expect: Expect,
    ) -> Result<u64, BrokerError> {
        validate::record(name, &body)?;
        self.ask(|r| Op::PutRecord(kind, name.to_owned(), body, expect, r)).await
    }

    async fn list_records(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, BrokerError> {
        let after = after.map(str::to_owned);
        self.readers.read(move |r| r.records(kind, order, after.as_deref(), limit)).await
    }

    async fn delete_record(&self, kind: RecordKind, name: &str, expect: Expect) -> Result<bool, BrokerError> {
        self.ask(|r| Op::DeleteRecord(kind, name.to_owned(), expect, r)).await
    }
}

#[async_trait]
impl Portable for SqliteStore {
    async fn erase(&self, ids: &[TaskId]) -> Result<Vec<Erased>, BrokerError> {
        validate::batch(ids.len())?;
        self.ask(|r| Op::Erase(ids.to_vec(), r)).await
    }

    async fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError> {
        // What the sweep has not stored yet belongs to it.
        self.ask(Op::FlushSeries).await?;
        let cursor = cursor.map(str::to_owned);
        self.readers.read(move |r| r.export(cursor.as_deref(), limit)).await
    }

    async fn import(&self, items: Vec<PortableItem>) -> Result<Imported, BrokerError> {
        validate::import(items.len())?;
        self.ask(|r| Op::Import(items, r)).await
    }
}
