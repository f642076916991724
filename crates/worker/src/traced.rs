//! What an attempt says about itself: to the lines that its handler logs, and to the trace that its task belongs to.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use posthaste_core::Outcome;
use posthaste_telemetry::{Field, Fields, Scope, Span, SpanKind, TraceContext, Tracer, scope};
use tracing::debug;

use crate::board::End;
use crate::running::Running;

/// A line about a task: with its id, kind, queue and attempt.
macro_rules! task_line {
    ($level:ident, $task:expr, $($rest:tt)+) => {{
        let about = &$task.task;
        tracing::$level!(
            task_id = %about.lease.task,
            kind = %about.kind,
            queue = %about.queue,
            attempt = about.attempt,
            $($rest)+
        );
    }};
}
pub(crate) use task_line;

impl Fields for Running {
    fn fields(&self, write: &mut dyn FnMut(&'static str, Field<'_>)) {
        write("task_id", Field::Text(&self.lease.task));
        write("kind", Field::Text(&self.task.kind));
        write("queue", Field::Text(&self.task.queue));
        write("attempt", Field::Number(u64::from(self.task.attempt)));
    }
}

/// An attempt under way, as logs and traces see it.
pub(crate) struct Traced {
    tracer: Tracer,
    span: Span,
    scope: Scope,
    /// For subscribers that show spans. Off unless `posthaste::attempt=debug` asks for it: the work of a subscriber on
    /// a span is more than that of a short task.
    shown: tracing::Span,
}

/// While it lives, what is logged is about the attempt.
pub(crate) struct Entered<'a>(
    #[expect(dead_code)] scope::Entered<'a>,
    #[expect(dead_code)] tracing::span::Entered<'a>,
);

impl Traced {
    pub(crate) fn begin(tracer: &Tracer, task: &Arc<Running>) -> Self {
        let came: Option<TraceContext> = task.task.trace.as_deref().and_then(|text| text.parse().ok());
        let about = &task.task;
        let span = if tracer.is_on() {
            attempt_span(tracer, task, came)
        } else {
            tracer.span(SpanKind::Consumer, "", came)
        };
        let shown = tracing::debug_span!(
            target: "posthaste::attempt",
            "attempt",
            task_id = %about.lease.task,
            kind = %about.kind,
            queue = %about.queue,
            attempt = about.attempt,
        );
        Self { tracer: tracer.clone(), scope: Scope::new(task.clone(), span.context()), span, shown }
    }

    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    pub(crate) fn context(&self) -> Option<TraceContext> {
        self.span.context()
    }

    pub(crate) fn enter(&mut self) -> Entered<'_> {
        Entered(self.scope.enter(), self.shown.enter())
    }

    /// Notes how it ended.
    pub(crate) fn end(mut self, end: &End) {
        let (word, class) = words(end);
        if self.span.is_recording() {
            self.span.set("posthaste.outcome", || word);
            if let Some(class) = class {
                self.span.set("error.type", || class);
                self.span.fail(class);
            }
        }
        // Before the span ends, so that the line has its ids.
        let _entered = self.enter();
        debug!(outcome = word, class, "an attempt ended");
    }
}

/// How an attempt ended, and its class if it failed. Never the message, which may hold an address.
fn words(end: &End) -> (&'static str, Option<&'static str>) {
    match end {
        End::Release => ("released", None),
        End::Detach => ("detached", None),
        End::Outcome(Outcome::Success { .. }) => ("succeeded", None),
        End::Outcome(Outcome::Snooze { .. }) => ("snoozed", None),
        End::Outcome(Outcome::Detached) => ("detached", None),
        End::Outcome(Outcome::Failure(failure)) => ("failed", Some(failure.class.as_str())),
    }
}

/// Names as in OpenTelemetry's conventions for messaging
/// (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>).
fn attempt_span(tracer: &Tracer, task: &Running, parent: Option<TraceContext>) -> Span {
    let about = &task.task;
    let mut span = tracer.span(SpanKind::Consumer, format!("process {}", about.kind), parent);
    if span.is_recording() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        span.set("messaging.system", || "posthaste");
        span.set("messaging.operation.type", || "process");
        span.set("messaging.destination.name", || about.queue.to_string());
        span.set("messaging.message.id", || about.lease.task.to_string());
        span.set("posthaste.kind", || about.kind.to_string());
        span.set("posthaste.attempt", || i64::from(about.attempt));
        span.set("posthaste.wait_ms", || now.saturating_sub(about.due_at.as_millis()).max(0));
        if let Some(lane) = &about.lane {
            span.set("posthaste.lane", || lane.to_string());
        }
    }
    span
}
