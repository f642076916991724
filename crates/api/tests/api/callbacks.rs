//! Tasks that were taken with 202: whoever holds the token says how it goes.

use posthaste_notify::NotifyConfig;
use posthaste_testkit::http::{HttpReply, HttpSink};
use posthaste_worker::Worker;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

struct External {
    s: Server,
    sink: HttpSink,
    worker: Worker,
}

impl External {
    async fn start() -> Self {
        let s = Server::start().await;
        let sink = HttpSink::start().await;
        sink.always(HttpReply::status(202));
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        let worker = s.work(NotifyConfig { allow, ..NotifyConfig::default() }).await;
        Self { s, sink, worker }
    }

    /// A task that was taken elsewhere: its path and its token.
    async fn taken(&self, n: usize, extra: Value) -> (String, String) {
        let mut task =
            json!({ "kind": "http", "payload": { "url": self.sink.url("/run"), "body": { "n": n } } });
        task.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let made = self.s.got("POST", "/v1/tasks", task, 202).await;
        let requests = self.sink.wait_requests(n).await;
        let call = requests.iter().find(|r| r.header("posthaste-task-id") == made["id"].as_str()).unwrap();
        let token = call.header("posthaste-lease-token").unwrap().to_owned();
        (format!("/v1/tasks/{}", made["id"].as_str().unwrap()), token)
    }

    async fn say(&self, path: &str, verb: &str, said: Value) -> reqwest::Response {
        self.s.post_json(&format!("{path}/{verb}"), said).await
    }

    async fn state(&self, path: &str) -> Value {
        self.s.got("GET", path, Value::Null, 200).await["state"].clone()
    }
}

#[tokio::test]
async fn a_task_is_kept_alive_and_completed_with_its_result() {
    let x = External::start().await;
    let (path, token) = x.taken(1, json!({})).await;
    let beat = x.say(&path, "heartbeat", json!({ "lease_token": token, "within_ms": 60_000 })).await;
    assert_eq!(body(beat).await, json!({ "cancel_requested": false }));
    assert_eq!(x.state(&path).await, "running");
    let said = json!({ "lease_token": token, "result": { "pages": 12 } });
    let done = body(x.say(&path, "complete", said.clone()).await).await;
    assert_eq!(done["state"], "succeeded");
    let task = x.s.got("GET", &path, Value::Null, 200).await;
    assert_eq!((&task["state"], &task["result"]), (&json!("succeeded"), &json!({ "pages": 12 })));
    assert_eq!(body(x.say(&path, "complete", said).await).await, done, "saying it twice is harmless");
    x.worker.shutdown().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_unless_it_is_permanent() {
    let x = External::start().await;
    let never = json!({ "retry": { "backoff": { "type": "listed", "delays_ms": [86_400_000] } } });
    let (path, token) = x.taken(1, never).await;
    let said = json!({ "lease_token": token, "message": "out of paper" });
    assert_eq!(body(x.say(&path, "fail", said).await).await["state"], "retrying");
    let task = x.s.got("GET", &path, Value::Null, 200).await;
    assert_eq!((&task["failures"], &task["error"]["message"]), (&json!(1), &json!("out of paper")));
    let (path, token) = x.taken(2, json!({})).await;
    let said = json!({ "lease_token": token, "class": "permanent" });
    assert_eq!(body(x.say(&path, "fail", said).await).await["state"], "failed");
    assert_eq!(x.s.got("GET", &path, Value::Null, 200).await["error"]["class"], "permanent");
    x.worker.shutdown().await;
}

#[tokio::test]
async fn a_forged_or_foreign_or_used_token_moves_nothing() {
    let x = External::start().await;
    let (path, token) = x.taken(1, json!({})).await;
    let (other, others) = x.taken(2, json!({})).await;
    let last = if token.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{last}", &token[..31]);
    for verb in ["heartbeat", "complete", "fail"] {
        for bad in [&forged, &others, &"0".repeat(32)] {
            problem(x.say(&path, verb, json!({ "lease_token": bad })).await, 409, "lease-lost").await;
        }
        let none = "/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
        problem(x.say(none, verb, json!({ "lease_token": token })).await, 409, "lease-lost").await;
    }
    assert_eq!((x.state(&path).await, x.state(&other).await), (json!("running"), json!("running")));
    // One that was settled is settled: its token says nothing new.
    assert_eq!(x.say(&path, "complete", json!({ "lease_token": token, "result": 1 })).await.status(), 200);
    problem(x.say(&path, "heartbeat", json!({ "lease_token": token })).await, 409, "lease-lost").await;
    x.say(&path, "fail", json!({ "lease_token": token, "class": "permanent" })).await;
    let task = x.s.got("GET", &path, Value::Null, 200).await;
    assert_eq!((&task["state"], &task["result"]), (&json!("succeeded"), &json!(1)), "the first word stands");
    x.worker.shutdown().await;
}

#[tokio::test]
async fn a_token_of_an_attempt_that_is_over_is_refused() {
    let x = External::start().await;
    let at_once = json!({ "retry": { "backoff": { "type": "listed", "delays_ms": [0] } } });
    let (path, first) = x.taken(1, at_once).await;
    x.say(&path, "fail", json!({ "lease_token": first })).await;
    let second = x.sink.wait_requests(2).await[1].header("posthaste-lease-token").unwrap().to_owned();
    assert_ne!(first, second);
    let beat = x.say(&path, "heartbeat", json!({ "lease_token": first })).await;
    problem(beat, 409, "lease-lost").await;
    // What was said with it is settled: saying more with it tells how the task is, and moves nothing.
    for verb in ["complete", "fail"] {
        let said = x.say(&path, verb, json!({ "lease_token": first })).await;
        assert_eq!(body(said).await["state"], "running", "{verb}");
    }
    let beat = x.say(&path, "heartbeat", json!({ "lease_token": second })).await;
    assert_eq!(beat.status(), 200, "the second attempt goes on");
    assert_eq!(
        body(x.say(&path, "complete", json!({ "lease_token": second })).await).await["state"],
        "succeeded"
    );
    x.worker.shutdown().await;
}

#[tokio::test]
async fn a_heartbeat_is_told_that_somebody_wants_it_to_stop() {
    let x = External::start().await;
    let (path, token) = x.taken(1, json!({})).await;
    assert_eq!(x.s.post(&format!("{path}/cancel")).await.status(), 202);
    let beat = x.say(&path, "heartbeat", json!({ "lease_token": token })).await;
    assert_eq!(body(beat).await, json!({ "cancel_requested": true }));
    let said = json!({ "lease_token": token, "message": "stopped" });
    assert_eq!(body(x.say(&path, "fail", said).await).await["state"], "cancelled");
    x.worker.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    let path = "/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
    let token = "0".repeat(32);
    for (verb, said, place) in [
        ("heartbeat", json!({}), "body.lease_token"),
        ("complete", json!({ "lease_token": "x" }), "body.lease_token"),
        ("fail", json!({ "lease_token": 7 }), "body.lease_token"),
        ("fail", json!({ "lease_token": "+".repeat(32) }), "body.lease_token"),
        ("heartbeat", json!({ "lease_token": token, "within_ms": 999 }), "body.within_ms"),
        ("heartbeat", json!({ "lease_token": token, "within_ms": 900_001 }), "body.within_ms"),
        ("complete", json!({ "lease_token": token, "reslut": 1 }), "body.reslut"),
        ("complete", json!({ "lease_token": token, "result": "x".repeat(256 * 1024) }), "body.result"),
        ("fail", json!({ "lease_token": token, "class": "throttled" }), "body.class"),
        ("fail", json!({ "lease_token": token, "message": "x".repeat(2_001) }), "body.message"),
    ] {
        let reply = s.post_json(&format!("{path}/{verb}"), said.clone()).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [place], "{verb}");
    }
    let bad = s.post_json("/v1/tasks/seven/complete", json!({ "lease_token": token })).await;
    assert_eq!(locs(&problem(bad, 422, "invalid-request").await), ["path.task_id"]);
}

#[tokio::test]
async fn the_token_is_the_authority_and_no_key_is_asked_for() {
    let x = External::start().await;
    let (path, token) = x.taken(1, json!({})).await;
    let keys = x.s.keys().await;
    problem(x.say(&path, "complete", json!({ "lease_token": "0".repeat(32) })).await, 409, "lease-lost")
        .await;
    problem(x.s.get(&path).await, 401, "unauthorized").await;
    let shown = x.s.call("GET", &path, &keys.read, Value::Null).await.text().await.unwrap();
    assert!(!shown.contains(&token), "no key shows it: {shown}");
    let done = x.say(&path, "complete", json!({ "lease_token": token.to_uppercase() })).await;
    assert_eq!(body(done).await["state"], "succeeded");
    x.worker.shutdown().await;
}

#[tokio::test]
async fn a_result_that_is_nested_too_deeply_is_refused() {
    let x = External::start().await;
    let nested = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!({ "a": [inner] }));
    let (path, token) = x.taken(1, json!({})).await;
    for (result, fine) in [(nested(33), false), (nested(40), false), (nested(32), true)] {
        let reply = x.say(&path, "complete", json!({ "lease_token": token, "result": result })).await;
        if fine {
            assert_eq!(reply.status(), 200);
            continue;
        }
        let refused = problem(reply, 422, "invalid-request").await;
        assert_eq!(locs(&refused), ["body.result"]);
        assert_eq!(refused["errors"][0]["type"], "result_too_deep");
        assert_eq!(x.state(&path).await, "running");
    }
    assert_eq!(x.state(&path).await, "succeeded");
    x.worker.shutdown().await;
}
