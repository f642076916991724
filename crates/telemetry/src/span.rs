//! One span of a trace.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::TraceContext;
use crate::tracer::Shared;

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Serves a request.
    Server,
    /// Makes a request and waits for its answer.
    Client,
    /// Hands over work that is done later.
    Producer,
    /// Does work that was handed over.
    Consumer,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Int(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place.
    pub context: TraceContext,
    /// The span that it belongs to.
    pub parent: Option<u64>,
    /// What happened.
    pub name: Cow<'static, str>,
    /// Which side.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What there is to know.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did. Never an address or another text of users.
    pub error: Option<Cow<'static, str>>,
}

/// A span under way; it ends when it is dropped.
///
/// One that is not recorded costs nothing more than its size.
#[derive(Debug, Default)]
pub struct Span {
    context: Option<TraceContext>,
    recording: Option<Box<Recording>>,
}

#[derive(Debug)]
struct Recording {
    tracer: Arc<Shared>,
    span: Recorded,
}

impl Span {
    /// Records nothing and passes `context` on.
    pub(crate) fn passing(context: Option<TraceContext>) -> Self {
        Self { context, recording: None }
    }

    pub(crate) fn begin(
        tracer: Arc<Shared>,
        context: TraceContext,
        parent: Option<u64>,
        kind: SpanKind,
        name: Cow<'static, str>,
    ) -> Self {
        let now = now_ns();
        let span = Recorded {
            context,
            parent,
            name,
            kind,
            start_ns: now,
            end_ns: now,
            attributes: Vec::with_capacity(8),
            error: None,
        };
        Self { context: Some(context), recording: Some(Box::new(Recording { tracer, span })) }
    }

    /// What belongs to it goes on from here; `None` outside of any trace.
    pub fn context(&self) -> Option<TraceContext> {
        self.context
    }

    /// Whether it is recorded: whether a value is worth making.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Notes something; `value` is made only if it is recorded.
    pub fn set<V: Into<Value>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        if let Some(recording) = &mut self.recording {
            recording.span.attributes.push((name, value().into()));
        }
    }

    /// It failed: a word for why, never an address or another text of users.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        if let Some(recording) = &mut self.recording {
            recording.span.error = Some(why.into());
        }
    }

    /// Began earlier than it was made.
    pub fn began_at(&mut self, ns_since_1970: u64) {
        if let Some(recording) = &mut self.recording {
            recording.span.start_ns = ns_since_1970;
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(recording) = self.recording.take() {
            let Recording { tracer, mut span } = *recording;
            span.end_ns = now_ns().max(span.start_ns);
            tracer.ended(span);
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
