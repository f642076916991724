//! Typed kinds: an async function over a payload, and the handle that makes tasks for it.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use posthaste_core::limits::MAX_RESULT_BYTES;
use posthaste_core::{Json, Kind, Outcome, RetryPolicy};
use posthaste_worker::{Context, Handler};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ClientError, Task, TaskError};

/// A kind of task with the type of its payload and of its result.
///
/// [`Posthaste::kind`](crate::Posthaste::kind) makes one and registers its handler. A process that
/// only enqueues declares the same types with [`TaskKind::named`].
///
/// ```
/// use posthaste::TaskKind;
///
/// let double: TaskKind<u32, u32> = TaskKind::named("double").unwrap();
/// assert_eq!(double.name().as_str(), "double");
/// assert!(TaskKind::<u32, u32>::named("no spaces").is_err());
/// ```
pub struct TaskKind<P, R> {
    name: Kind,
    retry: RetryPolicy,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TaskKind<P, R> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), retry: self.retry.clone(), types: PhantomData }
    }
}

impl<P: Serialize, R> TaskKind<P, R> {
    /// The kind of this name, for a process that enqueues and does not run it.
    ///
    /// # Errors
    /// [`ClientError::Name`] when the name is not acceptable.
    pub fn named(name: impl AsRef<str>) -> Result<Self, ClientError> {
        let name = Kind::new(name).map_err(|source| ClientError::Name { field: "kind", source })?;
        Ok(Self { name, retry: RetryPolicy::default(), types: PhantomData })
    }

    /// When tasks of this kind are tried again and given up, unless one says otherwise with
    /// [`Task::retry`].
    ///
    /// ```
    /// use posthaste::{RetryPolicy, TaskKind};
    ///
    /// let double: TaskKind<u32, u32> = TaskKind::named("double").unwrap();
    /// let double = double.retry(RetryPolicy { max_failures: 3, ..RetryPolicy::default() });
    /// let (task, _) = double.task(&1).into_parts().unwrap();
    /// assert_eq!(task.policy.max_failures, 3);
    /// ```
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Its name.
    pub fn name(&self) -> &Kind {
        &self.name
    }

    /// A task of this kind, due now, with the kind's retry policy and every other default; see
    /// [`Task`] for its options.
    ///
    /// # Panics
    /// Never: a payload that cannot be JSON is reported by the enqueue.
    pub fn task(&self, payload: &P) -> Task<R> {
        Task::of_kind(self.name.clone(), Json::from_value(payload)).retry(self.retry.clone())
    }
}

/// Adapts an async function to the worker's [`Handler`].
pub(crate) struct FnHandler<F, P> {
    pub(crate) run: F,
    pub(crate) payload: PhantomData<fn(P)>,
}

#[async_trait]
impl<F, Fut, P, R, E> Handler for FnHandler<F, P>
where
    F: Fn(P, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send,
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Send,
    E: Into<TaskError> + Send,
{
    async fn run(&self, cx: Context) -> Outcome {
        let payload = match cx.task().payload.parse::<P>() {
            Ok(payload) => payload,
            // The same payload will not parse the next time either.
            Err(e) => return fail(TaskError::permanent(format!("the payload has another shape: {e}"))),
        };
        match (self.run)(payload, cx).await {
            Ok(result) => success(&result),
            Err(error) => fail(error.into()),
        }
    }
}

fn success<R: Serialize>(result: &R) -> Outcome {
    match Json::from_value(result) {
        Ok(json) if json.len() > MAX_RESULT_BYTES => fail(TaskError::permanent(format!(
            "the result has {} bytes; at most {MAX_RESULT_BYTES} are kept: store it elsewhere and return its place",
            json.len()
        ))),
        Ok(json) => Outcome::result(json),
        Err(e) => fail(TaskError::permanent(format!("the result cannot be written as JSON: {e}"))),
    }
}

fn fail(error: TaskError) -> Outcome {
    error.into_outcome()
}

/// The handler of an async function.
pub(crate) fn handler<F, Fut, P, R, E>(run: F) -> Arc<dyn Handler>
where
    F: Fn(P, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    E: Into<TaskError> + Send + 'static,
{
    Arc::new(FnHandler { run, payload: PhantomData })
}
