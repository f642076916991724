//! `GET /v1/templates`: list templates.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::simple::only_page;
use crate::operations::templates::TemplateView;
use crate::responses::{BadHead, Common};
use crate::view::Paged;
use crate::{Api, ApiError};

/// List templates
///
/// The newest version of each, by name.
#[utoipa::path(
    get, path = "/v1/templates", tag = "templates", operation_id = "list_templates",
    params(
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before.", max_length = 255),
    ),
    responses((status = 200, description = "A page.", body = Paged<TemplateView>), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let (data, next_cursor) = api.template_list(&only_page(&uri)?).await?;
    Ok(json_of(StatusCode::OK, &Paged { data, next_cursor }))
}
