//! Every field that takes a URL which we are to call: whatever is in it, the request is answered, and only what can be
//! called is stored.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use posthaste_api::{Api, ApiConfig, guard};
use posthaste_notify::net::read_url;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::harness::from_here;
use crate::stores;

/// A door: its method and path, and its body with a URL in one of its fields.
type Door = (&'static str, &'static str, fn(&str) -> Value);

const DOORS: &[Door] = &[
    ("POST", "/v1/tasks", |url| json!({ "kind": "http", "payload": { "url": url } })),
    ("POST", "/v1/tasks", |url| json!({ "kind": "work", "payload": 1, "callback_url": url })),
    (
        "POST",
        "/v1/tasks",
        |url| json!({ "kind": "work", "payload": 1, "unique": { "key": "k" }, "callback_url": url }),
    ),
    (
        "POST",
        "/v1/tasks",
        |url| json!({ "kind": "notify", "payload": { "channel": "webhook", "to": url, "message": "m" } }),
    ),
    ("POST", "/v1/tasks/batch", |url| json!({ "tasks": [{ "kind": "http", "payload": { "url": url } }] })),
    (
        "POST",
        "/v1/tasks/batch",
        |url| json!({ "tasks": [{ "kind": "work", "payload": 1 }], "callback_url": url }),
    ),
    ("POST", "/v1/notifications", |url| json!({ "channel": "webhook", "to": url, "message": "m" })),
    (
        "POST",
        "/v1/notifications",
        |url| json!({ "to": "ann@example.com", "message": "m", "callback_url": url }),
    ),
    (
        "POST",
        "/v1/notifications",
        |url| json!({ "to": ["ann@example.com", "bob@example.com"], "message": "m", "callback_url": url }),
    ),
    (
        "POST",
        "/v1/notifications",
        |url| json!({ "to": "ann@example.com", "message": "m", "attachments": [{ "filename": "a.txt", "url": url }] }),
    ),
    (
        "POST",
        "/v1/notifications",
        |url| json!({ "channel": "ntfy", "to": "ops", "message": "m", "options": { "click": url } }),
    ),
    (
        "POST",
        "/v1/notifications",
        |url| json!({ "channel": "web_push", "to": subscription("https://push.example.com/a"), "message": "m", "options": { "url": url } }),
    ),
    (
        "POST",
        "/v1/notifications",
        |url| json!({ "channel": "web_push", "to": subscription(url), "message": "m" }),
    ),
    (
        "POST",
        "/v1/notifications/batch",
        |url| json!({ "notifications": [{ "to": "ann@example.com", "message": "m" }], "callback_url": url }),
    ),
    (
        "POST",
        "/v1/notifications/batch",
        |url| json!({ "notifications": [{ "channel": "webhook", "to": url, "message": "m" }] }),
    ),
    (
        "PUT",
        "/v1/schedules/s",
        |url| json!({ "cron": "0 7 * * *", "kind": "http", "payload": { "url": url } }),
    ),
    ("PUT", "/v1/schedules/s", |url| {
        json!({ "cron": "0 7 * * *", "kind": "notify",
            "payload": { "channel": "webhook", "to": url, "message": "m" } })
    }),
    ("PATCH", "/v1/endpoints/shop", |url| json!({ "url": url })),
];

fn subscription(endpoint: &str) -> Value {
    json!({ "endpoint": endpoint, "keys": { "p256dh": "A".repeat(87), "auth": "A".repeat(22) } })
}

struct Doors {
    app: Router,
    runtime: tokio::runtime::Runtime,
    _place: stores::Place,
}

impl Doors {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (store, place) = runtime.block_on(stores::open(module_path!()));
        let api = Api::new(store, ApiConfig::default());
        let doors = Self { app: guard(api.router(), &api), runtime, _place: place };
        let shop = json!({ "name": "shop", "url": "https://example.com/hook" });
        assert_eq!(doors.call("POST", "/v1/endpoints", &shop).0, 201);
        doors
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-type", "application/json").extension(from_here());
        let request = request.body(Body::from(body.to_string()));
        self.runtime.block_on(async {
            let reply = self.app.clone().oneshot(request.unwrap()).await.unwrap();
            let status = reply.status().as_u16();
            let bytes = axum::body::to_bytes(reply.into_body(), 1 << 22).await.unwrap();
            (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
        })
    }

    fn stored(&self) -> usize {
        let (_, page) = self.call("GET", "/v1/tasks?limit=200", &Value::Null);
        page["data"].as_array().unwrap().len()
    }

    /// Through every door.
    fn try_all(&self, url: &str) {
        // A plain name is that of an endpoint, where one may be named.
        if url.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            return;
        }
        let callable = read_url(url).is_ok();
        for (method, path, body) in DOORS {
            let (status, answer) = self.call(method, path, &body(url));
            let fine = if callable { (200..300).contains(&status) } else { status == 422 };
            assert!(fine, "{method} {path} {}: {status} {answer}", body(url));
        }
    }
}

#[test]
fn what_names_no_host_is_refused_at_every_door_and_nothing_is_stored() {
    let doors = Doors::open();
    let accents = format!("https:{}", "é".repeat(70));
    let long = format!("https://{}.example/", "a".repeat(64));
    for url in [
        "http:/127.0.0.1/",
        "http:/example.com/",
        "http:example.com/a",
        "http:\\\\example.com/",
        "https:/\\example.com/",
        &accents,
        "https://",
        "https:///a",
        "https://:80/",
        "http://exa\tmple.com/",
        "http://example.com/\n",
        "https://u:p@example.com/",
        "https://example.com\\@127.0.0.1/",
        "ftp://example.com/",
        "https://[::1",
        "https://exa mple.com/",
        "http://.",
        "http://..",
        "http://a..b/",
        "http://example.com:0/",
        &long,
    ] {
        assert!(read_url(url).is_err(), "{url}");
        doors.try_all(url);
    }
    assert_eq!(doors.stored(), 0);
    doors.try_all("https://example.com:8443/a?b=c#d");
    assert!(doors.stored() > 10);
}

#[test]
fn any_text_in_a_field_of_a_url_is_answered() {
    let doors = Doors::open();
    let scheme = prop_oneof![Just("http"), Just("https"), Just("HTTPS"), Just("ftp"), Just("")];
    let divide = prop_oneof![Just("://"), Just(":"), Just(":/"), Just(":\\\\"), Just(":///"), Just("//")];
    let host = prop_oneof![
        Just("example.com".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("[::1]".to_owned()),
        Just("bücher.example".to_owned()),
        "é{1,90}",
        "\\PC{0,40}",
        ".{0,150}",
    ];
    let rest = prop_oneof![Just(String::new()), "(:[0-9]{0,6})?[/?#]\\PC{0,20}", ".{0,20}"];
    let url = (scheme, divide, host, rest).prop_map(|(s, d, h, r)| format!("{s}{d}{h}{r}"));
    let url = prop_oneof![4 => url, 1 => ".{0,60}".prop_map(|text| format!("http{text}"))];
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let tried = runner.run(&url, |url| {
        doors.try_all(&url);
        Ok(())
    });
    tried.unwrap();
}
