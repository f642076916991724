//! `/v1/whoami`.

use posthaste_api::ApiConfig;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/whoami";

#[tokio::test]
async fn before_there_are_keys_it_is_whoever_is_on_this_machine() {
    let s = Server::start().await;
    let who = s.got("GET", PATH, Value::Null, 200).await;
    assert_eq!(who, json!({ "name": "local", "scopes": ["send", "read", "admin"], "via": "nothing" }));
    let off = Server::with(ApiConfig { auth_off: true, ..ApiConfig::default() }).await;
    assert_eq!(off.got("GET", PATH, Value::Null, 200).await["name"], "anybody");
}

#[tokio::test]
async fn each_key_is_told_what_it_may_do() {
    let s = Server::start().await;
    let keys = s.keys().await;
    for (token, name, scopes, tenant) in [
        (&keys.admin, "admin", json!(["admin"]), None),
        (&keys.send, "send", json!(["send"]), None),
        (&keys.read, "read", json!(["read"]), None),
        (&keys.acme, "acme", json!(["send", "read"]), Some("acme")),
    ] {
        let who = body(s.call("GET", PATH, token, Value::Null).await).await;
        assert_eq!((&who["name"], &who["scopes"], &who["via"]), (&json!(name), &scopes, &json!("key")));
        assert_eq!(who.get("tenant").and_then(Value::as_str), tenant);
        let id = who["key_id"].as_str().unwrap();
        assert!(token.contains(id) && !who.to_string().contains(token.as_str()), "{who}");
    }
    for token in ["", "ph_none", &keys.admin[..keys.admin.len() - 1]] {
        problem(s.call("GET", PATH, token, Value::Null).await, 401, "unauthorized").await;
    }
    let extra = s.call("GET", &format!("{PATH}?x=1"), &keys.read, Value::Null).await;
    assert_eq!(locs(&problem(extra, 422, "invalid-request").await), ["query.x"]);
}
