//! `GET /v1/notifications`: list notifications, newest first.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::Kind;

use crate::detail::json_of;
use crate::responses::{BadHead, Common, OnOne};
use crate::view::TaskPage;
use crate::{Api, ApiError, Caller, schema};

/// List notifications
///
/// Newest first, without messages and logs: the tasks of kind `notify`. With `recipient` it answers whether somebody got
/// what was sent to them.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    params(
        ("recipient" = Option<String>, Query, description = "To this recipient: an e-mail address, or `channel:recipient`.",
            min_length = 1, max_length = 255, example = "ann@example.com"),
        ("state" = Option<Vec<schema::State>>, Query, description = "In one of these states; repeat it, or separate by commas."),
        ("class" = Option<schema::FailureClass>, Query, description = "Whose last failure was of this class."),
        ("queue" = Option<String>, Query, description = "In this queue.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$"),
        ("tenant" = Option<String>, Query, description = "Of this tenant.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$"),
        ("batch" = Option<schema::Id>, Query, description = "Of this batch."),
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page.", body = TaskPage), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    let request = crate::routes::tasks::list::read(&uri, Some(Kind::notify()))?;
    Ok(json_of(StatusCode::OK, &api.tasks(&caller, request).await?))
}
