//! `/docs`: Swagger UI from files inside the binary; it needs no internet.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::ApiError;

/// What the pages of Swagger UI may load: its own files only. It sets style attributes by script
/// and carries its icons as `data:` images.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The description is named relative to `/docs/`, too: a base path lies before both.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::from("../openapi.json").try_it_out_enabled(true).validator_url("none"))
});

/// `/docs`: the page's files are named relative to `/docs/`.
pub(crate) async fn redirect() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The page.
pub(crate) async fn index() -> Response {
    serve("index.html")
}

/// One of its files.
pub(crate) async fn file(path: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Response {
    match path {
        Ok(Path(name)) => serve(&name),
        Err(_) => missing(),
    }
}

fn serve(name: &str) -> Response {
    let Ok(Some(file)) = utoipa_swagger_ui::serve(name, CONFIG.clone()) else { return missing() };
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::try_from(file.content_type);
    headers.insert(header::CONTENT_TYPE, kind.expect("a MIME type is plain ASCII"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn missing() -> Response {
    ApiError::NotFound { what: "there is no such file".into() }.into_response()
}
