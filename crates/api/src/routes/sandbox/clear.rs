//! `DELETE /v1/sandbox/messages`: forget what was held.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::operations::sandbox::Cleared;
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, Caller};

/// Delete held messages
///
/// At most 1,000 a call; their tasks stay.
#[utoipa::path(
    delete, path = "/v1/sandbox/messages", tag = "sandbox", operation_id = "delete_held_messages",
    responses((status = 200, description = "What was deleted.", body = Cleared), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.clear_held(&caller).await?))
}
