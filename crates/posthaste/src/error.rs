//! The errors of the library: what a handler returns, what a client meets.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use posthaste_core::limits::MAX_SNOOZE;
use posthaste_core::{BrokerError, Failure, FailureClass, NameError, Outcome, State, TaskId};
use posthaste_worker::MarkError;

/// Why an attempt failed. The class decides what follows, never the text.
///
/// Every error that implements [`std::error::Error`] turns into one of class
/// [`FailureClass::Transient`] by `?`, so an ordinary handler needs nothing else. The constructors
/// say another class.
///
/// (It does not implement [`std::error::Error`] itself: that is what lets `?` take every other one.)
///
/// ```
/// use std::time::Duration;
/// use posthaste::{FailureClass, TaskError};
///
/// fn parse(text: &str) -> Result<u32, TaskError> {
///     if text.is_empty() {
///         return Err(TaskError::permanent("there is nothing to parse"));
///     }
///     Ok(text.parse()?) // a ParseIntError: transient
/// }
/// assert_eq!(parse("").unwrap_err().class(), Some(FailureClass::Permanent));
/// assert_eq!(parse("x").unwrap_err().class(), Some(FailureClass::Transient));
///
/// let busy = TaskError::throttled("the other side is busy").retry_after(Duration::from_secs(30));
/// assert_eq!(busy.to_string(), "the other side is busy");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TaskError {
    what: What,
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    Failed(Failure),
    Later(Duration),
}

impl TaskError {
    /// A failure of `class` with a sentence for people.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { what: What::Failed(Failure::new(class, message)) }
    }

    /// No failure: not yet. The task is put off for `delay` (at most 24 h) as if this attempt had not been: nothing is
    /// counted, and only its `max_age` and expiry bound how often. For what has to wait for something else.
    ///
    /// ```
    /// use std::time::Duration;
    /// use posthaste::TaskError;
    ///
    /// fn collect(report_is_ready: bool) -> Result<&'static str, TaskError> {
    ///     if report_is_ready { Ok("the report") } else { Err(TaskError::later(Duration::from_secs(30))) }
    /// }
    /// assert_eq!(collect(false).unwrap_err().put_off(), Some(Duration::from_secs(30)));
    /// ```
    pub fn later(delay: Duration) -> Self {
        Self { what: What::Later(delay) }
    }

    /// It may go better later: tried again with backoff, counted.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Transient, message)
    }

    /// It will never succeed: the task fails now.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Permanent, message)
    }

    /// The target could not be reached and nothing was done: tried again, not counted. Five in a row
    /// open the breaker of the task's lane.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Unavailable, message)
    }

    /// The target asked for a pause: the lane rests (60 s, or as [`TaskError::retry_after`] says),
    /// nothing is counted.
    pub fn throttled(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Throttled, message)
    }

    /// The target refused our configuration: the lane is paused until somebody mends it.
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Misconfigured, message)
    }

    /// It may or may not have been done: the task's policy decides.
    pub fn ambiguous(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Ambiguous, message)
    }

    /// Not before this delay.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        match &mut self.what {
            What::Failed(failure) => failure.retry_after = Some(after),
            What::Later(delay) => *delay = after,
        }
        self
    }

    /// With the other side's answer code, for example `429`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        if let What::Failed(failure) = &mut self.what {
            failure.code = Some(code.into());
        }
        self
    }

    /// Its class; `None` of [`TaskError::later`], which is no failure.
    pub fn class(&self) -> Option<FailureClass> {
        match &self.what {
            What::Failed(failure) => Some(failure.class),
            What::Later(_) => None,
        }
    }

    /// How long the task is put off; `None` unless it is [`TaskError::later`].
    pub fn put_off(&self) -> Option<Duration> {
        match self.what {
            What::Failed(_) => None,
            What::Later(delay) => Some(delay),
        }
    }

    /// As the worker takes it.
    pub fn into_outcome(self) -> Outcome {
        match self.what {
            What::Failed(failure) => Outcome::Failure(failure),
            What::Later(delay) => Outcome::Snooze { delay: delay.min(MAX_SNOOZE) },
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Failed(failure) => f.write_str(&failure.message),
            What::Later(delay) => write!(f, "not before {delay:?} from now"),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Failed(failure) => write!(f, "{}: {}", failure.class, failure.message),
            What::Later(delay) => write!(f, "later: {delay:?}"),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        // A refused mark means that nothing was done, whatever else the handler meant to do.
        let class = match (&error as &dyn Any).downcast_ref::<MarkError>() {
            Some(MarkError::LeaseLost | MarkError::StoreUnavailable) => FailureClass::Unavailable,
            None => FailureClass::Transient,
        };
        Self::new(class, with_sources(&error))
    }
}

/// An error and what caused it, in one sentence; bounded, since a source may name itself.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    for _ in 0..8 {
        let Some(source) = next else { break };
        let part = source.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}

/// Why a store could not be opened.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{OpenError, Posthaste};
///
/// let error = Posthaste::open("postgres://me:secret@db/tasks").await.err().unwrap();
/// assert!(matches!(&error, OpenError::UnknownStore { scheme } if scheme == "postgres"));
/// assert!(!error.to_string().contains("secret"));
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address names no store that this build knows.
    #[error("the address{} names no store: use sqlite:<directory> or redis://<host>", of_scheme(scheme))]
    UnknownStore {
        /// The scheme of the address, empty if it has none. The rest may hold a password.
        scheme: String,
    },
    /// The embedded store refused.
    #[error(transparent)]
    Sqlite(#[from] posthaste_broker_sqlite::OpenError),
    /// The store on Redis.
    #[error(transparent)]
    Redis(#[from] posthaste_broker_redis::OpenError),
}

fn of_scheme(scheme: &str) -> String {
    if scheme.is_empty() { String::new() } else { format!(" ({scheme}://…)") }
}

/// Why a client's call failed. Nothing was stored unless it says otherwise.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{Task, testing::TestApp};
///
/// let test = TestApp::open().await;
/// let error = test.app().client().enqueue(Task::new("a", &1).queue("no spaces")).await.unwrap_err();
/// assert!(error.to_string().starts_with("queue: "));
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A name (kind, queue, lane, tenant) is not acceptable.
    #[error("{field}: {source}")]
    Name {
        /// Which name.
        field: &'static str,
        /// What is wrong with it.
        source: NameError,
    },
    /// A payload cannot be written as JSON.
    #[error("the payload cannot be written as JSON: {0}")]
    Payload(#[source] serde_json::Error),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] BrokerError),
}

/// Why a wait ended without the task being final.
///
/// ```
/// # posthaste::testing::block_on(async {
/// use posthaste::{State, Task, WaitError, testing::TestApp};
/// use std::time::Duration;
///
/// let test = TestApp::open().await;
/// let client = test.app().client();
/// let sent = client.enqueue(Task::new("nobody-runs-it", &1)).await?;
/// let error = client.wait(&sent, Duration::ZERO).await.unwrap_err();
/// assert!(matches!(error, WaitError::Timeout { state: State::Queued, .. }));
/// # test.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The time given was over. The task goes on.
    #[error("the task is still {state} after {waited:?}")]
    Timeout {
        /// Where it was.
        state: State,
        /// How long was waited.
        waited: Duration,
    },
    /// There is no such task, or it was removed by retention.
    #[error("there is no task {0}")]
    NotFound(TaskId),
    /// The task succeeded with a result of another shape.
    #[error("the result has another shape than expected: {0}")]
    Shape(#[source] serde_json::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] BrokerError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_mark_is_unavailable_and_other_errors_are_transient() {
        assert_eq!(TaskError::from(MarkError::LeaseLost).class(), Some(FailureClass::Unavailable));
        assert_eq!(TaskError::from(std::io::Error::other("x")).class(), Some(FailureClass::Transient));
    }

    #[test]
    fn causes_are_told_once() {
        let inner = BrokerError::BadCursor;
        let text = with_sources(&ClientError::Store(inner));
        assert_eq!(text, "the cursor is not one that this server gave out");
    }
}
