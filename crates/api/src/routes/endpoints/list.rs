//! `GET /v1/endpoints`: list webhook endpoints.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::simple::only_page;
use crate::operations::endpoints::EndpointView;
use crate::responses::{BadHead, Common};
use crate::view::Paged;
use crate::{Api, ApiError, Caller};

/// List endpoints
///
/// By name, without their secrets.
#[utoipa::path(
    get, path = "/v1/endpoints", tag = "endpoints", operation_id = "list_endpoints",
    params(
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before.", max_length = 255),
    ),
    responses((status = 200, description = "A page.", body = Paged<EndpointView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    let (data, next_cursor) = api.endpoint_list(&caller, &only_page(&uri)?).await?;
    Ok(json_of(StatusCode::OK, &Paged { data, next_cursor }))
}
