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
