//! `Idempotency-Key`.

use serde_json::{Value, json};

use super::harness::{Server, json, locs, problem};

async fn send(s: &Server, key: &str, body: &str) -> reqwest::Response {
    let request = s.request("POST", "/v1/tasks").header("idempotency-key", key);
    request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn a_repeat_answers_as_the_first_did_and_stores_nothing() {
    let s = Server::start().await;
    let first = send(&s, "k1", r#"{"kind":"work","payload":{"a":1,"b":2},"queue":"q"}"#).await;
    assert_eq!(first.status(), 202);
    assert_eq!(first.headers().get("idempotency-replayed"), None);
    let (location, first) = (first.headers()["location"].clone(), json(first).await);
    // Another order and other white space are the same request.
    let again = send(&s, "k1", r#"{ "queue": "q", "payload": {"b":2, "a":1}, "kind": "work" }"#).await;
    assert_eq!(again.status(), 202);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()["location"], location);
    assert_eq!(json(again).await, first);
    let page = json(s.get("/v1/tasks").await).await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let s = Server::start().await;
    assert_eq!(send(&s, "k1", r#"{"kind":"work","payload":1}"#).await.status(), 202);
    let other = send(&s, "k1", r#"{"kind":"work","payload":2}"#).await;
    problem(other, 422, "idempotency-key-reused").await;
    assert_eq!(send(&s, "k2", r#"{"kind":"work","payload":2}"#).await.status(), 202);
    // The key is the tenant's.
    assert_eq!(send(&s, "k1", r#"{"kind":"work","payload":1,"tenant":"acme"}"#).await.status(), 202);
}

#[tokio::test]
async fn a_bad_key_is_named() {
    let s = Server::start().await;
    for key in [String::new(), "k".repeat(256), "a\tb".into()] {
        let body =
            problem(send(&s, &key, r#"{"kind":"work","payload":1}"#).await, 422, "invalid-request").await;
        assert_eq!(locs(&body), ["header.Idempotency-Key"]);
    }
    let twice = s.request("POST", "/v1/tasks").header("idempotency-key", "a").header("idempotency-key", "b");
    problem(
        twice.json(&json!({ "kind": "work", "payload": 1 })).send().await.unwrap(),
        422,
        "invalid-request",
    )
    .await;
    assert_eq!(json(s.get("/v1/tasks").await).await["data"], Value::Array(vec![]));
}

/// Sends under the key `k`, and checks whether it was answered as before.
async fn keyed(s: &Server, path: &str, body: &Value, replayed: bool) -> (Value, Value) {
    let reply = s.request("POST", path).header("idempotency-key", "k").json(body).send().await.unwrap();
    let said = reply.headers().get("idempotency-replayed").is_some();
    let location = reply.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
    let (status, answer) = (reply.status(), json(reply).await);
    assert_eq!((status.as_u16(), said), (202, replayed), "{path}: {answer}");
    (json!(location), answer)
}

#[tokio::test]
async fn a_repeat_is_answered_though_what_it_names_is_gone() {
    let s = Server::start().await;
    let file = s.request("POST", "/v1/attachments?filename=a.txt").header("content-type", "text/plain");
    let file = json(file.body("tea").send().await.unwrap()).await["id"].clone();
    let make = async || {
        s.got("PUT", "/v1/templates/welcome", json!({ "text": "Hello {{ name }}" }), 200).await;
        s.got("POST", "/v1/endpoints", json!({ "name": "shop", "url": "https://x.example.com" }), 201).await;
    };
    let from = |to: &Value| json!({ "to": to, "template": { "name": "welcome" }, "data": { "name": "Ann" } });
    let hook = json!({ "channel": "webhook", "to": "shop" });
    let mail = json!({ "to": "ann@example.com", "message": "x", "attachments": [{ "filename": "a.txt", "id": file }] });
    let one = from(&json!("ann@example.com"));
    let with_callback = json!({ "callback_url": "https://x.example.com/done", "to": "a@example.com", "channel": "email",
        "template": { "name": "welcome" }, "data": { "name": "Ann" } });
    let several = from(&json!(["ann@example.com", "bob@example.com"]));
    let asked = [&one, &hook, &mail, &with_callback, &several];
    make().await;
    let key = |body: &Value| format!("k-{}", asked.iter().position(|b| *b == body).unwrap());
    let send = async |body: &Value| {
        let request = s.request("POST", "/v1/notifications").header("idempotency-key", key(body));
        let reply = request.json(body).send().await.unwrap();
        let said = reply.headers().get("idempotency-replayed").is_some();
        let location = reply.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
        (reply.status().as_u16(), said, location, json(reply).await)
    };
    let mut first = Vec::new();
    for body in asked {
        let (status, said, location, answer) = send(body).await;
        assert_eq!((status, said), (202, false), "{answer}");
        first.push((location, answer));
    }
    let batch = json!({ "notifications": [one, hook, mail], "callback_url": "https://x.example.com/done" });
    let strict = keyed(&s, "/v1/notifications/batch", &batch, false).await;
    s.got("DELETE", "/v1/templates/welcome", Value::Null, 204).await;
    s.got("DELETE", "/v1/endpoints/shop", Value::Null, 204).await;
    s.got("DELETE", &format!("/v1/attachments/{}", file.as_str().unwrap()), Value::Null, 204).await;
    let stored = json(s.get("/v1/tasks?limit=200").await).await["data"].as_array().map(Vec::len);
    for (body, first) in asked.into_iter().zip(&first) {
        let (status, said, location, answer) = send(body).await;
        assert_eq!((status, said), (202, true), "{answer}");
        assert_eq!((&location, &answer), (&first.0, &first.1));
        // Under a key that nobody used, it is what it would be without one.
        let other = s.request("POST", "/v1/notifications").header("idempotency-key", "other");
        problem(other.json(body).send().await.unwrap(), 422, "invalid-request").await;
        // Another body under the key is another body, whether or not it could be sent.
        let mut changed = body.clone();
        changed["subject"] = json!("New");
        let other = s.request("POST", "/v1/notifications").header("idempotency-key", key(body));
        problem(other.json(&changed).send().await.unwrap(), 422, "idempotency-key-reused").await;
    }
    assert_eq!(keyed(&s, "/v1/notifications/batch", &batch, true).await, strict);
    // There again but changed, so that the data does not suffice.
    s.got("PUT", "/v1/templates/welcome", json!({ "text": "Hello {{ surname }}" }), 200).await;
    assert_eq!(send(&one).await.3, first[0].1);
    assert_eq!(json(s.get("/v1/tasks?limit=200").await).await["data"].as_array().map(Vec::len), stored);
}

#[tokio::test]
async fn a_permissive_batch_is_repeated_with_the_errors_of_the_first() {
    let s = Server::start().await;
    s.got("PUT", "/v1/templates/a", json!({ "text": "A" }), 200).await;
    let from = |template: &str| json!({ "to": "ann@example.com", "template": { "name": template } });
    let body = json!({ "mode": "permissive", "notifications": [from("b"), from("a"), { "to": "nobody" }, { "to": "x@example.com" }] });
    let first = keyed(&s, "/v1/notifications/batch", &body, false).await;
    let places = |answer: &Value, field: &str| {
        answer[field].as_array().unwrap().iter().map(|d| d["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((places(&first.1, "data"), places(&first.1, "errors")), (vec![1, 3], vec![0, 2]));
    // What was good is not, and what was not is.
    s.got("DELETE", "/v1/templates/a", Value::Null, 204).await;
    assert_eq!(keyed(&s, "/v1/notifications/batch", &body, true).await, first);
    s.got("PUT", "/v1/templates/b", json!({ "text": "B" }), 200).await;
    assert_eq!(keyed(&s, "/v1/notifications/batch", &body, true).await, first);
    s.got("PUT", "/v1/templates/a", json!({ "text": "A" }), 200).await;
    assert_eq!(keyed(&s, "/v1/notifications/batch", &body, true).await, first);
    // All of it was good at first.
    let body = json!({ "mode": "permissive", "notifications": [from("a"), from("b")] });
    let ask = async || {
        let request = s.request("POST", "/v1/notifications/batch").header("idempotency-key", "all");
        json(request.json(&body).send().await.unwrap()).await
    };
    let first = ask().await;
    assert_eq!(places(&first, "data"), [0, 1]);
    s.got("DELETE", "/v1/templates/a", Value::Null, 204).await;
    assert_eq!(ask().await, first);
    s.got("DELETE", "/v1/templates/b", Value::Null, 204).await;
    assert_eq!(ask().await, first);
}

#[tokio::test]
async fn what_is_kept_of_permissive_batches_goes_after_their_keys() {
    use posthaste_core::{Expect, Json, RecordKind, RecordOrder};
    let s = Server::start().await;
    let note = |at: &str| Json::from(json!({ "at": at, "places": [0], "errors": [] }));
    for n in 0..12 {
        let name = format!("01890000-0000-7000-8000-0000000000{n:02}");
        let body = note("2023-06-28T00:00:00.000Z");
        s.store.put_record(RecordKind::Batch, &name, body, Expect::Any).await.unwrap();
    }
    let kept = async || {
        s.store.list_records(RecordKind::Batch, RecordOrder::Ascending, None, 100).await.unwrap().len()
    };
    let bad = json!({ "mode": "permissive", "tasks": [{ "kind": "work", "payload": 1 }, {}] });
    let good = json!({ "mode": "permissive", "tasks": [{ "kind": "work", "payload": 1 }] });
    keyed(&s, "/v1/tasks/batch", &good, false).await;
    assert_eq!(kept().await, 12, "nothing was wrong, so nothing is noted");
    assert_eq!(s.post_json("/v1/tasks/batch", bad.clone()).await.status(), 202);
    assert_eq!(kept().await, 12, "nobody can repeat it");
    for (key, left) in [("a", 3), ("b", 2), ("c", 3)] {
        let request = s.request("POST", "/v1/tasks/batch").header("idempotency-key", key);
        assert_eq!(request.json(&bad).send().await.unwrap().status(), 202);
        assert_eq!(kept().await, left, "{key}");
    }
}

#[tokio::test]
async fn old_notes_go_wherever_their_names_stand() {
    use posthaste_core::{Expect, Json, RecordKind};
    let s = Server::start().await;
    let keep = async |name: &str, at: &str| {
        let body = Json::from(json!({ "at": at, "places": [0], "errors": [] }));
        s.store.put_record(RecordKind::Batch, name, body, Expect::Any).await.unwrap();
    };
    let there = async |name: &str| s.store.get_record(RecordKind::Batch, name).await.unwrap().is_some();
    let bad = json!({ "mode": "permissive", "tasks": [{ "kind": "work", "payload": 1 }, {}] });
    let note = async |key: &str| {
        let request = s.request("POST", "/v1/tasks/batch").header("idempotency-key", key);
        assert_eq!(request.json(&bad).send().await.unwrap().status(), 202);
    };
    // Ten that are not over stand before every other name, as those of SHA-256 may.
    for n in 0..10 {
        keep(&format!("00000000{n}"), "2999-01-01T00:00:00.000Z").await;
    }
    let (old, older) = ("f".repeat(64), "000000000-a");
    keep(&old, "2023-06-28T00:00:00.000Z").await;
    note("a").await;
    assert!(there(&old).await, "ten were looked at");
    note("b").await;
    assert!(!there(&old).await, "and then those behind them");
    // From the end it goes on at the beginning.
    keep(older, "2023-06-28T00:00:00.000Z").await;
    note("c").await;
    assert!(!there(older).await && there("000000009").await, "who is not over stays");
}

/// How a POST is asked for twice under one key, and how often it makes something anew.
enum Once {
    /// It enqueues, or lets run again: the second request is answered as the first was.
    Kept(&'static str, Value),
    /// It does neither: why a repeat is harmless.
    NoNeed(&'static str),
}

/// Every POST of the API. A new one has to say here what its repeats do.
fn once(path: &str) -> Once {
    use Once::{Kept, NoNeed};
    let work = json!({ "kind": "work", "payload": 1 });
    let mail = json!({ "to": "ann@example.com", "message": "m" });
    match path {
        "/notify/" | "/notify" => Kept("?email=ann@example.com", Value::Null),
        "/v1/tasks" => Kept("", work),
        "/v1/tasks/batch" => Kept("", json!({ "tasks": [work, work] })),
        "/v1/notifications" => Kept("", mail),
        "/v1/notifications/batch" => Kept("", json!({ "notifications": [mail, mail] })),
        "/v1/schedules/{name}/run" | "/v1/endpoints/{name}/test" => Kept("", Value::Null),
        "/v1/tasks/{task_id}/retry" => Kept("", json!({})),
        "/v1/tasks/bulk" => Kept("", json!({ "action": "retry", "filter": { "state": ["expired"] } })),
        "/v1/tasks/{task_id}/cancel" | "/v1/batches/{batch_id}/cancel" => {
            NoNeed("what is cancelled stays so")
        }
        "/v1/tasks/{task_id}/complete" | "/v1/tasks/{task_id}/fail" | "/v1/tasks/{task_id}/heartbeat" => {
            NoNeed("the lease token is the key")
        }
        "/v1/operations/{operation_id}/resume" => NoNeed("it goes on where it is"),
        "/v1/schedules/{name}/pause" | "/v1/schedules/{name}/resume" => NoNeed("a state, not a step"),
        "/v1/providers/{name}/pause" | "/v1/providers/{name}/resume" => NoNeed("a state, not a step"),
        "/v1/queues/{queue}/pause" | "/v1/queues/{queue}/resume" => NoNeed("a state, not a step"),
        "/v1/queues/{queue}/lanes/{lane}/pause" | "/v1/queues/{queue}/lanes/{lane}/resume" => {
            NoNeed("a state, not a step")
        }
        "/v1/endpoints/{name}/enable" => NoNeed("a state, not a step"),
        "/v1/templates/preview" | "/v1/templates/{name}/preview" => NoNeed("it stores nothing"),
        "/v1/endpoints" => NoNeed("a name is taken once"),
        "/v1/endpoints/{name}/rotate" | "/v1/signing-secret/rotate" | "/v1/keys" | "/v1/attachments" => {
            NoNeed("it enqueues nothing")
        }
        "/unsubscribe/{token}" => NoNeed("who is off the list stays so"),
        other => panic!("say what a repeat of POST {other} does"),
    }
}

#[tokio::test]
async fn every_post_that_enqueues_is_done_once_under_a_key() {
    let s = Server::start().await;
    let schedule = json!({ "cron": "0 7 * * *", "kind": "work", "payload": 1, "paused": true });
    s.got("PUT", "/v1/schedules/nightly", schedule, 200).await;
    s.got("POST", "/v1/endpoints", json!({ "name": "nightly", "url": "https://example.com/x" }), 201).await;
    let ended = s.task().await;
    s.got("POST", &format!("/v1/tasks/{ended}/cancel"), json!({}), 200).await;
    let count = async || json(s.get("/v1/tasks?limit=200").await).await["data"].as_array().unwrap().len();
    let operations = crate::operations::operations();
    let posts = operations.iter().filter(|o| o.method == "POST").map(|o| o.path.as_str());
    let mut tried = 0;
    for path in posts.chain(["/notify"]) {
        let (tail, body) = match once(path) {
            Once::Kept(tail, body) => (tail, body),
            Once::NoNeed(why) => {
                assert!(!why.is_empty());
                continue;
            }
        };
        tried += 1;
        let address = path.replace("{task_id}", &ended).replace("{name}", "nightly");
        let send = async |key: &str, tail: &str| {
            let request = s.request("POST", &format!("{address}{tail}")).header("idempotency-key", key);
            let request = if body.is_null() { request } else { request.json(&body) };
            let reply = request.send().await.unwrap();
            let replayed = reply.headers().get("idempotency-replayed").is_some_and(|v| v == "true");
            (reply.status().as_u16(), replayed, json(reply).await)
        };
        let before = count().await;
        let key = path.replace(['{', '}'], "");
        let (status, replayed, mut first) = send(&key, tail).await;
        assert!((200..300).contains(&status) && !replayed, "{path}: {status} {first}");
        let stored = count().await;
        let (again, replayed, mut second) = send(&key, tail).await;
        first.as_object_mut().unwrap().remove("updated_at");
        second.as_object_mut().unwrap().remove("updated_at");
        assert_eq!((again, replayed, &second), (status, true, &first), "{path}");
        assert_eq!(count().await, stored, "{path} stored something again ({before} before)");
        // What is wrong with a key is said in the shape of the route.
        let (status, _, refused) = send(&"k".repeat(256), tail).await;
        assert_eq!((status, locs(&refused)), (422, vec!["header.Idempotency-Key".to_owned()]), "{path}");
    }
    assert_eq!(tried, 10);
    // Another request under a used key is refused.
    for (path, body) in [("/notify/", Value::Null), ("/v1/tasks", json!({ "kind": "other", "payload": 1 }))] {
        let tail = if body.is_null() { "?email=bob@example.com" } else { "" };
        let request = s.request("POST", &format!("{path}{tail}")).header("idempotency-key", path);
        let request = if body.is_null() { request } else { request.json(&body) };
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 422, "{path}");
        let refused = json(reply).await;
        let said = refused["detail"].to_string();
        assert_eq!(refused["detail"].is_array(), path == "/notify/", "as FastAPI says it: {refused}");
        assert!(said.contains("used before with another request"), "{path}: {refused}");
    }
}
