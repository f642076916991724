//! Everything that the API and the pages can do, apart from HTTP.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use posthaste_core::broker::{
    Cancelled, EnqueueRequest, Enqueued, Health, ListRequest, PauseRequest, Retried,
};
use posthaste_core::{
    Delivery, IdempotencyKey, NewTask, PauseReason, QueueName, RecordKind, Scope, State, Store, Subscription,
    TaskId, Timestamp,
};
use posthaste_notify::{HeldMessage, Notification};
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, Sample};
use crate::view::{
    AttemptView, CancelView, EnqueuedView, LaneView, QueueView, RetryView, TaskPage, TaskView, WorkerView,
};
use crate::{ApiConfig, ApiError};

/// Longest time that [`Api::wait`] waits.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// Longest time that the store may take to say how it is.
const HEALTH_TIME: Duration = Duration::from_secs(2);

/// What an enqueue through the API answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnqueueAnswer {
    /// The task.
    pub task: EnqueuedView,
    /// Whether the idempotency key had been used before, so that nothing was stored now.
    pub replayed: bool,
}

/// The operations; cheap to clone. The pages use these and own no rule.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    config: ApiConfig,
    metrics: Metrics,
    closing: CancellationToken,
    store_answered: AtomicBool,
    /// What the store calls itself, once it said so.
    store_kind: OnceLock<String>,
}

impl Api {
    /// Over `store`.
    pub fn new(store: Arc<dyn Store>, config: ApiConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                config,
                metrics: Metrics::default(),
                closing: CancellationToken::new(),
                store_answered: AtomicBool::new(false),
                store_kind: OnceLock::new(),
            }),
        }
    }

    /// Every HTTP route except the pages. Wrap it, merged with the pages, in [`crate::guard`].
    pub fn router(&self) -> axum::Router {
        crate::routes::router(self.clone())
    }

    /// `/healthz`, `/readyz` and `/metrics` alone: for a process that serves nothing else.
    pub fn probes(&self) -> axum::Router {
        crate::routes::probes(self.clone())
    }

    /// Its settings.
    pub fn config(&self) -> &ApiConfig {
        &self.inner.config
    }

    /// Cancel it to end event streams and waits, so that a graceful shutdown can complete. It is
    /// the token to give to [`crate::serve`].
    pub fn closing(&self) -> &CancellationToken {
        &self.inner.closing
    }

    /// Asks `source` at each scrape of `/metrics`, for example for the worker's numbers. Samples of
    /// a name that is not in docs/METRICS.md are left out.
    pub fn register_metrics(&self, source: impl Fn(&mut Vec<Sample>) + Send + Sync + 'static) {
        self.inner.metrics.register(source);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Stores a notification; durable on return. Whether a dropped call stored it is unknown.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] naming fields of the notification, [`ApiError::Unavailable`],
    /// [`ApiError::Full`].
    pub async fn notify(&self, notification: Notification) -> Result<Enqueued, ApiError> {
        check_notification(&notification)?;
        let request = EnqueueRequest { tasks: vec![notification.into_task()], idempotency: None };
        let reply = self.inner.store.enqueue(request).await?;
        self.inner.metrics.accepted(1);
        reply.tasks.first().copied().ok_or_else(fault("an enqueue of one task answered none"))
    }

    /// Stores a task; durable on return.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::IdExists`], [`ApiError::IdempotencyMismatch`],
    /// [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn enqueue(
        &self,
        task: NewTask,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<EnqueueAnswer, ApiError> {
        let reply = self.inner.store.enqueue(EnqueueRequest { tasks: vec![task], idempotency }).await?;
        let task = reply.tasks.first().copied().ok_or_else(fault("an enqueue of one task answered none"))?;
        if !reply.replayed && !task.duplicate {
            self.inner.metrics.accepted(1);
        }
        Ok(EnqueueAnswer { task: task.into(), replayed: reply.replayed })
    }

    /// The task with payload, result and log; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn task(&self, id: TaskId) -> Result<Option<TaskView>, ApiError> {
        let Some(task) = self.inner.store.get(&[id]).await?.into_iter().next().flatten() else {
            return Ok(None);
        };
        let attempts = self.inner.store.attempts(id).await?;
        Ok(Some(TaskView::new(task, Some(attempts.unwrap_or_default()))))
    }

    /// The task without its log, in one read: for pollers.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn task_brief(&self, id: TaskId) -> Result<Option<TaskView>, ApiError> {
        let task = self.inner.store.get(&[id]).await?.into_iter().next().flatten();
        Ok(task.map(|t| TaskView::new(t, None)))
    }

    /// As [`Api::task`], once it is final or `at_most` (bounded by [`MAX_WAIT`]) has passed.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn wait(&self, id: TaskId, at_most: Duration) -> Result<Option<TaskView>, ApiError> {
        let deadline = tokio::time::Instant::now() + at_most.min(MAX_WAIT);
        // Subscribed before the read, so that an end between the two is not missed.
        let mut events = self.events(Some(id));
        loop {
            let task = self.task(id).await?;
            if task.as_ref().is_none_or(|t| t.state.is_final()) {
                return Ok(task);
            }
            let ended = async {
                loop {
                    match events.next().await {
                        None | Some(Delivery::Missed) => return,
                        Some(Delivery::Events(list)) if list.iter().any(|e| e.state.is_final()) => return,
                        Some(Delivery::Events(_)) => {}
                    }
                }
            };
            tokio::select! {
                () = ended => {}
                () = tokio::time::sleep_until(deadline) => return self.task(id).await,
                () = self.inner.closing.cancelled() => return self.task(id).await,
            }
            if self.inner.closing.is_cancelled() || tokio::time::Instant::now() >= deadline {
                return self.task(id).await;
            }
        }
    }

    /// A page of tasks, newest first.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a bad cursor, [`ApiError::Unavailable`].
    pub async fn tasks(&self, request: ListRequest) -> Result<TaskPage, ApiError> {
        let page = self.inner.store.list(request).await?;
        Ok(TaskPage {
            data: page.tasks.into_iter().map(|t| TaskView::new(t, None)).collect(),
            next_cursor: page.next_cursor,
            searched_until: page.searched_until,
        })
    }

    /// The log of a task, at most the last 50; `None` when there is no such task.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn attempts(&self, id: TaskId) -> Result<Option<Vec<AttemptView>>, ApiError> {
        let attempts = self.inner.store.attempts(id).await?;
        Ok(attempts.map(|list| list.into_iter().map(Into::into).collect()))
    }

    /// The message that the sandbox held for this task; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], [`ApiError::Internal`].
    pub async fn held_message(&self, id: TaskId) -> Result<Option<HeldMessage>, ApiError> {
        let record = self.inner.store.get_record(RecordKind::SandboxMessage, &id.to_string()).await?;
        record.map(|r| r.body.parse().map_err(|_| fault("a held message has another shape")())).transpose()
    }

    /// Cancels a task: at once while it waits, through its handler while it runs.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::AlreadyFinal`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn cancel(&self, id: TaskId) -> Result<CancelView, ApiError> {
        match self.inner.store.cancel(&[id]).await?.first() {
            Some(Cancelled::Done | Cancelled::AlreadyFinal(State::Cancelled)) => {
                Ok(CancelView { id, state: State::Cancelled, cancel_requested: false })
            }
            Some(Cancelled::Requested) => {
                Ok(CancelView { id, state: State::Running, cancel_requested: true })
            }
            Some(Cancelled::AlreadyFinal(state)) => Err(ApiError::AlreadyFinal { state: *state }),
            Some(Cancelled::NotFound) => Err(ApiError::no_task(id)),
            None => Err(fault("a cancel of one task answered none")()),
        }
    }

    /// Starts a new generation of a failed, cancelled or expired task.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::NotRetryable`], [`ApiError::UniqueHeld`],
    /// [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn retry(&self, id: TaskId, expires_at: Option<Timestamp>) -> Result<RetryView, ApiError> {
        match self.inner.store.retry(&[id], expires_at).await?.first() {
            Some(Retried::Done { generation }) => {
                Ok(RetryView { id, state: State::Queued, generation: *generation })
            }
            Some(Retried::NotRetryable(state)) => Err(ApiError::NotRetryable { state: *state }),
            Some(Retried::UniqueHeld { by }) => Err(ApiError::UniqueHeld { by: *by }),
            Some(Retried::NotFound) => Err(ApiError::no_task(id)),
            None => Err(fault("a retry of one task answered none")()),
        }
    }

    /// Every queue with its tasks by state and how many workers serve it.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn queues(&self) -> Result<Vec<QueueView>, ApiError> {
        let counts = self.inner.store.counts().await?;
        let workers = self.inner.store.workers().await?;
        Ok(counts.into_iter().map(|q| QueueView::new(q, &workers)).collect())
    }

    /// Lanes that hold work, a pause or limits.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn lanes(&self, queue: Option<&QueueName>) -> Result<Vec<LaneView>, ApiError> {
        Ok(self.inner.store.lanes(queue).await?.into_iter().map(Into::into).collect())
    }

    /// The workers that were heard of lately.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn workers(&self) -> Result<Vec<WorkerView>, ApiError> {
        Ok(self.inner.store.workers().await?.into_iter().map(Into::into).collect())
    }

    /// Keeps a queue or lane from being claimed, for a time or until [`Api::resume`].
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn pause(
        &self,
        scope: Scope,
        for_: Option<Duration>,
        message: Option<String>,
    ) -> Result<(), ApiError> {
        let request = PauseRequest { scope, reason: PauseReason::Manual, for_, message };
        Ok(self.inner.store.pause(request).await?)
    }

    /// Ends a pause of any reason.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn resume(&self, scope: &Scope) -> Result<(), ApiError> {
        Ok(self.inner.store.resume(scope).await?)
    }

    /// Watches state changes, of one task or of all.
    pub fn events(&self, task: Option<TaskId>) -> Box<dyn Subscription> {
        self.inner.store.subscribe(task)
    }

    /// Whether the store answers and takes writes now. One that hangs counts as away after
    /// two seconds: whoever probes has little patience.
    pub async fn health(&self) -> Health {
        let asked = tokio::time::timeout(HEALTH_TIME, self.inner.store.health()).await;
        let health = asked.unwrap_or_else(|_| Health {
            store: self.inner.store_kind.get().cloned().unwrap_or_else(|| "unknown".to_owned()),
            version: String::new(),
            writable: false,
            problem: Some(format!("no answer within {HEALTH_TIME:?}")),
            latency_us: u64::try_from(HEALTH_TIME.as_micros()).unwrap_or(u64::MAX),
            size_bytes: 0,
        });
        if health.problem.is_none() {
            self.inner.store_kind.get_or_init(|| health.store.clone());
            self.inner.store_answered.store(true, Ordering::Relaxed);
        }
        health
    }

    /// Whether the store answered once in the life of this process.
    pub async fn started(&self) -> bool {
        self.inner.store_answered.load(Ordering::Relaxed) || self.health().await.problem.is_none()
    }
}

/// Names the fields of a notification that are not acceptable, under `body`.
fn check_notification(notification: &Notification) -> Result<(), ApiError> {
    notification.check().map_err(|problems| {
        ApiError::Invalid(
            problems
                .into_iter()
                .map(|p| crate::FieldError::new(["body", p.field], "value_error", p.problem))
                .collect(),
        )
    })
}

/// A fault of the program: logged here, once, and not told to the caller.
fn fault(what: &'static str) -> impl FnOnce() -> ApiError {
    move || {
        tracing::error!(what, "internal error");
        ApiError::Internal
    }
}
