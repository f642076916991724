//! `POST /v1/attachments`: upload a file.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use posthaste_notify::attachment::{MAX_ATTACHMENT_BYTES, check_content_type, check_filename};

use crate::detail::json_of;
use crate::input::body;
use crate::input::query::Query;
use crate::operations::attachments::AttachmentView;
use crate::responses::{BadHead, Common, Upload};
use crate::{Api, ApiError, Caller, FieldError, schema};

/// Upload an attachment
///
/// The body is the file as it is, at most 10 MiB. Name it in the `attachments` of notifications by its id; it is kept for
/// seven days, and as long as a message that was accepted needs it.
#[utoipa::path(
    post, path = "/v1/attachments", tag = "attachments", operation_id = "create_attachment",
    params(
        ("filename" = String, Query, description = "Its name as the recipient sees it.", min_length = 1, max_length = 200, example = "invoice.pdf"),
    ),
    request_body(content = schema::File, content_type = "application/octet-stream", description = "The file. Its type is the Content-Type of the request, or by the ending of its name."),
    responses(
        (status = 201, description = "Uploaded.", body = AttachmentView, headers(("Location" = String, description = "The attachment."))),
        Common, BadHead, Upload,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, content) = request.into_parts();
    let mut q = Query::of(&parts.uri);
    let filename =
        q.required("filename", |s| check_filename(s).map(|()| s.to_owned()).map_err(|e| ("value_error", e)));
    let filename = q.finish(filename)?.ok_or(ApiError::Internal)?;
    let content_type = content_type(&parts.headers)?;
    let bytes = body::read_up_to(content, MAX_ATTACHMENT_BYTES).await?;
    if bytes.is_empty() {
        return Err(ApiError::field(["body"], "missing", "The body is the file, and it is empty"));
    }
    let made = api.upload(&caller, &bytes, &filename, content_type.as_deref()).await?;
    let mut response = json_of(StatusCode::CREATED, &made);
    let location = HeaderValue::try_from(format!("/v1/attachments/{}", made.id));
    response.headers_mut().insert(header::LOCATION, location.expect("a UUID is plain ASCII"));
    Ok(response)
}

/// What the request says that the file is; what any program sends by itself says nothing.
fn content_type(headers: &axum::http::HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let wrong = |msg: String| {
        ApiError::Invalid(vec![FieldError::new(["header", "Content-Type"], "value_error", msg)])
    };
    let text = value.to_str().map_err(|_| wrong("It should be visible ASCII characters".into()))?;
    if matches!(text, "application/octet-stream" | "application/x-www-form-urlencoded") {
        return Ok(None);
    }
    check_content_type(text).map_err(wrong)?;
    Ok(Some(text.to_owned()))
}
