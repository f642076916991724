//! A real OTLP receiver on a free port of the loopback: it reads what it is sent with the generated types of
//! `opentelemetry-proto`, which share nothing with the code under test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct SeenSpan {
    /// `service.name` of its resource.
    pub service: String,
    /// Its trace, in hexadecimal.
    pub trace_id: String,
    /// Its id, in hexadecimal.
    pub span_id: String,
    /// The span that it belongs to; empty if there is none.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// Server 2, client 3, producer 4, consumer 5.
    pub kind: i32,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
    /// Its attributes; numbers as text.
    pub attributes: BTreeMap<String, String>,
    /// The message of its status, if that is an error.
    pub error: Option<String>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<SeenSpan>,
    headers: Vec<String>,
    requests: usize,
    /// Answers to the next requests, then 200.
    answers: std::collections::VecDeque<u16>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiver. Its threads end with the process.
pub struct Collector {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// When the loopback has no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let addr = listener.local_addr().expect("it listens");
        let shared = Arc::<Shared>::default();
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { addr, shared }
    }

    /// What to set `OTEL_EXPORTER_OTLP_ENDPOINT` to.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers the next requests with these statuses, and takes nothing of those that are no 200.
    pub fn answer_next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.shared.lock().answers.extend(statuses);
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// The lines of the heads of all requests.
    pub fn headers(&self) -> Vec<String> {
        self.shared.lock().headers.clone()
    }

    /// Waits until what has arrived is as `met` says; all of it.
    ///
    /// # Panics
    /// When that takes longer than `patience`; tells what did arrive.
    pub fn until(&self, patience: Duration, met: impl Fn(&[SeenSpan]) -> bool) -> Vec<SeenSpan> {
        let deadline = Instant::now() + patience;
        let mut seen = self.shared.lock();
        while !met(&seen.spans) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "these spans arrived: {:#?}", seen.spans);
            seen = self.shared.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        seen.spans.clone()
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Some((head, body)) = read_request(&mut input) {
        let status = take(shared, head, &body);
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn take(shared: &Shared, head: Vec<String>, body: &[u8]) -> u16 {
    let mut seen = shared.lock();
    seen.requests += 1;
    let mut status = seen.answers.pop_front().unwrap_or(200);
    if status == 200 {
        let fits = head.first().is_some_and(|l| l.starts_with("POST /v1/traces "))
            && head.iter().any(|l| l.eq_ignore_ascii_case("content-type: application/x-protobuf"));
        match ExportTraceServiceRequest::decode(body) {
            Ok(request) if fits => seen.spans.extend(spans(request)),
            _ => status = 400,
        }
    }
    seen.headers.extend(head);
    shared.changed.notify_all();
    status
}

fn read_request(input: &mut BufReader<TcpStream>) -> Option<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length =
        head.iter().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    input.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn spans(request: ExportTraceServiceRequest) -> Vec<SeenSpan> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut out = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(of_resource.resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").cloned().unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|s| s.spans) {
            out.push(SeenSpan {
                service: service.clone(),
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                took_ns: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
                attributes: attributes(span.attributes),
                error: span.status.filter(|s| s.code == 2).map(|s| s.message),
            });
        }
    }
    out
}

fn attributes(list: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(n)) => n.to_string(),
        other => format!("{other:?}"),
    };
    list.into_iter().map(|a| (a.key, text(a.value.and_then(|v| v.value)))).collect()
}
