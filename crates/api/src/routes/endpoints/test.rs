//! `POST /v1/endpoints/{name}/test`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::responses::{BadHead, Common, OnOne};
use crate::view::EnqueuedView;
use crate::{Api, ApiError, Caller};

/// Test an endpoint
///
/// Sends it a message of type `endpoint.test`; the task says how it answered.
#[utoipa::path(
    post, path = "/v1/endpoints/{name}/test", tag = "endpoints", operation_id = "test_endpoint",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 202, description = "Enqueued.", body = EnqueuedView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    let task: EnqueuedView = api.test_endpoint(&caller, &name).await?.into();
    Ok(json_of(StatusCode::ACCEPTED, &task))
}
