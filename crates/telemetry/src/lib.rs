//! What a log line and a trace say about the request or attempt at hand.
//!
//! - [`TraceContext`]: the W3C `traceparent` that goes from an HTTP request with the task to its attempts.
//! - [`Tracer`], [`Span`]: records spans. Off, it costs a branch, and a context that came in is passed on unchanged.
//! - [`Scope`]: what the code that runs now is about. Set at each poll of a request's or a handler's future, it is what
//!   gives every log line below its `request_id` or `task_id`, at the price of two moves.
//! - [`publish`]: the trace of whoever enqueues goes on with the task.
//! - [`Histogram`]: durations for `/metrics`.
//! - `Exporter` (feature `otlp`): sends spans to a collector in batches, and never blocks whoever makes them.
//!
//! It is written by hand rather than on the `opentelemetry` crates. Those come by way of a `tracing` span per request and
//! attempt, which is about a microsecond of work for each task even where nothing is exported, and bring an SDK, a
//! second HTTP client and `prost`. What is needed of the protocol is one message (see [`otlp`]); tests decode it with
//! the generated types of `opentelemetry-proto`.

mod context;
#[cfg(feature = "otlp")]
mod exporter;
mod histogram;
pub mod otlp;
mod publish;
mod sampler;
pub mod scope;
mod span;
mod tracer;

pub use context::TraceContext;
#[cfg(feature = "otlp")]
pub use exporter::{Endpoint, EndpointError, Exporter, ExporterConfig};
pub use histogram::{Counted, Histogram};
pub use publish::publish;
pub use sampler::{Sampler, SamplerError};
pub use scope::{Field, Fields, Scope};
pub use span::{Recorded, Span, SpanKind, Value};
pub use tracer::{Spans, TraceStats, Tracer};
