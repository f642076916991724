//! `POST /v1/endpoints/{name}/test`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::responses::{BadHead, Common, OnOne};
use crate::routes::tasks::create::{mark_replayed, once_key};
use crate::view::EnqueuedView;
use crate::{Api, ApiError, Caller};

/// Test an endpoint
///
/// Sends it a message of type `endpoint.test`; the task says how it answered.
#[utoipa::path(
    post, path = "/v1/endpoints/{name}/test", tag = "endpoints", operation_id = "test_endpoint",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
            description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters.")),
    responses((status = 202, description = "Enqueued, now or by the first request with this key.", body = EnqueuedView, headers(("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."))), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let key = once_key(&headers, &caller, "endpoints.test", name.as_str().as_bytes())?;
    let (task, replayed) = api.test_endpoint(&caller, &name, key).await?;
    let mut response = json_of(StatusCode::ACCEPTED, &EnqueuedView::from(task));
    mark_replayed(&mut response, replayed);
    Ok(response)
}
