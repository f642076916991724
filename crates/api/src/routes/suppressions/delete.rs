//! `DELETE /v1/suppressions/{recipient}`: write to a recipient again.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::input::path::RecipientPath;
use crate::input::query;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, Caller};

/// Delete a suppression
///
/// The recipient is written to again.
#[utoipa::path(
    delete, path = "/v1/suppressions/{recipient}", tag = "suppressions", operation_id = "delete_suppression",
    params(("recipient" = String, Path, description = "The recipient: an e-mail address, `channel:address`, or as the list names it, a category in front with a slash: `news/ann@example.com`.", min_length = 1, max_length = 255, example = "ann@example.com")),
    responses((status = 204, description = "Deleted."), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    recipient: RecipientPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    api.release(&caller, &recipient).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
