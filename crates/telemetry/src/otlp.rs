//! Spans as an `ExportTraceServiceRequest` of OTLP, in protobuf: the few fields that are used, written by hand
//! (<https://github.com/open-telemetry/opentelemetry-proto>, `trace/v1/trace.proto`).

use crate::{Recorded, SpanKind, Value};

/// Who the spans are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `service.name` and what else is known.
    pub attributes: Vec<(String, String)>,
    /// The version of the program that made the spans.
    pub version: &'static str,
}

/// The message that is posted to `/v1/traces`.
pub fn request(resource: &Resource, spans: &[Recorded]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + spans.len() * 384);
    // ExportTraceServiceRequest.resource_spans
    message(&mut out, 1, |out| {
        // ResourceSpans.resource
        message(out, 1, |out| {
            for (key, value) in &resource.attributes {
                message(out, 1, |out| text_attribute(out, key, value));
            }
        });
        // ResourceSpans.scope_spans
        message(out, 2, |out| {
            message(out, 1, |out| {
                bytes(out, 1, b"posthaste");
                bytes(out, 2, resource.version.as_bytes());
            });
            for span in spans {
                message(out, 2, |out| write_span(out, span));
            }
        });
    });
    out
}

fn write_span(out: &mut Vec<u8>, span: &Recorded) {
    bytes(out, 1, &span.context.trace_id.to_be_bytes());
    bytes(out, 2, &span.context.span_id.to_be_bytes());
    if let Some(parent) = span.parent {
        bytes(out, 4, &parent.to_be_bytes());
    }
    bytes(out, 5, span.name.as_bytes());
    number(out, 6, kind(span.kind));
    fixed64(out, 7, span.start_ns);
    fixed64(out, 8, span.end_ns);
    for (key, value) in &span.attributes {
        message(out, 9, |out| match value {
            Value::Text(text) => text_attribute(out, key, text),
            Value::Int(n) => {
                bytes(out, 1, key.as_bytes());
                // A negative number is ten bytes of its two's complement.
                message(out, 2, |out| number(out, 3, *n as u64));
            }
        });
    }
    if let Some(error) = &span.error {
        message(out, 15, |out| {
            bytes(out, 2, error.as_bytes());
            number(out, 3, 2);
        });
    }
}

fn kind(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn text_attribute(out: &mut Vec<u8>, key: &str, value: &str) {
    bytes(out, 1, key.as_bytes());
    message(out, 2, |out| bytes(out, 1, value.as_bytes()));
}

/// A field whose length is known only when it is written.
fn message(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    varint(out, field << 3 | 2);
    let start = out.len();
    write(out);
    let mut length = Vec::with_capacity(5);
    varint(&mut length, (out.len() - start) as u64);
    out.splice(start..start, length);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use prost::Message;

    use super::*;
    use crate::TraceContext;

    #[test]
    fn the_generated_types_read_what_is_written() {
        let context =
            TraceContext { trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span_id: 1, sampled: true };
        let spans: Vec<Recorded> = (0..300)
            .map(|n| Recorded {
                context: TraceContext { span_id: n + 1, ..context },
                parent: (n > 0).then_some(n),
                name: "process notify ü".into(),
                kind: SpanKind::Consumer,
                start_ns: 1_700_000_000_000_000_000 + n,
                end_ns: 1_700_000_000_000_000_100 + n,
                attributes: vec![("a", "x".repeat(200).into()), ("n", Value::Int(-1)), ("e", "".into())],
                error: (n == 0).then(|| "transient".into()),
            })
            .collect();
        let resource = Resource {
            attributes: vec![("service.name".to_owned(), "posthaste".to_owned())],
            version: "0.1.0",
        };
        let read =
            ExportTraceServiceRequest::decode(request(&resource, &spans).as_slice()).expect("is protobuf");
        let of_resource = &read.resource_spans[0];
        let name = &of_resource.resource.as_ref().expect("a resource").attributes[0];
        assert_eq!(name.key, "service.name");
        let scope = &of_resource.scope_spans[0];
        assert_eq!(
            scope.scope.as_ref().map(|s| (s.name.as_str(), s.version.as_str())),
            Some(("posthaste", "0.1.0"))
        );
        assert_eq!(scope.spans.len(), 300);
        for (wrote, read) in spans.iter().zip(&scope.spans) {
            assert_eq!(read.trace_id, wrote.context.trace_id.to_be_bytes());
            assert_eq!(read.span_id, wrote.context.span_id.to_be_bytes());
            assert_eq!(
                read.parent_span_id,
                wrote.parent.map(u64::to_be_bytes).map_or(vec![], |p| p.to_vec())
            );
            assert_eq!((read.name.as_str(), read.kind), ("process notify ü", 5));
            assert_eq!((read.start_time_unix_nano, read.end_time_unix_nano), (wrote.start_ns, wrote.end_ns));
            let values: Vec<_> = read.attributes.iter().map(|a| a.value.as_ref()?.value.clone()).collect();
            assert_eq!(
                values,
                [
                    Some(Any::StringValue("x".repeat(200))),
                    Some(Any::IntValue(-1)),
                    Some(Any::StringValue(String::new()))
                ]
            );
            let status = read.status.as_ref().map(|s| (s.code, s.message.as_str()));
            assert_eq!(status, wrote.error.as_ref().map(|_| (2, "transient")));
        }
    }
}
