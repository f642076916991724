//! Bulk operations: cancel or retry whatever fits, a slice a call.

use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/tasks/bulk";
const ID: &str = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";

fn counted(operation: &Value) -> (u64, u64, u64, &str) {
    let n = |field: &str| operation[field].as_u64().unwrap();
    (n("matched"), n("changed"), n("skipped"), operation["state"].as_str().unwrap())
}

async fn tasks(s: &Server, kind: &str, n: usize) {
    let tasks = vec![json!({ "kind": kind, "payload": {} }); n];
    s.got("POST", "/v1/tasks/batch", json!({ "tasks": tasks }), 202).await;
}

#[tokio::test]
async fn what_fits_is_cancelled_and_retried_and_the_rest_left_alone() {
    let s = Server::start().await;
    tasks(&s, "work", 3).await;
    tasks(&s, "other", 2).await;
    s.succeed(json!(1)).await;
    let cancel = json!({ "action": "cancel", "filter": { "kind": "work" } });
    let dry = s
        .got("POST", PATH, json!({ "action": "cancel", "filter": { "kind": "work" }, "dry_run": true }), 200)
        .await;
    assert_eq!((counted(&dry), &dry["dry_run"]), ((3, 2, 1, "done"), &json!(true)));
    let done = s.got("POST", PATH, cancel, 200).await;
    assert_eq!(counted(&done), (3, 2, 1, "done"), "what has ended cannot be cancelled");
    let path = format!("/v1/operations/{}", done["id"].as_str().unwrap());
    assert_eq!(s.got("GET", &path, Value::Null, 200).await, done);
    assert_eq!(s.got("POST", &format!("{path}/resume"), Value::Null, 200).await, done, "it is done");
    let states = |page: Value| {
        page["data"].as_array().unwrap().iter().map(|t| t["state"].to_string()).collect::<Vec<_>>()
    };
    let other = s.got("GET", "/v1/tasks?kind=other", Value::Null, 200).await;
    assert_eq!(states(other), ["\"queued\"", "\"queued\""]);
    let retry = json!({ "action": "retry", "filter": { "state": ["cancelled", "failed"], "kind": "work" } });
    let done = s.got("POST", PATH, retry, 200).await;
    assert_eq!(counted(&done), (2, 2, 0, "done"));
    let all = json!({ "action": "retry", "filter": { "queue": "default" } });
    assert_eq!(counted(&s.got("POST", PATH, all, 200).await), (5, 0, 5, "done"), "nothing is left to retry");
}

#[tokio::test]
async fn a_filter_reaches_by_class_batch_and_recipient() {
    let s = Server::start().await;
    tasks(&s, "work", 2).await;
    s.fail("no").await;
    s.notification(json!({ "to": "a@example.com" })).await;
    let batch =
        s.got("POST", "/v1/notifications", json!({ "to": ["b@example.com", "c@example.com"] }), 202).await;
    for (filter, matched) in [
        (json!({ "class": "permanent" }), 1),
        (json!({ "class": "transient" }), 0),
        (json!({ "batch": batch["batch_id"] }), 2),
        (json!({ "recipient": "a@example.com" }), 1),
        (json!({ "recipient": "email:b@example.com", "state": ["queued"] }), 1),
        (json!({ "recipient": "b@example.com", "state": ["failed"] }), 0),
        (json!({ "tenant": "acme" }), 0),
        (json!({ "state": ["queued"] }), 4),
    ] {
        let asked = json!({ "action": "cancel", "filter": filter, "dry_run": true });
        let found = s.got("POST", PATH, asked, 200).await;
        let (found, changed, skipped, state) = counted(&found);
        assert_eq!((found, changed + skipped, state), (matched, matched, "done"), "{filter}");
    }
}

#[tokio::test]
async fn a_dry_run_counts_what_the_real_one_does() {
    let s = Server::start().await;
    tasks(&s, "work", 6).await;
    s.succeed(json!(1)).await;
    s.fail("no").await;
    let running = s.claim().await;
    s.got("POST", "/v1/tasks", json!({ "kind": "work", "payload": 1, "delay_ms": 86_400_000 }), 202).await;
    let of = |action: &str, state: &[&str], dry: bool| {
        let mut filter = json!({ "kind": "work" });
        if !state.is_empty() {
            filter["state"] = json!(state);
        }
        json!({ "action": action, "filter": filter, "dry_run": dry })
    };
    for (action, state) in [
        ("retry", &[][..]),
        ("retry", &["succeeded", "queued"]),
        ("cancel", &["running"]),
        ("cancel", &["failed", "queued"]),
        ("cancel", &[]),
        ("cancel", &[]),
        ("retry", &[]),
        ("retry", &["cancelled"]),
    ] {
        let before = s.got("GET", "/v1/tasks?limit=50", Value::Null, 200).await;
        let dry = s.got("POST", PATH, of(action, state, true), 200).await;
        assert_eq!(s.got("GET", "/v1/tasks?limit=50", Value::Null, 200).await, before, "nothing has changed");
        let real = s.got("POST", PATH, of(action, state, false), 200).await;
        assert_eq!(counted(&dry), counted(&real), "{action} {state:?}");
    }
    s.settle(&running, posthaste_core::Outcome::result(posthaste_core::Json::from(json!(1)))).await;
}

#[tokio::test]
async fn more_than_a_slice_is_resumed_until_it_is_done() {
    let s = Server::start().await;
    for _ in 0..2 {
        tasks(&s, "work", 1_000).await;
    }
    let mut operation =
        s.got("POST", PATH, json!({ "action": "cancel", "filter": { "kind": "work" } }), 200).await;
    assert_eq!(operation["state"], "running");
    assert_eq!(operation["waiting"], true, "nobody works it until it is resumed");
    let resume = format!("/v1/operations/{}/resume", operation["id"].as_str().unwrap());
    // What comes after it began is not meant.
    s.task().await;
    let mut before = operation["matched"].as_u64().unwrap();
    assert!((1..=1_000).contains(&before), "{operation}");
    while operation["state"] == "running" {
        operation = s.got("POST", &resume, Value::Null, 200).await;
        let now = operation["matched"].as_u64().unwrap();
        assert!(now > before || operation["state"] == "done", "each call gets on: {operation}");
        before = now;
    }
    assert_eq!(counted(&operation), (2_000, 2_000, 0, "done"));
    let left = s.got("GET", "/v1/tasks?state=queued", Value::Null, 200).await;
    assert_eq!(left["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    s.task().await;
    for (asked, places) in [
        (json!({}), vec!["body.action", "body.filter"]),
        (json!({ "action": "erase", "filter": { "kind": "work" } }), vec!["body.action"]),
        (json!({ "action": "cancel", "filter": {} }), vec!["body.filter"]),
        (json!({ "action": "cancel", "filter": null }), vec!["body.filter"]),
        (json!({ "action": "cancel", "filter": [] }), vec!["body.filter"]),
        (json!({ "action": "cancel", "filter": { "state": [] } }), vec!["body.filter.state"]),
        (json!({ "action": "cancel", "filter": { "state": ["asleep"] } }), vec!["body.filter.state"]),
        (json!({ "action": "cancel", "filter": { "knd": "work" } }), vec!["body.filter.knd"]),
        (
            json!({ "action": "cancel", "filter": { "batch": "x", "class": "x" } }),
            vec!["body.filter.batch", "body.filter.class"],
        ),
        (json!({ "action": "cancel", "filter": { "kind": "work" }, "dry_run": 1 }), vec!["body.dry_run"]),
    ] {
        let found = locs(&problem(s.post_json(PATH, asked.clone()).await, 422, "invalid-request").await);
        for place in &places {
            assert!(found.iter().any(|f| f == place), "{asked}: {found:?}");
        }
    }
    assert_eq!(
        s.got("GET", "/v1/tasks?state=queued", Value::Null, 200).await["data"].as_array().map(Vec::len),
        Some(1)
    );
    for method in ["", "/resume"] {
        let (verb, path) = if method.is_empty() { ("GET", "") } else { ("POST", method) };
        let none = s.call(verb, &format!("/v1/operations/{ID}{path}"), "", Value::Null).await;
        problem(none, 404, "not-found").await;
        let bad = s.call(verb, &format!("/v1/operations/seven{path}"), "", Value::Null).await;
        assert_eq!(locs(&problem(bad, 422, "invalid-request").await), ["path.operation_id"]);
    }
}

#[tokio::test]
async fn an_operation_reaches_the_tenants_own_and_is_seen_by_nobody_else() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "send", &[("POST", PATH), ("POST", &format!("/v1/operations/{ID}/resume"))]).await;
    s.needs(&keys, "read", &[("GET", &format!("/v1/operations/{ID}"))]).await;
    for token in [&keys.acme, &keys.other, &keys.admin] {
        s.call("POST", "/v1/tasks", token, json!({ "kind": "work", "payload": 1 })).await;
    }
    let foreign = json!({ "action": "cancel", "filter": { "tenant": "other" } });
    problem(s.call("POST", PATH, &keys.acme, foreign).await, 403, "forbidden").await;
    let own = json!({ "action": "cancel", "filter": { "kind": "work" } });
    let done = body(s.call("POST", PATH, &keys.acme, own).await).await;
    assert_eq!(counted(&done), (1, 1, 0, "done"));
    let path = format!("/v1/operations/{}", done["id"].as_str().unwrap());
    assert_eq!(s.call("GET", &path, &keys.acme, Value::Null).await.status(), 200);
    problem(s.call("GET", &path, &keys.other, Value::Null).await, 404, "not-found").await;
    let resume = s.call("POST", &format!("{path}/resume"), &keys.other, Value::Null).await;
    problem(resume, 404, "not-found").await;
    let left = body(s.call("GET", "/v1/tasks?state=queued", &keys.admin, Value::Null).await).await;
    assert_eq!(left["data"].as_array().map(Vec::len), Some(2));
}
