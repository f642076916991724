//! `GET /v1/templates/{name}/versions`: every version of a template.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query;
use crate::input::simple::Named;
use crate::operations::templates::TemplateView;
use crate::responses::{BadHead, Common, OnOne};
use crate::view::List;
use crate::{Api, ApiError};

/// List the versions of a template
///
/// The newest first, at most 1,000.
#[utoipa::path(
    get, path = "/v1/templates/{name}/versions", tag = "templates", operation_id = "list_template_versions",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    responses((status = 200, description = "The versions.", body = List<TemplateView>), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &List { data: api.template_versions(&name).await? }))
}
