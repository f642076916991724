//! What an e-mail is told beside its text: names, blind copies, who it is from; and what passes through as it was written.

use posthaste_api::{ApiConfig, ConfiguredProvider};
use posthaste_core::Name;
use posthaste_notify::ChannelKind;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/notifications";
/// What a reader that makes floats of numbers, or sorts names, would change.
const DATA: &str = r#"{"wei":12345678901234567890123,"price":123456789.123456789012,"amount":12.30,"a":1e2}"#;

async fn with_senders() -> Server {
    let senders = ["post@example.com", "news@example.com"].map(|a| a.parse().unwrap()).to_vec();
    let name = Name::new("default").unwrap();
    let provider = ConfiguredProvider { name, channel: ChannelKind::Email, kind: "smtp", senders };
    Server::with(ApiConfig { providers: vec![provider], provider_configured: true, ..ApiConfig::default() })
        .await
}

async fn raw(s: &Server, method: &str, path: &str, text: String) -> Value {
    let request = s.request(method, path).header("content-type", "application/json").body(text);
    let reply = request.send().await.unwrap();
    assert!(reply.status().is_success(), "{path}: {}", reply.text().await.unwrap());
    body(reply).await
}

#[tokio::test]
async fn a_recipient_has_a_name_and_is_found_by_the_address() {
    let s = Server::start().await;
    let id = s.notification(json!({ "to": "Ada <Ada@example.com>", "message": "x" })).await;
    let task = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await;
    assert_eq!(task["payload"]["to"], "Ada <Ada@example.com>");
    for recipient in ["ada@example.com", "email:ADA@example.com"] {
        let found = s.got("GET", &format!("{PATH}?recipient={recipient}"), Value::Null, 200).await;
        assert_eq!(found["data"][0]["id"], id.as_str(), "{recipient}");
    }
    let list = json!({ "to": ["Bob <bob@example.com>", "\"C, D\" <c@example.com>"], "message": "x" });
    assert_eq!(s.got("POST", PATH, list, 202).await["data"].as_array().map(Vec::len), Some(2));
    let batch = json!({ "notifications": [{ "to": "Eve <eve@example.com>", "message": "x" }] });
    s.got("POST", &format!("{PATH}/batch"), batch, 202).await;
    let payload = json!({ "channel": "email", "to": "Fay <fay@example.com>", "message": "x" });
    s.got("POST", "/v1/tasks", json!({ "kind": "notify", "payload": payload }), 202).await;
    for bad in [
        "Ada <ada@example.com",
        "A <a@example.com>, B <b@example.com>",
        "Ada <nobody>",
        "A\nB <a@example.com>",
    ] {
        let refused = s.post_json(PATH, json!({ "channel": "email", "to": bad, "message": "x" })).await;
        assert_eq!(locs(&problem(refused, 422, "invalid-request").await), ["body.to"], "{bad}");
    }
    // The old route keeps its rule.
    let old = s.post("/notify/?email=Ada%20%3Cada@example.com%3E").await;
    assert_eq!(old.status(), 422);
}

#[tokio::test]
async fn who_is_named_twice_gets_one_message() {
    let s = Server::start().await;
    let to =
        json!(["a@example.com", "b@example.com", "A@EXAMPLE.com", "Ann <a@example.com>", "b@example.com"]);
    let send = || {
        let request = s.request("POST", PATH).header("idempotency-key", "twice");
        request.json(&json!({ "to": to, "message": "x" })).send()
    };
    let made = body(send().await.unwrap()).await;
    let rows: Vec<_> =
        made["data"].as_array().unwrap().iter().map(|r| (&r["index"], &r["id"], &r["duplicate"])).collect();
    let id = |at: usize| &made["data"][at]["id"];
    assert_ne!(id(0), id(1));
    let row = |index: usize, at: usize, duplicate: bool| (json!(index), id(at).clone(), json!(duplicate));
    let wanted = [row(0, 0, false), row(1, 1, false), row(2, 0, true), row(3, 0, true), row(4, 1, true)];
    let wanted: Vec<_> = wanted.iter().map(|(i, id, d)| (i, id, d)).collect();
    assert_eq!(rows, wanted);
    let batch =
        s.got("GET", &format!("/v1/batches/{}", made["batch_id"].as_str().unwrap()), Value::Null, 200).await;
    assert_eq!(batch["counts"]["queued"], 2);
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["data"].as_array().map(Vec::len), Some(2));
    let again = body(send().await.unwrap()).await;
    let ids =
        |made: &Value| made["data"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&made));
    // Two messages of a batch are two, whoever they are for.
    let item = json!({ "to": "a@example.com", "message": "x" });
    let made = s.got("POST", &format!("{PATH}/batch"), json!({ "notifications": [item, item] }), 202).await;
    assert_eq!(
        (&made["data"][0]["duplicate"], &made["data"][1]["duplicate"]),
        (&json!(false), &json!(false))
    );
}

#[tokio::test]
async fn a_message_is_from_whom_its_provider_allows() {
    let s = with_senders().await;
    for from in ["post@example.com", "News <NEWS@example.com>"] {
        let id = s.notification(json!({ "to": "a@example.com", "from": from })).await;
        let task = s.got("GET", &format!("{PATH}/{id}"), Value::Null, 200).await;
        assert_eq!(task["payload"]["from"], from);
    }
    let foreign = json!({ "channel": "email", "to": "a@example.com", "from": "ceo@example.com" });
    let batch = json!({ "notifications": [foreign] });
    let schedule = json!({ "cron": "30 2 * * *", "kind": "notify", "payload": foreign });
    for (method, path, message, place) in [
        ("POST", PATH, foreign.clone(), "body.from"),
        ("POST", "/v1/notifications/batch", batch, "body.notifications.0.from"),
        ("POST", "/v1/tasks", json!({ "kind": "notify", "payload": foreign }), "body.payload.from"),
        ("PUT", "/v1/schedules/x", schedule, "body.payload.from"),
    ] {
        let refused = problem(s.call(method, path, "", message).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused), [place], "{path}");
        assert!(refused["errors"][0]["msg"].as_str().unwrap().contains("[providers.default]"), "{refused}");
    }
    let wrong = s.post_json(PATH, json!({ "to": "a@example.com", "from": "nobody", "bcc": ["x"] })).await;
    assert_eq!(locs(&problem(wrong, 422, "invalid-request").await), ["body.bcc", "body.from"]);
}

#[tokio::test]
async fn a_tenants_key_sends_from_the_providers_own_sender_alone() {
    let s = with_senders().await;
    let admin = s.admin().await;
    let acme = json!({ "name": "acme", "scopes": ["send", "read"], "tenant": "acme" });
    let acme = s.key(&admin, acme).await.1;
    let message = |from: &str| json!({ "channel": "email", "to": "a@example.com", "from": from });
    for from in ["news@example.com", "ceo@example.com"] {
        for (path, body) in
            [(PATH, message(from)), ("/v1/tasks", json!({ "kind": "notify", "payload": message(from) }))]
        {
            let refused = problem(s.call("POST", path, &acme, body).await, 422, "invalid-request").await;
            assert!(refused["errors"][0]["msg"].as_str().unwrap().contains("operator"), "{refused}");
        }
    }
    assert_eq!(s.call("POST", PATH, &acme, message("post@example.com")).await.status(), 202);
    assert_eq!(s.call("POST", PATH, &admin, message("news@example.com")).await.status(), 202);
}

#[tokio::test]
async fn data_and_payloads_are_kept_as_they_were_written() {
    let s = Server::start().await;
    let to = "https://shop.example/hook";
    let notify = format!(r#"{{"channel":"webhook","to":"{to}","data":{DATA}}}"#);
    let several = format!(r#"{{"channel":"webhook","to":["{to}","{to}/2"],"data":{DATA}}}"#);
    let one = raw(&s, "POST", PATH, notify.clone()).await;
    let list = raw(&s, "POST", PATH, several).await;
    let batch =
        raw(&s, "POST", "/v1/notifications/batch", format!(r#"{{"notifications":[{notify}]}}"#)).await;
    let task = raw(&s, "POST", "/v1/tasks", format!(r#"{{"kind":"notify","payload":{notify}}}"#)).await;
    let tasks = raw(
        &s,
        "POST",
        "/v1/tasks/batch",
        format!(r#"{{"tasks":[{{"kind":"notify","payload":{notify}}}]}}"#),
    )
    .await;
    for id in
        [&one["id"], &list["data"][1]["id"], &batch["data"][0]["id"], &task["id"], &tasks["data"][0]["id"]]
    {
        let text = s.get(&format!("/v1/tasks/{}", id.as_str().unwrap())).await.text().await.unwrap();
        assert!(text.contains(&format!(r#""data":{DATA}"#)), "{text}");
    }
    for (name, payload) in [("x", notify.as_str()), ("y", DATA)] {
        let kind = if name == "x" { "notify" } else { "work" };
        let put = format!(r#"{{"cron":"30 2 * * *","kind":"{kind}","payload":{payload}}}"#);
        raw(&s, "PUT", &format!("/v1/schedules/{name}"), put).await;
        let text = s.get(&format!("/v1/schedules/{name}")).await.text().await.unwrap();
        assert!(text.contains(DATA), "{text}");
    }
}
