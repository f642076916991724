//! `GET /v1/suppressions/{recipient}`: why a recipient is not written to.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::path::RecipientPath;
use crate::input::query;
use crate::operations::suppressions::SuppressionView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError};

/// Get a suppression
///
/// Why a recipient is not written to; 404 when it is.
#[utoipa::path(
    get, path = "/v1/suppressions/{recipient}", tag = "suppressions", operation_id = "get_suppression",
    params(("recipient" = String, Path, description = "The recipient: an e-mail address, `channel:address`, or as the list names it, a category in front with a slash: `news/ann@example.com`.", min_length = 1, max_length = 255, example = "ann@example.com")),
    responses((status = 200, description = "The suppression.", body = SuppressionView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    recipient: RecipientPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.suppression(&recipient).await?))
}
