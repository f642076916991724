//! `/v1/providers`: how the services are that messages go through.

use posthaste_api::{ApiConfig, ConfiguredProvider};
use posthaste_core::{Failure, FailureClass, Name, Outcome};
use posthaste_notify::ChannelKind;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const ALL: &str = "/v1/providers";
const ONE: &str = "/v1/providers/default";

async fn server() -> Server {
    let provider = |name: &str, channel, kind| ConfiguredProvider {
        name: Name::new(name).unwrap(),
        channel,
        kind,
        senders: Vec::new(),
    };
    let providers =
        vec![provider("default", ChannelKind::Email, "smtp"), provider("chat", ChannelKind::Slack, "slack")];
    Server::with(ApiConfig { providers, provider_configured: true, ..ApiConfig::default() }).await
}

#[tokio::test]
async fn a_provider_is_paused_and_resumed_and_its_messages_wait() {
    let s = server().await;
    let listed = s.got("GET", ALL, Value::Null, 200).await;
    let summary: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].clone(), p["type"].clone(), p["lane"].clone(), p["state"].clone()))
        .collect();
    let row = |name: &str, kind: &str, lane: &str| (json!(name), json!(kind), json!(lane), json!("ok"));
    assert_eq!(summary, [row("default", "smtp", "email:default"), row("chat", "slack", "slack:chat")]);
    let paused =
        s.got("POST", &format!("{ONE}/pause"), json!({ "for_ms": 60_000, "message": "moving" }), 200).await;
    assert_eq!((&paused["state"], &paused["message"]), (&json!("paused"), &json!("moving")));
    assert!(paused["until"].is_string());
    s.notification(json!({ "to": "a@example.com" })).await;
    let waiting = s.got("GET", ONE, Value::Null, 200).await;
    assert_eq!((&waiting["waiting"], &waiting["running"]), (&json!(true), &json!(0)));
    assert_eq!(s.got("GET", "/v1/providers/chat", Value::Null, 200).await["state"], "ok");
    // A task of no lane runs past it.
    s.task().await;
    s.succeed(json!(1)).await;
    let resumed = s.got("POST", &format!("{ONE}/resume"), Value::Null, 200).await;
    assert_eq!((&resumed["state"], resumed.get("message")), (&json!("ok"), None));
    s.succeed(json!(1)).await;
}

#[tokio::test]
async fn a_provider_of_web_push_is_paused_for_every_push_service() {
    let name = Name::new("push").unwrap();
    let provider =
        ConfiguredProvider { name, channel: ChannelKind::WebPush, kind: "web_push", senders: Vec::new() };
    let config = ApiConfig { providers: vec![provider], provider_configured: true, ..ApiConfig::default() };
    let s = Server::with(config).await;
    let one = "/v1/providers/push";
    s.got("POST", &format!("{one}/pause"), json!({}), 200).await;
    let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    let keys = json!({ "p256dh": p256dh, "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
    for endpoint in ["https://fcm.googleapis.com/fcm/send/a", "https://push.example.org/b"] {
        let to = json!({ "endpoint": endpoint, "keys": keys }).to_string();
        let sent = json!({ "channel": "web_push", "provider": "push", "to": to, "message": "Hi." });
        s.notification(sent).await;
    }
    let paused = s.got("GET", one, Value::Null, 200).await;
    assert_eq!((&paused["state"], &paused["waiting"]), (&json!("paused"), &json!(true)), "{paused}");
    assert!(s.try_claim().await.is_none(), "its lane is not paused");
    assert_eq!(s.got("POST", &format!("{one}/resume"), Value::Null, 200).await["state"], "ok");
    s.succeed(json!(1)).await;
    s.succeed(json!(1)).await;
}

#[tokio::test]
async fn what_a_provider_answers_is_its_state_until_somebody_resumes_it() {
    let s = server().await;
    for (class, state) in
        [(FailureClass::Throttled, "throttled"), (FailureClass::Misconfigured, "misconfigured")]
    {
        let id = s.notification(json!({ "to": "a@example.com" })).await;
        let task = s.claim().await;
        s.settle(&task, Outcome::Failure(Failure::new(class, "not now"))).await;
        let provider = s.got("GET", ONE, Value::Null, 200).await;
        assert_eq!((&provider["state"], &provider["waiting"]), (&json!(state), &json!(true)), "{provider}");
        assert!(provider["message"].as_str().unwrap().contains("not now"), "{provider}");
        let resumed = s.got("POST", &format!("{ONE}/resume"), Value::Null, 200).await;
        assert_eq!(resumed["state"], "ok");
        s.succeed(json!(1)).await;
        let ended = s.got("GET", &format!("/v1/tasks/{id}"), Value::Null, 200).await;
        assert_eq!(
            (&ended["state"], &ended["failures"]),
            (&json!("succeeded"), &json!(0)),
            "nothing was counted"
        );
    }
}

#[tokio::test]
async fn one_that_is_not_there_and_what_is_wrong_are_named() {
    let s = server().await;
    for (method, tail) in [("GET", ""), ("POST", "/pause"), ("POST", "/resume")] {
        let none = s.call(method, &format!("{ALL}/nothing{tail}"), "", Value::Null).await;
        problem(none, 404, "not-found").await;
        let bad = s.call(method, &format!("{ALL}/a%20b{tail}"), "", Value::Null).await;
        assert_eq!(locs(&problem(bad, 422, "invalid-request").await), ["path.name"]);
    }
    let reply = s.post_json(&format!("{ONE}/pause"), json!({ "for_ms": 0 })).await;
    assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["body.for_ms"]);
    assert_eq!(s.got("GET", ONE, Value::Null, 200).await["state"], "ok");
}

#[tokio::test]
async fn providers_are_the_installations() {
    let s = server().await;
    let keys = s.keys().await;
    let (pause, resume) = (format!("{ONE}/pause"), format!("{ONE}/resume"));
    s.needs(&keys, "read", &[("GET", ALL), ("GET", ONE)]).await;
    s.not_for_tenants(&keys, &[("GET", ALL), ("GET", ONE)]).await;
    s.needs(&keys, "admin", &[("POST", &pause), ("POST", &resume)]).await;
    let still = body(s.call("GET", ONE, &keys.read, Value::Null).await).await;
    assert_eq!(still["state"], "ok");
    assert_eq!(s.call("POST", &pause, &keys.admin, Value::Null).await.status(), 200);
    let audit = s.call("GET", "/v1/audit", &keys.admin, Value::Null).await.text().await.unwrap();
    assert!(audit.contains("lanes.pause"), "{audit}");
}
