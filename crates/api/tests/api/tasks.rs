//! `/v1/tasks`: enqueue, read, wait, list, cancel, retry.

use std::time::Duration;

use serde_json::json;

use super::harness::{Server, json, locs, problem};

#[tokio::test]
async fn a_task_is_stored_as_it_was_sent() {
    let s = Server::start().await;
    let reply = s
        .post_json(
            "/v1/tasks",
            json!({
                "kind": "report.build", "payload": { "b": 1, "a": [null, "x"] }, "queue": "reports",
                "lane": "pdf/acme", "tenant": "acme", "priority": "high", "delay_ms": 60_000,
                "expires_at": "2099-01-01T00:00:00Z", "unique": { "key": "jan", "hold_ms": 1000 },
                "retry": { "max_failures": 3, "backoff": { "type": "listed", "delays_ms": [1, 2] }, "on_ambiguous": "hold" },
                "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58"
            }),
        )
        .await;
    assert_eq!(reply.status(), 202);
    assert_eq!(reply.headers()["location"], "/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58");
    assert_eq!(reply.headers().get("idempotency-replayed"), None);
    assert_eq!(
        json(reply).await,
        json!({ "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "state": "scheduled", "duplicate": false })
    );
    let task = json(s.get("/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58").await).await;
    let mut task = task.as_object().unwrap().clone();
    for time in ["created_at", "due_at"] {
        assert!(task.remove(time).unwrap().as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(
        serde_json::Value::Object(task),
        json!({
            "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "kind": "report.build", "queue": "reports",
            "lane": "pdf/acme", "tenant": "acme", "priority": "high", "state": "scheduled", "generation": 1,
            "attempt": 0, "failures": 0, "expires_at": "2099-01-01T00:00:00.000Z", "cancel_requested": false,
            "retry": { "max_failures": 3, "backoff": { "type": "listed", "delays_ms": [1, 2] },
                "max_age_ms": 259_200_000, "timeout_ms": 60_000, "on_ambiguous": "hold" },
            "unique_key": "jan", "payload": { "b": 1, "a": [null, "x"] }, "attempts": []
        })
    );
}

#[tokio::test]
async fn a_payload_keeps_its_numbers_and_order() {
    let s = Server::start().await;
    let payload = r#"{"z":12345678901234567890123,"a":1.10,"m":"\u00e9"}"#;
    let body = format!(r#"{{"kind":"work","payload":{payload}}}"#);
    let reply = s
        .request("POST", "/v1/tasks")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let id = json(reply).await["id"].as_str().unwrap().to_owned();
    let text = s.get(&format!("/v1/tasks/{id}")).await.text().await.unwrap();
    assert!(text.contains(&format!(r#""payload":{payload}"#)), "{text}");
}

#[tokio::test]
async fn a_notification_gets_the_defaults_of_its_kind_and_may_override_parts() {
    let s = Server::start().await;
    let payload = json!({ "channel": "email", "to": "dev@example.com", "provider": "ses" });
    let reply = s
        .post_json(
            "/v1/tasks",
            json!({ "kind": "notify", "payload": payload, "retry": { "max_failures": 2 } }),
        )
        .await;
    let id = json(reply).await["id"].as_str().unwrap().to_owned();
    let task = json(s.get(&format!("/v1/tasks/{id}")).await).await;
    assert_eq!(task["lane"], "email:ses");
    assert_eq!(task["retry"]["max_failures"], 2);
    assert_eq!(task["retry"]["backoff"]["delays_ms"][0], 30_000);
    assert_eq!(task["retry"]["timeout_ms"], 660_000);
}

#[tokio::test]
async fn an_existing_id_is_a_conflict_and_a_held_unique_key_a_duplicate() {
    let s = Server::start().await;
    let id = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
    let body = json!({ "kind": "work", "payload": 1, "id": id, "unique": { "key": "k" } });
    assert_eq!(s.post_json("/v1/tasks", body.clone()).await.status(), 202);
    let other = json!({ "kind": "work", "payload": 2, "id": id });
    problem(s.post_json("/v1/tasks", other).await, 409, "id-exists").await;
    let twin = json!({ "kind": "work", "payload": 2, "unique": { "key": "k" } });
    let reply = s.post_json("/v1/tasks", twin).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["location"], format!("/v1/tasks/{id}"));
    assert_eq!(json(reply).await, json!({ "id": id, "state": "queued", "duplicate": true }));
}

#[tokio::test]
async fn success_and_failure_show_with_their_attempts() {
    let s = Server::start().await;
    let good = s.task().await;
    s.succeed(json!({ "pages": 3 })).await;
    let task = json(s.get(&format!("/v1/tasks/{good}")).await).await;
    assert_eq!((&task["state"], &task["result"]), (&json!("succeeded"), &json!({ "pages": 3 })));
    assert_eq!(task["attempts"][0]["outcome"], "succeeded");
    assert!(task["finished_at"].is_string());

    let bad = s.task().await;
    s.fail("no such mailbox").await;
    let task = json(s.get(&format!("/v1/tasks/{bad}")).await).await;
    assert_eq!(task["state"], "failed");
    assert_eq!(task["error"]["reason"], "permanent");
    assert_eq!(task["error"]["class"], "permanent");
    assert_eq!(task["error"]["code"], "550 5.7.1");
    let attempts = json(s.get(&format!("/v1/tasks/{bad}/attempts")).await).await;
    assert_eq!(attempts["data"], task["attempts"]);
    assert_eq!(attempts["data"][0]["message"], "no such mailbox");
    assert_eq!(attempts["data"][0]["worker"], "test:1:a");
}

#[tokio::test]
async fn waiting_ends_with_the_task() {
    let s = Server::start().await;
    let id = s.task().await;
    let waiting = tokio::spawn(s.request("GET", &format!("/v1/tasks/{id}?wait=60s")).send());
    // Whether the end comes before or after the subscription, the answer must hold it.
    s.succeed(json!(1)).await;
    let task = json(waiting.await.unwrap().unwrap()).await;
    assert_eq!(task["state"], "succeeded");
    // A final task answers at once, an unknown one too.
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}?wait=60s")).await).await["state"], "succeeded");
    problem(s.get("/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58?wait=60s").await, 404, "not-found").await;
}

#[tokio::test]
async fn waiting_ends_with_its_time_and_with_the_server() {
    let s = Server::start().await;
    let id = s.task().await;
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}?wait=1ms")).await).await["state"], "queued");
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}?wait=0s")).await).await["state"], "queued");
    let id = id.parse().unwrap();
    let (api, again) = (s.api.clone(), s.api.clone());
    let waiting =
        tokio::spawn(
            async move { api.wait(&posthaste_api::Caller::local(), id, Duration::from_secs(60)).await },
        );
    again.closing().cancel();
    assert!(waiting.await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn lists_go_page_by_page_and_filter() {
    let s = Server::start().await;
    let mut ids = Vec::new();
    for i in 0..5 {
        let kind = if i % 2 == 0 { "even" } else { "odd" };
        let reply = s
            .post_json("/v1/tasks", json!({ "kind": kind, "payload": i, "queue": format!("q{}", i % 2) }))
            .await;
        ids.push(json(reply).await["id"].as_str().unwrap().to_owned());
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/v1/tasks?limit=2".to_owned();
    loop {
        let page = json(s.get(&path).await).await;
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        seen.extend(data.iter().map(|t| t["id"].as_str().unwrap().to_owned()));
        assert!(data.iter().all(|t| t.get("payload").is_none() && t.get("attempts").is_none()));
        match page.get("next_cursor") {
            Some(c) => path = format!("/v1/tasks?limit=2&cursor={}", c.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(s.post(&format!("/v1/tasks/{}/cancel", ids[0])).await.status(), 200);
    for (query, n) in [
        ("kind=even", 3),
        ("queue=q1", 2),
        ("kind=even&queue=q1", 0),
        ("state=queued", 4),
        ("state=cancelled", 1),
        ("state=queued,cancelled", 5),
        ("state=queued&state=cancelled", 5),
        ("state=failed", 0),
        ("batch=0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", 0),
    ] {
        let page = json(s.get(&format!("/v1/tasks?{query}")).await).await;
        assert_eq!(page["data"].as_array().unwrap().len(), n, "{query}");
    }
}

#[tokio::test]
async fn a_waiting_task_is_cancelled_at_once_and_may_be_retried() {
    let s = Server::start().await;
    let id = s.task().await;
    let not_yet = problem(s.post(&format!("/v1/tasks/{id}/retry")).await, 409, "not-retryable").await;
    assert!(not_yet["detail"].as_str().unwrap().contains("queued"));
    for _ in 0..2 {
        let reply = s.post(&format!("/v1/tasks/{id}/cancel")).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(json(reply).await, json!({ "id": id, "state": "cancelled", "cancel_requested": false }));
    }
    let reply =
        s.post_json(&format!("/v1/tasks/{id}/retry"), json!({ "expires_at": "2099-01-01T00:00:00Z" })).await;
    assert_eq!(reply.status(), 202);
    assert_eq!(json(reply).await, json!({ "id": id, "state": "queued", "generation": 2 }));
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}")).await).await["expires_at"], "2099-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn a_running_task_is_asked_and_a_finished_one_is_left() {
    let s = Server::start().await;
    let id = s.task().await;
    let claimed = s.claim().await;
    for _ in 0..2 {
        let reply = s.post(&format!("/v1/tasks/{id}/cancel")).await;
        assert_eq!(reply.status(), 202);
        assert_eq!(json(reply).await, json!({ "id": id, "state": "running", "cancel_requested": true }));
    }
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}")).await).await["cancel_requested"], true);
    s.settle(&claimed, posthaste_core::Outcome::done()).await;
    let late = problem(s.post(&format!("/v1/tasks/{id}/cancel")).await, 409, "already-final").await;
    assert!(late["detail"].as_str().unwrap().contains("succeeded"));
}

#[tokio::test]
async fn a_retry_waits_for_the_unique_key() {
    let s = Server::start().await;
    let body = json!({ "kind": "work", "payload": 1, "unique": { "key": "k" } });
    let first = json(s.post_json("/v1/tasks", body.clone()).await).await["id"].as_str().unwrap().to_owned();
    s.post(&format!("/v1/tasks/{first}/cancel")).await;
    let second = json(s.post_json("/v1/tasks", body).await).await["id"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let held = problem(s.post(&format!("/v1/tasks/{first}/retry")).await, 409, "unique-key-held").await;
    assert!(held["detail"].as_str().unwrap().contains(&second));
}

#[tokio::test]
async fn a_held_message_is_shown() {
    let s = Server::start().await;
    let id = s.task().await;
    assert_eq!(s.get(&format!("/v1/tasks/{id}/message")).await.status(), 204);
    let message = json!({
        "channel": "email", "from": "Posthaste <posthaste@localhost>", "to": "dev@example.com", "subject": "Hi",
        "text": "Hello", "date": "2026-01-31T09:30:00.000Z", "message_id": "<a@b>", "reason": "no provider"
    });
    s.hold(message.clone()).await;
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}/message")).await).await, message);
    let queues = json(s.get("/v1/queues").await).await;
    assert_eq!(queues["data"][0]["held"], 1);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let s = Server::start().await;
    let reply = s
        .post_json(
            "/v1/tasks",
            json!({
                "kind": 7, "payload": {}, "queue": "a b", "lane": "a/b/c", "tenant": "", "priority": "urgent",
                "due_at": "tomorrow", "delay_ms": -1, "expires_at": 3, "unique": { "hold_ms": 0, "kye": 1 },
                "retry": { "max_failures": 0, "backoff": { "type": "listed", "delays_ms": ["x"] }, "timeout": 3,
                    "on_ambiguous": null },
                "id": "seven", "pirority": "high"
            }),
        )
        .await;
    let body = problem(reply, 422, "invalid-request").await;
    assert_eq!(
        locs(&body),
        [
            "body.kind",
            "body.queue",
            "body.lane",
            "body.tenant",
            "body.priority",
            "body.due_at",
            "body.delay_ms",
            "body.expires_at",
            "body.unique.key",
            "body.unique.hold_ms",
            "body.unique.kye",
            "body.retry.max_failures",
            "body.retry.backoff.delays_ms",
            "body.retry.timeout",
            "body.id",
            "body.pirority"
        ]
    );
    let msg = |i: usize| body["errors"][i]["msg"].as_str().unwrap();
    assert!(msg(15).contains("did you mean `priority`?"), "{}", msg(15));
    assert!(msg(13).contains("did you mean `timeout_ms`?"), "{}", msg(13));
}

#[tokio::test]
async fn a_notification_is_checked_field_by_field() {
    let s = Server::start().await;
    let payload = json!({
        "channel": "pigeon", "to": "nobody", "subject": 1, "subjekt": "x", "provider": "a/b", "reply_to": "nobody",
        "headers": { "X-A": 1 }
    });
    let reply = s.post_json("/v1/tasks", json!({ "kind": "notify", "payload": payload })).await;
    let body = problem(reply, 422, "invalid-request").await;
    let mut found = locs(&body);
    found.sort();
    assert_eq!(
        found,
        [
            "body.payload.channel",
            "body.payload.headers",
            "body.payload.provider",
            "body.payload.reply_to",
            "body.payload.subject",
            "body.payload.subjekt"
        ],
        "what a recipient looks like is the channel's to say, and there is no such channel"
    );
    let payload = json!({ "channel": "email", "to": "a@example.com", "headers": { "Bcc": "b@example.com" } });
    let reply = s.post_json("/v1/tasks", json!({ "kind": "notify", "payload": payload })).await;
    assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["body.payload.headers"]);
    let payload = json!({
        "channel": "email", "to": "a@example.com", "reply_to": "Shop <b@example.com>", "headers": { "List-Id": "<x>" }
    });
    let reply = s.post_json("/v1/tasks", json!({ "kind": "notify", "payload": payload.clone() })).await;
    let id = json(reply).await["id"].as_str().unwrap().to_owned();
    assert_eq!(
        json(s.get(&format!("/v1/tasks/{id}")).await).await["payload"]["reply_to"],
        "Shop <b@example.com>"
    );
}

#[tokio::test]
async fn a_delay_counts_from_the_due_time_or_from_now() {
    let s = Server::start().await;
    let due = async |body: serde_json::Value| {
        let id = json(s.post_json("/v1/tasks", body).await).await["id"].as_str().unwrap().to_owned();
        let task = json(s.get(&format!("/v1/tasks/{id}")).await).await;
        (task["state"].clone(), task["due_at"].clone())
    };
    let past = "2020-01-01T00:00:00Z";
    assert_eq!(due(json!({ "kind": "work", "payload": 1, "due_at": past })).await.0, "queued");
    assert_eq!(
        due(json!({ "kind": "work", "payload": 1, "due_at": past, "delay_ms": 5000 })).await.0,
        "queued"
    );
    assert_eq!(due(json!({ "kind": "work", "payload": 1, "delay_ms": 0 })).await.0, "queued");
    assert_eq!(due(json!({ "kind": "work", "payload": 1, "delay_ms": 3_600_000 })).await.0, "scheduled");
}
