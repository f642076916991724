//! `GET /openapi.json`: the description of this API.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use utoipa::openapi::Server;

use crate::{Api, BasePath};

fn text(base: &BasePath) -> Bytes {
    let mut document = crate::openapi();
    if !base.is_root() {
        document.servers = Some(vec![Server::new(base.as_str())]);
    }
    document.to_json().expect("the document is plain data").into()
}

/// This description
///
/// The document that you read, for programs that make clients.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server", operation_id = "openapi",
    responses(
        (status = 200, description = "OpenAPI 3.1.", body = serde_json::Value, content_type = "application/json",
            example = json!({ "openapi": "3.1.0", "info": { "title": "Posthaste" }, "paths": {} })),
        (status = 403, description = "A wrong Host.", body = crate::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn handle(State(api): State<Api>) -> Response {
    let document = api.document().get_or_init(|| text(&api.config().base_path));
    let mut response = Response::new(document.clone().into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
