//! Every operation under `/v1` against its own description in the OpenAPI document.

use reqwest::RequestBuilder;
use serde_json::json;

use super::harness::{Keys, Server, json as body, locs, problem};
use crate::operations::{Operation, under_v1};

fn request(o: &Operation, s: &Server, token: &str, tail: &str) -> RequestBuilder {
    let request = s.request(&o.method, &format!("{}{tail}", o.address()));
    if token.is_empty() { request } else { request.bearer_auth(token) }
}

fn token_with<'a>(keys: &'a Keys, scope: &str) -> (&'a str, &'a str) {
    match scope {
        "read" => (&keys.read, &keys.send),
        "send" => (&keys.send, &keys.read),
        _ => (&keys.admin, &keys.send),
    }
}

#[tokio::test]
async fn every_operation_asks_for_its_key_and_scope() {
    let s = Server::start().await;
    let keys = s.keys().await;
    for o in under_v1().filter(Operation::needs_key) {
        problem(o.documented(request(&o, &s, "", "")).await, 401, "unauthorized").await;
        let Some(scope) = o.scope() else { continue };
        let (has, lacks) = token_with(&keys, scope);
        problem(o.documented(request(&o, &s, lacks, "")).await, 403, "forbidden-scope").await;
        let allowed = o.documented(request(&o, &s, has, "?nothing=1")).await;
        let refused = problem(allowed, 422, "invalid-request").await;
        assert!(locs(&refused).contains(&"query.nothing".to_owned()), "{}: {refused}", o.name());
    }
}

#[tokio::test]
async fn every_operation_with_a_body_refuses_what_it_cannot_read() {
    let s = Server::start().await;
    for o in under_v1().filter(Operation::takes_json) {
        let send = |kind: &str, text: String| {
            o.documented(request(&o, &s, "", "").header("content-type", kind).body(text))
        };
        problem(send("application/json", "{".into()).await, 400, "malformed-body").await;
        problem(send("text/plain", "{}".into()).await, 415, "unsupported-media-type").await;
        let most = if o.path.ends_with("/batch") { 8 } else { 1 };
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(most * 1024 * 1024));
        problem(send("application/json", large).await, 413, "too-large").await;
        let refused =
            problem(send("application/json", "{\"nothing\":1}".into()).await, 422, "invalid-request").await;
        assert!(locs(&refused).contains(&"body.nothing".to_owned()), "{}: {refused}", o.name());
    }
}

/// A server on which the examples find what they name; its admin's token.
async fn prepared() -> (Server, String) {
    let s = Server::start().await;
    let admin = s.admin().await;
    let template = json!({ "text": "Hello {{ name }}" });
    assert_eq!(s.call("PUT", "/v1/templates/welcome", &admin, template).await.status(), 200);
    (s, admin)
}

#[tokio::test]
async fn every_example_of_a_body_is_one_that_is_taken() {
    for o in under_v1().filter(Operation::takes_json) {
        let (s, admin) = prepared().await;
        let example = o.example(&o.about["requestBody"]["content"]["application/json"]).unwrap();
        let reply = o.documented(request(&o, &s, &admin, "").json(&example)).await;
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        // Of things that are not there it is not found, or not running any more.
        let expected = match o.path.as_str() {
            p if p.ends_with("/heartbeat") || p.ends_with("/complete") || p.ends_with("/fail") => vec![409],
            _ if o.about["responses"].get("404").is_some() && o.path.contains('{') => vec![404],
            _ => vec![200, 201, 202, 204],
        };
        assert!(expected.contains(&status), "{}: {status} {text}\n{example}", o.name());
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let s = Server::start().await;
    for o in under_v1().filter(|o| o.about["responses"].get("404").is_some() && o.path.contains('{')) {
        let example = o.about["requestBody"]["content"].get("application/json").and_then(|c| o.example(c));
        let request = request(&o, &s, "", "");
        let request = match example {
            Some(example) => request.json(&example),
            None => request,
        };
        problem(o.documented(request).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn while_the_store_is_away_every_operation_that_needs_it_says_so() {
    let (s, admin) = prepared().await;
    s.faults.everything(posthaste_testkit::Fault::Fail);
    for o in under_v1() {
        // These ask the store nothing.
        if matches!(o.path.as_str(), "/v1/whoami" | "/v1/events" | "/v1/templates/preview") {
            continue;
        }
        let example = o.about["requestBody"]["content"].get("application/json").and_then(|c| o.example(c));
        let request =
            request(&o, &s, &admin, if o.path == "/v1/attachments" { "?filename=a.txt" } else { "" });
        let request = match example {
            Some(example) => request.json(&example),
            None if o.about.get("requestBody").is_some() => request.body("x"),
            None => request,
        };
        let reply = o.documented(request).await;
        assert_eq!(
            reply.headers().get("retry-after").map(|v| v.to_str().unwrap()),
            Some("1"),
            "{}",
            o.name()
        );
        let refused = body(reply).await;
        assert_eq!(refused["type"], "urn:posthaste:error:store-unavailable", "{}: {refused}", o.name());
    }
}
