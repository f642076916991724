//! A handler that panics: its caller is answered, and the connection lives on.

use axum::routing::get;
use posthaste_api::{Access, AccessRow, Api, ApiConfig, Pages, guard_with};
use tower::ServiceExt;

use super::harness::from_here;
use crate::stores;

fn boom() -> &'static str {
    panic!("on purpose");
}

async fn at_once() -> &'static str {
    boom()
}

async fn after_a_wait() -> &'static str {
    tokio::task::yield_now().await;
    boom()
}

#[tokio::test]
async fn a_panic_is_answered_500_in_the_shape_of_its_route() {
    const ROWS: &[AccessRow] = &[AccessRow { method: "get", path: "/page", access: Access::Open }];
    let (store, _place) = stores::open(module_path!()).await;
    let api = Api::new(store, ApiConfig::default());
    let routes = api
        .router()
        .route("/v1/boom", get(at_once).post(after_a_wait))
        .route("/task_status/x/boom", get(at_once))
        .route("/page", get(after_a_wait));
    let refuse = |_: &Api, _: &axum::http::request::Parts, e: posthaste_api::ApiError| {
        axum::response::IntoResponse::into_response((e.status(), "a page that says so"))
    };
    let app = guard_with(routes, &api, Pages { access: ROWS, refuse });
    for (method, path, expected) in [
        ("GET", "/v1/boom", "urn:posthaste:error:internal"),
        ("POST", "/v1/boom", "urn:posthaste:error:internal"),
        ("GET", "/task_status/x/boom", "{\"detail\":\"The server made a mistake; its log says more.\"}"),
        ("GET", "/page", "a page that says so"),
    ] {
        let request = axum::http::Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.extension(from_here()).body(axum::body::Body::empty()).unwrap();
        let reply = app.clone().oneshot(request).await.unwrap();
        assert_eq!(reply.status(), 500, "{method} {path}");
        assert!(reply.headers().contains_key("x-request-id"), "{method} {path}");
        let body = axum::body::to_bytes(reply.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains(expected), "{method} {path}: {text}");
    }
    let request = axum::http::Request::builder().uri("/metrics").header("host", "localhost");
    let request = request.extension(from_here()).body(axum::body::Body::empty()).unwrap();
    let reply = app.oneshot(request).await.unwrap();
    let samples = axum::body::to_bytes(reply.into_body(), 1 << 20).await.unwrap();
    let samples = String::from_utf8_lossy(&samples);
    assert!(
        samples.contains("posthaste_http_requests_total{route=\"other\",status=\"5xx\"} 3"),
        "each is counted: {samples}"
    );
}
