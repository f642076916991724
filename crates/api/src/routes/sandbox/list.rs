//! `GET /v1/sandbox/messages`: messages that were held.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::simple::only_page;
use crate::operations::sandbox::HeldListed;
use crate::responses::{BadHead, Common};
use crate::view::Paged;
use crate::{Api, ApiError, Caller};

/// List held messages
///
/// What the sandbox held instead of sending, newest first; a page ends with about 1 MiB of messages, however many were asked
/// for. One message is at `/v1/tasks/{task_id}/message`.
#[utoipa::path(
    get, path = "/v1/sandbox/messages", tag = "sandbox", operation_id = "list_held_messages",
    params(
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before.", max_length = 255),
    ),
    responses((status = 200, description = "A page.", body = Paged<HeldListed>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    let (data, next_cursor) = api.held_list(&caller, &only_page(&uri)?).await?;
    Ok(json_of(StatusCode::OK, &Paged { data, next_cursor }))
}
