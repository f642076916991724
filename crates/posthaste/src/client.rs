//! Enqueues tasks, reads them, cancels and retries them, and awaits their results.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::{Cancelled, EnqueueReply, EnqueueRequest, Retried};
use posthaste_core::{
    Attempt, BrokerError, Delivery, Json, State, Store, Subscription, Task as StoredTask, TaskEnd, TaskId,
    limits::MAX_ENQUEUE,
};
use posthaste_telemetry::{Tracer, publish};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::{ClientError, Task, WaitError, all};

/// A watcher that heard nothing for this long reads the store again: an event is only a hint.
const REREAD_EVERY: Duration = Duration::from_secs(5);

/// Talks to a store. Cheap to clone.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{Cancelled, State, Task, testing::TestApp};
/// use std::time::Duration;
///
/// let test = TestApp::open().await;
/// let client = test.app().client();
///
/// let sent = client.enqueue(Task::new("report", &"2026-01").delay(Duration::from_secs(3600))).await?;
/// assert_eq!(client.get(sent.id).await?.unwrap().state, State::Scheduled);
/// assert_eq!(client.cancel(sent.id).await?, Cancelled::Done);
/// client.retry(sent.id).await?; // a new generation, due now
/// assert_eq!(client.get(sent.id).await?.unwrap().state, State::Queued);
/// assert_eq!(client.attempts(sent.id).await?.unwrap().len(), 0, "nobody ran it");
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// All methods are cancel safe in the sense that a dropped future leaves the store valid; whether an
/// enqueue happened is then unknown unless it had an idempotency key, whose repeat tells.
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn Store>,
    tracer: Tracer,
}

/// One enqueued task; `R` is the type of its result.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{TaskKind, testing::TestApp};
///
/// let test = TestApp::open().await;
/// let client = test.app().client();
/// let invoice: TaskKind<u32, ()> = TaskKind::named("invoice")?;
///
/// // A request that is repeated, perhaps because its answer was lost, stores nothing twice.
/// let first = client.enqueue(invoice.task(&7).idempotency_key("order-7")).await?;
/// let again = client.enqueue(invoice.task(&7).idempotency_key("order-7")).await?;
/// assert!(!first.replayed && again.replayed && first.id == again.id);
///
/// // Another task of the kind while the first is not final.
/// let holder = client.enqueue(invoice.task(&8).unique("customer-1")).await?;
/// let second = client.enqueue(invoice.task(&9).unique("customer-1")).await?;
/// assert!(second.duplicate && second.id == holder.id);
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Sent<R> {
    /// Its id; of a duplicate, the id of the task that holds the unique key.
    pub id: TaskId,
    /// Its state when it was stored (of a replay or duplicate: now).
    pub state: State,
    /// Whether another task holds its unique key, so that nothing was stored.
    pub duplicate: bool,
    /// Whether its idempotency key had been used before, so that nothing was stored now.
    pub replayed: bool,
    result: PhantomData<fn() -> R>,
}

/// How a task ended.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{State, TaskError, TaskResult, testing::TestApp};
/// use std::time::Duration;
///
/// let test = TestApp::open().await;
/// let refuse = test.app().kind("refuse", |(): (), _cx| async { Err::<(), _>(TaskError::permanent("no")) })?;
/// let sent = test.app().client().enqueue(refuse.task(&())).await?;
/// test.run_due().await;
///
/// match test.app().client().wait(&sent, Duration::from_secs(10)).await? {
///     TaskResult::Succeeded(()) => unreachable!("it refuses"),
///     TaskResult::Ended { state, error } => assert_eq!((state, error.message.as_str()), (State::Failed, "no")),
/// }
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskResult<T> {
    /// Done, with what its handler returned.
    Succeeded(T),
    /// Final without success.
    Ended {
        /// `failed`, `cancelled` or `expired`.
        state: State,
        /// Why.
        error: TaskEnd,
    },
}

impl<T> TaskResult<T> {
    /// The result, or why there is none.
    ///
    /// # Errors
    /// The end of a task that did not succeed.
    pub fn into_result(self) -> Result<T, TaskEnd> {
        match self {
            Self::Succeeded(value) => Ok(value),
            Self::Ended { error, .. } => Err(error),
        }
    }
}

impl Client {
    /// A client of `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, tracer: Tracer::off() }
    }

    /// Records a span of each enqueue; see [`trace`](crate::trace).
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// The store, for what this type has no method for.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Stores a task. It is durable when this returns: the embedded store has fsynced it.
    ///
    /// # Errors
    /// [`ClientError`]; nothing was stored.
    pub async fn enqueue<R>(&self, task: Task<R>) -> Result<Sent<R>, ClientError> {
        let (new, idempotency) = task.into_parts()?;
        let reply = self.store_tasks(EnqueueRequest { tasks: vec![new], idempotency }).await?;
        let replayed = reply.replayed;
        let one = reply.tasks.first().ok_or_else(|| short_reply(1, 0))?;
        Ok(Sent { id: one.id, state: one.state, duplicate: one.duplicate, replayed, result: PhantomData })
    }

    async fn store_tasks(&self, mut request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        let mut span = publish(&self.tracer, &mut request.tasks);
        let reply = self.store.enqueue(request).await;
        if reply.is_err() {
            span.fail("the store");
        }
        reply
    }

    /// Stores up to 1,000 tasks, all or none, in one transaction: by far the fastest way. Their
    /// idempotency keys are not used; give them ids of your own or unique keys where repeats matter.
    ///
    /// # Errors
    /// [`ClientError`]; nothing was stored.
    pub async fn enqueue_many<R>(
        &self,
        tasks: impl IntoIterator<Item = Task<R>>,
    ) -> Result<Vec<Sent<R>>, ClientError> {
        let tasks =
            tasks.into_iter().map(|t| Ok(t.into_parts()?.0)).collect::<Result<Vec<_>, ClientError>>()?;
        if tasks.len() > MAX_ENQUEUE {
            let problem = format!("{} tasks; at most {MAX_ENQUEUE} at once", tasks.len());
            return Err(BrokerError::invalid(MAX_ENQUEUE, "tasks", problem).into());
        }
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let asked = tasks.len();
        let reply = self.store_tasks(EnqueueRequest { tasks, idempotency: None }).await?;
        if reply.tasks.len() != asked {
            return Err(short_reply(asked, reply.tasks.len()).into());
        }
        let sent = |e: &posthaste_core::broker::Enqueued| Sent {
            id: e.id,
            state: e.state,
            duplicate: e.duplicate,
            replayed: reply.replayed,
            result: PhantomData,
        };
        Ok(reply.tasks.iter().map(sent).collect())
    }

    /// Awaits the end of a task that was enqueued here, and reads its result.
    ///
    /// # Errors
    /// [`WaitError`]. A timeout changes nothing about the task.
    pub async fn wait<R: DeserializeOwned>(
        &self,
        sent: &Sent<R>,
        timeout: Duration,
    ) -> Result<TaskResult<R>, WaitError> {
        self.wait_for(sent.id, timeout).await
    }

    /// Awaits the end of any task, its result read as `T` ([`Json`] takes all; a task without a
    /// result reads as `null`).
    ///
    /// # Errors
    /// [`WaitError`]. A timeout changes nothing about the task.
    pub async fn wait_for<T: DeserializeOwned>(
        &self,
        id: TaskId,
        timeout: Duration,
    ) -> Result<TaskResult<T>, WaitError> {
        let deadline = Instant::now() + timeout;
        // Subscribed before the first read, so that no end falls between the two.
        let mut events = self.store.subscribe(Some(id));
        loop {
            let task = self.get(id).await?.ok_or(WaitError::NotFound(id))?;
            if task.state.is_final() {
                return ended_as(task);
            }
            let again = deadline.min(Instant::now() + REREAD_EVERY);
            if timeout_at(again, until_final(events.as_mut())).await.is_err() && Instant::now() >= deadline {
                return Err(WaitError::Timeout { state: task.state, waited: timeout });
            }
        }
    }

    /// Awaits the end of many tasks, and reads their results in the order of `sent`. The wait is for all of them
    /// together: it reads each task about twice, however many there are.
    ///
    /// ```
    /// # posthaste::testing::block_on(async {
    /// use posthaste::{TaskError, testing::TestApp};
    /// use std::time::Duration;
    ///
    /// let test = TestApp::open().await;
    /// let square = test.app().kind("square", |n: u64, _cx| async move { Ok::<_, TaskError>(n * n) })?;
    /// let worker = test.app().worker().start().await?;
    /// let client = test.app().client();
    ///
    /// let sent = client.enqueue_many((1..=100).map(|n| square.task(&n))).await?;
    /// let results = client.wait_all(&sent, Duration::from_secs(30)).await?;
    /// let sum: u64 = results.into_iter().map(|r| r.into_result().unwrap()).sum();
    /// assert_eq!(sum, 338_350);
    /// # worker.shutdown().await;
    /// # test.close().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`WaitError`], of the first task that gives rise to one. A timeout changes nothing about the tasks.
    pub async fn wait_all<R: DeserializeOwned>(
        &self,
        sent: &[Sent<R>],
        timeout: Duration,
    ) -> Result<Vec<TaskResult<R>>, WaitError> {
        let ids: Vec<TaskId> = sent.iter().map(|s| s.id).collect();
        let ended = all::ended(self.store.as_ref(), &ids, timeout).await?;
        ended.into_iter().map(ended_as).collect()
    }

    /// The task, with payload and result; `None` when there is none.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub async fn get(&self, id: TaskId) -> Result<Option<StoredTask>, BrokerError> {
        Ok(self.store.get(&[id]).await?.into_iter().next().flatten())
    }

    /// Its attempts, oldest first; `None` when there is no such task.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub async fn attempts(&self, id: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError> {
        self.store.attempts(id).await
    }

    /// Cancels a task that waits, or asks the handler of a running one to stop.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub async fn cancel(&self, id: TaskId) -> Result<Cancelled, BrokerError> {
        Ok(self.store.cancel(&[id]).await?.into_iter().next().unwrap_or(Cancelled::NotFound))
    }

    /// Starts a failed, cancelled or expired task anew: a new generation, counters from zero.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub async fn retry(&self, id: TaskId) -> Result<Retried, BrokerError> {
        Ok(self.store.retry(&[id], None).await?.into_iter().next().unwrap_or(Retried::NotFound))
    }
}

fn short_reply(asked: usize, got: usize) -> BrokerError {
    BrokerError::Corrupt { what: format!("{got} answers to {asked} tasks") }
}

/// Returns when the task may be final: an event said so, some were missed, or the store closed.
async fn until_final(events: &mut dyn Subscription) {
    loop {
        match events.next().await {
            Some(Delivery::Events(batch)) if !batch.iter().any(|e| e.state.is_final()) => {}
            Some(Delivery::Events(_) | Delivery::Missed) => return,
            // Closed: nothing more will come, and the deadline or the next read ends the wait.
            None => std::future::pending().await,
        }
    }
}

fn ended_as<T: DeserializeOwned>(task: StoredTask) -> Result<TaskResult<T>, WaitError> {
    if task.state == State::Succeeded {
        let result = task.result.unwrap_or_else(|| Json::from_trusted("null".into()));
        return result.parse().map(TaskResult::Succeeded).map_err(WaitError::Shape);
    }
    let error = task.error.unwrap_or_else(|| TaskEnd {
        reason: None,
        class: None,
        message: format!("the task is {}", task.state),
        code: None,
    });
    Ok(TaskResult::Ended { state: task.state, error })
}
