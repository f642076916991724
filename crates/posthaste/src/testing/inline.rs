//! One handler, run right here.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use posthaste_core::{
    Claimed, FailureClass, Json, LeaseRef, LeaseToken, NewTask, Outcome, TaskId, Timestamp,
};
use posthaste_worker::{Context, Handler, MarkError, Marker};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Posthaste, Task};

/// Runs the handler of a task right here: once, without a store, a worker or a timeout, its first attempt.
///
/// A panic of the handler is a panic of the test.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::testing::{self, TestApp};
/// use posthaste::{FailureClass, TaskError};
///
/// let test = TestApp::open().await;
/// let half = test.app().kind("half", |n: u32, _cx| async move {
///     if n % 2 == 1 { Err(TaskError::permanent("odd")) } else { Ok(n / 2) }
/// })?;
///
/// assert_eq!(testing::run(test.app(), half.task(&8)).await.result(), Ok(4));
/// let odd = testing::run(test.app(), half.task(&7)).await;
/// assert_eq!(odd.class(), Some(FailureClass::Permanent));
/// assert_eq!(odd.result(), Err("odd".to_owned()));
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # Panics
/// When the task has an option that is not acceptable, or no handler is defined for its kind.
pub async fn run<R>(app: &Posthaste, task: Task<R>) -> Ran<R> {
    Inline::new(app, task).run().await
}

/// An inline run that is not the first attempt, or whose lease is lost; [`run`] is the short form.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::testing::{Inline, TestApp};
/// use posthaste::TaskError;
///
/// let test = TestApp::open().await;
/// let pay = test.app().kind("pay", |cents: u64, cx| async move {
///     cx.mark().await?; // from here on it cannot be taken back
///     Ok::<_, TaskError>(format!("{cents} at attempt {}", cx.task().attempt))
/// })?;
///
/// let third = Inline::new(test.app(), pay.task(&500)).attempt(3).run().await;
/// assert!(third.marked());
/// assert_eq!(third.result().as_deref(), Ok("500 at attempt 3"));
///
/// let lost = Inline::new(test.app(), pay.task(&500)).lease_lost().run().await;
/// assert!(!lost.marked() && lost.result().is_err(), "nothing was paid");
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "nothing runs before `run`"]
pub struct Inline<R> {
    handler: Arc<dyn Handler>,
    task: NewTask,
    attempt: u32,
    marks: Arc<Marks>,
    cancel: CancellationToken,
    result: PhantomData<fn() -> R>,
}

impl<R> Inline<R> {
    /// Of a task whose kind is defined in `app`.
    ///
    /// # Panics
    /// As [`run`].
    pub fn new(app: &Posthaste, task: Task<R>) -> Self {
        let (task, _) = task.into_parts().unwrap_or_else(|e| panic!("the task is not acceptable: {e}"));
        let handler =
            app.handler(&task.kind).unwrap_or_else(|| panic!("no handler is defined for {:?}", task.kind));
        let (marks, cancel) = (Arc::default(), CancellationToken::new());
        Self { handler, task, attempt: 1, marks, cancel, result: PhantomData }
    }

    /// As this attempt, from 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With a lease that is lost: a mark is refused.
    pub fn lease_lost(self) -> Self {
        self.marks.lost.store(true, Ordering::SeqCst);
        self
    }

    /// With a cancellation that was asked for before it began; [`Inline::cancellation`] asks for it later.
    pub fn cancelled(self) -> Self {
        self.cancel.cancel();
        self
    }

    /// Cancel it while the handler runs, as a person or a shutdown would.
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Runs it.
    pub async fn run(self) -> Ran<R> {
        let claimed = claimed(self.task, self.attempt);
        let context = Context::new(Arc::new(claimed), self.cancel, self.marks.clone());
        let outcome = self.handler.run(context).await;
        Ran { outcome, marked: self.marks.granted.load(Ordering::SeqCst), result: PhantomData }
    }
}

#[derive(Default)]
struct Marks {
    lost: AtomicBool,
    granted: AtomicBool,
}

#[async_trait]
impl Marker for Marks {
    async fn mark(&self) -> Result<(), MarkError> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(MarkError::LeaseLost);
        }
        self.granted.store(true, Ordering::SeqCst);
        Ok(())
    }
}

fn claimed(task: NewTask, attempt: u32) -> Claimed {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let id = task.id.unwrap_or_else(|| TaskId::from_uuid(Uuid::from_u128(since.as_nanos())));
    Claimed {
        lease: LeaseRef { task: id, token: LeaseToken { epoch: 1, nonce: 1 } },
        started: true,
        kind: task.kind,
        queue: task.queue,
        lane: task.lane,
        tenant: task.tenant,
        priority: task.priority,
        payload: task.payload,
        attempt,
        failures: attempt.saturating_sub(1),
        generation: 1,
        policy: task.policy,
        created_at: now,
        due_at: now,
        expires_at: task.expires_at,
        trace: task.trace,
    }
}

/// How an inline run ended.
#[derive(Debug)]
pub struct Ran<R> {
    outcome: Outcome,
    marked: bool,
    result: PhantomData<fn() -> R>,
}

impl<R> Ran<R> {
    /// What the handler decided, as the worker would take it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The class of its failure; `None` if it did not fail.
    pub fn class(&self) -> Option<FailureClass> {
        match &self.outcome {
            Outcome::Failure(failure) => Some(failure.class),
            Outcome::Success { .. } | Outcome::Snooze { .. } | Outcome::Detached => None,
        }
    }

    /// How long it put the task off; `None` if it did not.
    pub fn put_off(&self) -> Option<Duration> {
        match &self.outcome {
            Outcome::Snooze { delay } => Some(*delay),
            Outcome::Success { .. } | Outcome::Failure(_) | Outcome::Detached => None,
        }
    }

    /// Whether it passed its point of no return.
    pub fn marked(&self) -> bool {
        self.marked
    }
}

impl<R: DeserializeOwned> Ran<R> {
    /// What the handler returned, or the message of its failure.
    ///
    /// # Errors
    /// The message, or how long it was put off.
    ///
    /// # Panics
    /// When the result has another shape than the kind says.
    pub fn result(self) -> Result<R, String> {
        match self.outcome {
            Outcome::Success { result, .. } => {
                let json = result.unwrap_or_else(|| Json::from_trusted("null".into()));
                Ok(json
                    .parse()
                    .unwrap_or_else(|e| panic!("the result {} has another shape: {e}", json.as_str())))
            }
            Outcome::Failure(failure) => Err(failure.message),
            Outcome::Snooze { delay } => Err(format!("put off for {delay:?}")),
            Outcome::Detached => Err("let go of, for somebody else to settle".to_owned()),
        }
    }
}
