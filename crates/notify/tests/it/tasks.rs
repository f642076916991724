//! Tasks of the kinds `http` and `callback` against a real HTTP server and a real store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::{EnqueueRequest, SettleRequest, Settlement};
use posthaste_core::{
    BatchId, Broker, Claimed, Failure, FailureClass as C, Json, LaneFault, NewTask, Outcome, Records, Store,
    TaskId, Timestamp,
};
use posthaste_notify::callback::{Callback, CallbackHandler};
use posthaste_notify::http_task::{self, HttpTaskHandler};
use posthaste_notify::net::{Guard, HttpClient};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::Signing;
use posthaste_testkit::{HttpAction, HttpReply, HttpSink, SunkRequest};
use posthaste_worker::{Context, Handler, Marker};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::common::Marks;

struct Rig {
    sink: HttpSink,
    store: Arc<SqliteStore>,
    http: HttpTaskHandler,
    callback: CallbackHandler,
    secret: SigningSecret,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self::allowing("127.0.0.0/8").await
    }

    async fn allowing(cidr: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.unwrap();
        let secret = SigningSecret::random();
        let client = HttpClient::new(Guard::new(vec![cidr.parse().unwrap()]));
        let signing = Signing::new(Arc::clone(&store) as Arc<dyn Records>, Some(secret.clone()));
        let http = HttpTaskHandler::new(client.clone(), signing.clone());
        let callback = CallbackHandler::new(Arc::clone(&store) as Arc<dyn Store>, client, signing);
        Self { sink: HttpSink::start().await, store, http, callback, secret, _dir: dir }
    }

    /// Runs a task of kind `http` whose URL is the sink's; how it ended and how many marks it took.
    async fn call(&self, mut payload: Value) -> (Outcome, usize) {
        if payload.get("url").is_none() {
            payload["url"] = json!(self.sink.url("/run"));
        }
        let task = posthaste_testkit::claimed(http_task::KIND, payload);
        run(&self.http, Claimed { attempt: 3, ..task }).await
    }

    async fn answered(&self, action: impl Into<HttpAction>) -> Outcome {
        self.sink.then(action);
        self.call(json!({})).await.0
    }

    async fn failure(&self, action: impl Into<HttpAction>) -> Failure {
        match self.answered(action).await {
            Outcome::Failure(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    async fn enqueue(&self, tasks: Vec<NewTask>) -> Vec<TaskId> {
        let reply = self.store.enqueue(EnqueueRequest { tasks, idempotency: None }).await.unwrap();
        reply.tasks.iter().map(|t| t.id).collect()
    }

    /// Runs a callback that was enqueued so long ago.
    async fn tell(&self, age: Duration, callback: Callback) -> Outcome {
        let payload: Value = callback.into_task().payload.parse().unwrap();
        let created_at = Timestamp::from_millis(now().as_millis() - i64::try_from(age.as_millis()).unwrap());
        let task = posthaste_testkit::claimed("callback", payload);
        run(&self.callback, Claimed { created_at, ..task }).await.0
    }

    fn about(&self, batch: Option<(BatchId, u64)>, task: Option<TaskId>) -> Callback {
        Callback { url: self.sink.url("/done"), batch: batch.map(|b| b.0), size: batch.map(|b| b.1), task }
    }
}

/// Runs the next task to success.
async fn finish(rig: &Rig, result: Json) {
    let lease = rig.store.claim(posthaste_testkit::claim_of(1)).await.unwrap().remove(0).lease;
    let settlements = vec![Settlement { lease, outcome: Outcome::result(result) }];
    rig.store.settle(SettleRequest { settlements, ..SettleRequest::default() }).await.unwrap();
}

async fn run(handler: &dyn Handler, task: Claimed) -> (Outcome, usize) {
    let marks = Arc::new(Marks::default());
    let marker = Arc::clone(&marks) as Arc<dyn Marker>;
    let outcome = handler.run(Context::new(Arc::new(task), CancellationToken::new(), marker)).await;
    (outcome, marks.granted.load(Ordering::SeqCst))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// What the reference implementation of Standard Webhooks says.
fn believed(request: &SunkRequest, secret: &SigningSecret) -> bool {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    standardwebhooks::Webhook::new(secret.expose()).unwrap().verify(&request.body, &headers).is_ok()
}

fn result(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Success { result, kept: None } => result.map_or(Value::Null, |r: Json| r.parse().unwrap()),
        other => panic!("{other:?}"),
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn the_request_says_what_is_run_and_by_whose_leave() {
    let rig = Rig::new().await;
    let payload = json!({"method": "PUT", "headers": {"Authorization": "Bearer x"}, "body": {"n": 1}});
    rig.sink.then(HttpReply::json(200, &json!({"sum": 2})));
    let (outcome, marks) = rig.call(payload).await;
    assert_eq!((result(outcome), marks), (json!({"sum": 2}), 1));
    let request = rig.sink.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path()), ("PUT", "/run"));
    assert_eq!(request.header("authorization"), Some("Bearer x"));
    assert_eq!(request.header("posthaste-task-id"), Some("0198f7a0-0000-7000-8000-000000000001"));
    assert_eq!(request.header("posthaste-attempt"), Some("3"));
    let token = http_task::read_token(request.header("posthaste-lease-token").unwrap()).unwrap();
    assert_eq!((token.epoch, token.nonce), (1, 1));
    assert!(believed(&request, &rig.secret));
    assert!(!believed(&request, &SigningSecret::random()));
    assert_eq!(request.json(), json!({"n": 1}));
}

#[tokio::test]
async fn a_success_is_its_body_and_a_202_lets_go() {
    let rig = Rig::new().await;
    assert_eq!(result(rig.answered(HttpReply::status(204)).await), Value::Null);
    assert_eq!(result(rig.answered(HttpReply::text(200, "done")).await), json!("done"));
    let odd = HttpReply::text(200, "{not json").header("content-type", "application/json");
    assert_eq!(result(rig.answered(odd).await), json!("{not json"));
    assert!(matches!(rig.answered(HttpReply::status(202)).await, Outcome::Detached));
    // The other side has said that it goes on; how its answer ends changes nothing.
    assert!(matches!(rig.answered(HttpAction::Flood(202, 1 << 20)).await, Outcome::Detached));
    let large = rig.failure(HttpAction::Flood(200, 256 * 1024 + 1)).await;
    assert_eq!(large.class, C::Permanent, "{}", large.message);
}

#[tokio::test]
async fn a_result_that_nobody_could_read_again_is_a_failure() {
    let rig = Rig::new().await;
    let lists = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let answer = |text: &str| HttpReply::text(200, text).header("content-type", "application/json");
    for text in [lists(64), objects(64)] {
        assert_eq!(result(rig.answered(answer(&text)).await).to_string(), text);
    }
    for text in [lists(65), objects(65), lists(127), objects(1_000), format!("[1,{}]", lists(64))] {
        let failure = rig.failure(answer(&text)).await;
        assert_eq!((failure.class, failure.code.as_deref()), (C::Permanent, Some("result_too_deep")));
    }
    // What is no JSON is a text, and brackets in a text are none.
    assert_eq!(result(rig.answered(HttpReply::text(200, &lists(100))).await), json!(lists(100)));
}

#[tokio::test]
async fn every_answer_has_its_class() {
    let rig = Rig::new().await;
    for (status, class) in [
        (400, C::Permanent),
        (401, C::Permanent),
        (404, C::Permanent),
        (408, C::Transient),
        (410, C::Permanent),
        (425, C::Transient),
        (429, C::Transient),
        (500, C::Transient),
        (502, C::Transient),
        (503, C::Transient),
    ] {
        let failure = rig.failure(HttpReply::text(status, "why\r\nnot")).await;
        assert_eq!((failure.class, failure.code.as_deref()), (class, Some(status.to_string().as_str())));
        assert!(failure.message.contains("why not"), "{}", failure.message);
        // A page of an error may be of any size.
        assert_eq!(rig.failure(HttpAction::Flood(status, 1 << 20)).await.class, class, "{status}");
    }
    let busy = rig.failure(HttpReply::status(503).header("retry-after", "7")).await;
    assert_eq!((busy.class, busy.retry_after), (C::Transient, Some(Duration::from_secs(7))));
    let elsewhere = HttpReply::status(307).header("location", &rig.sink.url("/elsewhere"));
    let before = rig.sink.taken();
    assert_eq!(rig.failure(elsewhere).await.class, C::Permanent);
    assert_eq!(rig.sink.taken(), before + 1, "nothing is followed");
    assert_eq!(rig.failure(HttpAction::Cut).await.class, C::Ambiguous);
}

#[tokio::test]
async fn what_must_not_be_called_is_not_and_takes_no_mark() {
    let rig = Rig::allowing("10.99.0.0/16").await;
    for payload in [
        json!({}),
        json!({"url": "http://169.254.169.254/latest"}),
        json!({"url": "file:///etc/passwd"}),
        json!({"headers": {"Webhook-Id": "x"}}),
        json!({"method": "CONNECT"}),
        json!({"unknown": 1}),
    ] {
        match rig.call(payload.clone()).await {
            (Outcome::Failure(failure), 0) => assert_eq!(failure.class, C::Permanent, "{payload}"),
            other => panic!("{payload}: {other:?}"),
        }
    }
    assert_eq!(rig.sink.connections(), 0);
    let rig = Rig::new().await;
    let url = rig.sink.url("/gone");
    rig.sink.stop().await;
    let task = posthaste_testkit::claimed(http_task::KIND, json!({"url": url}));
    match run(&rig.http, task).await.0 {
        Outcome::Failure(failure) => assert_eq!(failure.class, C::Unavailable),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_told_of_once_all_of_it_is_final() {
    let rig = Rig::new().await;
    let batch = BatchId::from_uuid(uuid::Uuid::from_bytes([7; 16]));
    let member = || NewTask { batch: Some(batch), ..posthaste_testkit::task("x", json!({})) };
    let ids = rig.enqueue(vec![member(), member()]).await;
    rig.store.cancel(&ids[..1]).await.unwrap();
    for (age, delay) in [(Duration::ZERO, Duration::from_millis(500)), (HOUR * 24, Duration::from_secs(60))] {
        match rig.tell(age, rig.about(Some((batch, 2)), None)).await {
            Outcome::Snooze { delay: d } => assert_eq!(d, delay),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.sink.taken(), 0);
    rig.store.cancel(&ids[1..]).await.unwrap();
    let told = rig.tell(Duration::ZERO, rig.about(Some((batch, 2)), None)).await;
    assert_eq!(result(told)["code"], 200);
    let request = rig.sink.requests().remove(0);
    assert!(believed(&request, &rig.secret));
    let body = request.json();
    assert_eq!(body["type"], "batch.finished");
    assert!(body["timestamp"].is_string(), "{body}");
    assert_eq!(body["data"]["batch_id"], json!(batch));
    assert_eq!((&body["data"]["size"], &body["data"]["counts"]["cancelled"]), (&json!(2), &json!(2)));
    assert_eq!(body["data"]["counts"]["removed"], 0);
}

#[tokio::test]
async fn what_is_not_there_is_on_its_way_at_first_and_removed_later() {
    let rig = Rig::new().await;
    let batch = BatchId::from_uuid(uuid::Uuid::from_bytes([7; 16]));
    let one = NewTask { batch: Some(batch), ..posthaste_testkit::task("x", json!({})) };
    let ids = rig.enqueue(vec![one]).await;
    rig.store.cancel(&ids).await.unwrap();
    let nobody = TaskId::from_uuid(uuid::Uuid::from_bytes([9; 16]));
    for about in [rig.about(Some((batch, 3)), None), rig.about(None, Some(nobody))] {
        let early = rig.tell(Duration::ZERO, about.clone()).await;
        assert!(matches!(early, Outcome::Snooze { .. }), "{early:?}");
        assert_eq!(result(rig.tell(HOUR, about).await)["code"], 200);
    }
    let told = rig.sink.requests();
    assert_eq!(told[0].json()["data"]["counts"]["removed"], 2);
    assert_eq!(told[1].json()["data"], json!({"id": nobody, "state": null}));
}

#[tokio::test]
async fn a_task_is_told_of_with_its_end_and_a_receiver_that_refuses_is_asked_again() {
    let rig = Rig::new().await;
    let ids = rig.enqueue(vec![posthaste_testkit::task("x", json!({}))]).await;
    let about = rig.about(None, Some(ids[0]));
    assert!(matches!(rig.tell(HOUR, about.clone()).await, Outcome::Snooze { .. }));
    rig.store.cancel(&ids).await.unwrap();
    for (status, class) in [(500, C::Transient), (410, C::Permanent), (302, C::Permanent)] {
        rig.sink.then(HttpReply::status(status));
        match rig.tell(HOUR, about.clone()).await {
            Outcome::Failure(failure) => assert_eq!(failure.class, class, "{status}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!(result(rig.tell(HOUR, about).await)["code"], 200);
    let body = rig.sink.requests().pop().unwrap().json();
    assert_eq!((&body["type"], &body["data"]["state"]), (&json!("task.finished"), &json!("cancelled")));
    assert_eq!(body["data"]["id"], json!(ids[0]));
    // The result as the handler wrote it, not as a reader of numbers would.
    let ids = rig.enqueue(vec![posthaste_testkit::task("x", json!({}))]).await;
    let written = r#"{"wei":12345678901234567890123,"b":12.30,"a":1e2}"#;
    finish(&rig, Json::from_text(written.to_owned()).unwrap()).await;
    assert_eq!(result(rig.tell(HOUR, rig.about(None, Some(ids[0]))).await)["code"], 200);
    let body = String::from_utf8(rig.sink.requests().pop().unwrap().body).unwrap();
    assert!(body.contains(&format!(r#""result":{written}"#)), "{body}");
    let wrong = Callback { url: rig.sink.url("/x"), batch: None, size: None, task: None };
    assert!(matches!(rig.tell(HOUR, wrong).await, Outcome::Failure(f) if f.class == C::Permanent));
}

impl Rig {
    /// How another task, told by its last digit, is answered.
    async fn other(&self, n: u8, reply: HttpReply) -> Outcome {
        self.sink.then(reply);
        let task = posthaste_testkit::claimed(http_task::KIND, json!({"url": self.sink.url("/run")}));
        let id: TaskId = format!("0198f7a0-0000-7000-8000-00000000000{n:x}").parse().unwrap();
        let lease = posthaste_core::LeaseRef { task: id, ..task.lease };
        run(&self.http, Claimed { lease, ..task }).await.0
    }
}

#[tokio::test]
async fn a_service_is_paused_when_the_next_task_is_answered_so_too() {
    let rig = Rig::new().await;
    let paused = async |n, reply| match rig.other(n, reply).await {
        Outcome::Failure(f) => (f.class, f.retry_after.map(|d| d.as_secs()), f.pauses()),
        other => panic!("{other:?}"),
    };
    let throttled = Some(LaneFault::Throttled);
    for (status, header, asked) in [(429, "7", 7), (503, "7", 7), (429, "0", 60), (503, "soon", 60)] {
        let busy = || HttpReply::status(status).header("retry-after", header);
        for _ in 0..3 {
            let (class, after, lane) = paused(1, busy()).await;
            assert_eq!((class, after, lane), (C::Transient, Some(asked), None), "{status} {header}");
        }
        // Any other answer says that the service is there and takes tasks.
        paused(2, HttpReply::status(400)).await;
        assert_eq!(paused(2, busy()).await.2, None);
        assert_eq!(paused(3, busy()).await.2, throttled, "{status} {header}");
        result(rig.other(4, HttpReply::status(204)).await);
        assert_eq!(paused(5, busy()).await.2, None);
        result(rig.other(4, HttpReply::status(204)).await);
    }
    assert_eq!(paused(1, HttpReply::status(429)).await, (C::Transient, Some(60), None));
    assert_eq!(paused(2, HttpReply::status(503)).await.2, None, "without a time it asks for no pause");
}

#[tokio::test]
async fn a_task_without_a_body_sends_none() {
    let rig = Rig::new().await;
    for (method, length) in [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("GET", None)] {
        rig.sink.then(HttpReply::status(204));
        rig.call(json!({"method": method})).await;
        let request = rig.sink.requests().pop().unwrap();
        assert_eq!(request.method, method);
        let headers = (request.header("content-length"), request.header("content-type"));
        assert_eq!(headers, (length, None), "{method}");
        assert!(request.body.is_empty() && believed(&request, &rig.secret));
    }
    for (body, length) in [(json!({}), "2"), (json!(""), "2"), (json!(false), "5")] {
        rig.sink.then(HttpReply::status(204));
        rig.call(json!({"body": body})).await;
        let request = rig.sink.requests().pop().unwrap();
        let headers = (request.header("content-length"), request.header("content-type"));
        assert_eq!(headers, (Some(length), Some("application/json")), "{body}");
    }
    rig.sink.then(HttpReply::status(204));
    rig.call(json!({"headers": {"Content-Type": "text/plain"}})).await;
    let request = rig.sink.requests().pop().unwrap();
    assert_eq!(request.header("content-type"), Some("text/plain"), "its own stays");
}
