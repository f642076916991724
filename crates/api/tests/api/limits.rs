//! The limits of queues and lanes.

use serde_json::{Value, json};

use super::harness::{Server, locs, problem};

const QUEUE: &str = "/v1/queues/default/limits";
const LANE: &str = "/v1/queues/default/lanes/email:default/limits";
const TENANTS: &str = "/v1/queues/default/lanes/email:default%2Facme/limits";

/// How many of ten tasks a worker is given at once.
async fn claimed(s: &Server) -> usize {
    s.store.claim(posthaste_testkit::claim_of(10)).await.unwrap().len()
}

async fn lane(s: &Server, key: Option<&str>) -> Option<Value> {
    let lanes = s.got("GET", "/v1/lanes", Value::Null, 200).await;
    let found =
        lanes["data"].as_array().unwrap().iter().find(|l| l.get("lane").and_then(Value::as_str) == key);
    found.map(|l| l["limits"].clone())
}

#[tokio::test]
async fn limits_are_shown_and_lifted_again() {
    let s = Server::start().await;
    for (path, key) in [(QUEUE, None), (LANE, Some("email:default")), (TENANTS, Some("email:default/acme"))] {
        s.got("PUT", path, json!({ "rate": 100, "per_ms": 60_000, "concurrency": 20 }), 204).await;
        let all = json!({ "rate": 100, "per_ms": 60_000, "concurrency": 20 });
        assert_eq!(lane(&s, key).await, Some(all), "{path}");
        s.got("PUT", path, json!({ "concurrency": 3 }), 204).await;
        assert_eq!(lane(&s, key).await.unwrap()["concurrency"], 3);
        assert_eq!(lane(&s, key).await.unwrap().get("rate"), None, "what is left out is unlimited");
        s.got("PUT", path, Value::Null, 204).await;
        let lifted = lane(&s, key).await.unwrap_or_else(|| json!({}));
        assert_eq!((lifted.get("rate"), lifted.get("concurrency")), (None, None), "{path}");
    }
}

#[tokio::test]
async fn a_queues_default_lane_and_a_target_are_held_to_their_concurrency() {
    let s = Server::start().await;
    s.got("PUT", QUEUE, json!({ "concurrency": 2 }), 204).await;
    let plain = vec![json!({ "kind": "work", "payload": 1 }); 4];
    s.got("POST", "/v1/tasks/batch", json!({ "tasks": plain }), 202).await;
    assert_eq!(claimed(&s).await, 2);
    assert_eq!(claimed(&s).await, 0, "both are still running");
    // A target's limit holds for its tenants together.
    s.got("PUT", "/v1/queues/default/lanes/shop/limits", json!({ "concurrency": 3 }), 204).await;
    let laned: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|t| vec![json!({ "kind": "work", "payload": 1, "lane": format!("shop/{t}") }); 4])
        .collect();
    s.got("POST", "/v1/tasks/batch", json!({ "tasks": laned }), 202).await;
    assert_eq!(claimed(&s).await, 3);
    s.got("PUT", QUEUE, json!({}), 204).await;
    assert_eq!(claimed(&s).await, 2, "an empty body lifts them");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    for path in [QUEUE, LANE] {
        for (limits, place) in [
            (json!({ "rate": 0 }), "body.rate"),
            (json!({ "rate": 1_000_001 }), "body.rate"),
            (json!({ "rate": 1, "per_ms": 0 }), "body.per_ms"),
            (json!({ "rate": 1, "per_ms": 86_400_001 }), "body.per_ms"),
            (json!({ "concurrency": -1 }), "body.concurrency"),
            (json!({ "concurrency": 1.5 }), "body.concurrency"),
            (json!({ "concurency": 1 }), "body.concurency"),
            (json!([]), "body"),
        ] {
            let reply = s.call("PUT", path, "", limits.clone()).await;
            assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [place], "{path} {limits}");
        }
    }
    for (path, place) in [
        ("/v1/queues/a%20b/limits", "path.queue"),
        ("/v1/queues/q/lanes/a%2Fb%2Fc/limits", "path.lane"),
        ("/v1/queues/q/limits?x=1", "query.x"),
    ] {
        let reply = s.call("PUT", path, "", json!({})).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [place], "{path}");
    }
}

#[tokio::test]
async fn limits_are_an_admins() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "admin", &[("PUT", QUEUE), ("PUT", LANE)]).await;
    problem(s.call("PUT", QUEUE, &keys.acme, json!({})).await, 403, "forbidden-scope").await;
    assert_eq!(s.call("PUT", QUEUE, &keys.admin, json!({ "rate": 5 })).await.status(), 204);
    let lines = s.call("GET", "/v1/audit", &keys.admin, Value::Null).await.text().await.unwrap();
    assert!(lines.contains("queues.limit"), "{lines}");
}
