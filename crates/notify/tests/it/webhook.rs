//! Webhooks against a real endpoint: signatures that the reference implementation believes, and what
//! each answer does to the endpoint.

use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::{
    Claimed, Expect, Failure, FailureClass as C, Outcome, RecordKind, Records, RetryPolicy, Timestamp,
};
use posthaste_notify::channels::page::ANSWERS;
use posthaste_notify::channels::rows::Status;
use posthaste_notify::endpoint::{self, Endpoint};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::Secrets;
use posthaste_notify::{ChannelKind, NotifyConfig, NotifyHandler, NotifyResult};
use posthaste_testkit::{HttpAction, HttpReply, HttpSink, SunkRequest};
use posthaste_worker::{Context, Handler, MarkError, Marker};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::common::Marks;

struct Rig {
    sink: HttpSink,
    store: Arc<SqliteStore>,
    handler: NotifyHandler,
    signing: SigningSecret,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.unwrap();
        let signing = SigningSecret::random();
        let config = NotifyConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            signing: Some(signing.clone()),
            ..NotifyConfig::default()
        };
        let handler = NotifyHandler::new(config).with_records(Arc::clone(&store) as Arc<dyn Records>);
        Self { sink: HttpSink::start().await, store, handler, signing, _dir: dir }
    }

    /// Registers an endpoint at the sink.
    async fn register(&self, name: &str, secrets: Secrets) {
        let endpoint = Endpoint {
            url: self.sink.url("/hook"),
            description: None,
            secrets,
            disabled: None,
            failing_since: None,
            tenant: None,
            created_at: Timestamp::from_millis(0),
        };
        self.store.put_record(RecordKind::Endpoint, name, endpoint.body(), Expect::Absent).await.unwrap();
    }

    async fn endpoint(&self, name: &str) -> Endpoint {
        endpoint::find(self.store.as_ref(), name).await.unwrap().unwrap().0
    }

    async fn run(&self, wire: Value, marks: Arc<Marks>) -> Outcome {
        let n: posthaste_notify::Notification = serde_json::from_value(wire).unwrap();
        let policy = RetryPolicy { timeout: Duration::from_secs(30), ..RetryPolicy::default() };
        let task = posthaste_testkit::claimed("notify", Value::Null);
        let task = Claimed { payload: n.into_task().payload, policy, ..task };
        self.handler
            .run(Context::new(Arc::new(task), CancellationToken::new(), marks as Arc<dyn Marker>))
            .await
    }

    async fn send(&self, to: &str) -> Result<NotifyResult, Failure> {
        let wire = json!({"channel": "webhook", "to": to, "event": "order.paid", "data": {"id": 7}});
        match self.run(wire, Arc::default()).await {
            Outcome::Success { result: Some(result), .. } => Ok(result.parse().unwrap()),
            Outcome::Failure(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    async fn failing(&self, to: &str, action: impl Into<HttpAction>) -> Failure {
        self.sink.then(action);
        self.send(to).await.unwrap_err()
    }
}

/// What the reference implementation of Standard Webhooks says.
fn believed(request: &SunkRequest, secret: &SigningSecret) -> bool {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    standardwebhooks::Webhook::new(secret.expose()).unwrap().verify(&request.body, &headers).is_ok()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

#[tokio::test]
async fn an_endpoint_gets_a_signed_event_the_same_at_every_try() {
    let rig = Rig::new().await;
    let mut secrets = Secrets::new(now());
    let old = secrets.active(now())[0].clone();
    secrets.rotate(now(), Duration::from_secs(3600), None);
    let active = secrets.active(now());
    assert_eq!(active.len(), 2);
    rig.register("shop", secrets).await;
    rig.sink.then(HttpReply::status(500)).then(HttpReply::text(200, "thank you"));
    assert_eq!(rig.send("shop").await.unwrap_err().class, C::Transient);
    let result = rig.send("shop").await.unwrap();
    assert_eq!((result.code.as_deref(), result.response.as_deref()), (Some("200"), Some("thank you")));
    let requests = rig.sink.requests();
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_eq!(requests[1].json()["type"], "order.paid");
    assert_eq!(requests[1].json()["data"], json!({"id": 7}));
    for request in &requests {
        assert!(active.iter().chain([&old]).all(|secret| believed(request, secret)));
        assert!(!believed(request, &SigningSecret::random()));
        assert!(!believed(request, &rig.signing));
    }
}

#[tokio::test]
async fn a_plain_url_is_signed_by_the_installation() {
    let rig = Rig::new().await;
    rig.send(&rig.sink.url("/plain?x=1")).await.unwrap();
    let request = &rig.sink.requests()[0];
    assert_eq!(request.target, "/plain?x=1");
    assert!(believed(request, &rig.signing));
}

#[tokio::test]
async fn only_2xx_succeeds_and_every_other_answer_has_its_class() {
    let rig = Rig::new().await;
    let url = rig.sink.url("/hook");
    for status in [200, 201, 202, 204, 299] {
        rig.sink.then(HttpReply::status(status));
        assert!(rig.send(&url).await.is_ok(), "{status}");
    }
    let rows = ANSWERS.iter().find(|a| a.channel == ChannelKind::Webhook).unwrap().rows;
    assert_eq!(rows.last().map(|r| r.status), Some(Status::Any));
    for (status, class) in [
        (301, C::Permanent),
        (302, C::Permanent),
        (304, C::Permanent),
        (308, C::Permanent),
        (400, C::Transient),
        (401, C::Transient),
        (403, C::Transient),
        (404, C::Transient),
        (410, C::Permanent),
        (422, C::Transient),
        (429, C::Throttled),
        (500, C::Transient),
        (502, C::Transient),
        (503, C::Transient),
        (504, C::Transient),
    ] {
        let elsewhere = rig.sink.url("/elsewhere");
        let failure = rig.failing(&url, HttpReply::text(status, "no").header("location", &elsewhere)).await;
        assert_eq!(failure.class, class, "{status}");
        assert_eq!(failure.code, Some(status.to_string()));
    }
    assert!(rig.sink.requests().iter().all(|r| r.path() == "/hook"));
    for (status, value, after) in
        [(429, "120", 120), (503, "7", 7), (503, "Fri, 31 Dec 1999 23:59:59 GMT", 60), (429, "0", 60)]
    {
        let failure = rig.failing(&url, HttpReply::status(status).header("Retry-After", value)).await;
        assert_eq!((failure.class, failure.retry_after), (C::Throttled, Some(Duration::from_secs(after))));
    }
    assert_eq!(rig.failing(&url, HttpAction::Cut).await.class, C::Ambiguous);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_and_gets_nothing_more() {
    let rig = Rig::new().await;
    rig.register("shop", Secrets::new(now())).await;
    assert_eq!(rig.failing("shop", HttpReply::status(410)).await.class, C::Permanent);
    assert_eq!(rig.endpoint("shop").await.disabled.unwrap().reason, "gone");
    let failure = rig.send("shop").await.unwrap_err();
    assert_eq!(failure.class, C::Permanent);
    assert!(failure.message.contains("disabled"), "{}", failure.message);
    assert_eq!(rig.sink.taken(), 1);
    assert_eq!(rig.send("nobody").await.unwrap_err().class, C::Permanent);
}

/// Where the log goes in a test that reads it.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_once_that_an_endpoint_is_disabled_and_why() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // The runtime of this test is its thread.
    let _logging = tracing::subscriber::set_default(subscriber);
    let rig = Rig::new().await;
    rig.register("shop", Secrets::new(now())).await;
    rig.failing("shop", HttpReply::status(500)).await;
    rig.failing("shop", HttpReply::status(410)).await;
    rig.send("shop").await.unwrap_err();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told: Vec<&str> = text.lines().filter(|l| l.contains("disabled")).collect();
    assert_eq!(told.len(), 1, "{text}");
    for part in ["WARN", "shop", "410", "task_id=0198f7a0"] {
        assert!(told[0].contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_run_of_failures_begins_and_ends_with_the_answers() {
    let rig = Rig::new().await;
    rig.register("shop", Secrets::new(now())).await;
    rig.failing("shop", HttpReply::status(500)).await;
    let since = rig.endpoint("shop").await.failing_since;
    assert!(since.is_some());
    rig.failing("shop", HttpReply::status(500)).await;
    assert_eq!(rig.endpoint("shop").await.failing_since, since);
    rig.send("shop").await.unwrap();
    assert_eq!(rig.endpoint("shop").await.failing_since, None);
}

#[tokio::test]
async fn without_a_mark_and_behind_the_guard_nothing_is_sent() {
    let rig = Rig::new().await;
    let wire = json!({"channel": "webhook", "to": rig.sink.url("/"), "data": 1});
    let marks = Arc::new(Marks { refuse: Some(MarkError::LeaseLost), ..Marks::default() });
    assert!(matches!(rig.run(wire, marks).await, Outcome::Failure(_)));
    for host in ["10.0.0.1", "169.254.169.254", "[::1]", "2852039166"] {
        let failure = rig.send(&format!("http://{host}/")).await.unwrap_err();
        assert_eq!(failure.class, C::Permanent, "{host}: {}", failure.message);
    }
    assert_eq!(rig.sink.connections(), 0);
}

#[tokio::test]
async fn no_more_of_an_answer_is_kept_than_4_kib() {
    let rig = Rig::new().await;
    rig.sink.then(HttpAction::Flood(200, 100 * 1024 * 1024));
    let result = rig.send(&rig.sink.url("/")).await.unwrap();
    assert_eq!(result.response.unwrap().len(), 4096);
    let failure = rig.failing(&rig.sink.url("/"), HttpAction::Flood(500, 100 * 1024 * 1024)).await;
    assert!(failure.message.len() < 4300);
}
