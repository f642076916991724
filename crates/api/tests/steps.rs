//! What a request costs, counted: twice as much of anything in it takes at most about twice the work. What is allocated
//! stands for the work; no clock is read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use posthaste_api::{Api, ApiConfig, guard};
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use serde_json::json;
use tower::ServiceExt;

const ID: &str = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";

struct Server {
    app: Router,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

/// What was allocated on the way.
#[derive(Debug, Clone, Copy)]
struct Cost {
    times: u64,
    bytes: u64,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(SqliteStore::open(SqliteConfig::new(dir.path()))).unwrap();
        let proxies = vec!["127.0.0.0/8".parse().unwrap()];
        let api = Api::new(store, ApiConfig { trusted_proxies: proxies, ..ApiConfig::default() });
        Self { app: guard(api.router(), &api), runtime, _dir: dir }
    }

    fn cost(&self, (request, body): (Builder, String)) -> Cost {
        let here = axum::extract::ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        let request = request.header("host", "localhost").extension(here).body(Body::from(body)).unwrap();
        let app = self.app.clone();
        let mut status = 0;
        let counted = allocation_counter::measure(|| {
            status = self.runtime.block_on(async {
                let reply = app.oneshot(request).await.unwrap();
                let status = reply.status().as_u16();
                axum::body::to_bytes(reply.into_body(), 1 << 24).await.unwrap();
                status
            });
        });
        assert!(status < 500, "{status}");
        Cost { times: counted.count_total, bytes: counted.bytes_total }
    }
}

/// Requests of a size that is a number.
type Shape = (&'static str, usize, fn(usize) -> (Builder, String));

fn post(path: &str) -> Builder {
    Request::builder().method("POST").uri(path).header("content-type", "application/json")
}

fn get(path: &str) -> Builder {
    Request::builder().uri(path)
}

fn names(n: usize) -> String {
    let names: Vec<String> = (0..n).map(|i| format!("\"x{i:07}\":1")).collect();
    format!("{{{}}}", names.join(","))
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn preview(source: &str, items: usize) -> (Builder, String) {
    let body = json!({ "text": source, "data": { "x": (0..items).collect::<Vec<_>>() } });
    (post("/v1/templates/preview"), body.to_string())
}

const SHAPES: &[Shape] = &[
    ("names, complete", 8_000, |n| (post(&format!("/v1/tasks/{ID}/complete")), names(n))),
    ("names, fail", 500, |n| (post(&format!("/v1/tasks/{ID}/fail")), names(n))),
    ("names, heartbeat", 500, |n| (post(&format!("/v1/tasks/{ID}/heartbeat")), names(n))),
    ("names, tasks", 8_000, |n| (post("/v1/tasks"), names(n))),
    ("names, notifications", 8_000, |n| (post("/v1/notifications"), names(n))),
    ("names, notify", 8_000, |n| (post("/notify/"), names(n))),
    ("names of one item of a batch", 8_000, |n| {
        (post("/v1/tasks/batch"), format!("{{\"tasks\":[{}]}}", names(n)))
    }),
    ("bad items of a batch", 200, |n| {
        (
            post("/v1/notifications/batch"),
            json!({ "notifications": vec![json!({ "to": 1, "a": 1 }); n] }).to_string(),
        )
    }),
    ("bad items of a batch, permissive", 200, |n| {
        let mut items = vec![json!({ "to": 1, "a": 1, "b": 2 }); n];
        items.push(json!({ "to": "ann@example.com", "message": "m" }));
        (post("/v1/notifications/batch"), json!({ "mode": "permissive", "notifications": items }).to_string())
    }),
    ("recipients", 200, |n| {
        (post("/v1/notifications"), json!({ "to": vec!["ann@example.com"; n], "x": 1 }).to_string())
    }),
    ("one long name", 100_000, |n| (post("/v1/tasks"), format!("{{\"{}\":1}}", "kind".repeat(n / 4)))),
    ("long names", 10_000, |n| {
        let long: Vec<String> = (0..20).map(|i| format!("\"{}{i}\":1", "a".repeat(n))).collect();
        (post("/v1/tasks"), format!("{{{}}}", long.join(",")))
    }),
    ("names of a payload", 4_000, |n| {
        (post("/v1/tasks"), format!("{{\"kind\":\"http\",\"payload\":{}}}", names(n)))
    }),
    ("depth", 40, |n| (post("/v1/tasks"), format!("{{\"kind\":\"work\",\"payload\":{}}}", nested(n)))),
    ("depth beyond all bounds", 100_000, |n| (post("/v1/tasks"), nested(n))),
    ("length of a list", 20_000, |n| {
        (post("/v1/tasks"), json!({ "kind": "work", "payload": vec![0; n], "x": 1 }).to_string())
    }),
    ("pairs of a query", 1_000, |n| {
        let pairs: Vec<String> = (0..n).map(|i| format!("x{i:05}=1")).collect();
        (get(&format!("/v1/tasks?{}", pairs.join("&"))), String::new())
    }),
    ("one name again and again", 1_000, |n| {
        (get(&format!("/v1/tasks?{}", "limit=1&".repeat(n))), String::new())
    }),
    ("pairs of a form", 8_000, |n| {
        let pairs: Vec<String> = (0..n).map(|i| format!("x{i:07}=1")).collect();
        (
            Request::builder()
                .method("POST")
                .uri("/notify/")
                .header("content-type", "application/x-www-form-urlencoded"),
            pairs.join("&"),
        )
    }),
    ("parts of a form", 4_000, |n| {
        let kind = "multipart/form-data; boundary=B";
        let part = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n";
        (Request::builder().method("POST").uri("/notify/").header("content-type", kind), part.repeat(n))
    }),
    ("headers", 200, |n| {
        ((0..n).fold(get("/v1/queues?x=1"), |r, i| r.header(format!("x-{i}"), "1")), String::new())
    }),
    ("cookies", 1_000, |n| {
        (get("/v1/queues?x=1").header("cookie", "a=b; ".repeat(n) + "posthaste_session=x"), String::new())
    }),
    ("proxies", 1_000, |n| {
        (get("/v1/queues?x=1").header("x-forwarded-for", vec!["127.0.0.1"; n].join(", ")), String::new())
    }),
    ("turns of a loop", 1_000, |n| preview("{% for a in x %}{{ a }}{% endfor %}", n)),
    ("turns of a loop in a loop", 400, |n| {
        preview("{% for a in x %}{% for b in x %}{{ b }}{% endfor %}{% endfor %}", n)
    }),
];

#[test]
fn twice_as_much_takes_at_most_about_twice_the_work() {
    let server = Server::start();
    let mut wrong = Vec::new();
    for (name, n, shape) in SHAPES {
        // What is made once, at first use, counts for neither.
        server.cost(shape(*n));
        let costs = [*n, 2 * n, 4 * n].map(|n| server.cost(shape(n)));
        for pair in costs.windows(2) {
            let grown = |a: u64, b: u64| b * 10 > a * 22;
            if grown(pair[0].times, pair[1].times) || grown(pair[0].bytes, pair[1].bytes) {
                wrong.push(format!("{name}: {costs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_count_sees_what_grows_with_the_square() {
    let cost = |n: usize| {
        allocation_counter::measure(|| {
            (0..n).fold(String::new(), |text, _| format!("{text}x"));
        })
        .bytes_total
    };
    assert!(cost(800) * 10 > cost(400) * 22);
}
