//! Queues, lanes, workers: read, pause, resume.

use posthaste_core::broker::WorkerInfo;
use posthaste_core::{QueueName, Timestamp, WorkerId};
use serde_json::json;

use super::harness::{Server, json};

#[tokio::test]
async fn queues_count_by_state_and_show_their_pause() {
    let s = Server::start().await;
    s.task().await;
    s.task().await;
    s.succeed(json!(1)).await;
    assert_eq!(
        s.post_json("/v1/queues/default/pause", json!({ "message": "deploy", "for_ms": 60_000 }))
            .await
            .status(),
        204
    );
    let queues = json(s.get("/v1/queues").await).await;
    let q = &queues["data"][0];
    assert_eq!(q["queue"], "default");
    assert_eq!(
        q["counts"],
        json!({ "scheduled": 0, "queued": 1, "running": 0, "retrying": 0, "succeeded": 1, "failed": 0, "cancelled": 0, "expired": 0 })
    );
    assert_eq!((&q["paused"]["reason"], &q["paused"]["message"]), (&json!("manual"), &json!("deploy")));
    assert!(q["paused"]["until"].is_string());
    assert_eq!(s.post("/v1/queues/default/resume").await.status(), 204);
    assert_eq!(json(s.get("/v1/queues").await).await["data"][0].get("paused"), None);
    s.succeed(json!(1)).await;
}

#[tokio::test]
async fn lanes_are_paused_and_resumed_by_target_and_by_tenant() {
    let s = Server::start().await;
    let body = json!({ "kind": "work", "payload": 1, "lane": "smtp:main/acme" });
    assert_eq!(s.post_json("/v1/tasks", body).await.status(), 202);
    for lane in ["smtp:main", "smtp:main%2Facme"] {
        assert_eq!(s.post(&format!("/v1/queues/default/lanes/{lane}/pause")).await.status(), 204);
        let lanes = json(s.get("/v1/lanes?queue=default").await).await;
        let name = lane.replace("%2F", "/");
        let found =
            lanes["data"].as_array().unwrap().iter().find(|l| l["lane"] == name.as_str()).unwrap().clone();
        assert_eq!(found["paused"]["reason"], "manual", "{lanes}");
        assert_eq!(s.post(&format!("/v1/queues/default/lanes/{lane}/resume")).await.status(), 204);
    }
    assert_eq!(json(s.get("/v1/lanes?queue=other").await).await, json!({ "data": [] }));
    s.succeed(json!(1)).await;
}

#[tokio::test]
async fn workers_are_listed() {
    let s = Server::start().await;
    assert_eq!(json(s.get("/v1/workers").await).await, json!({ "data": [] }));
    let worker = WorkerInfo {
        id: WorkerId::new("host:1:a").unwrap(),
        host: "host".into(),
        pid: 1,
        version: "0.1.0".into(),
        queues: vec![QueueName::default()],
        kinds: vec![],
        slots: 64,
        running: 3,
        started_at: Timestamp::default(),
        seen_at: Timestamp::default(),
        stopping: false,
    };
    s.task().await;
    let serving = || async { json(s.get("/v1/queues").await).await["data"][0]["workers"].clone() };
    assert_eq!(serving().await, 0, "nobody serves the queue");
    s.store.heartbeat(worker.clone()).await.unwrap();
    let list = json(s.get("/v1/workers").await).await;
    assert_eq!(list["data"][0]["id"], "host:1:a");
    assert_eq!(list["data"][0]["slots"], 64);
    assert_eq!(serving().await, 1);
    // One that stops takes no new work.
    s.store.heartbeat(WorkerInfo { stopping: true, ..worker }).await.unwrap();
    assert_eq!(serving().await, 0);
}
