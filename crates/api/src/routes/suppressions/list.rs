//! `GET /v1/suppressions`: list suppressed recipients.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::simple::only_page;
use crate::operations::suppressions::SuppressionView;
use crate::responses::{BadHead, Common};
use crate::view::Paged;
use crate::{Api, ApiError};

/// List suppressions
///
/// Recipients that are not written to: providers said that they do not exist, they unsubscribed, or somebody listed them.
#[utoipa::path(
    get, path = "/v1/suppressions", tag = "suppressions", operation_id = "list_suppressions",
    params(
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before.", max_length = 255),
    ),
    responses((status = 200, description = "A page.", body = Paged<SuppressionView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let (data, next_cursor) = api.suppression_list(&only_page(&uri)?).await?;
    Ok(json_of(StatusCode::OK, &Paged { data, next_cursor }))
}
