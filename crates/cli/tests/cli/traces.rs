//! Traces of the real binary at a real OTLP receiver: from HTTP through the queue to the attempt and what it sends, on
//! both stores; and that a collector which is away hurts nobody.

use std::io::{Read, Write};
use std::net::TcpStream;

use posthaste_testkit::ClosedPort;
use posthaste_testkit::otlp::{Collector, SeenSpan};
use posthaste_testkit::redis::{RedisOptions, RedisServer};
use posthaste_testkit::smtp::SmtpSink;

use super::support::{PATIENCE, Process};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const LOG: &[(&str, &str)] =
    &[("POSTHASTE_LOG", "json"), ("RUST_LOG", "info,posthaste_api=debug,posthaste_worker=debug")];

/// The answer to one request of a caller that is in a trace.
fn request(url: &str, method: &str, path: &str) -> String {
    let addr = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: 0\r\n\
         X-Request-Id: req-7\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn send(url: &str) {
    let answer = request(url, "POST", "/notify/?email=dev%40example.com");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn start(dir: &std::path::Path, args: &[&str], what: &str, env: &[(&str, &str)]) -> (Process, String) {
    let env: Vec<_> = LOG.iter().chain(env).copied().collect();
    let mut process = Process::start(dir, args, &env);
    let url = process.ready(what);
    (process, url)
}

fn line_with(log: &str, message: &str) -> serde_json::Value {
    let lines = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("a JSON line"));
    lines
        .into_iter()
        .find(|l| l["message"] == message)
        .unwrap_or_else(|| panic!("{message:?} is not in: {log}"))
}

/// Each span of the notification, and that each belongs to the one before.
fn check_chain(spans: &[SeenSpan]) {
    let of = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|s| s.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:#?}");
        found[0]
    };
    let chain = [("POST /notify/", 2), ("publish notify", 4), ("process notify", 5), ("send", 3)];
    let mut parent = CALLER;
    for (name, kind) in chain {
        let span = of(name);
        assert_eq!(
            (span.trace_id.as_str(), span.parent.as_str(), span.kind),
            (TRACE, parent, kind),
            "{span:?}"
        );
        assert_eq!(span.error, None, "{span:?}");
        parent = &span.span_id;
    }
    assert!(of("process notify").took_ns >= of("send").took_ns);
    let attempt = &of("process notify").attributes;
    assert_eq!(attempt["messaging.destination.name"], "default");
    assert_eq!((&*attempt["posthaste.attempt"], &*attempt["posthaste.outcome"]), ("1", "succeeded"));
    assert_eq!(attempt["messaging.message.id"], of("publish notify").attributes["messaging.message.id"]);
    let server = &of("POST /notify/").attributes;
    assert_eq!((&*server["http.route"], &*server["http.response.status_code"]), ("/notify/", "200"));
    assert_eq!(server["posthaste.request_id"], "req-7");
    let everything = format!("{spans:?}");
    assert!(!everything.contains("example.com"), "no address is in a trace: {everything}");
}

/// The lines of request and attempt name each other's trace.
fn check_lines(api_log: &str, worker_log: &str) {
    let answered = line_with(api_log, "a request was answered");
    assert_eq!(
        (&answered["request_id"], &answered["trace_id"]),
        (&"req-7".into(), &TRACE.into()),
        "{answered}"
    );
    let accepted = line_with(api_log, "a task was accepted");
    assert_eq!(accepted["request_id"], "req-7", "{accepted}");
    let ended = line_with(worker_log, "an attempt ended");
    assert_eq!(ended["task_id"], accepted["task_id"], "{ended}");
    assert_eq!((&ended["trace_id"], &ended["outcome"]), (&TRACE.into(), &"succeeded".into()), "{ended}");
    assert_eq!(
        (&ended["kind"], &ended["queue"], &ended["attempt"]),
        (&"notify".into(), &"default".into(), &1.into())
    );
}

#[test]
fn one_trace_from_http_to_the_mail_server_on_the_embedded_store() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sink = runtime.block_on(SmtpSink::start());
    let (collector, dir) = (Collector::start(), tempfile::tempdir().unwrap());
    let smtp = format!("smtp://{}", sink.addr());
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter%32".to_owned()),
        ("POSTHASTE_SMTP_URL", smtp),
    ];
    let env: Vec<_> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let (up, url) = start(dir.path(), &["up", "--addr", "127.0.0.1:0"], "Posthaste", &env);
    send(&url);
    let spans = collector.until(PATIENCE, |spans| spans.iter().any(|s| s.name == "process notify"));
    let spans = if spans.len() < 4 { collector.until(PATIENCE, |s| s.len() >= 4) } else { spans };
    check_chain(&spans);
    assert!(spans.iter().all(|s| s.service == "posthaste"), "{spans:?}");
    assert!(collector.headers().iter().any(|l| l.eq_ignore_ascii_case("api-key: hunter2")));
    assert!(request(&url, "GET", "/metrics").contains("posthaste_trace_spans_total{outcome=\"exported\"}"));
    let (code, log) = up.terminate();
    assert_eq!(code, Some(0), "{log}");
    check_lines(&log, &log);
    assert!(!log.contains("hunter2"), "{log}");
    runtime.shutdown_background();
}

#[test]
fn one_trace_over_two_processes_with_redis_between_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sink = runtime.block_on(SmtpSink::start());
    let (collector, dir) = (Collector::start(), tempfile::tempdir().unwrap());
    let redis = RedisServer::start(&RedisOptions::default());
    let (redis_url, otlp, smtp) = (redis.url(), collector.url(), format!("smtp://{}", sink.addr()));
    let env = |service| {
        [
            ("REDIS_URL", redis_url.as_str()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.as_str()),
            ("POSTHASTE_SMTP_URL", smtp.as_str()),
            ("OTEL_SERVICE_NAME", service),
        ]
    };
    let (api, url) = start(dir.path(), &["api", "--addr", "127.0.0.1:0"], "Posthaste API", &env("shop-api"));
    let (worker, _) = start(
        dir.path(),
        &["worker", "--worker-addr", "127.0.0.1:0"],
        "Posthaste worker",
        &env("shop-worker"),
    );
    send(&url);
    let spans = collector.until(PATIENCE, |spans| spans.len() >= 4);
    check_chain(&spans);
    for span in &spans {
        let expected = if matches!(span.kind, 2 | 4) { "shop-api" } else { "shop-worker" };
        assert_eq!(span.service, expected, "{span:?}");
    }
    let (_, worker_log) = worker.terminate();
    let (_, api_log) = api.terminate();
    check_lines(&api_log, &worker_log);
    runtime.shutdown_background();
}

#[test]
fn what_waits_is_sent_at_the_end_and_a_busy_collector_is_asked_again() {
    let (collector, dir) = (Collector::start(), tempfile::tempdir().unwrap());
    collector.answer_next([503]);
    let otlp = collector.url();
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.as_str())];
    let (mut up, url) = start(dir.path(), &["up", "--addr", "127.0.0.1:0"], "Posthaste", &env);
    send(&url);
    up.logged("an attempt ended");
    let (code, log) = up.terminate();
    assert_eq!(code, Some(0), "{log}");
    let spans = collector.until(PATIENCE, |spans| spans.len() >= 3);
    assert!(spans.iter().all(|s| s.trace_id == TRACE), "{spans:?}");
    assert!(collector.requests() >= 2, "the refused batch came again");
}

#[test]
fn a_collector_that_is_away_or_refuses_hurts_nobody() {
    let (refusing, dir) = (Collector::start(), tempfile::tempdir().unwrap());
    refusing.answer_next(std::iter::repeat_n(400, 1000));
    let closed = ClosedPort::take();
    for endpoint in [closed.url(), refusing.url()] {
        let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
        let (mut up, url) = start(dir.path(), &["up", "--addr", "127.0.0.1:0"], "Posthaste", &env);
        send(&url);
        up.logged("an attempt ended");
        let warning = up.logged("the collector takes no spans");
        assert!(warning.contains(endpoint.trim_start_matches("http://")), "{warning}");
        let metrics = request(&url, "GET", "/metrics");
        let failed =
            metrics.lines().find(|l| l.starts_with("posthaste_trace_spans_total{outcome=\"failed\"}"));
        assert!(failed.is_some_and(|l| !l.ends_with(" 0.0")), "{metrics}");
        let (code, log) = up.terminate();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn without_an_endpoint_the_callers_trace_goes_along_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (mut up, url) = start(dir.path(), &["up", "--addr", "127.0.0.1:0"], "Posthaste", &[]);
    send(&url);
    let line: serde_json::Value = serde_json::from_str(&up.logged("an attempt ended")).unwrap();
    assert_eq!((&line["trace_id"], &line["span_id"]), (&TRACE.into(), &CALLER.into()), "{line}");
    let metrics = request(&url, "GET", "/metrics");
    assert!(metrics.contains("posthaste_trace_spans_total{outcome=\"exported\"} 0"), "{metrics}");
    let (code, log) = up.terminate();
    assert_eq!(code, Some(0), "{log}");
    check_lines(&log, &log);
}
