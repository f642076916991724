//! What no decent client sends: each is a 4xx that names the field, never a 5xx.

use serde_json::json;

use super::harness::{Server, json, locs, problem};

const JSON: &str = "application/json";
const ID: &str = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";

#[tokio::test]
async fn bodies_that_are_not_json_say_where_they_stop_being_it() {
    let s = Server::start().await;
    let deep = format!(r#"{{"kind":"a","payload":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let tail = br#"{"kind":"a","payload":1} x"#.to_vec();
    for (body, at) in [
        (b"".to_vec(), 0),
        (b"{\"kind\": \"\xff\"}".to_vec(), 10),
        (b"{\"kind\": \"not".to_vec(), 12),
        (tail, 25),
        (deep.into_bytes(), 121),
    ] {
        for path in ["/v1/tasks".to_owned(), format!("/v1/tasks/{ID}/retry"), "/v1/queues/q/pause".to_owned()]
        {
            if body.is_empty() && path != "/v1/tasks" {
                continue;
            }
            let request = s.request("POST", &path).header("content-type", JSON).body(body.clone());
            let answer = problem(request.send().await.unwrap(), 400, "malformed-body").await;
            let errors = &answer["errors"][0];
            assert_eq!(errors["type"], "json_invalid");
            assert_eq!(errors["loc"][0], "body");
            let place = errors["loc"][1].as_u64().unwrap();
            assert!(place.abs_diff(at) <= 1, "{path} {place} {at}");
            assert!(!answer.to_string().contains("line"), "{answer}");
        }
    }
}

#[tokio::test]
async fn bodies_of_another_type_or_size_are_refused() {
    let s = Server::start().await;
    let send = |kind: Option<&'static str>, body: String| {
        let request = s.request("POST", "/v1/tasks").body(body);
        kind.map(|k| request.try_clone().unwrap().header("content-type", k)).unwrap_or(request).send()
    };
    for kind in [
        None,
        Some("application/x-www-form-urlencoded"),
        Some("text/xml"),
        Some("multipart/form-data"),
        Some("a"),
    ] {
        problem(
            send(kind, r#"{"kind":"a","payload":1}"#.into()).await.unwrap(),
            415,
            "unsupported-media-type",
        )
        .await;
    }
    for body in ["[]", "7", "null", "\"x\"", "true"] {
        let answer = problem(send(Some(JSON), body.into()).await.unwrap(), 422, "invalid-request").await;
        assert_eq!(
            (locs(&answer), &answer["errors"][0]["type"]),
            (vec!["body".to_owned()], &json!("dict_type"))
        );
    }
    let huge = format!(r#"{{"kind":"{}"}}"#, "x".repeat(3_000_000));
    problem(send(Some(JSON), huge).await.unwrap(), 413, "too-large").await;
    let big = format!(r#"{{"kind":"a","payload":"{}"}}"#, "x".repeat(300_000));
    let answer = problem(send(Some(JSON), big).await.unwrap(), 422, "invalid-request").await;
    assert_eq!(
        (locs(&answer), &answer["errors"][0]["type"]),
        (vec!["body.payload".to_owned()], &json!("too_large"))
    );
    let whole = format!(r#"{{"kind":"a","payload":"{}"}}"#, "x".repeat(256 * 1024 - 2));
    assert_eq!(send(Some(JSON), whole).await.unwrap().status(), 202);
    for payload in ["1e999", r#""\ud800""#] {
        let body = format!(r#"{{"kind":"a","payload":{payload}}}"#);
        let answer = problem(send(Some(JSON), body).await.unwrap(), 422, "invalid-request").await;
        assert_eq!(locs(&answer), ["body.payload"]);
    }
    let answer = problem(
        send(Some(JSON), r#"{"kind":"\ud800","payload":1}"#.into()).await.unwrap(),
        422,
        "invalid-request",
    )
    .await;
    assert!(locs(&answer).contains(&"body.kind".to_owned()));
}

#[tokio::test]
async fn wrong_values_of_every_field_of_a_task_are_named() {
    let s = Server::start().await;
    for (field, value, place) in [
        ("kind", json!(null), "body.kind"),
        ("kind", json!(""), "body.kind"),
        ("kind", json!("k".repeat(1000)), "body.kind"),
        ("queue", json!([]), "body.queue"),
        ("queue", json!("../x"), "body.queue"),
        ("lane", json!({}), "body.lane"),
        ("lane", json!("/"), "body.lane"),
        ("lane", json!("l".repeat(1000)), "body.lane"),
        ("tenant", json!(1.5), "body.tenant"),
        ("priority", json!(0), "body.priority"),
        ("priority", json!("urgent"), "body.priority"),
        ("due_at", json!(12), "body.due_at"),
        ("due_at", json!("9999-12-31T23:59:59Z"), "body.due_at"),
        ("due_at", json!("2026-13-01T00:00:00Z"), "body.due_at"),
        ("delay_ms", json!(1.5), "body.delay_ms"),
        ("delay_ms", json!("5"), "body.delay_ms"),
        ("delay_ms", json!(u64::MAX), "body.delay_ms"),
        ("delay_ms", json!(1e30), "body.delay_ms"),
        ("expires_at", json!("never"), "body.expires_at"),
        ("unique", json!("x"), "body.unique"),
        ("unique", json!({}), "body.unique.key"),
        ("unique", json!({ "key": "" }), "body.unique.key"),
        ("unique", json!({ "key": "a\u{0}b" }), "body.unique.key"),
        ("unique", json!({ "key": "k", "hold_ms": 86_400_001_u64 }), "body.unique.hold_ms"),
        ("retry", json!(3), "body.retry"),
        ("retry", json!({ "max_failures": 101 }), "body.retry.max_failures"),
        ("retry", json!({ "timeout_ms": 0 }), "body.retry.timeout_ms"),
        ("retry", json!({ "max_age_ms": true }), "body.retry.max_age_ms"),
        ("retry", json!({ "on_ambiguous": "shrug" }), "body.retry.on_ambiguous"),
        ("retry", json!({ "backoff": "x" }), "body.retry.backoff"),
        ("retry", json!({ "backoff": {} }), "body.retry.backoff.type"),
        ("retry", json!({ "backoff": { "type": "none" } }), "body.retry.backoff.type"),
        (
            "retry",
            json!({ "backoff": { "type": "listed", "delays_ms": [] } }),
            "body.retry.backoff.delays_ms",
        ),
        (
            "retry",
            json!({ "backoff": { "type": "listed", "delays_ms": vec![1; 33] } }),
            "body.retry.backoff.delays_ms",
        ),
        (
            "retry",
            json!({ "backoff": { "type": "exponential", "base_ms": 1, "cap_ms": -1 } }),
            "body.retry.backoff.cap_ms",
        ),
        (
            "retry",
            json!({ "backoff": { "type": "exponential", "base_ms": 1, "cap_ms": 1, "x": 1 } }),
            "body.retry.backoff.x",
        ),
        ("id", json!(7), "body.id"),
        ("\u{0}", json!(7), "body.\u{0}"),
    ] {
        let mut body = json!({ "kind": "work", "payload": 1 });
        body[field] = value.clone();
        let answer = problem(s.post_json("/v1/tasks", body).await, 422, "invalid-request").await;
        assert_eq!(locs(&answer), [place], "{field} {value}");
    }
    assert_eq!(json(s.get("/v1/tasks").await).await["data"], json!([]));
}

#[tokio::test]
async fn wrong_queries_and_paths_are_named() {
    let s = Server::start().await;
    for (path, place) in [
        ("/v1/tasks?limit=0", "query.limit"),
        ("/v1/tasks?limit=-1", "query.limit"),
        ("/v1/tasks?limit=201", "query.limit"),
        ("/v1/tasks?limit=ten", "query.limit"),
        ("/v1/tasks?limit=1&limit=2", "query.limit"),
        ("/v1/tasks?state=sleeping", "query.state"),
        ("/v1/tasks?state=queued,", "query.state"),
        ("/v1/tasks?staet=queued", "query.staet"),
        ("/v1/tasks?queue=%00", "query.queue"),
        ("/v1/tasks?queue=%ff", "query.queue"),
        ("/v1/tasks?kind=", "query.kind"),
        ("/v1/tasks?batch=x", "query.batch"),
        ("/v1/lanes?queue=a%20b", "query.queue"),
        ("/v1/queues?x=1", "query.x"),
        ("/v1/workers?x", "query.x"),
        ("/v1/events?x=1", "query.x"),
        ("/v1/tasks/seven", "path.task_id"),
        ("/v1/tasks/%ff%fe", "path.task_id"),
        ("/v1/tasks/seven/attempts", "path.task_id"),
        ("/v1/tasks/seven/message", "path.task_id"),
        ("/v1/tasks/seven/events", "path.task_id"),
        (&format!("/v1/tasks/{ID}?wait=ages"), "query.wait"),
        (&format!("/v1/tasks/{ID}?wait=61s"), "query.wait"),
        (&format!("/v1/tasks/{ID}?wiat=1s"), "query.wiat"),
    ] {
        let answer = problem(s.get(path).await, 422, "invalid-request").await;
        assert_eq!(locs(&answer), [place], "{path}");
    }
    for cursor in ["garbage", "", "%00", "AAAAAAAAAAAAAAAA"] {
        let answer = problem(s.get(&format!("/v1/tasks?cursor={cursor}")).await, 404, "unknown-cursor").await;
        assert_eq!(locs(&answer), ["query.cursor"]);
    }
    for (path, place) in [
        ("/v1/tasks/seven/cancel", "path.task_id"),
        ("/v1/tasks/seven/retry", "path.task_id"),
        ("/v1/queues/a%20b/pause", "path.queue"),
        ("/v1/queues/%ff/resume", "path.queue"),
        ("/v1/queues/q/lanes/a%2Fb%2Fc/pause", "path.lane"),
        ("/v1/queues/q/lanes/%2F/resume", "path.lane"),
        ("/v1/queues/q/pause?x=1", "query.x"),
    ] {
        let answer = problem(s.post(path).await, 422, "invalid-request").await;
        assert_eq!(locs(&answer), [place], "{path}");
    }
    for (path, body, place) in [
        ("/v1/queues/q/pause", json!({ "for_ms": 0 }), "body.for_ms"),
        ("/v1/queues/q/pause", json!({ "message": 1, "fro_ms": 1 }), "body.message"),
        ("/v1/queues/q/lanes/a/pause", json!({ "message": "x".repeat(501) }), "body.message"),
        (&format!("/v1/tasks/{ID}/retry"), json!({ "expires_at": "x" }), "body.expires_at"),
        (&format!("/v1/tasks/{ID}/retry"), json!([]), "body"),
    ] {
        let answer = problem(s.post_json(path, body).await, 422, "invalid-request").await;
        assert_eq!(locs(&answer)[0], place, "{path}");
    }
    for path in ["", "/attempts", "/message"] {
        problem(s.get(&format!("/v1/tasks/{ID}{path}")).await, 404, "not-found").await;
    }
    for path in ["/cancel", "/retry"] {
        problem(s.post(&format!("/v1/tasks/{ID}{path}")).await, 404, "not-found").await;
    }
}
