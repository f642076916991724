//! Errors of the three old routes: `{"detail": …}`, a sentence or FastAPI's list of fields.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::{ApiError, FieldError};

/// Whether `path` is one of the three old routes, or under one of them, where nothing is: FastAPI says so in its own shape.
pub(crate) fn is_old_route(path: &str) -> bool {
    let mut behind =
        ["/notify", "/task_status", "/health"].into_iter().filter_map(|route| path.strip_prefix(route));
    behind.any(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An [`ApiError`] as the old routes answer it.
pub(crate) struct Detail(pub(crate) ApiError);

/// The body of an error of the old routes that is about no field.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Detail, example = json!({ "detail": "There is no task 0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58" }))]
pub(crate) struct DetailBody {
    /// What happened.
    detail: String,
}

/// The body of an error of the old routes that names fields.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ValidationDetail, example = json!({
    "detail": [{ "loc": ["query", "email"], "msg": "Field required", "type": "missing" }]
}))]
pub(crate) struct ValidationDetailBody<'a> {
    /// What is wrong with which field.
    detail: &'a [FieldError],
}

impl From<ApiError> for Detail {
    fn from(e: ApiError) -> Self {
        Self(e)
    }
}

impl IntoResponse for Detail {
    fn into_response(self) -> Response {
        let body = match &self.0 {
            ApiError::Invalid(errors) => serde_json::to_string(&ValidationDetailBody { detail: errors }),
            ApiError::MalformedBody(error) => {
                serde_json::to_string(&ValidationDetailBody { detail: std::slice::from_ref(error) })
            }
            // Of this status FastAPI's callers expect the list.
            ApiError::IdempotencyMismatch => {
                let error = FieldError::new(["header", "Idempotency-Key"], "value_error", self.0.detail());
                serde_json::to_string(&ValidationDetailBody { detail: &[error] })
            }
            other => serde_json::to_string(&DetailBody { detail: other.detail() }),
        }
        .expect("strings and numbers always serialize");
        // FastAPI answers a body that is not JSON as it answers a wrong field.
        let status = match self.0 {
            ApiError::MalformedBody(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => self.0.status(),
        };
        let mut response = json(status, body);
        self.0.put_headers(response.headers_mut());
        response
    }
}

/// Sends a caller to the same address without the slash at its end: 307, so that nothing else of the request changes.
pub(crate) fn to_without_slash(uri: &Uri) -> Response {
    let path = uri.path().trim_end_matches('/');
    let to = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    let to = HeaderValue::try_from(to).expect("what was a part of an address is plain ASCII");
    response.headers_mut().insert(header::LOCATION, to);
    response
}

/// A JSON response of ready text.
pub(crate) fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// As [`json_of`], of what nobody on the way may keep.
pub(crate) fn secret_json_of<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let mut response = json_of(status, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON response of a value.
pub(crate) fn json_of<T: Serialize>(status: StatusCode, value: &T) -> Response {
    json(status, serde_json::to_string(value).expect("the API's own types always serialize"))
}
