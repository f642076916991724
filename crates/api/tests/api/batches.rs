//! Batches of tasks and of notifications: strict, permissive, repeated.

use posthaste_notify::NotifyConfig;
use posthaste_testkit::http::HttpSink;
use serde_json::{Value, json};

use super::harness::{Server, json, locs, problem};

async fn send(s: &Server, path: &str, key: &str, body: &str) -> reqwest::Response {
    let request = s.request("POST", path).header("idempotency-key", key);
    request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn payloads_are_stored_as_they_were_written_and_a_repeat_stores_nothing() {
    let s = Server::start().await;
    let body = r#"{"tasks":[{"kind":"work","payload":{"b":1.0,"a":[1e2]}},{"kind":"work","payload":2}]}"#;
    let first = send(&s, "/v1/tasks/batch", "k", body).await;
    assert_eq!(first.status(), 202);
    let (location, first) = (first.headers()["location"].clone(), json(first).await);
    let id = first["data"][0]["id"].as_str().unwrap();
    let stored = s.get(&format!("/v1/tasks/{id}")).await.text().await.unwrap();
    assert!(stored.contains(r#""payload":{"b":1.0,"a":[1e2]}"#), "{stored}");
    // Another order and other white space are the same request.
    let again =
        r#"{ "tasks": [{"payload":{"a":[1e2],"b":1.0},"kind":"work"}, {"kind":"work","payload":2}] }"#;
    let again = send(&s, "/v1/tasks/batch", "k", again).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()["location"], location);
    assert_eq!(json(again).await, first);
    let other = r#"{"tasks":[{"kind":"work","payload":3}]}"#;
    problem(send(&s, "/v1/tasks/batch", "k", other).await, 422, "idempotency-key-reused").await;
    let batch = json(s.get(location.to_str().unwrap()).await).await;
    assert_eq!((&batch["size"], &batch["counts"]["queued"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn one_bad_item_fails_all_unless_the_good_ones_are_asked_for() {
    let s = Server::start().await;
    for (path, field, good, bad, wrong) in [
        (
            "/v1/tasks/batch",
            "tasks",
            json!({"kind": "work", "payload": 1}),
            json!({"kind": "work"}),
            "payload",
        ),
        (
            "/v1/notifications/batch",
            "notifications",
            json!({"to": "a@example.com"}),
            json!({"to": "nobody"}),
            "to",
        ),
    ] {
        let items = json!([good, bad, good]);
        let reply = s.post_json(path, json!({ field: items })).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [format!("body.{field}.1.{wrong}")]);
        let reply = json(s.post_json(path, json!({ field: items, "mode": "permissive" })).await).await;
        let places: Vec<_> = reply["data"].as_array().unwrap().iter().map(|d| d["index"].clone()).collect();
        assert_eq!((places, &reply["errors"][0]["index"]), (vec![json!(0), json!(2)], &json!(1)));
        for empty in [json!({}), json!({ field: null }), json!({ field: [] }), json!({ field: 1 })] {
            let body = problem(s.post_json(path, empty).await, 422, "invalid-request").await;
            assert_eq!(locs(&body), [format!("body.{field}")]);
        }
        problem(
            s.post_json(path, json!({ field: [bad], "mode": "permissive" })).await,
            422,
            "invalid-request",
        )
        .await;
    }
    assert_eq!(json(s.get("/v1/tasks").await).await["data"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn what_templates_make_of_a_batch_is_bounded() {
    const PATH: &str = "/v1/notifications/batch";
    let s = Server::start().await;
    s.got("PUT", "/v1/templates/long", json!({ "text": "x".repeat(60_000) }), 200).await;
    let one = |n| json!({ "to": format!("a{n}@example.com"), "template": { "name": "long" } });
    let all: Vec<_> = (0..150).map(one).collect();
    let reply = s.post_json(PATH, json!({ "notifications": all })).await;
    let first = locs(&problem(reply, 422, "invalid-request").await).remove(0);
    assert_eq!(first, "body.notifications.139", "as many as 8 MiB hold go before it");
    let made = s.got("POST", PATH, json!({ "notifications": all, "mode": "permissive" }), 202).await;
    let count = |field: &str| made[field].as_array().map(Vec::len);
    assert_eq!((count("data"), count("errors")), (Some(139), Some(11)));
    assert_eq!(made["errors"][0]["errors"][0]["type"], "too_large");
}

#[tokio::test]
async fn in_a_permissive_batch_a_name_too_many_is_the_error_of_its_item() {
    const PATH: &str = "/v1/tasks/batch";
    let s = Server::start().await;
    let of = |kind: String| json!({ "kind": kind, "payload": {}, "tenant": "acme" });
    let all: Vec<_> = (0..1_000).map(|n| of(format!("k{n}"))).collect();
    s.got("POST", PATH, json!({ "tasks": all }), 202).await;
    let tasks = ["k0", "new-1", "k1", "new-2", "new-1"].map(|kind| of(kind.into()));
    let mixed = json!({ "tasks": tasks, "mode": "permissive" });
    let first = json(send(&s, PATH, "k", &mixed.to_string()).await).await;
    let places = |field: &str| -> Vec<_> {
        first[field].as_array().unwrap().iter().map(|d| d["index"].clone()).collect()
    };
    assert_eq!(places("data"), [json!(0), json!(2)]);
    assert_eq!(places("errors"), [json!(1), json!(3), json!(4)]);
    assert_eq!(first["errors"][1]["errors"][0]["loc"], json!(["body", "tasks", 3, "kind"]));
    let again = send(&s, PATH, "k", &mixed.to_string()).await;
    assert_eq!(json(again).await, first, "a repeat is answered as the first was");
    let reply = s.post_json(PATH, json!({ "tasks": [of("new-3".into())], "mode": "permissive" })).await;
    assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["body.tasks.0.kind"]);
    // Whoever used up all names still sends.
    s.notification(json!({ "to": "ann@example.com", "message": "x", "tenant": "acme" })).await;
}

#[tokio::test]
async fn the_callback_of_a_batch_counts_what_is_in_it() {
    let s = Server::start().await;
    let sink = HttpSink::start().await;
    let url = sink.url("/done");
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let note = |key: &str| json!({ "to": "ann@example.com", "message": "x", "unique": { "key": key } });
    let holder = s.notification(note("held")).await;
    let body =
        json!({ "notifications": [note("held"), note("a"), note("a"), note("b")], "callback_url": url });
    let send = async || {
        let request = s.request("POST", "/v1/notifications/batch").header("idempotency-key", "k").json(&body);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 202);
        (reply.headers()["location"].to_str().unwrap().to_owned(), json(reply).await)
    };
    let (location, first) = send().await;
    let duplicates: Vec<_> =
        first["data"].as_array().unwrap().iter().map(|d| d["duplicate"].clone()).collect();
    assert_eq!(duplicates, [true, false, true, false]);
    assert_eq!(first["data"][0]["id"], holder.as_str());
    // A repeat says the same batch, although its first task is of none, and is told of once.
    assert_eq!(send().await, (location.clone(), first));
    let batch = s.got("GET", &location, Value::Null, 200).await;
    assert_eq!(batch["size"], 2);
    let callbacks = s.got("GET", "/v1/tasks?kind=callback", Value::Null, 200).await;
    let callbacks = callbacks["data"].as_array().unwrap();
    assert_eq!(callbacks.len(), 1);
    let callback = format!("/v1/tasks/{}", callbacks[0]["id"].as_str().unwrap());
    let callback = s.got("GET", &callback, Value::Null, 200).await;
    assert_eq!(callback["payload"]["size"], 2, "{callback}");
    let config = NotifyConfig { allow, sandbox: posthaste_notify::Sandbox::On, ..NotifyConfig::default() };
    let worker = s.work(config).await;
    let told = sink.wait_requests(1).await[0].json();
    worker.shutdown().await;
    assert_eq!((&told["data"]["size"], &told["data"]["batch_id"]), (&json!(2), &batch["id"]));
    assert_eq!(
        (&told["data"]["counts"]["succeeded"], &told["data"]["counts"]["removed"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn the_callback_of_a_duplicate_is_about_the_holder_of_its_key() {
    let s = Server::start().await;
    let task = json!({ "kind": "work", "payload": 1, "unique": { "key": "u" } });
    let holder = s.got("POST", "/v1/tasks", task.clone(), 202).await["id"].clone();
    let mut told = task;
    told["callback_url"] = json!("https://x.example.com/done");
    assert_eq!(s.got("POST", "/v1/tasks", told, 200).await["id"], holder);
    let callbacks = s.got("GET", "/v1/tasks?kind=callback", Value::Null, 200).await;
    let callback = format!("/v1/tasks/{}", callbacks["data"][0]["id"].as_str().unwrap());
    assert_eq!(s.got("GET", &callback, Value::Null, 200).await["payload"]["task"], holder);
}
