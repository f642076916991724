//! `GET /v1/templates/{name}`: one template.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::detail::json_of;
use crate::input::query::Query;
use crate::input::simple::Named;
use crate::operations::templates::TemplateView;
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError};

/// Get a template
///
/// Its newest version, or another.
#[utoipa::path(
    get, path = "/v1/templates/{name}", tag = "templates", operation_id = "get_template",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$"),
        ("version" = Option<u32>, Query, description = "Which version; the newest if left out.", minimum = 1, maximum = 999_999)),
    responses((status = 200, description = "The template.", body = TemplateView), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    Named(name): Named,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut q = Query::of(&uri);
    let version = q.one("version", version);
    let version = q.finish(version)?;
    Ok(json_of(StatusCode::OK, &api.template(&name, version).await?))
}

fn version(s: &str) -> Result<u32, crate::input::fields::Refusal> {
    match s.parse() {
        Ok(n) if (1..=999_999).contains(&n) => Ok(n),
        _ => Err(("range_error", "Input should be 1 to 999999".into())),
    }
}
