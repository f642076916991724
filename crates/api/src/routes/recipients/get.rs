//! `GET /v1/recipients/{recipient}`: did they get it.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::path::RecipientPath;
use crate::input::query;
use crate::operations::suppressions::RecipientView;
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, Caller};

/// Get a recipient
///
/// Whether somebody got what was sent to them: their newest messages and how they ended, and whether they are suppressed, for all messages or for a
/// category.
/// For all of them see `GET /v1/notifications?recipient=`.
#[utoipa::path(
    get, path = "/v1/recipients/{recipient}", tag = "recipients", operation_id = "get_recipient",
    params(("recipient" = String, Path, description = "An e-mail address, or `channel:recipient`.", min_length = 1, max_length = 255, example = "ann@example.com")),
    responses((status = 200, description = "The recipient.", body = RecipientView), Common, BadHead)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    RecipientPath { key, .. }: RecipientPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.recipient(&caller, &key).await?))
}
