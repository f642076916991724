//! A store that does not answer: 503 with `Retry-After`, nothing revealed; and what stays up.

use posthaste_testkit::fault::{Fault, Method};
use serde_json::json;

use super::harness::{Server, json, problem};

#[tokio::test]
async fn a_store_that_is_down_is_503_with_retry_after() {
    let s = Server::start().await;
    let id = s.task().await;
    for method in [
        Method::Enqueue,
        Method::Get,
        Method::List,
        Method::Counts,
        Method::Attempts,
        Method::Pause,
        Method::Resume,
        Method::Cancel,
        Method::Retry,
        Method::Lanes,
        Method::Workers,
        Method::GetRecord,
    ] {
        s.faults.always(method, Fault::Fail);
    }
    for (method, path) in [
        ("GET", "/v1/tasks".to_owned()),
        ("GET", format!("/v1/tasks/{id}")),
        ("GET", format!("/v1/tasks/{id}?wait=1s")),
        ("GET", format!("/v1/tasks/{id}/attempts")),
        ("GET", format!("/v1/tasks/{id}/events")),
        ("GET", format!("/v1/tasks/{id}/message")),
        ("POST", format!("/v1/tasks/{id}/cancel")),
        ("POST", format!("/v1/tasks/{id}/retry")),
        ("GET", "/v1/queues".to_owned()),
        ("GET", "/v1/lanes".to_owned()),
        ("GET", "/v1/workers".to_owned()),
        ("POST", "/v1/queues/q/pause".to_owned()),
        ("POST", "/v1/queues/q/resume".to_owned()),
        ("POST", "/v1/queues/q/lanes/a/pause".to_owned()),
        ("POST", "/v1/queues/q/lanes/a/resume".to_owned()),
    ] {
        let reply = s.request(method, &path).send().await.unwrap();
        assert_eq!(reply.headers()["retry-after"], "1", "{method} {path}");
        let body = problem(reply, 503, "store-unavailable").await;
        assert_eq!(body["detail"], "The store does not answer; nothing was accepted. Try again.");
    }
    let reply = s.post_json("/v1/tasks", json!({ "kind": "work", "payload": 1 })).await;
    problem(reply, 503, "store-unavailable").await;
    for (method, path) in
        [("POST", "/notify/?email=a@example.com".to_owned()), ("GET", format!("/task_status/{id}"))]
    {
        let reply = s.request(method, &path).send().await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].to_str().unwrap()), (503, "1"));
        assert!(json(reply).await["detail"].is_string());
    }
    let metrics = s.get("/metrics").await;
    assert_eq!(metrics.status(), 200);
    assert_eq!(s.get("/health").await.status(), 200);
    s.faults.heal();
    assert_eq!(s.post("/notify/?email=a@example.com").await.status(), 200);
    let page = json(s.get("/v1/tasks").await).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 2, "what was refused was not stored");
}

#[tokio::test]
async fn liveness_and_readiness_follow_the_store() {
    let s = Server::start().await;
    assert_eq!(json(s.get("/healthz").await).await, json!({ "status": "ok" }));
    let ready = s.get("/readyz").await;
    assert_eq!(ready.status(), 200);
    let body = json(ready).await;
    assert_eq!(body["status"], "ready");
    assert!(s.place.is_called(body["store"].as_str().unwrap()), "{body}");
    assert!(body["latency_us"].is_u64());
}

#[tokio::test]
async fn liveness_waits_for_the_first_answer_and_a_store_that_hangs_is_not_ready() {
    let s = Server::start().await;
    s.faults.always(Method::Health, Fault::Fail);
    let starting = s.get("/healthz").await;
    assert_eq!((starting.status().as_u16(), starting.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert_eq!(json(s.get("/readyz").await).await["status"], "unavailable");
    s.faults.heal();
    assert_eq!(s.get("/healthz").await.status(), 200);
    s.faults.always(Method::Health, Fault::Hang);
    assert_eq!(s.get("/healthz").await.status(), 200, "the process lives");
    let away = s.get("/readyz").await;
    assert_eq!(away.status(), 503);
    let body = json(away).await;
    assert_eq!(body["problem"], "no answer within 2s");
    assert!(s.place.is_called(body["store"].as_str().unwrap()), "{body}");
    // It does not hold up a scrape by more than that, and says so.
    let counted = s.faults.begun(Method::Counts);
    assert!(s.get("/metrics").await.text().await.unwrap().contains("posthaste_store_up 0.0"));
    assert_eq!(s.faults.begun(Method::Counts), counted);
}

#[tokio::test]
async fn probes_alone_serve_nothing_else() {
    let s = Server::start().await;
    let probes = posthaste_api::guard(s.api.probes(), &s.api);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(posthaste_api::serve(listener, probes, s.api.closing().clone()));
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/v1/tasks", 404),
        ("/", 404),
        ("/health", 404),
    ] {
        assert_eq!(s.client.get(format!("{url}{path}")).send().await.unwrap().status(), status, "{path}");
    }
    s.api.closing().cancel();
    serving.await.unwrap().unwrap();
}
