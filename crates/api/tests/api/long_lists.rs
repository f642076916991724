//! Lists of more records than the store gives at once.

use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{Expect, Json, RecordKind, RecordOrder};
use serde_json::{Value, json};

use super::harness::{Server, json as body};

impl Server {
    /// Stores copies of the one record of a kind under other names; `change` makes them others than it.
    async fn copied(
        &self,
        kind: RecordKind,
        of: &str,
        names: impl Iterator<Item = String>,
        change: fn(&mut Value, &str),
    ) {
        let first = self.store.get_record(kind, of).await.unwrap().expect("the record to copy");
        for name in names {
            let mut body: Value = first.body.parse().unwrap();
            change(&mut body, &name);
            self.store.put_record(kind, &name, Json::from(body), Expect::Any).await.unwrap();
        }
    }
}

fn same(_: &mut Value, _: &str) {}

#[tokio::test]
async fn however_many_endpoints_of_others_come_first_a_tenants_own_are_listed() {
    let s = Server::start().await;
    let keys = s.keys().await;
    for (name, tenant) in [("a", "other"), ("z", "acme")] {
        let new = json!({ "name": name, "url": "https://shop.example.com/hooks", "tenant": tenant });
        assert_eq!(s.call("POST", "/v1/endpoints", &keys.admin, new).await.status(), 201);
    }
    s.copied(RecordKind::Endpoint, "a", (0..MAX_PAGE).map(|n| format!("b{n:03}")), same).await;
    let listed = body(s.call("GET", "/v1/endpoints", &keys.acme, Value::Null).await).await;
    assert_eq!(listed["data"][0]["name"], "z", "{listed}");
    let listed = body(s.call("GET", "/v1/endpoints?limit=200", &keys.other, Value::Null).await).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), MAX_PAGE);
    assert!(listed["next_cursor"].is_string(), "one more follows: {}", listed["next_cursor"]);
}

#[tokio::test]
async fn however_many_held_messages_of_others_are_newer_a_tenants_own_are_listed() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let task = json!({ "kind": "work", "payload": {} });
    assert_eq!(s.call("POST", "/v1/tasks", &keys.acme, task).await.status(), 202);
    s.hold(json!({
        "channel": "email", "from": "shop@example.com", "to": "ann@example.com", "subject": "Your order",
        "text": "It is on its way.", "date": "2026-01-31T09:30:00.000Z", "message_id": "<x@example.com>",
        "reason": "the sandbox is on"
    }))
    .await;
    let held = s.store.list_records(RecordKind::SandboxMessage, RecordOrder::Ascending, None, 1).await;
    let own = held.unwrap().remove(0).name;
    // None of their tasks is the tenant's.
    let ids = (0..MAX_PAGE).map(|n| format!("0299f3a0-7c1e-7a52-9d0e-{n:012x}"));
    s.copied(RecordKind::SandboxMessage, &own, ids, same).await;
    let listed = body(s.call("GET", "/v1/sandbox/messages", &keys.acme, Value::Null).await).await;
    let found: Vec<_> = listed["data"].as_array().unwrap().iter().map(|m| &m["task_id"]).collect();
    assert_eq!(found, [&json!(own)], "{listed}");
}

#[tokio::test]
async fn a_call_clears_as_many_held_messages_as_it_says() {
    let s = Server::start().await;
    s.task().await;
    s.hold(json!({ "channel": "email" })).await;
    let held = s.store.list_records(RecordKind::SandboxMessage, RecordOrder::Ascending, None, 1).await;
    let first = held.unwrap().remove(0).name;
    let ids = (0..MAX_PAGE).map(|n| format!("0199f3a0-7c1e-7a52-9d0e-{n:012x}"));
    s.copied(RecordKind::SandboxMessage, &first, ids, same).await;
    let cleared = s.got("DELETE", "/v1/sandbox/messages", Value::Null, 200).await;
    assert_eq!(cleared, json!({ "deleted": MAX_PAGE + 1, "more": false }));
    let left = s.got("GET", "/v1/sandbox/messages", Value::Null, 200).await;
    assert_eq!(left["data"], json!([]));
}

#[tokio::test]
async fn every_key_is_listed() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let listed = |all: &Value| all["data"].as_array().unwrap().len();
    let before = body(s.call("GET", "/v1/keys", &keys.admin, Value::Null).await).await;
    let of = before["data"][0]["id"].as_str().unwrap();
    let ids = (0..MAX_PAGE).map(|n| format!("copy-{n:03}"));
    s.copied(RecordKind::ApiKey, of, ids, |key, id| key["id"] = json!(id)).await;
    let after = body(s.call("GET", "/v1/keys", &keys.admin, Value::Null).await).await;
    assert_eq!(listed(&after), listed(&before) + MAX_PAGE);
}

#[tokio::test]
async fn the_audit_log_is_read_beyond_what_the_store_gives_at_once() {
    let s = Server::start().await;
    s.got("PUT", "/v1/templates/welcome", json!({ "text": "Hello" }), 200).await;
    let newest = s.got("GET", "/v1/audit", Value::Null, 200).await["data"][0].clone();
    let id = newest["id"].as_str().unwrap();
    let later = (0..MAX_PAGE).map(|n| format!("ffffffff-ffff-7fff-bfff-{n:012}"));
    s.copied(RecordKind::Audit, id, later, |line, _| line["action"] = json!("templates.delete")).await;
    let found = s.got("GET", "/v1/audit?action=templates.put", Value::Null, 200).await;
    assert_eq!(found["data"][0]["id"], newest["id"], "{found}");
}

#[tokio::test]
async fn a_template_has_all_its_versions_and_takes_them_along() {
    const PATH: &str = "/v1/templates/welcome";
    let s = Server::start().await;
    s.got("PUT", PATH, json!({ "text": "Hello" }), 200).await;
    let names = (2..=MAX_PAGE + 2).map(|n| format!("welcome@{n:06}"));
    s.copied(RecordKind::TemplateVersion, "welcome@000001", names, |body, name| {
        body["version"] = json!(name[8..].parse::<u32>().unwrap());
    })
    .await;
    s.got("PUT", "/v1/templates/welcome-again", json!({ "text": "Hello" }), 200).await;
    let versions = s.got("GET", &format!("{PATH}/versions"), Value::Null, 200).await;
    let versions: Vec<_> =
        versions["data"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(versions, (1..=MAX_PAGE + 2).rev().map(|n| json!(n)).collect::<Vec<_>>());
    s.got("DELETE", PATH, Value::Null, 204).await;
    s.got("PUT", PATH, json!({ "text": "Hello anew" }), 200).await;
    let versions = s.got("GET", &format!("{PATH}/versions"), Value::Null, 200).await;
    assert_eq!(versions["data"].as_array().unwrap().len(), 1, "{versions}");
}
