//! `PUT /v1/templates/{name}`: store a new version of a template.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::body::{TemplateBody, read};
use crate::detail::json_of;
use crate::input::simple::{self, Named};
use crate::operations::templates::TemplateView;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::{Api, ApiError, Caller};

/// Put a template
///
/// Stores a new version under its name; older ones stay and can still be asked for. It is checked before it is stored:
/// statements that could make much out of little do not exist, unknown names are errors when it is filled in, data is
/// escaped in HTML.
#[utoipa::path(
    put, path = "/v1/templates/{name}", tag = "templates", operation_id = "put_template",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    request_body(content = TemplateBody, content_type = "application/json"),
    responses((status = 200, description = "Stored.", body = TemplateView), Common, BadHead, WithBody, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    request: Request,
) -> Result<Response, ApiError> {
    let template = simple::body(request, |o, errors| Some(read(o, errors))).await?;
    Ok(json_of(StatusCode::OK, &api.put_template(&caller, &name, template).await?))
}
