//! `/v1/endpoints`: where customers want to be called.

use posthaste_notify::NotifyConfig;
use posthaste_testkit::http::{HttpReply, HttpSink};
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const ALL: &str = "/v1/endpoints";
const SHOP: &str = "/v1/endpoints/shop";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

async fn shop(s: &Server) -> Value {
    s.got("POST", ALL, json!({ "name": "shop", "url": "https://shop.example.com/hooks" }), 201).await
}

/// A configuration that may call this machine.
fn local() -> NotifyConfig {
    NotifyConfig { allow: vec!["127.0.0.0/8".parse().unwrap()], ..NotifyConfig::default() }
}

/// A call to try it, once it has ended. A worker believes for a second what it read of an endpoint, so each call has its
/// own.
async fn tested(s: &Server) -> Value {
    let worker = s.work(local()).await;
    let sent = s.got("POST", &format!("{SHOP}/test"), Value::Null, 202).await;
    let task = s.ended(sent["id"].as_str().unwrap()).await;
    worker.shutdown().await;
    task
}

#[tokio::test]
async fn a_secret_is_shown_when_it_is_made_or_asked_for_and_nowhere_else() {
    let s = Server::start().await;
    let reply = s
        .post_json(
            ALL,
            json!({ "name": "shop", "url": "https://shop.example.com/hooks", "description": "Orders" }),
        )
        .await;
    assert_eq!(reply.status(), 201);
    assert_eq!(reply.headers()["location"], SHOP);
    assert_eq!(reply.headers()["cache-control"], "no-store");
    let made = body(reply).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 30, "{made}");
    assert_eq!(
        (&made["name"], &made["secrets"], &made["description"]),
        (&json!("shop"), &json!(1), &json!("Orders"))
    );
    for path in [SHOP, ALL, "/v1/audit", "/v1/tasks"] {
        let text = s.get(path).await.text().await.unwrap();
        assert!(!text.contains(&secret), "{path}: {text}");
    }
    let asked = s.get(&format!("{SHOP}/secret")).await;
    assert_eq!(asked.headers()["cache-control"], "no-store");
    assert_eq!(body(asked).await["secret"], secret);
    let audit = s.get("/v1/audit").await.text().await.unwrap();
    assert!(audit.contains("endpoints.secret"), "that it was shown is noted: {audit}");
    let own = s
        .got("POST", ALL, json!({ "name": "own", "url": "https://x.example.com", "secret": SECRET }), 201)
        .await;
    assert_eq!(own["secret"], SECRET);
}

#[tokio::test]
async fn a_rotation_overlaps_and_its_calls_carry_both_signatures() {
    let s = Server::start().await;
    let sink = HttpSink::start().await;
    let made =
        s.got("POST", ALL, json!({ "name": "shop", "url": sink.url("/hooks"), "secret": SECRET }), 201).await;
    let rotated = s.post_json(&format!("{SHOP}/rotate"), json!({ "overlap_ms": 3_600_000 })).await;
    assert_eq!(rotated.headers()["cache-control"], "no-store");
    let rotated = body(rotated).await;
    assert_eq!(rotated["secrets"], 2);
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(s.got("GET", &format!("{SHOP}/secret"), Value::Null, 200).await["secret"], rotated["secret"]);
    assert_eq!(tested(&s).await["state"], "succeeded");
    let call = sink.requests().remove(0);
    assert_eq!(call.header("webhook-signature").unwrap().split(' ').count(), 2, "{call:?}");
    assert_eq!(call.json()["type"], "endpoint.test");
    // Without an overlap the new one signs alone.
    let alone =
        s.got("POST", &format!("{SHOP}/rotate"), json!({ "overlap_ms": 0, "secret": SECRET }), 200).await;
    assert_eq!((&alone["secrets"], &alone["secret"]), (&json!(1), &json!(SECRET)));
    tested(&s).await;
    assert_eq!(sink.requests()[1].header("webhook-signature").unwrap().split(' ').count(), 1);
}

#[tokio::test]
async fn one_that_is_gone_or_switched_off_gets_nothing_until_it_is_enabled() {
    let s = Server::start().await;
    let sink = HttpSink::start().await;
    sink.then(HttpReply::status(410));
    s.got("POST", ALL, json!({ "name": "shop", "url": sink.url("/hooks") }), 201).await;
    let send = || async { tested(&s).await["state"].clone() };
    assert_eq!(send().await, "failed");
    let gone = s.got("GET", SHOP, Value::Null, 200).await;
    assert_eq!(gone["disabled"]["reason"], "gone", "{gone}");
    assert_eq!(send().await, "failed");
    assert_eq!(sink.requests().len(), 1, "nothing more was sent to it");
    let enabled = s.got("POST", &format!("{SHOP}/enable"), Value::Null, 200).await;
    assert_eq!(enabled.get("disabled"), None);
    assert_eq!(send().await, "succeeded");
    let off = s.got("PATCH", SHOP, json!({ "disabled": true }), 200).await;
    assert_eq!(off["disabled"]["reason"], "manual");
    assert_eq!(send().await, "failed");
    assert_eq!(sink.requests().len(), 2);
    let on = s.got("PATCH", SHOP, json!({ "disabled": false, "description": "back" }), 200).await;
    assert_eq!((on.get("disabled"), &on["description"]), (None, &json!("back")));
}

#[tokio::test]
async fn a_private_address_is_not_called() {
    let s = Server::start().await;
    let sink = HttpSink::start().await;
    let worker = s.work(NotifyConfig::default()).await;
    let port = sink.addr().port();
    for (n, host) in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001"].iter().enumerate() {
        let new = json!({ "name": format!("e{n}"), "url": format!("http://{host}:{port}/hooks") });
        s.got("POST", ALL, new, 201).await;
        let sent = s.got("POST", &format!("{ALL}/e{n}/test"), Value::Null, 202).await;
        let task = s.ended(sent["id"].as_str().unwrap()).await;
        assert_eq!(
            (&task["state"], &task["error"]["class"]),
            (&json!("failed"), &json!("permanent")),
            "{host}: {task}"
        );
    }
    assert_eq!(sink.connections(), 0);
    worker.shutdown().await;
}

#[tokio::test]
async fn endpoints_are_listed_changed_and_deleted() {
    let s = Server::start().await;
    shop(&s).await;
    s.got("POST", ALL, json!({ "name": "bank", "url": "https://bank.example.com" }), 201).await;
    let names = |page: &Value| {
        page["data"].as_array().unwrap().iter().map(|e| e["name"].to_string()).collect::<Vec<_>>()
    };
    let page = s.got("GET", &format!("{ALL}?limit=1"), Value::Null, 200).await;
    assert_eq!((names(&page), page["next_cursor"].is_string()), (vec!["\"bank\"".into()], true));
    assert_eq!(names(&s.got("GET", ALL, Value::Null, 200).await), ["\"bank\"", "\"shop\""]);
    let changed = s.got("PATCH", SHOP, json!({ "url": "https://shop.example.com/v2" }), 200).await;
    assert_eq!(changed["url"], "https://shop.example.com/v2");
    assert_eq!(s.got("PATCH", SHOP, Value::Null, 200).await, changed, "nothing was asked for");
    s.got("DELETE", SHOP, Value::Null, 204).await;
    for (method, tail) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/secret"),
        ("POST", "/rotate"),
        ("POST", "/enable"),
        ("POST", "/test"),
    ] {
        problem(s.call(method, &format!("{SHOP}{tail}"), "", Value::Null).await, 404, "not-found").await;
    }
    let refused = s.post_json("/v1/notifications", json!({ "channel": "webhook", "to": "shop" })).await;
    assert_eq!(locs(&problem(refused, 422, "invalid-request").await), ["body.to"]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    shop(&s).await;
    for (new, places) in [
        (json!({}), vec!["body.name", "body.url"]),
        (json!({ "name": "a b", "url": "ftp://x" }), vec!["body.name", "body.url"]),
        (json!({ "name": "shop", "url": "https://x.example.com" }), vec!["body.name"]),
        (json!({ "name": "x", "url": "https://user:pass@x.example.com" }), vec!["body.url"]),
        (
            json!({ "name": "x", "url": "https://x.example.com", "description": "x".repeat(501) }),
            vec!["body.description"],
        ),
        (json!({ "name": "x", "url": "https://x.example.com", "secret": "short" }), vec!["body.secret"]),
        (json!({ "name": "x", "url": "https://x.example.com", "uri": 1 }), vec!["body.uri"]),
    ] {
        let mut found = locs(&problem(s.post_json(ALL, new.clone()).await, 422, "invalid-request").await);
        found.sort();
        assert_eq!(found, places, "{new}");
    }
    for (method, tail, asked, place) in [
        ("PATCH", "", json!({ "url": "nowhere" }), "body.url"),
        ("PATCH", "", json!({ "disabled": "yes" }), "body.disabled"),
        ("PATCH", "", json!({ "name": "other" }), "body.name"),
        ("POST", "/rotate", json!({ "overlap_ms": 604_800_001 }), "body.overlap_ms"),
        ("POST", "/rotate", json!({ "secret": "whsec_x" }), "body.secret"),
    ] {
        let reply = s.call(method, &format!("{SHOP}{tail}"), "", asked.clone()).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [place], "{asked}");
    }
    assert_eq!(s.got("GET", SHOP, Value::Null, 200).await["secrets"], 1, "nothing was changed");
}

#[tokio::test]
async fn an_endpoint_is_its_tenants_own() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let (secret, rotate) = (format!("{SHOP}/secret"), format!("{SHOP}/rotate"));
    s.needs(
        &keys,
        "send",
        &[("POST", ALL), ("PATCH", SHOP), ("DELETE", SHOP), ("POST", &rotate), ("GET", &secret)],
    )
    .await;
    s.needs(&keys, "read", &[("GET", ALL), ("GET", SHOP)]).await;
    let mut new = json!({ "name": "shop", "url": "https://shop.example.com" });
    // Names are everybody's, so a tenant would learn which there are.
    problem(s.call("POST", ALL, &keys.acme, new.clone()).await, 403, "forbidden").await;
    new["tenant"] = json!("acme");
    let made = body(s.call("POST", ALL, &keys.admin, new).await).await;
    assert_eq!(made["tenant"], "acme");
    for (method, tail) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/secret"),
        ("POST", "/rotate"),
        ("POST", "/enable"),
        ("POST", "/test"),
    ] {
        let foreign = s.call(method, &format!("{SHOP}{tail}"), &keys.other, Value::Null).await;
        problem(foreign, 404, "not-found").await;
    }
    let listed = body(s.call("GET", ALL, &keys.other, Value::Null).await).await;
    assert_eq!(listed["data"], json!([]));
    let message = json!({ "channel": "webhook", "to": "shop" });
    let foreign = s.call("POST", "/v1/notifications", &keys.other, message.clone()).await;
    assert_eq!(locs(&problem(foreign, 422, "invalid-request").await), ["body.to"]);
    assert_eq!(s.call("POST", "/v1/notifications", &keys.acme, message).await.status(), 202);
    assert_eq!(body(s.call("GET", SHOP, &keys.acme, Value::Null).await).await["secrets"], 1);
}
