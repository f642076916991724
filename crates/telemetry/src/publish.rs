//! The trace of what enqueues goes on with the task.

use posthaste_core::NewTask;

use crate::{Span, SpanKind, TraceContext, Tracer, scope};

/// Call it right before tasks are stored, and drop the span when the store has answered.
///
/// Tasks without a trace get that of the code that runs now: the HTTP request that asks for them, or the attempt whose
/// handler makes them. One task that brings a trace of its own goes on with that. Outside of any trace, and with a tracer
/// that is off, nothing is done.
///
/// ```
/// use posthaste_core::{Json, Kind, NewTask};
/// use posthaste_telemetry::{Sampler, Tracer, publish};
///
/// let (tracer, mut spans) = Tracer::recording(Sampler::default());
/// let mut tasks = [NewTask::new(Kind::new("resize").unwrap(), Json::from_value(&1).unwrap())];
/// drop(publish(&tracer, &mut tasks));
///
/// let span = spans.drain().remove(0);
/// assert_eq!(span.name, "publish resize");
/// assert_eq!(tasks[0].trace.as_deref(), Some(span.context.to_string().as_str()));
/// ```
pub fn publish(tracer: &Tracer, tasks: &mut [NewTask]) -> Span {
    let own = match tasks {
        [one] => one.trace.as_deref().and_then(|text| text.parse::<TraceContext>().ok()),
        _ => None,
    };
    let parent = own.or_else(scope::trace);
    let Some(first) = tasks.first().filter(|_| tracer.is_on() || parent.is_some()) else {
        return Span::default();
    };
    let name = if tracer.is_on() { format!("publish {}", first.kind) } else { String::new() };
    let mut span = tracer.span(SpanKind::Producer, name, parent);
    span.set("messaging.system", || "posthaste");
    span.set("messaging.operation.type", || "send");
    span.set("messaging.destination.name", || first.queue.to_string());
    span.set("messaging.batch.message_count", || i64::try_from(tasks.len()).unwrap_or(i64::MAX));
    if let Some(context) = span.context() {
        let text = context.to_string();
        for task in tasks.iter_mut().filter(|t| own.is_some() || t.trace.is_none()) {
            task.trace = Some(text.clone());
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use posthaste_core::{Json, Kind};

    use super::*;
    use crate::{Sampler, Scope};

    fn task() -> NewTask {
        NewTask::new(Kind::new("k").expect("valid"), Json::from_value(&1).expect("plain"))
    }

    #[test]
    fn off_it_passes_on_the_trace_of_the_moment_alone() {
        let mut tasks = [task()];
        assert!(publish(&Tracer::off(), &mut tasks).context().is_none());
        assert_eq!(tasks[0].trace, None);
        let here = TraceContext { trace_id: 1, span_id: 2, sampled: true };
        let mut scope = Scope::default().with_trace(Some(here));
        let _entered = scope.enter();
        publish(&Tracer::off(), &mut tasks);
        assert_eq!(tasks[0].trace, Some(here.to_string()));
    }

    #[test]
    fn one_task_goes_on_with_its_own_trace_and_several_keep_theirs() {
        let (tracer, mut spans) = Tracer::recording(Sampler::default());
        let own = TraceContext { trace_id: 5, span_id: 6, sampled: true };
        let traced = || NewTask { trace: Some(own.to_string()), ..task() };
        let mut one = [traced()];
        publish(&tracer, &mut one);
        let span = spans.drain().remove(0);
        assert_eq!((span.context.trace_id, span.parent), (5, Some(6)));
        assert_eq!(one[0].trace, Some(span.context.to_string()));
        let mut two = [traced(), task()];
        publish(&tracer, &mut two);
        let span = spans.drain().remove(0);
        assert_eq!(two[0].trace, Some(own.to_string()));
        assert_eq!(two[1].trace, Some(span.context.to_string()));
        assert_ne!(span.context.trace_id, 5);
    }
}
