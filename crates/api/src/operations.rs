//! Everything that the API and the pages can do, apart from HTTP.

pub(crate) mod attachments;
pub(crate) mod batches;
pub(crate) mod bulk;
pub(crate) mod endpoints;
pub(crate) mod external;
pub(crate) mod providers;
pub(crate) mod repeat;
pub(crate) mod sandbox;
pub(crate) mod schedules;
pub(crate) mod sealed;
pub(crate) mod send;
pub(crate) mod signing;
pub(crate) mod stats;
pub(crate) mod suppressions;
pub(crate) mod templates;
pub(crate) mod tenants;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use posthaste_core::broker::{
    Cancelled, EnqueueReply, EnqueueRequest, Enqueued, Health, ListRequest, PauseRequest, Retried,
};
use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{
    BrokerError, Delivery, IdempotencyKey, NewTask, PauseReason, QueueName, RecordKind, Scope, State, Store,
    Subscription, Task, TaskId, Tenant, Timestamp,
};
use posthaste_notify::callback::Callback;
use posthaste_notify::signing::Signing;
use posthaste_notify::{HeldMessage, Notification};
use posthaste_telemetry::publish;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::auth::audit::AuditState;
use crate::auth::failures::Failures;
use crate::auth::keyring::Keyring;
use crate::auth::session::SessionSecret;
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
    keyring: Keyring,
    failures: Failures,
    session_secret: SessionSecret,
    audit: AuditState,
    metrics: Metrics,
    templates: send::TemplateCache,
    note_sweep: repeat::Sweep,
    signing: Signing,
    closing: CancellationToken,
    store_answered: AtomicBool,
    /// What the store calls itself, once it said so.
    store_kind: OnceLock<String>,
    /// The description of the API as text, once somebody asked for it.
    document: OnceLock<axum::body::Bytes>,
}

impl Api {
    /// Over `store`.
    pub fn new(store: Arc<dyn Store>, config: ApiConfig) -> Self {
        let signing = Signing::new(store.clone(), config.signing.clone());
        Self {
            inner: Arc::new(Inner {
                store,
                keyring: Keyring::new(&config.keys),
                failures: Failures::new(config.failed_attempts),
                session_secret: SessionSecret::default(),
                audit: AuditState::default(),
                config,
                metrics: Metrics::default(),
                templates: send::TemplateCache::default(),
                note_sweep: repeat::Sweep::default(),
                signing,
                closing: CancellationToken::new(),
                store_answered: AtomicBool::new(false),
                store_kind: OnceLock::new(),
                document: OnceLock::new(),
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

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    pub(crate) fn signing(&self) -> &Signing {
        &self.inner.signing
    }

    pub(crate) fn templates(&self) -> &send::TemplateCache {
        &self.inner.templates
    }

    pub(crate) fn note_sweep(&self) -> &repeat::Sweep {
        &self.inner.note_sweep
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    pub(crate) fn session_secret(&self) -> &SessionSecret {
        &self.inner.session_secret
    }

    pub(crate) fn audit_state(&self) -> &AuditState {
        &self.inner.audit
    }

    pub(crate) fn failures(&self) -> &Failures {
        &self.inner.failures
    }

    pub(crate) fn document(&self) -> &OnceLock<axum::body::Bytes> {
        &self.inner.document
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Stores a notification; durable on return. Whether a dropped call stored it is unknown.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] naming fields of the notification, [`ApiError::Forbidden`],
    /// [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn notify(&self, caller: &Caller, notification: Notification) -> Result<Enqueued, ApiError> {
        Ok(self.notify_once(caller, notification, None).await?.0)
    }

    /// As [`Api::notify`], under a key once: whether it was a repeat.
    ///
    /// # Errors
    /// As [`Api::notify`]; [`ApiError::IdempotencyMismatch`].
    pub(crate) async fn notify_once(
        &self,
        caller: &Caller,
        notification: Notification,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(Enqueued, bool), ApiError> {
        check_notification(&notification)?;
        // First: it tells a tenant nothing of providers that are not its own.
        self.check_message(caller, &notification, &["body"]).await?;
        if let Err(problem) = providers::check(self.config(), &notification) {
            return Err(ApiError::field(["body", "provider"], "value_error", problem));
        }
        let reply = self.enqueue_many(caller, vec![notification.into_task()], idempotency).await?;
        let task = reply.tasks.first().copied().ok_or_else(fault("an enqueue of one task answered none"))?;
        Ok((task, reply.replayed))
    }

    /// Stores a task; durable on return.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Forbidden`] for another tenant's, [`ApiError::IdExists`],
    /// [`ApiError::IdempotencyMismatch`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn enqueue(
        &self,
        caller: &Caller,
        task: NewTask,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<EnqueueAnswer, ApiError> {
        let reply = self.enqueue_many(caller, vec![task], idempotency).await?;
        let task = reply.tasks.first().copied().ok_or_else(fault("an enqueue of one task answered none"))?;
        Ok(EnqueueAnswer { task: task.into(), replayed: reply.replayed })
    }

    /// As [`Api::enqueue`]; a URL is told when the task is final.
    ///
    /// # Errors
    /// As [`Api::enqueue`].
    pub async fn enqueue_told(
        &self,
        caller: &Caller,
        task: NewTask,
        callback_url: Option<String>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<EnqueueAnswer, ApiError> {
        self::tenants::check_envelope(caller, &task)?;
        let Some(url) = callback_url else { return self.enqueue(caller, task, idempotency).await };
        if task.unique.is_some() {
            // Of a duplicate it is about the holder of the key, which is known once this is stored.
            let answer = self.enqueue(caller, task, idempotency.clone()).await?;
            self.tell_of_task(caller, &answer, url, idempotency).await?;
            return Ok(answer);
        }
        // The callback names its task, so the task needs its id before it is stored.
        let id = task.id.unwrap_or_else(|| TaskId::from_uuid(uuid::Uuid::now_v7()));
        let callback = Callback { url, batch: None, size: None, task: Some(id) };
        let tasks = vec![NewTask { id: Some(id), ..task }, callback.into_task()];
        let reply = self.enqueue_many(caller, tasks, idempotency).await?;
        let task = reply.tasks.first().copied().ok_or_else(fault("an enqueue of two tasks answered none"))?;
        Ok(EnqueueAnswer { task: task.into(), replayed: reply.replayed })
    }

    /// Stores tasks, all or none; durable on return.
    ///
    /// # Errors
    /// As [`Api::enqueue`].
    pub(crate) async fn enqueue_many(
        &self,
        caller: &Caller,
        tasks: Vec<NewTask>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<EnqueueReply, ApiError> {
        Ok(self.try_enqueue_many(caller, tasks, idempotency).await??)
    }

    /// As [`Api::enqueue_many`]; what the store has against them is for the caller to judge.
    ///
    /// # Errors
    /// As [`Api::enqueue`], but for what the store says.
    pub(crate) async fn try_enqueue_many(
        &self,
        caller: &Caller,
        mut tasks: Vec<NewTask>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<EnqueueReply, BrokerError>, ApiError> {
        for task in &mut tasks {
            caller.claim(task)?;
            self.check_task_sender(caller, &task.kind, &task.payload)?;
        }
        let reply = self.store_tasks(EnqueueRequest { tasks, idempotency }).await;
        if let Ok(reply) = &reply
            && !reply.replayed
        {
            let stored = reply.tasks.iter().filter(|t| !t.duplicate).count();
            self.inner.metrics.accepted(stored as u64);
        }
        Ok(reply)
    }

    /// Stores tasks within the trace of the request. Every enqueue of the API goes through here.
    pub(crate) async fn store_tasks(&self, mut request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        let mut span = publish(&self.inner.config.tracer, &mut request.tasks);
        let reply = self.inner.store.enqueue(request).await;
        match &reply {
            Ok(reply) => {
                for task in &reply.tasks {
                    tracing::debug!(task_id = %task.id, state = %task.state, replayed = reply.replayed, "a task was accepted");
                }
                if let [one] = &*reply.tasks {
                    span.set("messaging.message.id", || one.id.to_string());
                }
            }
            Err(_) => span.fail("the store"),
        }
        reply
    }

    /// The task, if there is one that `caller` may see.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for a tenant where it is the installation's, [`ApiError::Unavailable`].
    pub(crate) async fn find(&self, caller: &Caller, id: TaskId) -> Result<Option<Task>, ApiError> {
        let found = self.inner.store.get(&[id]).await?.into_iter().next().flatten();
        let Some(task) = found else { return Ok(None) };
        let own = caller.finds(task.tenant.as_ref().map(Tenant::as_str))?;
        Ok(own.then_some(task))
    }

    /// Refuses what `caller` may not see, as if it were not there. Costs nothing without a tenant.
    ///
    /// # Errors
    /// [`ApiError::NotFound`]; [`ApiError::Forbidden`] for what is the installation's, [`ApiError::Unavailable`].
    pub async fn check_reach(&self, caller: &Caller, id: TaskId) -> Result<(), ApiError> {
        if caller.tenant().is_none() || self.find(caller, id).await?.is_some() {
            return Ok(());
        }
        Err(ApiError::no_task(id))
    }

    /// Which of these tasks `caller` may see.
    pub(crate) async fn own_tasks(
        &self,
        caller: &Caller,
        ids: impl Iterator<Item = TaskId>,
    ) -> Result<HashSet<TaskId>, ApiError> {
        let asked: Vec<TaskId> = ids.collect::<HashSet<_>>().into_iter().collect();
        let mut own = HashSet::new();
        for part in asked.chunks(MAX_PAGE) {
            let tasks = self.inner.store.get(part).await?.into_iter().flatten();
            own.extend(tasks.filter(|t| caller.may_see(t.tenant.as_ref())).map(|t| t.id));
        }
        Ok(own)
    }

    /// The task with payload, result and log; `None` when there is none that `caller` may see.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn task(&self, caller: &Caller, id: TaskId) -> Result<Option<TaskView>, ApiError> {
        let Some(task) = self.find(caller, id).await? else {
            return Ok(None);
        };
        let attempts = self.inner.store.attempts(id).await?;
        Ok(Some(TaskView::new(task, Some(attempts.unwrap_or_default()))))
    }

    /// The task without its log, in one read: for pollers.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn task_brief(&self, caller: &Caller, id: TaskId) -> Result<Option<TaskView>, ApiError> {
        Ok(self.find(caller, id).await?.map(|t| TaskView::new(t, None)))
    }

    /// As [`Api::task`], once it is final or `at_most` (bounded by [`MAX_WAIT`]) has passed.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn wait(
        &self,
        caller: &Caller,
        id: TaskId,
        at_most: Duration,
    ) -> Result<Option<TaskView>, ApiError> {
        let deadline = tokio::time::Instant::now() + at_most.min(MAX_WAIT);
        // Subscribed before the read, so that an end between the two is not missed.
        let mut events = self.events(Some(id));
        loop {
            let task = self.task(caller, id).await?;
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
                () = tokio::time::sleep_until(deadline) => return self.task(caller, id).await,
                () = self.inner.closing.cancelled() => return self.task(caller, id).await,
            }
            if self.inner.closing.is_cancelled() || tokio::time::Instant::now() >= deadline {
                return self.task(caller, id).await;
            }
        }
    }

    /// A page of tasks that `caller` may see, newest first.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a bad cursor, [`ApiError::Forbidden`] for another tenant's,
    /// [`ApiError::Unavailable`].
    pub async fn tasks(&self, caller: &Caller, mut request: ListRequest) -> Result<TaskPage, ApiError> {
        request.filter.tenant = caller.tenant_filter(request.filter.tenant.take())?;
        let page = match caller.tenant() {
            None => self.inner.store.list(request).await?,
            Some(tenant) => self.own_page(tenant, request).await?,
        };
        // Whatever a store makes of the filter: nothing of another tenant leaves here.
        let own = page.tasks.into_iter().filter(|t| caller.may_see(t.tenant.as_ref()));
        Ok(TaskPage {
            data: own.map(|t| TaskView::new(t, None)).collect(),
            next_cursor: page.next_cursor,
            searched_until: page.searched_until,
        })
    }

    /// The log of a task, at most the last 50; `None` when there is no such task.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for another tenant's, [`ApiError::Unavailable`].
    pub async fn attempts(&self, caller: &Caller, id: TaskId) -> Result<Option<Vec<AttemptView>>, ApiError> {
        self.check_reach(caller, id).await?;
        let attempts = self.inner.store.attempts(id).await?;
        Ok(attempts.map(|list| list.into_iter().map(Into::into).collect()))
    }

    /// The message that the sandbox held for this task; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for another tenant's, [`ApiError::Unavailable`], [`ApiError::Internal`].
    pub async fn held_message(&self, caller: &Caller, id: TaskId) -> Result<Option<HeldMessage>, ApiError> {
        self.check_reach(caller, id).await?;
        let record = self.inner.store.get_record(RecordKind::SandboxMessage, &id.to_string()).await?;
        record.map(|r| r.body.parse().map_err(|_| fault("a held message has another shape")())).transpose()
    }

    /// Cancels a task: at once while it waits, through its handler while it runs.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::AlreadyFinal`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn cancel(&self, caller: &Caller, id: TaskId) -> Result<CancelView, ApiError> {
        self.check_reach(caller, id).await?;
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
    pub async fn retry(
        &self,
        caller: &Caller,
        id: TaskId,
        expires_at: Option<Timestamp>,
    ) -> Result<RetryView, ApiError> {
        self.check_reach(caller, id).await?;
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
        let now = crate::auth::now();
        Ok(counts.into_iter().map(|q| QueueView::new(q, &workers, now)).collect())
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
        let now = crate::auth::now();
        Ok(self.inner.store.workers().await?.into_iter().map(|w| WorkerView::new(w, now)).collect())
    }

    /// Sets the limits of a lane or target, or of a queue's default lane.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn set_limits(
        &self,
        caller: &Caller,
        scope: Scope,
        limits: posthaste_core::LaneLimits,
    ) -> Result<(), ApiError> {
        let (action, target) = audited(&scope, "limit");
        self.inner.store.set_limits(&scope, limits).await?;
        self.audit(caller, action, target).await;
        Ok(())
    }

    /// Keeps a queue or lane from being claimed, for a time or until [`Api::resume`].
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn pause(
        &self,
        caller: &Caller,
        scope: Scope,
        for_: Option<Duration>,
        message: Option<String>,
    ) -> Result<(), ApiError> {
        let (action, target) = audited(&scope, "pause");
        let request = PauseRequest { scope, reason: PauseReason::Manual, for_, message };
        self.inner.store.pause(request).await?;
        self.audit(caller, action, target).await;
        Ok(())
    }

    /// Ends a pause of any reason.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn resume(&self, caller: &Caller, scope: &Scope) -> Result<(), ApiError> {
        self.inner.store.resume(scope).await?;
        let (action, target) = audited(scope, "resume");
        self.audit(caller, action, target).await;
        Ok(())
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

/// How the audit log names what was done to a queue or lane.
fn audited(scope: &Scope, verb: &'static str) -> (&'static str, String) {
    match (scope, verb) {
        (Scope::Queue(queue), "limit") => ("queues.limit", queue.to_string()),
        (Scope::Lane(queue, lane), "limit") => ("lanes.limit", format!("{queue} {lane}")),
        (Scope::Queue(queue), "pause") => ("queues.pause", queue.to_string()),
        (Scope::Queue(queue), _) => ("queues.resume", queue.to_string()),
        (Scope::Lane(queue, lane), "pause") => ("lanes.pause", format!("{queue} {lane}")),
        (Scope::Lane(queue, lane), _) => ("lanes.resume", format!("{queue} {lane}")),
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
pub(crate) fn fault(what: &'static str) -> impl FnOnce() -> ApiError {
    move || {
        tracing::error!(what, "internal error");
        ApiError::Internal
    }
}
