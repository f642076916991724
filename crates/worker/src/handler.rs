//! What runs a task: the handler trait, what a handler is told, and the registry of kinds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use posthaste_core::{Claimed, Kind, Outcome};
use posthaste_telemetry::{Span, SpanKind, TraceContext, Tracer};
use tokio_util::sync::CancellationToken;

/// Runs the tasks of one kind.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt and says how it ended.
    ///
    /// The future is dropped when the attempt's timeout passes. A panic is caught and recorded. Both
    /// count as `transient` before [`Context::mark`] was granted and as `ambiguous` after it; a class
    /// that the handler returns wins.
    async fn run(&self, cx: Context) -> Outcome;
}

/// The lease is not this worker's any more: the handler must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// Somebody else has the task.
    #[error("the lease was lost")]
    LeaseLost,
    /// The store did not answer, so nothing may be sent; the attempt is unavailable.
    #[error("the store did not confirm the mark")]
    StoreUnavailable,
}

/// Stores the point of no return; implemented by the runtime and by tests.
#[async_trait]
pub trait Marker: Send + Sync {
    /// Marks the lease of the running attempt.
    async fn mark(&self) -> Result<(), MarkError>;
}

/// What a handler is told about its attempt.
#[derive(Clone)]
pub struct Context {
    task: Arc<Claimed>,
    cancel: CancellationToken,
    marker: Arc<dyn Marker>,
    marked: Arc<AtomicBool>,
    tracer: Tracer,
    trace: Option<TraceContext>,
}

impl Context {
    /// Put together by the runtime; tests may do so with a [`Marker`] of their own.
    pub fn new(task: Arc<Claimed>, cancel: CancellationToken, marker: Arc<dyn Marker>) -> Self {
        Self { task, cancel, marker, marked: Arc::default(), tracer: Tracer::off(), trace: None }
    }

    /// Within a trace: spans that the handler begins belong to `trace`.
    #[must_use]
    pub fn traced(mut self, tracer: Tracer, trace: Option<TraceContext>) -> Self {
        (self.tracer, self.trace) = (tracer, trace);
        self
    }

    /// Where in which trace this attempt is; its text is the `traceparent` to send along. `None` outside of any trace.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// Begins a span of this attempt for a call of another service; it ends when it is dropped. Costs nothing while
    /// nothing is recorded.
    pub fn span(&self, name: &'static str) -> Span {
        self.tracer.span(SpanKind::Client, name, self.trace)
    }

    /// The task, with its lease token, attempt number and payload.
    pub fn task(&self) -> &Claimed {
        &self.task
    }

    /// Cancelled when somebody asked to cancel the task, when its lease was lost, or when a
    /// shutdown's grace is over. A success that is returned all the same stands.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Stores the point of no return. Call it right before the first act that cannot be taken back;
    /// unless it returns `Ok`, do not act.
    ///
    /// # Errors
    /// [`MarkError`]: nothing may be sent.
    pub async fn mark(&self) -> Result<(), MarkError> {
        self.marker.mark().await?;
        self.marked.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Whether the mark was granted.
    pub fn is_marked(&self) -> bool {
        self.marked.load(Ordering::SeqCst)
    }
}

/// The handlers of a worker, by kind.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<Kind, Arc<dyn Handler>>,
}

impl Registry {
    /// No handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `handler` for `kind`; a second one for the same kind replaces the first.
    #[must_use]
    pub fn with(mut self, kind: Kind, handler: Arc<dyn Handler>) -> Self {
        self.handlers.insert(kind, handler);
        self
    }

    /// The handler of `kind`.
    pub fn get(&self, kind: &Kind) -> Option<&Arc<dyn Handler>> {
        self.handlers.get(kind)
    }

    /// The kinds that have one.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.handlers.keys()
    }
}
