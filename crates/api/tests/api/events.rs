//! Server-sent events.

use serde_json::{Value, json};

use super::harness::{Server, json, problem};

/// Reads a stream event by event.
struct Reader {
    response: reqwest::Response,
    text: String,
}

impl Reader {
    async fn open(s: &Server, path: &str) -> Self {
        let response = s.get(path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event's name and data; comments are skipped; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).map(str::to_owned);
                if let Some(event) = field("event: ") {
                    let data = field("data: ").unwrap();
                    return Some((event, serde_json::from_str(&data).unwrap()));
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn state(&mut self) -> Option<String> {
        let (event, data) = self.next().await?;
        assert_eq!(event, "task");
        Some(data["state"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn one_task_is_followed_to_its_end() {
    let s = Server::start().await;
    let id = s.task().await;
    let mut r = Reader::open(&s, &format!("/v1/tasks/{id}/events")).await;
    let (_, first) = r.next().await.unwrap();
    assert_eq!((&first["id"], &first["state"]), (&json!(id), &json!("queued")));
    let claimed = s.claim().await;
    assert_eq!(r.state().await.as_deref(), Some("running"));
    s.settle(&claimed, posthaste_core::Outcome::done()).await;
    assert_eq!(r.state().await.as_deref(), Some("succeeded"));
    assert_eq!(r.next().await, None);
    // Of a finished task, one event and the end.
    let mut r = Reader::open(&s, &format!("/v1/tasks/{id}/events")).await;
    assert_eq!(r.state().await.as_deref(), Some("succeeded"));
    assert_eq!(r.next().await, None);
    problem(s.get("/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58/events").await, 404, "not-found").await;
}

#[tokio::test]
async fn every_task_is_followed_until_the_server_stops() {
    let s = Server::start().await;
    let mut r = Reader::open(&s, "/v1/events").await;
    let id = s.task().await;
    let (event, data) = r.next().await.unwrap();
    assert_eq!((event.as_str(), &data["id"], &data["kind"]), ("task", &json!(id), &json!("work")));
    s.api.closing().cancel();
    assert_eq!(r.next().await, None);
}

#[tokio::test]
async fn a_watcher_that_missed_events_is_told_and_shown_the_state_now() {
    let s = Server::start().await;
    let id = s.task().await;
    let (mut all, mut one) =
        (Reader::open(&s, "/v1/events").await, Reader::open(&s, &format!("/v1/tasks/{id}/events")).await);
    assert_eq!(one.state().await.as_deref(), Some("queued"));
    // More changes at once than any buffer of a stalled watcher holds; nobody reads meanwhile.
    let many: Vec<_> = (0..1_000).map(|_| posthaste_testkit::build::task("work", json!({}))).collect();
    let mut missed = false;
    for _ in 0..40 {
        let request = posthaste_core::broker::EnqueueRequest { tasks: many.clone(), idempotency: None };
        s.store.enqueue(request).await.unwrap();
    }
    s.post(&format!("/v1/tasks/{id}/cancel")).await;
    // Either everything fits the buffers of the connection and arrives, or a gap is announced.
    let mut seen = 0;
    while seen < 40_000 {
        let (event, _) = all.next().await.unwrap();
        match event.as_str() {
            "missed" => {
                missed = true;
                break;
            }
            _ => seen += 1,
        }
    }
    assert!(missed || seen == 40_000);
    assert_eq!(one.state().await.as_deref(), Some("cancelled"));
    assert_eq!(json(s.get(&format!("/v1/tasks/{id}")).await).await["state"], "cancelled");
}

#[tokio::test]
async fn open_streams_are_counted() {
    let s = Server::start().await;
    let id = s.task().await;
    let watchers = async || {
        let text = s.get("/metrics").await.text().await.unwrap();
        text.lines().find_map(|l| l.strip_prefix("posthaste_sse_watchers ")).unwrap().to_owned()
    };
    let mut one = Reader::open(&s, &format!("/v1/tasks/{id}/events")).await;
    let _all = s.get("/v1/events").await;
    assert_eq!(watchers().await, "2.0");
    // The stream of a task ends with it, and its end is what the reader sees first.
    s.succeed(json!(1)).await;
    while one.next().await.is_some() {}
    assert_eq!(watchers().await, "1.0");
}
