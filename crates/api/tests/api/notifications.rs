//! `/v1/notifications`: to one, to several, from a template, later, once.

use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/notifications";

async fn send(s: &Server, key: &str, message: &Value) -> reqwest::Response {
    s.request("POST", PATH).header("idempotency-key", key).json(message).send().await.unwrap()
}

async fn refused(s: &Server, message: Value) -> Vec<String> {
    locs(&problem(s.post_json(PATH, message).await, 422, "invalid-request").await)
}

#[tokio::test]
async fn one_message_is_one_task_that_is_found_by_its_recipient() {
    let s = Server::start().await;
    let message = json!({ "to": "Ann@EXAMPLE.com", "subject": "Hi", "message": "Hello", "priority": "high" });
    let reply = s.post_json(PATH, message).await;
    assert_eq!(reply.status(), 202);
    let location = reply.headers()["location"].to_str().unwrap().to_owned();
    let made = body(reply).await;
    assert_eq!((&made["state"], &made["duplicate"]), (&json!("queued"), &json!(false)));
    let id = made["id"].as_str().unwrap();
    assert!(location.ends_with(id), "{location}");
    let task = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await;
    assert_eq!(
        (&task["kind"], &task["lane"], &task["priority"]),
        (&json!("notify"), &json!("email:default"), &json!("high"))
    );
    let payload = &task["payload"];
    assert_eq!((&payload["channel"], &payload["message"]), (&json!("email"), &json!("Hello")));
    s.notification(json!({ "to": "bob@example.com" })).await;
    // A task of another kind is no notification.
    let other = s.task().await;
    problem(s.get(&format!("{PATH}/{other}")).await, 404, "not-found").await;
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"].as_array().map(Vec::len), Some(2));
    for recipient in ["Ann@example.com", "email:Ann@example.com"] {
        let found = s.got("GET", &format!("{PATH}?recipient={recipient}"), Value::Null, 200).await;
        assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{recipient}: {found}");
        assert_eq!(found["data"][0]["id"], id);
    }
}

#[tokio::test]
async fn several_recipients_get_a_message_each_and_share_a_batch() {
    let s = Server::start().await;
    let to = json!(["a@example.com", "b@example.com", "c@example.com"]);
    let reply = s.post_json(PATH, json!({ "to": to, "message": "x" })).await;
    assert_eq!(reply.status(), 202);
    let location = reply.headers()["location"].to_str().unwrap().to_owned();
    let made = body(reply).await;
    assert_eq!(location, format!("/v1/batches/{}", made["batch_id"].as_str().unwrap()));
    assert_eq!((made["data"].as_array().map(Vec::len), &made["errors"]), (Some(3), &json!([])));
    assert_eq!(s.got("GET", &location, Value::Null, 200).await["counts"]["queued"], 3);
    let last = made["data"][2]["id"].as_str().unwrap();
    let task = s.got("GET", &format!("{PATH}/{last}"), Value::Null, 200).await;
    assert_eq!(
        (&task["payload"]["to"], &task["batch"]),
        (&json!("c@example.com"), &made["batch_id"]),
        "in the order of the request"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_list_is_said_with_its_place_and_stores_nothing() {
    let s = Server::start().await;
    let id = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
    for (message, places) in [
        (json!({ "channel": "email", "to": ["a@example.com", "nobody"] }), vec!["body.to.1"]),
        (json!({ "to": [] }), vec!["body.to"]),
        (json!({ "to": vec!["a@example.com"; 1_001] }), vec!["body.to"]),
        (json!({ "to": ["a@example.com"], "id": id }), vec!["body.id"]),
        (json!({ "to": ["a@example.com", "b@example.com"], "subjct": "x" }), vec!["body.subjct"]),
    ] {
        assert_eq!(refused(&s, message).await, places);
    }
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"], json!([]));
}

#[tokio::test]
async fn what_a_message_takes_for_all_its_recipients_is_bounded() {
    let s = Server::start().await;
    let to = |n: usize| (0..n).map(|n| format!("a{n}@example.com")).collect::<Vec<_>>();
    let html = "x".repeat(200_000);
    let reply = s.post_json(PATH, json!({ "to": to(50), "html": html })).await;
    let wrong = problem(reply, 422, "invalid-request").await;
    assert_eq!(locs(&wrong), ["body.to"]);
    let msg = wrong["errors"][0]["msg"].as_str().unwrap();
    assert!(msg.contains("50 recipients") && msg.contains("fewer"), "{msg}");
    // What little data becomes by a template counts, too.
    s.got("PUT", "/v1/templates/long", json!({ "text": "x".repeat(60_000) }), 200).await;
    assert_eq!(refused(&s, json!({ "to": to(150), "template": { "name": "long" } })).await, ["body.to"]);
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"], json!([]));
    // One recipient is one message, however often it is named.
    let same = vec!["Ann@example.com"; 1_000];
    let made = s.got("POST", PATH, json!({ "to": same, "html": html }), 202).await;
    let duplicates = made["data"].as_array().unwrap().iter().filter(|d| d["duplicate"] == json!(true));
    assert_eq!((made["data"].as_array().map(Vec::len), duplicates.count()), (Some(1_000), 999));
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_template_is_the_same_for_every_recipient_of_a_list() {
    let s = Server::start().await;
    s.got("PUT", "/v1/templates/welcome", json!({ "text": "Hello {{ name }}" }), 200).await;
    let template = json!({ "name": "welcome" });
    let list = json!(["Ann <ann@example.com>", "bob@example.com"]);
    let message = json!({ "to": list, "template": template, "data": { "name": "you" } });
    let made = s.got("POST", PATH, message, 202).await;
    for (n, to) in ["ann@example.com", "bob@example.com"].iter().enumerate() {
        let id = made["data"][n]["id"].as_str().unwrap();
        let payload = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await["payload"].clone();
        assert_eq!(payload["message"], "Hello you");
        assert!(payload["to"].as_str().unwrap().contains(to), "{payload}");
    }
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let s = Server::start().await;
    let mut places = refused(
        &s,
        json!({
            "channel": "email", "to": "nobody", "subject": 7, "cc": ["x"], "headers": [], "send_at": "soon", "expires_at": 1,
            "priority": "top", "queue": "a b", "retry": { "max_failures": 0 }, "unique": {}, "template": {}, "data": 1,
            "id": "x", "callback_url": "ftp://x", "subjekt": "x"
        }),
    )
    .await;
    places.sort();
    assert_eq!(
        places,
        [
            "body.callback_url",
            "body.cc",
            "body.data",
            "body.expires_at",
            "body.headers",
            "body.id",
            "body.priority",
            "body.queue",
            "body.retry.max_failures",
            "body.send_at",
            "body.subject",
            "body.subjekt",
            "body.template.name",
            "body.to",
            "body.unique.key",
        ]
    );
    // What only the whole message tells.
    for (message, place) in [
        (json!({ "to": "a@example.com", "subject": "a\r\nBcc: b@example.com" }), "body.subject"),
        (json!({ "to": "a@example.com", "headers": { "Bcc": "b@example.com" } }), "body.headers"),
        (json!({ "to": "a@example.com", "headers": { "X-A": "a\nb" } }), "body.headers"),
        (json!({ "channel": "webhook", "to": "nowhere" }), "body.to"),
        (json!({ "channel": "sms", "to": "+491701234567", "html": "<p>x</p>", "message": "x" }), "body.html"),
        (json!({ "channel": "pigeon", "to": "x" }), "body.channel"),
        (json!({ "message": "x" }), "body.to"),
        (json!({ "channel": "email", "message": "x" }), "body.to"),
    ] {
        assert_eq!(refused(&s, message.clone()).await, [place], "{message}");
    }
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"], json!([]));
}

#[tokio::test]
async fn a_template_is_filled_in_before_anything_is_stored() {
    let s = Server::start().await;
    let template =
        json!({ "subject": "Hi {{ name }}", "text": "Dear {{ name }}", "html": "<b>{{ name }}</b>" });
    s.got("PUT", "/v1/templates/hello", template, 200).await;
    let message = |extra: Value| {
        let mut m =
            json!({ "to": "a@example.com", "template": { "name": "hello" }, "data": { "name": "<Ann>" } });
        m.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        m
    };
    let id = s.notification(message(json!({}))).await;
    s.got("PUT", "/v1/templates/hello", json!({ "text": "Second {{ name }}" }), 200).await;
    let payload = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await["payload"].clone();
    assert_eq!((&payload["subject"], &payload["message"]), (&json!("Hi <Ann>"), &json!("Dear <Ann>")));
    assert_eq!(payload["html"], "<b>&lt;Ann&gt;</b>", "data is escaped in HTML");
    // Its own words come before those of the template, and an older version can be named.
    let own = json!({ "template": { "name": "hello", "version": 1 }, "message": "My own" });
    let id = s.notification(message(own)).await;
    let payload = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await["payload"].clone();
    assert_eq!((&payload["subject"], &payload["message"]), (&json!("Hi <Ann>"), &json!("My own")));
    for (extra, place) in [
        (json!({ "template": { "name": "nothing" } }), "body.template.name"),
        (json!({ "template": { "name": "hello", "version": 9 } }), "body.template.name"),
        (json!({ "data": { "nmae": "Ann" } }), "body.data.name"),
        (json!({ "data": ["Ann"] }), "body.data"),
        (json!({ "template": { "name": "hello", "version": 0 } }), "body.template.version"),
        (json!({ "template": { "name": "hello", "locale": "de" } }), "body.template.locale"),
    ] {
        assert_eq!(refused(&s, message(extra.clone())).await, [place], "{extra}");
    }
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_repeat_under_its_key_answers_as_the_first_and_another_body_is_refused() {
    let s = Server::start().await;
    for (key, message) in [
        ("one", json!({ "to": "a@example.com", "message": "x" })),
        ("many", json!({ "to": ["a@example.com", "b@example.com"], "message": "x" })),
        ("told", json!({ "to": "a@example.com", "callback_url": "https://example.com/told" })),
    ] {
        let first = send(&s, key, &message).await;
        assert_eq!((first.status().as_u16(), first.headers().get("idempotency-replayed")), (202, None));
        let (location, first) = (first.headers()["location"].clone(), body(first).await);
        let again = send(&s, key, &message).await;
        assert_eq!(again.status(), 202);
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.headers()["location"], location);
        assert_eq!(body(again).await, first, "{key}");
        let mut other = message.clone();
        other["message"] = json!("y");
        problem(send(&s, key, &other).await, 422, "idempotency-key-reused").await;
    }
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn a_message_waits_until_it_is_due_and_is_of_no_use_after_its_end() {
    let s = Server::start().await;
    let (soon, later) = ("2026-01-31T09:30:00.000Z", "2999-01-01T00:00:00.000Z");
    let id =
        s.notification(json!({ "to": "a@example.com", "delay_ms": 86_400_000, "expires_at": later })).await;
    let task = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await;
    assert_eq!((&task["state"], &task["expires_at"]), (&json!("scheduled"), &json!(later)));
    // A time that has passed is now.
    let id = s.notification(json!({ "to": "a@example.com", "send_at": soon })).await;
    assert_eq!(s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await["state"], "queued");
    for (message, place) in [
        (json!({ "to": "a@example.com", "send_at": later }), "body.send_at"),
        (json!({ "to": "a@example.com", "delay_ms": 31_622_400_001_u64 }), "body.delay_ms"),
        (json!({ "to": "a@example.com", "send_at": "2026-01-31" }), "body.send_at"),
    ] {
        assert_eq!(refused(&s, message.clone()).await, [place], "{message}");
    }
    // One that is over when it comes is stored, and never sent.
    let id = s.notification(json!({ "to": "a@example.com", "expires_at": soon })).await;
    let worker = s.hold_all().await;
    assert_eq!(s.ended(&id).await["state"], "expired");
    worker.shutdown().await;
}

#[tokio::test]
async fn a_second_one_under_a_unique_key_names_the_first() {
    let s = Server::start().await;
    let message = json!({ "to": "a@example.com", "unique": { "key": "welcome" } });
    let first = s.notification(message.clone()).await;
    let second = s.post_json(PATH, message).await;
    assert_eq!(second.status(), 200);
    assert!(second.headers()["location"].to_str().unwrap().ends_with(&first));
    let second = body(second).await;
    assert_eq!((&second["id"], &second["duplicate"]), (&json!(first), &json!(true)));
    let own = json!({ "to": "a@example.com", "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58" });
    assert_eq!(s.notification(own.clone()).await, "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58");
    problem(s.post_json(PATH, own).await, 409, "id-exists").await;
}

#[tokio::test]
async fn keys_send_and_read_what_is_theirs() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "send", &[("POST", PATH), ("POST", "/v1/notifications/batch")]).await;
    s.needs(&keys, "read", &[("GET", PATH)]).await;
    let message = json!({ "to": "a@example.com" });
    let id = body(s.call("POST", PATH, &keys.acme, message.clone()).await).await["id"].clone();
    let path = format!("{PATH}/{}", id.as_str().unwrap());
    problem(s.call("GET", &path, &keys.other, Value::Null).await, 404, "not-found").await;
    let own = body(s.call("GET", &path, &keys.acme, Value::Null).await).await;
    assert_eq!((&own["tenant"], &own["lane"]), (&json!("acme"), &json!("email:default/acme")));
    let listed = body(s.call("GET", PATH, &keys.other, Value::Null).await).await;
    assert_eq!(listed["data"], json!([]));
    let foreign = json!({ "to": "a@example.com", "tenant": "other" });
    problem(s.call("POST", PATH, &keys.acme, foreign).await, 403, "forbidden").await;
    // The same idempotency key of two tenants is two keys.
    for token in [&keys.acme, &keys.other] {
        let request = s.request("POST", PATH).bearer_auth(token).header("idempotency-key", "k");
        let reply = request.json(&message).send().await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.headers().get("idempotency-replayed")), (202, None));
    }
}
