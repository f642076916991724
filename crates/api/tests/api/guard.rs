//! Who may call: Host, Origin, CORS; and what is put on every answer.

use posthaste_api::{ApiConfig, Cors, HostRule};

use super::harness::{Server, json, problem};

const FOREIGN: &str = "http://evil.example";

#[tokio::test]
async fn a_foreign_host_is_refused_everywhere() {
    let s = Server::start().await;
    for host in [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "10.0.0.1:8000",
        "localhost.evil.example",
    ] {
        let get = |path: &str| s.request("GET", path).header("host", host).send();
        for path in ["/v1/tasks", "/openapi.json", "/docs/", "/metrics", "/nothing"] {
            problem(get(path).await.unwrap(), 403, "forbidden-host").await;
        }
        for path in ["/health", "/task_status/x"] {
            let reply = get(path).await.unwrap();
            assert_eq!(reply.status(), 403);
            assert!(json(reply).await["detail"].as_str().unwrap().contains(host));
        }
    }
    for host in ["localhost", "localhost:9", "127.0.0.1:9", "[::1]:9", "LocalHost"] {
        assert_eq!(
            s.request("GET", "/health").header("host", host).send().await.unwrap().status(),
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn the_public_host_and_any_host_are_served_when_told() {
    let rule = HostRule::LoopbackOnly { public_host: Some("post.example.com".into()) };
    let s = Server::with(ApiConfig { allowed_hosts: rule, ..ApiConfig::default() }).await;
    let from = |host: &'static str, origin: &'static str| {
        s.request("GET", "/v1/queues").header("host", host).header("origin", origin).send()
    };
    assert_eq!(from("post.example.com", "https://post.example.com").await.unwrap().status(), 200);
    // A proxy that rewrites Host leaves the browser's Origin.
    assert_eq!(from("127.0.0.1", "https://post.example.com").await.unwrap().status(), 200);
    assert_eq!(from("127.0.0.1", "https://post.example.com.evil.example").await.unwrap().status(), 403);
    let s = Server::with(ApiConfig { allowed_hosts: HostRule::Any, auth_off: true, ..ApiConfig::default() })
        .await;
    assert_eq!(
        s.request("GET", "/v1/queues").header("host", "any.example").send().await.unwrap().status(),
        200
    );
    assert!(s.api.config().auth_off);
}

#[tokio::test]
async fn a_foreign_origin_may_call_the_old_routes_only() {
    let s = Server::start().await;
    for origin in [FOREIGN, "null", "http://localhost:1", "https://127.0.0.1:1", "garbage"] {
        let send = |method: &str, path: &str| s.request(method, path).header("origin", origin).send();
        for (method, path) in [
            ("GET", "/v1/tasks"),
            ("POST", "/v1/tasks"),
            ("GET", "/metrics"),
            ("GET", "/"),
            ("OPTIONS", "/v1/tasks"),
        ] {
            let reply = send(method, path).await.unwrap();
            assert_eq!(reply.headers().get("access-control-allow-origin"), None);
            problem(reply, 403, "forbidden-origin").await;
        }
        for (method, path, status) in [
            ("POST", "/notify/?email=a@example.com", 200),
            ("GET", "/health", 200),
            ("GET", "/task_status/x", 404),
        ] {
            let reply = send(method, path).await.unwrap();
            assert_eq!(reply.status(), status, "{origin} {path}");
            assert_eq!(reply.headers()["access-control-allow-origin"], "*");
        }
    }
    let own = s.request("GET", "/v1/tasks").header("origin", &s.url).send().await.unwrap();
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn a_preflight_is_answered_on_the_old_routes() {
    let s = Server::start().await;
    let ask = |path: &str| {
        let request = s.request("OPTIONS", path).header("origin", FOREIGN);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-a")
            .send()
    };
    for path in ["/notify/", "/notify", "/task_status/x", "/health"] {
        let reply = ask(path).await.unwrap();
        assert_eq!(reply.status(), 204);
        assert_eq!(reply.headers()["access-control-allow-origin"], "*");
        assert_eq!(reply.headers()["access-control-allow-headers"], "content-type,x-a");
        assert!(reply.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    }
    problem(ask("/v1/tasks").await.unwrap(), 403, "forbidden-origin").await;
}

#[tokio::test]
async fn foreign_pages_may_not_send_through_a_provider_unless_told() {
    let provider = ApiConfig { provider_configured: true, ..ApiConfig::default() };
    for (config, status) in [(provider.clone(), 403), (ApiConfig { open_notify: true, ..provider }, 200)] {
        let s = Server::with(config).await;
        let post = || s.request("POST", "/notify/?email=a@example.com");
        let reply = post().header("origin", FOREIGN).send().await.unwrap();
        assert_eq!(reply.status(), status);
        // The page can read why.
        assert_eq!(reply.headers()["access-control-allow-origin"], "*");
        assert_eq!(post().send().await.unwrap().status(), 200);
        assert_eq!(post().header("origin", &s.url).send().await.unwrap().status(), 200);
        let polled = s.request("GET", "/task_status/x").header("origin", FOREIGN).send().await.unwrap();
        assert_eq!(polled.status(), 404);
    }
}

#[tokio::test]
async fn listed_origins_only_are_let_in() {
    let cors_origins = Cors::List(vec!["http://good.example:3000".into()]);
    let s = Server::with(ApiConfig { cors_origins, ..ApiConfig::default() }).await;
    let from = |origin: &'static str| {
        s.request("POST", "/notify/?email=a@example.com").header("origin", origin).send()
    };
    let good = from("http://good.example:3000").await.unwrap();
    assert_eq!(good.status(), 200);
    assert_eq!(good.headers()["access-control-allow-origin"], "http://good.example:3000");
    assert_eq!(good.headers()["vary"], "Origin");
    let bad = from("http://good.example").await.unwrap();
    assert_eq!(bad.status(), 403);
    assert_eq!(bad.headers().get("access-control-allow-origin"), None);
    assert!(json(bad).await["detail"].is_string());
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_pages_a_policy() {
    let s = Server::start().await;
    let ids: Vec<String> = [s.get("/health").await, s.get("/nothing").await]
        .iter()
        .map(|r| r.headers()["x-request-id"].to_str().unwrap().to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
    let given = s.request("GET", "/health").header("x-request-id", "abc-1").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "abc-1");
    assert_eq!(given.headers()["x-content-type-options"], "nosniff");
    let long = s.request("GET", "/health").header("x-request-id", "a".repeat(500)).send().await.unwrap();
    assert_ne!(long.headers()["x-request-id"].len(), 500);
    let page = s.get("/docs/").await;
    assert_eq!(page.status(), 200);
    let csp = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("script-src 'self';"), "{csp}");
    assert_eq!(page.headers()["referrer-policy"], "same-origin");
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems() {
    let s = Server::start().await;
    for path in ["/v1", "/v1/", "/v1/nothing", "/nothing", "/v1/tasks/", "/docs/nothing.js"] {
        problem(s.get(path).await, 404, "not-found").await;
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/tasks", "GET,HEAD,POST"),
        ("PUT", "/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "GET,HEAD"),
        ("GET", "/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58/cancel", "POST"),
        ("POST", "/v1/events", "GET,HEAD"),
        ("PATCH", "/metrics", "GET,HEAD"),
        ("BREW", "/v1/queues", "GET,HEAD"),
    ] {
        let reply = s.request(method, path).send().await.unwrap();
        let mut found: Vec<_> = reply.headers()["allow"].to_str().unwrap().split(',').collect();
        found.sort_unstable();
        assert_eq!(found.join(","), allow, "{method} {path}");
        problem(reply, 405, "method-not-allowed").await;
    }
}
