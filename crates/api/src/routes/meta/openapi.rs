//! `GET /openapi.json`: the description of this API.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// The document as text, made once.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| crate::openapi().to_json().expect("the document is plain data").into());

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
pub(crate) async fn handle() -> Response {
    let mut response = Response::new(DOCUMENT.clone().into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
