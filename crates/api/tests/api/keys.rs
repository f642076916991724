//! Keys: who is let in where, and who not.

use std::time::{Duration, Instant};

use posthaste_api::{ApiConfig, ConfiguredKey};
use posthaste_core::RecordKind;
use posthaste_testkit::{Fault, Method};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

impl Server {
    /// A key with these scopes; its id and token.
    pub(crate) async fn key(&self, admin: &str, new: Value) -> (String, String) {
        let request = self.request("POST", "/v1/keys").json(&new);
        let reply = with(request, admin).send().await.unwrap();
        assert_eq!(reply.status(), 201);
        let made = body(reply).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// The first key: admin.
    pub(crate) async fn admin(&self) -> String {
        self.key("", json!({ "name": "admin", "scopes": ["admin"] })).await.1
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str) -> Response {
        with(self.request(method, path), token).send().await.unwrap()
    }
}

fn with(request: RequestBuilder, token: &str) -> RequestBuilder {
    if token.is_empty() { request } else { request.bearer_auth(token) }
}

#[tokio::test]
async fn without_keys_this_machine_may_do_everything_and_from_the_first_on_nobody_without_one() {
    let s = Server::start().await;
    assert_eq!(body(s.get("/v1/whoami").await).await["name"], "local");
    assert_eq!(s.ask("GET", "/v1/tasks", "ph_whatever").await.status(), 200);
    let admin = s.admin().await;
    for (method, path) in [
        ("GET", "/v1/tasks"),
        ("POST", "/v1/tasks"),
        ("GET", "/v1/keys"),
        ("GET", "/v1/events"),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
        ("DELETE", "/v1/tasks"),
    ] {
        let reply = s.ask(method, path, "").await;
        assert_eq!(reply.headers()["www-authenticate"], "Bearer realm=\"posthaste\"");
        problem(reply, 401, "unauthorized").await;
        assert_ne!(s.ask(method, path, &admin).await.status(), 401, "{method} {path}");
    }
    for (method, path) in [("POST", "/notify/?email=a@example.com"), ("GET", "/task_status/x")] {
        let reply = s.ask(method, path, "").await;
        assert_eq!(reply.status(), 401);
        assert!(body(reply).await["detail"].is_string());
    }
    for path in ["/health", "/healthz", "/readyz", "/openapi.json", "/docs/"] {
        assert_eq!(s.ask("GET", path, "").await.status(), 200, "{path}");
    }
    let who = body(s.ask("GET", "/v1/whoami", &admin).await).await;
    assert_eq!(
        (&who["name"], &who["scopes"], &who["via"]),
        (&json!("admin"), &json!(["admin"]), &json!("key"))
    );
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let send = s.key(&admin, json!({ "name": "s", "scopes": ["send"] })).await.1;
    let read = s.key(&admin, json!({ "name": "r", "scopes": ["read"] })).await.1;
    for (method, path, needs) in [
        ("GET", "/v1/tasks", "read"),
        ("GET", "/v1/queues", "read"),
        ("GET", "/metrics", "read"),
        ("POST", "/v1/queues/q/pause", "admin"),
        ("GET", "/v1/keys", "admin"),
        ("POST", "/v1/tasks", "send"),
    ] {
        for (token, has) in [(&send, "send"), (&read, "read")] {
            let reply = s.ask(method, path, token).await;
            if needs == has {
                assert!(!matches!(reply.status().as_u16(), 401 | 403), "{method} {path} {has}");
            } else {
                let detail = problem(reply, 403, "forbidden-scope").await["detail"].to_string();
                assert!(detail.contains(needs), "{detail}");
            }
        }
    }
    let sent = s.ask("POST", "/notify/?email=a@example.com", &send).await;
    assert_eq!(sent.status(), 200);
    let status = format!("/task_status/{}", body(sent).await["task_id"].as_str().unwrap());
    let refused = s.ask("GET", &status, &send).await;
    assert_eq!(refused.status(), 403);
    assert!(body(refused).await["detail"].as_str().unwrap().contains("read"));
    assert_eq!(s.ask("GET", &status, &read).await.status(), 200);
    assert_eq!(s.ask("GET", "/nothing", &send).await.status(), 404);
    assert_eq!(s.ask("DELETE", "/v1/tasks", &send).await.status(), 405);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_its_token_is_kept_nowhere() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let (id, token) = s.key(&admin, json!({ "name": "x", "scopes": ["read"] })).await;
    assert_eq!(s.ask("GET", "/v1/tasks", &token).await.status(), 200);
    let path = format!("/v1/keys/{id}");
    let revoked = body(s.ask("DELETE", &path, &admin).await).await;
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    problem(s.ask("GET", "/v1/tasks", &token).await, 401, "unauthorized").await;
    assert_eq!(body(s.ask("DELETE", &path, &admin).await).await, revoked, "a repeat changes nothing");
    let listed = body(s.ask("GET", "/v1/keys", &admin).await).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let stored = s.store.get_record(RecordKind::ApiKey, &id).await.unwrap().unwrap();
    let secret = token.rsplit('_').next().unwrap();
    for text in [listed.to_string(), stored.body.as_str().to_owned(), revoked.to_string()] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(!listed.to_string().contains("hash"), "{listed}");
    problem(s.ask("GET", "/v1/keys/AAAAAAAAAAAA", &admin).await, 404, "not-found").await;
    problem(s.ask("DELETE", "/v1/keys/AAAAAAAAAAAA", &admin).await, 404, "not-found").await;
}

#[tokio::test]
async fn a_key_made_or_revoked_elsewhere_counts_within_a_second() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let (id, token) = s.key(&admin, json!({ "name": "x", "scopes": ["read"] })).await;
    assert_eq!(s.ask("GET", "/v1/tasks", &token).await.status(), 200);
    // As another process would.
    let found = s.store.get_record(RecordKind::ApiKey, &id).await.unwrap().unwrap();
    let mut record: Value = found.body.parse().unwrap();
    record["revoked_at"] = record["created_at"].clone();
    let expect = posthaste_core::Expect::Version(found.version);
    s.store.put_record(RecordKind::ApiKey, &id, record.into(), expect).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        while s.ask("GET", "/v1/tasks", &token).await.status() == 200 {
            tokio::task::yield_now().await;
        }
    });
    ended.await.expect("it is refused in the end");
}

#[tokio::test]
async fn a_stream_that_waited_tells_a_revoked_key_nothing() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let (id, token) = s.key(&admin, json!({ "name": "x", "scopes": ["read"] })).await;
    let mut stream = s.ask("GET", "/v1/events", &token).await;
    assert!(stream.chunk().await.unwrap().is_some(), "it greets");
    // What a stream knows of its key is good for a second.
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_millis(1_100) {
        assert_eq!(s.ask("GET", "/v1/tasks", &admin).await.status(), 200);
    }
    assert_eq!(s.ask("DELETE", &format!("/v1/keys/{id}"), &admin).await.status(), 200);
    let new = with(s.request("POST", "/v1/tasks").json(&json!({ "kind": "work", "payload": {} })), &admin);
    assert_eq!(new.send().await.unwrap().status(), 202);
    assert_eq!(stream.chunk().await.unwrap(), None, "it ends with the first thing there is to tell");
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let new = json!({ "name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z" });
    let reply = with(s.request("POST", "/v1/keys").json(&new), &admin).send().await.unwrap();
    assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["body.expires_at"]);
    let (id, token) = s.key(&admin, json!({ "name": "x", "scopes": ["read"] })).await;
    let found = s.store.get_record(RecordKind::ApiKey, &id).await.unwrap().unwrap();
    let mut record: Value = found.body.parse().unwrap();
    record["expires_at"] = json!("2020-01-01T00:00:00Z");
    s.store.put_record(RecordKind::ApiKey, &id, record.into(), posthaste_core::Expect::Any).await.unwrap();
    problem(s.ask("GET", "/v1/tasks", &token).await, 401, "unauthorized").await;
}

#[tokio::test]
async fn the_first_key_must_be_one_that_can_make_others() {
    let s = Server::start().await;
    for new in [
        json!({ "name": "x", "scopes": ["send", "read"] }),
        json!({ "name": "x", "scopes": ["admin"], "expires_at": "2999-01-01T00:00:00Z" }),
    ] {
        let refused = problem(s.post_json("/v1/keys", new).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused), ["body.scopes"]);
    }
    assert_eq!(s.get("/v1/tasks").await.status(), 200, "nothing was made");
    for (new, place) in [
        (json!({}), "body.name"),
        (json!({ "name": " ", "scopes": ["admin"] }), "body.name"),
        (json!({ "name": "x", "scopes": [] }), "body.scopes"),
        (json!({ "name": "x", "scopes": ["root"] }), "body.scopes"),
        (json!({ "name": "x", "scopes": "admin" }), "body.scopes"),
        (json!({ "name": "x", "scopes": ["admin"], "tenant": "acme" }), "body.tenant"),
        (
            json!({ "name": "x", "scopes": ["admin"], "rate_limit": { "per_second": 0, "burst": 1 } }),
            "body.rate_limit.per_second",
        ),
        (json!({ "name": "x", "scopes": ["admin"], "secret": "x" }), "body.secret"),
    ] {
        let refused = problem(s.post_json("/v1/keys", new).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused)[0], place);
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_and_does_not_hinder_who_has_a_key() {
    let s = Server::with(ApiConfig { failed_attempts: 3, ..ApiConfig::default() }).await;
    let admin = s.admin().await;
    assert_eq!(s.ask("GET", "/v1/keys", &admin).await.status(), 200);
    let guess = |n: u32| format!("ph_{n:012}_{}", "x".repeat(43));
    for n in 0..3 {
        problem(s.ask("GET", "/v1/tasks", &guess(n)).await, 401, "unauthorized").await;
    }
    for bad in [guess(9), "nonsense".to_owned()] {
        let reply = s.ask("GET", "/v1/tasks", &bad).await;
        let wait: u64 = reply.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        problem(reply, 429, "rate-limited").await;
    }
    assert_eq!(s.ask("GET", "/v1/keys", &admin).await.status(), 200);
    problem(s.ask("GET", "/v1/tasks", "").await, 401, "unauthorized").await;
}

#[tokio::test]
async fn a_key_with_a_limit_is_held_to_it() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let limit = json!({ "per_second": 1, "burst": 2 });
    let token = s.key(&admin, json!({ "name": "x", "scopes": ["read"], "rate_limit": limit })).await.1;
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(s.ask("GET", "/v1/whoami", &token).await.status().as_u16());
    }
    assert_eq!(seen[..2], [200, 200]);
    assert!(seen.contains(&429), "{seen:?}");
    assert_eq!(s.ask("GET", "/v1/whoami", &admin).await.status(), 200);
}

#[tokio::test]
async fn while_the_store_is_away_known_keys_hold_and_unknown_ones_are_refused_with_503() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let other = s.key(&admin, json!({ "name": "x", "scopes": ["read"] })).await.1;
    assert_eq!(s.ask("GET", "/v1/whoami", &admin).await.status(), 200);
    s.faults.always(Method::GetRecord, Fault::Fail);
    s.faults.always(Method::ListRecords, Fault::Fail);
    for _ in 0..50 {
        assert_eq!(s.ask("GET", "/v1/whoami", &admin).await.status(), 200);
    }
    let refused = s.ask("GET", "/v1/whoami", &other).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    problem(refused, 503, "store-unavailable").await;
}

#[tokio::test]
async fn a_server_that_does_not_know_whether_there_are_keys_is_closed() {
    let s = Server::start().await;
    s.faults.always(Method::ListRecords, Fault::Fail);
    problem(s.get("/v1/tasks").await, 503, "store-unavailable").await;
    assert_eq!(s.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn keys_of_the_configuration_are_keys() {
    let key = |text: &str| format!("{text}:{SECRET}").parse::<ConfiguredKey>().unwrap();
    let s = Server::with(ApiConfig { keys: vec![key("ops:admin")], ..ApiConfig::default() }).await;
    problem(s.get("/v1/tasks").await, 401, "unauthorized").await;
    assert_eq!(body(s.ask("GET", "/v1/whoami", SECRET).await).await["key_id"], "env:ops");
    // With it as admin, the first key of the store may be a narrow one.
    let made = s.request("POST", "/v1/keys").json(&json!({ "name": "x", "scopes": ["send"] }));
    assert_eq!(with(made, SECRET).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn the_old_routes_stay_open_when_told() {
    let s = Server::with(ApiConfig { open_notify: true, ..ApiConfig::default() }).await;
    let admin = s.admin().await;
    let sent = s.ask("POST", "/notify/?email=a@example.com", "").await;
    assert_eq!(sent.status(), 200);
    let path = format!("/task_status/{}", body(sent).await["task_id"].as_str().unwrap());
    assert_eq!(s.ask("GET", &path, "").await.status(), 200);
    problem(s.ask("GET", "/v1/tasks", "").await, 401, "unauthorized").await;
    let read = s.key(&admin, json!({ "name": "r", "scopes": ["read"] })).await.1;
    let refused = s.ask("POST", "/notify/?email=a@example.com", &read).await;
    assert_eq!(refused.status(), 403, "a key that is shown counts");
}

#[tokio::test]
async fn who_shows_no_key_shares_no_idempotency_key_with_those_who_do() {
    let s = Server::with(ApiConfig { open_notify: true, ..ApiConfig::default() }).await;
    let admin = s.admin().await;
    let send = async |token: &str, email: &str| {
        let request = s.request("POST", &format!("/notify/?email={email}")).header("Idempotency-Key", "k1");
        let request = if token.is_empty() { request } else { with(request, token) };
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 200, "{email}");
        body(reply).await["task_id"].clone()
    };
    let own = send(&admin, "ann@example.com").await;
    let open = send("", "ann@example.com").await;
    assert_ne!(own, open, "what the installation sent is not told");
    assert_eq!(send(&admin, "ann@example.com").await, own);
    assert_eq!(send("", "ann@example.com").await, open);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let (id, token) = s.key(&admin, json!({ "name": "x", "scopes": ["read"] })).await;
    let unused = body(s.ask("GET", &format!("/v1/keys/{id}"), &admin).await).await;
    assert_eq!(unused["last_used_at"], Value::Null);
    s.ask("GET", "/v1/tasks", &token).await;
    let noted = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let key = body(s.ask("GET", &format!("/v1/keys/{id}"), &admin).await).await;
            if key["last_used_at"].is_string() {
                return key;
            }
        }
    });
    assert_eq!(noted.await.expect("it is noted in the end")["last_used_from"], "127.0.0.1");
}

#[tokio::test]
async fn with_authentication_off_nobody_is_asked() {
    let s = Server::with(ApiConfig { auth_off: true, ..ApiConfig::default() }).await;
    s.admin().await;
    assert_eq!(s.ask("GET", "/v1/tasks", "").await.status(), 200);
    assert_eq!(body(s.ask("GET", "/v1/whoami", "nonsense").await).await["name"], "anybody");
}
