//! `POST /v1/templates/preview` and `POST /v1/templates/{name}/preview`: fill a template in without sending it.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{TemplateBody, read};
use crate::detail::json_of;
use crate::input::fields::integer;
use crate::input::simple::{self, Named};
use crate::operations::templates::{PreviewView, check, preview};
use crate::responses::{BadHead, Common, OnOne, WithBody};
use crate::{Api, ApiError};

/// A template that is not stored, and its data.
#[derive(ToSchema)]
#[schema(as = PreviewRequest)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct UnsavedBody {
    #[schema(inline)]
    #[serde(flatten)]
    template: TemplateBody,
    /// What it is filled in with; its sample if left out.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
}

/// The data of a preview.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = PreviewData, example = json!({ "data": { "name": "Ann" } }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct DataBody {
    /// What it is filled in with; its sample if left out.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// Which version; the newest if left out.
    #[schema(minimum = 1, maximum = 999_999)]
    version: Option<u32>,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Preview an unsaved template
///
/// Fills in a template that is not stored, for an editor.
#[utoipa::path(
    post, path = "/v1/templates/preview", tag = "templates", operation_id = "preview_unsaved_template",
    request_body(content = UnsavedBody, content_type = "application/json"),
    responses((status = 200, description = "What its recipient would see.", body = PreviewView), Common, BadHead, WithBody)
)]
pub(crate) async fn unsaved(request: Request) -> Result<Response, ApiError> {
    let (template, data) = simple::body(request, |o, errors| {
        let template = read(o, errors);
        let data = o.value("data").cloned();
        Some((template, data))
    })
    .await?;
    check(&template)?;
    let data = data.or_else(|| template.sample.clone()).unwrap_or_else(empty);
    Ok(json_of(StatusCode::OK, &preview(&template, &data)?))
}

/// Preview a template
///
/// Fills in a stored template without sending it.
#[utoipa::path(
    post, path = "/v1/templates/{name}/preview", tag = "templates", operation_id = "preview_template",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    request_body(content = Option<DataBody>, content_type = "application/json", description = "May be left out."),
    responses((status = 200, description = "What its recipient would see.", body = PreviewView), Common, BadHead, WithBody, OnOne)
)]
pub(crate) async fn stored(
    State(api): State<Api>,
    Named(name): Named,
    request: Request,
) -> Result<Response, ApiError> {
    let (data, version) = simple::body(request, |o, errors| {
        let data = o.value("data").cloned();
        let version = o.optional(errors, "version", integer(1, 999_999)).and_then(|v| u32::try_from(v).ok());
        Some((data, version))
    })
    .await?;
    let template = api.stored_template(&name, version).await?;
    let data = data.or_else(|| template.sample.clone()).unwrap_or_else(empty);
    Ok(json_of(StatusCode::OK, &preview(&template, &data)?))
}
