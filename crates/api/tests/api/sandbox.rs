//! `/v1/sandbox`: messages that were held, faults on order.

use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const MESSAGES: &str = "/v1/sandbox/messages";
const FAULTS: &str = "/v1/sandbox/faults";

#[tokio::test]
async fn a_held_message_is_shown_as_its_recipient_would_see_it() {
    let s = Server::start().await;
    let worker = s.hold_all().await;
    let first =
        s.notification(json!({ "to": "ann@example.com", "subject": "Hi", "message": "Dear Ann" })).await;
    let ended = s.ended(&first).await;
    assert_eq!((&ended["state"], &ended["result"]["sandbox"]), (&json!("succeeded"), &json!(true)));
    let second = s.notification(json!({ "channel": "slack", "message": "Hello, chat" })).await;
    s.ended(&second).await;
    let page = s.got("GET", MESSAGES, Value::Null, 200).await;
    let held = page["data"].as_array().unwrap();
    assert_eq!((held.len(), &held[0]["task_id"], &held[1]["task_id"]), (2, &json!(second), &json!(first)));
    assert_eq!(
        (&held[1]["to"], &held[1]["subject"], &held[1]["text"], &held[0]["channel"]),
        (&json!("ann@example.com"), &json!("Hi"), &json!("Dear Ann"), &json!("slack"))
    );
    let one = s.got("GET", &format!("/v1/tasks/{first}/message"), Value::Null, 200).await;
    assert_eq!(one["text"], "Dear Ann");
    let page = s.got("GET", &format!("{MESSAGES}?limit=1"), Value::Null, 200).await;
    let next = format!("{MESSAGES}?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(s.got("GET", &next, Value::Null, 200).await["data"][0]["task_id"], first);
    let cleared = s.got("DELETE", MESSAGES, Value::Null, 200).await;
    assert_eq!(cleared, json!({ "deleted": 2, "more": false }));
    assert_eq!(s.got("GET", MESSAGES, Value::Null, 200).await["data"], json!([]));
    assert_eq!(s.ended(&first).await["state"], "succeeded", "its task stays");
    worker.shutdown().await;
}

#[tokio::test]
async fn a_page_of_large_messages_ends_with_fewer_and_the_next_goes_on() {
    const HELD: usize = 8;
    let s = Server::start().await;
    let keys = s.keys().await;
    for n in 0..HELD {
        let task = json!({ "kind": "work", "payload": {} });
        assert_eq!(s.call("POST", "/v1/tasks", &keys.acme, task).await.status(), 202);
        s.hold(json!({
            "channel": "email", "from": "shop@example.com", "to": "ann@example.com", "subject": n.to_string(),
            "text": "x".repeat(240_000), "date": "2026-01-31T09:30:00.000Z", "message_id": "<x@example.com>",
            "reason": "the sandbox is on"
        }))
        .await;
    }
    for key in [&keys.read, &keys.acme] {
        let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let page = s.call("GET", &format!("{MESSAGES}?limit=200{cursor}"), key, Value::Null).await;
            let text = page.text().await.unwrap();
            assert!(text.len() < 2_000_000, "{} bytes", text.len());
            let page: Value = serde_json::from_str(&text).unwrap();
            pages += 1;
            let data = page["data"].as_array().unwrap();
            found.extend(data.iter().map(|m| m["subject"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert!(pages > 1, "{pages}");
        let all: Vec<_> = (0..HELD).rev().map(|n| n.to_string()).collect();
        assert_eq!(found, all, "newest first, each once");
    }
}

/// What an order of one answer makes of the next message, tried again at once.
async fn with_fault(fault: Value, retry: Value) -> (Value, Vec<Value>) {
    let s = Server::start().await;
    s.got("PUT", FAULTS, json!({ "faults": [fault] }), 200).await;
    let worker = s.hold_all().await;
    let id = s.notification(json!({ "to": "ann@example.com", "retry": retry })).await;
    let task = s.ended(&id).await;
    assert_eq!(s.got("GET", FAULTS, Value::Null, 200).await, json!({ "faults": [] }), "it was used up");
    worker.shutdown().await;
    let codes = task["attempts"].as_array().unwrap().iter().map(|a| a["code"].clone()).collect();
    (task, codes)
}

#[tokio::test]
async fn sends_answer_as_was_ordered() {
    let at_once = || json!({ "backoff": { "type": "listed", "delays_ms": [0] } });
    let (task, codes) = with_fault(json!({ "answer": "451", "sends": 2 }), at_once()).await;
    assert_eq!((&task["state"], &task["failures"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(codes, [json!("451 4.2.1"), json!("451 4.2.1"), Value::Null], "{task}");
    let (task, codes) = with_fault(json!({ "answer": "550", "sends": 1 }), at_once()).await;
    assert_eq!((&task["state"], &task["error"]["class"]), (&json!("failed"), &json!("permanent")));
    assert_eq!(codes, [json!("550 5.1.1")]);
    let (task, codes) = with_fault(json!({ "answer": "429", "sends": 1, "retry_after": 1 }), at_once()).await;
    assert_eq!(
        (&task["state"], &task["failures"]),
        (&json!("succeeded"), &json!(0)),
        "it counts as no failure"
    );
    assert_eq!(codes, [json!("429"), Value::Null]);
    let hold = json!({ "on_ambiguous": "hold" });
    let (task, codes) = with_fault(json!({ "answer": "timeout", "sends": 1 }), hold).await;
    assert_eq!((&task["state"], &task["error"]["reason"]), (&json!("failed"), &json!("ambiguous")));
    assert_eq!(codes, [json!("timeout")]);
}

#[tokio::test]
async fn a_fault_of_a_channel_is_for_that_channel() {
    let s = Server::start().await;
    let faults = json!({ "faults": [{ "answer": "550", "sends": 1, "channel": "slack" }, { "answer": "451", "sends": 7, "channel": "sms" }] });
    assert_eq!(s.got("PUT", FAULTS, faults.clone(), 200).await, faults);
    let worker = s.hold_all().await;
    let mail = s.notification(json!({ "to": "ann@example.com" })).await;
    assert_eq!(s.ended(&mail).await["state"], "succeeded");
    let chat = s.notification(json!({ "channel": "slack", "message": "x" })).await;
    assert_eq!(s.ended(&chat).await["state"], "failed");
    assert_eq!(s.got("GET", FAULTS, Value::Null, 200).await["faults"], json!([faults["faults"][1]]));
    s.got("DELETE", FAULTS, Value::Null, 204).await;
    assert_eq!(s.got("GET", FAULTS, Value::Null, 200).await, json!({ "faults": [] }));
    worker.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    for (faults, places) in [
        (json!({}), vec!["body.faults"]),
        (json!({ "faults": {} }), vec!["body.faults"]),
        (json!({ "faults": vec![json!({ "answer": "451", "sends": 1 }); 21] }), vec!["body.faults"]),
        (json!({ "faults": [7] }), vec!["body.faults.0"]),
        (
            json!({ "faults": [{ "answer": "451", "sends": 1 }, { "answer": 451, "sends": 0, "x": 1 }] }),
            vec!["body.faults.1.answer", "body.faults.1.sends", "body.faults.1.x"],
        ),
        (json!({ "faults": [{}] }), vec!["body.faults.0.answer", "body.faults.0.sends"]),
        (
            json!({ "faults": [{}, {}] }),
            vec![
                "body.faults.0.answer",
                "body.faults.0.sends",
                "body.faults.1.answer",
                "body.faults.1.sends",
            ],
        ),
        (
            json!({ "faults": [{ "answer": "429", "sends": 1, "retry_after": 86_401 }] }),
            vec!["body.faults.0.retry_after"],
        ),
    ] {
        let reply = s.call("PUT", FAULTS, "", faults.clone()).await;
        let mut found = locs(&problem(reply, 422, "invalid-request").await);
        found.sort();
        assert_eq!(found, places, "{faults}");
    }
    assert_eq!(s.got("GET", FAULTS, Value::Null, 200).await, json!({ "faults": [] }));
}

#[tokio::test]
async fn a_tenant_sees_its_own_held_messages_and_orders_nothing() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "read", &[("GET", MESSAGES), ("GET", FAULTS)]).await;
    s.not_for_tenants(&keys, &[("GET", FAULTS)]).await;
    s.needs(&keys, "admin", &[("DELETE", MESSAGES), ("PUT", FAULTS), ("DELETE", FAULTS)]).await;
    let worker = s.hold_all().await;
    let made = s.call("POST", "/v1/notifications", &keys.acme, json!({ "to": "ann@example.com" })).await;
    let id = body(made).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/tasks/{id}?wait=60s");
    assert_eq!(body(s.call("GET", &path, &keys.acme, Value::Null).await).await["state"], "succeeded");
    worker.shutdown().await;
    let listed = body(s.call("GET", MESSAGES, &keys.acme, Value::Null).await).await;
    assert_eq!(listed["data"][0]["task_id"], id);
    let listed = body(s.call("GET", MESSAGES, &keys.other, Value::Null).await).await;
    assert_eq!(listed["data"], json!([]));
    let message = s.call("GET", &format!("/v1/tasks/{id}/message"), &keys.other, Value::Null).await;
    problem(message, 404, "not-found").await;
}
