//! The server itself: slow and broken requests, and a graceful end.

use std::time::Duration;

use posthaste_api::ApiConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{Server, json, problem};

async fn connect(s: &Server) -> TcpStream {
    TcpStream::connect(s.url.strip_prefix("http://").unwrap()).await.unwrap()
}

async fn answer(mut stream: TcpStream) -> String {
    let mut out = Vec::new();
    stream.read_to_end(&mut out).await.unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

#[tokio::test]
async fn garbage_is_400_and_a_huge_head_431() {
    let s = Server::start().await;
    let mut c = connect(&s).await;
    c.write_all(b"\x16\x03\x01 garbage\r\n\r\n").await.unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 400"));
    let mut c = connect(&s).await;
    let head = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(400_000));
    // The server may answer and close before it has read everything.
    let _ = c.write_all(head.as_bytes()).await;
    let mut first = [0; 12];
    if c.read_exact(&mut first).await.is_ok() {
        assert_eq!(&first, b"HTTP/1.1 431");
    }
}

#[tokio::test]
async fn http_1_0_may_leave_out_the_host_and_1_1_may_not() {
    let s = Server::start().await;
    let mut c = connect(&s).await;
    c.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.0 200"));
    let mut c = connect(&s).await;
    c.write_all(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 403"));
    let mut c = connect(&s).await;
    c.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 403"));
    let mut c = connect(&s).await;
    c.write_all(b"GET http://evil/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut() {
    let s = Server::start().await;
    let mut c = connect(&s).await;
    c.write_all(b"POST /notify/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let (mut reading, mut writing) = c.into_split();
    let sending = tokio::spawn(async move { while writing.write_all(&chunk).await.is_ok() {} });
    let mut first = [0; 12];
    reading.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
    drop(reading);
    sending.await.unwrap();
}

#[tokio::test]
async fn the_end_waits_for_open_requests_and_closes_idle_connections() {
    let mut s = Server::start().await;
    let mut idle = connect(&s).await;
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    // A request whose body is still on its way when the server stops.
    let mut open = connect(&s).await;
    open.write_all(
        b"POST /notify/?email=a@example.com HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{",
    )
    .await
    .unwrap();
    // Its head is with the server once a later connection was answered.
    assert_eq!(s.get("/health").await.status(), 200);
    s.api.closing().cancel();
    assert!(answer(idle).await.contains("OK"));
    open.write_all(b"}").await.unwrap();
    assert!(answer(open).await.starts_with("HTTP/1.1 200"));
    let ended = tokio::time::timeout(Duration::from_secs(60), &mut s.serving).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn under_a_base_path_everything_is_served_there_and_nothing_elsewhere() {
    let base_path = "/post/haste".parse().unwrap();
    let secret: posthaste_notify::sign::SigningSecret =
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".parse().unwrap();
    let config = ApiConfig { base_path, signing: Some(secret.clone()), ..ApiConfig::default() };
    let s = Server::with(config).await;
    let within = |path: &str| format!("/post/haste{path}");
    // Load balancers need to know nothing.
    for path in ["/healthz", "/readyz", &within("/healthz"), &within("/readyz")] {
        assert_eq!(s.get(path).await.status(), 200, "{path}");
    }
    for path in
        ["/", "/health", "/v1/tasks", "/openapi.json", "/docs/", "/metrics", "/post/hastev1/tasks", "/post"]
    {
        let none = problem(s.get(path).await, 404, "not-found").await;
        assert_eq!(none["detail"], "There is nothing at this address", "{path}");
    }
    // The old routes as they always were.
    assert_eq!(json(s.get(&within("/health")).await).await, serde_json::json!({ "status": "OK" }));
    let sent =
        s.request("POST", &within("/notify/?email=ann@example.com")).header("origin", "https://shop.example");
    let sent = sent.send().await.unwrap();
    assert_eq!(
        (sent.status().as_u16(), &sent.headers()["access-control-allow-origin"]),
        (200, &"*".parse().unwrap())
    );
    let id = json(sent).await["task_id"].as_str().unwrap().to_owned();
    assert_eq!(json(s.get(&within(&format!("/task_status/{id}"))).await).await["status"], "in progress");
    assert!(json(s.get(&within("/task_status/x")).await).await["detail"].is_string(), "in their own shape");
    // Where an answer sends its reader.
    let made = s.post_json(&within("/v1/tasks"), serde_json::json!({ "kind": "work", "payload": 1 })).await;
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("/post/haste/v1/tasks/"), "{location}");
    assert_eq!(json(s.get(&location).await).await["kind"], "work");
    let docs = s.get(&within("/docs")).await;
    assert_eq!(docs.url().path(), within("/docs/"), "redirected");
    let page = docs.text().await.unwrap();
    assert!(page.contains("./swagger-ui.css"), "its files are named relative to it: {page}");
    let script = s.get(&within("/docs/swagger-initializer.js")).await.text().await.unwrap();
    assert!(script.contains("\"../openapi.json\""), "{script}");
    let document = json(s.get(&within("/openapi.json")).await).await;
    assert_eq!(document["servers"], serde_json::json!([{ "url": "/post/haste" }]));
    assert!(document["paths"].get("/v1/tasks").is_some());
    // What recipients follow, and their mail programs post to.
    let token = posthaste_notify::unsubscribe::mint(&secret, "email:ann@example.com", "news");
    let link = within(&format!("/unsubscribe/{token}"));
    let click = s.request("POST", &link).header("origin", "https://mail.example.com").send().await.unwrap();
    assert_eq!(click.status(), 200);
    assert_eq!(s.post(&format!("/unsubscribe/{token}")).await.status(), 404);
    // Once there are keys they are asked for under it, too.
    let keys = s
        .call("POST", &within("/v1/keys"), "", serde_json::json!({ "name": "a", "scopes": ["admin"] }))
        .await;
    assert_eq!(keys.status(), 201);
    assert!(keys.headers()["location"].to_str().unwrap().starts_with("/post/haste/v1/keys/"));
    problem(s.get(&within("/v1/tasks")).await, 401, "unauthorized").await;
    assert_eq!(s.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn at_the_root_the_description_names_no_server() {
    let s = Server::start().await;
    assert_eq!(json(s.get("/openapi.json").await).await.get("servers"), None);
    let made = s.post_json("/v1/tasks", serde_json::json!({ "kind": "work", "payload": 1 })).await;
    assert!(made.headers()["location"].to_str().unwrap().starts_with("/v1/tasks/"));
}

/// A server of few connections, on a store that is there.
async fn narrow(limits: posthaste_api::ConnectionLimits) -> (Server, std::net::SocketAddr) {
    let s = Server::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = posthaste_api::guard(s.api.router(), &s.api);
    tokio::spawn(posthaste_api::serve_within(limits, listener, router, s.api.closing().clone()));
    (s, address)
}

/// Asks over a connection of its own, which the server may close.
async fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let mut c = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut out = Vec::new();
    // One that finds no seat at all is closed, perhaps before it was written to.
    if c.write_all(request.as_bytes()).await.is_ok() {
        let _ = c.read_to_end(&mut out).await;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[tokio::test]
async fn beyond_the_bound_signs_of_life_alone_are_answered() {
    let limits = posthaste_api::ConnectionLimits { all: 3, probes: 1, ..Default::default() };
    let (_s, address) = narrow(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut c = TcpStream::connect(address).await.unwrap();
        c.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        c.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        held.push(c);
    }
    // The seat of a probe is free again a moment after its answer.
    let until = async |path: &str, wanted: &str| {
        loop {
            let answer = ask(address, path).await;
            if !answer.is_empty() {
                assert!(answer.starts_with(wanted), "{path}: {answer}");
                return answer;
            }
        }
    };
    for path in ["/healthz", "/readyz"] {
        until(path, "HTTP/1.1 200").await;
    }
    let refused = until("/v1/tasks", "HTTP/1.1 503").await;
    assert!(refused.contains("urn:posthaste:error:too-many-connections"), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("retry-after: 1"), "{refused}");
    let old = until("/health", "HTTP/1.1 503").await;
    assert!(old.contains("{\"detail\":"), "{old}");
    // Whoever holds one has it still, and one that is given back is free for all.
    let mut last = held.pop().unwrap();
    last.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(answer(last).await.contains("HTTP/1.1 200"));
    while !ask(address, "/v1/tasks").await.starts_with("HTTP/1.1 200") {}
}

#[tokio::test]
async fn whoever_reads_nothing_is_let_go() {
    let stall = Duration::from_millis(1);
    let limits = posthaste_api::ConnectionLimits { all: 1, probes: 0, stall, ..Default::default() };
    let (_s, address) = narrow(limits).await;
    let deaf = TcpStream::connect(address).await.unwrap();
    let (reading, mut writing) = deaf.into_split();
    let asking = tokio::spawn(async move {
        let request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
        while writing.write_all(request).await.is_ok() {}
    });
    // It took the only seat; it is free once the server has let it go.
    while !ask(address, "/health").await.starts_with("HTTP/1.1 200") {}
    drop(reading);
    asking.await.unwrap();
}

#[tokio::test]
async fn whoever_watches_is_written_to_and_stays() {
    let stall = Duration::from_millis(1);
    let limits = posthaste_api::ConnectionLimits { stall, ..Default::default() };
    let (s, address) = narrow(limits).await;
    let mut watching = TcpStream::connect(address).await.unwrap();
    watching.write_all(b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    let mut some = [0; 4_096];
    // The stream begins with a comment; what happens from then on is told.
    while !seen.contains("\n:") {
        let read = watching.read(&mut some).await.unwrap();
        assert!(read > 0, "the stream never began: {seen}");
        seen.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    for n in 0..3 {
        let id = s.task().await;
        while !seen.contains(&id) {
            let read = watching.read(&mut some).await.unwrap();
            assert!(read > 0, "the stream ended after {n}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&some[..read]));
        }
    }
}
