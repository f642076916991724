//! `/v1/stats`: what happened, in steps of time.

use serde_json::{Value, json};

use super::harness::{Server, locs, problem};

const PATH: &str = "/v1/stats";

fn counts(point: &Value) -> [u64; 7] {
    ["enqueued", "claimed", "succeeded", "held", "failed", "cancelled", "expired"]
        .map(|f| point[f].as_u64().unwrap())
}

async fn something_happens(s: &Server) {
    for _ in 0..4 {
        s.task().await;
    }
    s.succeed(json!(1)).await;
    s.fail("no").await;
    s.hold(json!({ "channel": "email" })).await;
    let left = s.got("GET", "/v1/tasks?state=queued", Value::Null, 200).await;
    let path = format!("/v1/tasks/{}/cancel", left["data"][0]["id"].as_str().unwrap());
    s.got("POST", &path, Value::Null, 200).await;
}

#[tokio::test]
async fn what_happened_is_counted_in_whole_and_in_steps() {
    let s = Server::start().await;
    something_happens(&s).await;
    // The minute that is under way is part of it.
    let until = "2999-01-01T00:00:00Z";
    let far = s.get(&format!("{PATH}?until={until}")).await;
    assert_eq!(far.status(), 200);
    let stats = s.got("GET", PATH, Value::Null, 200).await;
    assert_eq!(stats["step"], 60);
    assert_eq!(counts(&stats["total"]), [4, 3, 2, 1, 1, 1, 0], "{stats}");
    assert!(stats["total"]["run_p50_ms"].is_u64() && stats["total"]["wait_p95_ms"].is_u64());
    let steps = stats["data"].as_array().unwrap();
    let mut sum = [0; 7];
    for step in steps {
        for (all, n) in sum.iter_mut().zip(counts(step)) {
            *all += n;
        }
    }
    assert_eq!(sum, counts(&stats["total"]), "the steps make up the whole");
    let day = s.got("GET", &format!("{PATH}?step=86400"), Value::Null, 200).await;
    assert_eq!((&day["step"], counts(&day["total"])), (&json!(86_400), [4, 3, 2, 1, 1, 1, 0]));
    assert!((1..=2).contains(&day["data"].as_array().unwrap().len()));
}

#[tokio::test]
async fn a_queue_and_a_period_are_looked_at_alone() {
    let s = Server::start().await;
    s.task().await;
    let slow = json!({ "kind": "work", "payload": 1, "queue": "slow" });
    s.got("POST", "/v1/tasks", slow, 202).await;
    for (query, enqueued) in [
        ("?queue=slow", 1),
        ("?queue=default", 1),
        ("?queue=nothing", 0),
        ("", 2),
        ("?from=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z", 0),
    ] {
        let stats = s.got("GET", &format!("{PATH}{query}"), Value::Null, 200).await;
        assert_eq!(stats["total"]["enqueued"], enqueued, "{query}");
        assert_eq!(stats["data"].as_array().unwrap().is_empty(), enqueued == 0, "{query}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    for (query, place) in [
        ("from=yesterday", "query.from"),
        ("until=x", "query.until"),
        ("from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "query.from"),
        ("from=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z", "query.from"),
        ("step=0", "query.step"),
        ("step=61", "query.step"),
        ("step=86460", "query.step"),
        ("queue=a%20b", "query.queue"),
        ("steps=60", "query.steps"),
    ] {
        let reply = s.get(&format!("{PATH}?{query}")).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [place], "{query}");
    }
}

#[tokio::test]
async fn statistics_are_the_installations() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "read", &[("GET", PATH)]).await;
    s.not_for_tenants(&keys, &[("GET", PATH)]).await;
}
