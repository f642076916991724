//! Starts spans and gathers those that ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::{Recorded, Sampler, Span, SpanKind, TraceContext};

/// Spans that wait for export at once; more are dropped and counted. About 3 MiB when all are there.
pub(crate) const MAX_WAITING: usize = 8192;

/// Starts spans. Cheap to clone; the default records nothing.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

/// What became of the spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceStats {
    /// Recorded, those below included.
    pub recorded: u64,
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped because too many waited.
    pub dropped: u64,
    /// Given up because the collector did not take them.
    pub failed: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    sampler: Sampler,
    tx: mpsc::Sender<Recorded>,
    pub(crate) recorded: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Shared {
    pub(crate) fn ended(&self, span: Recorded) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        if self.tx.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where ended spans come out.
#[derive(Debug)]
pub struct Spans(pub(crate) mpsc::Receiver<Recorded>);

impl Spans {
    /// Every span that has ended since, in the order of their ends.
    pub fn drain(&mut self) -> Vec<Recorded> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    /// The next span that ends; `None` once every tracer is gone.
    pub async fn next(&mut self) -> Option<Recorded> {
        self.0.recv().await
    }
}

impl Tracer {
    /// Records nothing, and passes on what came in.
    pub fn off() -> Self {
        Self(None)
    }

    /// A tracer and where its spans come out; `Exporter::start` takes both.
    ///
    /// ```
    /// use posthaste_telemetry::{Sampler, SpanKind, Tracer};
    ///
    /// let (tracer, mut spans) = Tracer::recording(Sampler::default());
    /// let mut span = tracer.span(SpanKind::Client, "send", None);
    /// span.set("messages", || 1);
    /// let child = tracer.span(SpanKind::Client, "connect", span.context());
    /// drop(child);
    /// drop(span);
    ///
    /// let ended = spans.drain();
    /// assert_eq!(ended[0].context.trace_id, ended[1].context.trace_id);
    /// assert_eq!(ended[0].parent, Some(ended[1].context.span_id));
    /// ```
    pub fn recording(sampler: Sampler) -> (Self, Spans) {
        let (tx, rx) = mpsc::channel(MAX_WAITING);
        let shared = Shared {
            sampler,
            tx,
            recorded: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        (Self(Some(Arc::new(shared))), Spans(rx))
    }

    /// Whether it records anything at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a span: within `parent`, or as the first of a new trace. Of a trace that is not recorded the context
    /// alone goes on.
    pub fn span(
        &self,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        parent: Option<TraceContext>,
    ) -> Span {
        let Some(shared) = &self.0 else { return Span::passing(parent) };
        let trace_id = parent.map_or_else(|| rand::random::<u128>().max(1), |p| p.trace_id);
        let sampled = shared.sampler.samples(trace_id, parent.as_ref());
        if !sampled && parent.is_some_and(|p| !p.sampled) {
            return Span::passing(parent);
        }
        let context = TraceContext { trace_id, span_id: rand::random::<u64>().max(1), sampled };
        if !sampled {
            return Span::passing(Some(context));
        }
        Span::begin(shared.clone(), context, parent.map(|p| p.span_id), kind, name.into())
    }

    /// What became of its spans.
    pub fn stats(&self) -> TraceStats {
        let Some(shared) = &self.0 else { return TraceStats::default() };
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        TraceStats {
            recorded: get(&shared.recorded),
            exported: get(&shared.exported),
            dropped: get(&shared.dropped),
            failed: get(&shared.failed),
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        self.0.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_passes_on_what_came_in_and_records_nothing() {
        let parent = TraceContext { trace_id: 1, span_id: 2, sampled: true };
        let span = Tracer::off().span(SpanKind::Server, "x", Some(parent));
        assert_eq!((span.context(), span.is_recording()), (Some(parent), false));
        assert_eq!(Tracer::off().span(SpanKind::Server, "x", None).context(), None);
    }

    #[test]
    fn what_is_not_sampled_keeps_its_trace_and_says_so() {
        let (tracer, mut spans) = Tracer::recording(Sampler::new("always_off", "").expect("exists"));
        let root = tracer.span(SpanKind::Server, "x", None);
        let context = root.context().expect("a trace of its own");
        assert!(!context.sampled && !root.is_recording());
        assert_eq!(tracer.span(SpanKind::Client, "y", Some(context)).context(), Some(context));
        drop(root);
        assert!(spans.drain().is_empty());
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_counted() {
        let (tracer, spans) = Tracer::recording(Sampler::default());
        for _ in 0..MAX_WAITING + 3 {
            drop(tracer.span(SpanKind::Server, "x", None));
        }
        let stats = tracer.stats();
        assert_eq!((stats.recorded, stats.dropped), (MAX_WAITING as u64 + 3, 3));
        drop(spans);
    }
}
