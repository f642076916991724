//! Traces (W3C Trace Context) from the code that enqueues to the attempts of its tasks, and to what those enqueue.
//!
//! Give a [`Tracer`] to [`Posthaste::traced`](crate::Posthaste::traced), and each enqueue is a *producer* span, each attempt a
//! *consumer* span in the same trace, and [`Context::span`](crate::Context::span) begins one below it. With the feature `otlp` an
//! `Exporter` sends them to a collector.
//!
//! Without a tracer a `traceparent` that a task was given by [`Task::trace`](crate::Task::trace) goes along all the same, and
//! [`Context::trace`](crate::Context::trace) reads it.
//!
//! ```
//! # posthaste::testing::block_on(async {
//! use posthaste::testing::TestApp;
//! use posthaste::trace::{Sampler, Tracer};
//! use posthaste::TaskError;
//!
//! let (tracer, mut spans) = Tracer::recording(Sampler::default());
//! let test = TestApp::open().await.traced(tracer);
//! let fetch = test.app().kind("fetch", |url: String, cx| async move {
//!     let mut span = cx.span("get");
//!     span.set("server.address", || url.clone());
//!     Ok::<_, TaskError>(url.len())
//! })?;
//! test.app().client().enqueue(fetch.task(&"example.com".into())).await?;
//! test.run_due().await;
//!
//! let spans = spans.drain();
//! let names: Vec<&str> = spans.iter().map(|s| s.name.as_ref()).collect();
//! assert_eq!(names, ["publish fetch", "get", "process fetch"]);
//! assert!(spans.iter().all(|s| s.context.trace_id == spans[0].context.trace_id), "one trace");
//! # test.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

pub use posthaste_telemetry::{
    Recorded, Sampler, Scope, Span, SpanKind, Spans, TraceContext, TraceStats, Tracer, scope,
};

#[cfg(feature = "otlp")]
pub use posthaste_telemetry::{Endpoint, EndpointError, Exporter, ExporterConfig, otlp::Resource};
