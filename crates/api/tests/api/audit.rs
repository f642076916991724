//! The audit log: what is written down, by whom, and that no secret is in it.

use std::time::Duration;

use posthaste_core::limits::MAX_PAGE;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

async fn lines(s: &Server, token: &str, query: &str) -> Vec<Value> {
    let page = body(s.ask("GET", &format!("/v1/audit{query}"), token).await).await;
    page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

#[tokio::test]
async fn every_change_of_the_installation_is_written_down() {
    let s = Server::start().await;
    let admin = s.admin().await;
    let (id, token) = s.key(&admin, json!({ "name": "shop", "scopes": ["send"] })).await;
    for path in [
        "/v1/queues/q/pause",
        "/v1/queues/q/resume",
        "/v1/queues/q/lanes/a%2Fb/pause",
        "/v1/queues/q/lanes/a%2Fb/resume",
    ] {
        assert_eq!(s.ask("POST", path, &admin).await.status(), 204);
    }
    assert_eq!(s.ask("DELETE", &format!("/v1/keys/{id}"), &admin).await.status(), 200);
    let all = lines(&s, &admin, "").await;
    let told: Vec<(String, String)> = all
        .iter()
        .rev()
        .map(|l| (l["action"].as_str().unwrap().to_owned(), l["target"].as_str().unwrap().to_owned()))
        .collect();
    let known = |action: &str, target: &str| told.contains(&(action.to_owned(), target.to_owned()));
    assert_eq!(told.len(), 7, "{told:?}");
    assert!(known("keys.create", &id) && known("keys.revoke", &id));
    assert!(known("queues.pause", "q") && known("queues.resume", "q"));
    assert!(known("lanes.pause", "q a/b") && known("lanes.resume", "q a/b"));
    // The first key, made by nobody's authority but that of this machine; its entry may be of the same millisecond as the next.
    let first = all.iter().find(|l| l["action"] == "keys.create" && l["target"] != id.as_str()).unwrap();
    assert_eq!((&first["actor"]["name"], &first["ip"]), (&json!("local"), &json!("127.0.0.1")));
    let last = all.iter().find(|l| l["action"] == "keys.revoke").unwrap();
    assert_eq!(last["actor"]["name"], "admin");
    assert!(last["request_id"].is_string() && last["at"].is_string());
    let text = Value::Array(all).to_string();
    for secret in [&token, &admin] {
        assert!(!text.contains(secret.rsplit('_').next().unwrap()), "{text}");
    }
    problem(s.ask("GET", "/v1/audit", &token).await, 401, "unauthorized").await;
}

#[tokio::test]
async fn the_log_is_read_by_pages_and_filters() {
    let s = Server::start().await;
    let admin = s.admin().await;
    for q in ["a", "b", "c"] {
        assert_eq!(s.ask("POST", &format!("/v1/queues/{q}/pause"), &admin).await.status(), 204);
    }
    assert_eq!(lines(&s, &admin, "?action=queues.pause").await.len(), 3);
    assert_eq!(lines(&s, &admin, "?action=queues.&target=b").await.len(), 1);
    assert_eq!(lines(&s, &admin, "?actor=local").await.len(), 1);
    assert_eq!(lines(&s, &admin, "?until=2020-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(lines(&s, &admin, "?since=2020-01-01T00:00:00Z").await.len(), 4);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = body(s.ask("GET", &format!("/v1/audit?limit=1{cursor}"), &admin).await).await;
        seen.extend(page["data"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let ids: Vec<&str> = seen.iter().map(|l| l["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
    for (query, place) in [("?limit=0", "query.limit"), ("?since=x", "query.since"), ("?who=x", "query.who")]
    {
        let refused = s.ask("GET", &format!("/v1/audit{query}"), &admin).await;
        assert_eq!(locs(&problem(refused, 422, "invalid-request").await), [place]);
    }
    problem(s.ask("GET", "/v1/audit?cursor=x", &admin).await, 404, "unknown-cursor").await;
}

#[tokio::test]
async fn refused_attempts_are_written_down_and_bounded() {
    let s = Server::with(posthaste_api::ApiConfig { failed_attempts: 0, ..Default::default() }).await;
    let admin = s.admin().await;
    let guess = format!("ph_{:012}_{}", 7, "x".repeat(43));
    for _ in 0..60 {
        problem(s.ask("GET", "/v1/tasks", &guess).await, 401, "unauthorized").await;
    }
    let refused = || lines(&s, &admin, "?action=auth.refused&limit=200");
    let written = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let found = refused().await;
            if found.len() >= 20 {
                return found;
            }
        }
    });
    let written = written.await.expect("they are written in the end");
    assert!(written.len() < 30, "{}", written.len());
    assert_eq!(written[0]["target"], "000000000007");
    assert!(!Value::Array(written).to_string().contains("xxxx"), "the guess itself is not kept");
}

#[tokio::test]
async fn old_lines_are_swept() {
    let s = Server::start().await;
    s.admin().await;
    let old = |n: usize| format!("01000000-0000-7000-8000-{n:012}");
    let record =
        json!({ "at": "2005-01-01T00:00:00Z", "actor": { "name": "x" }, "action": "a.b", "target": "t" });
    let kind = posthaste_core::RecordKind::Audit;
    // More than the store gives at once.
    for n in 0..=MAX_PAGE {
        let record = record.clone().into();
        s.store.put_record(kind, &old(n), record, posthaste_core::Expect::Any).await.unwrap();
    }
    assert_eq!(s.api.sweep_audit().await.unwrap(), MAX_PAGE + 1);
    assert_eq!(s.api.sweep_audit().await.unwrap(), 0);
    assert!(s.store.get_record(kind, &old(MAX_PAGE)).await.unwrap().is_none());
}
