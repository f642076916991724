//! `GET /v1/audit`: who changed what.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::limits::{DEFAULT_PAGE, MAX_PAGE};

use crate::auth::audit::{AuditFilter, AuditPage, is_cursor};
use crate::detail::json_of;
use crate::input::fields::Refusal;
use crate::input::query::{Query, parsed};
use crate::responses::{BadHead, Common, OnOne};
use crate::{Api, ApiError, FieldError, schema};

/// Longest text of a filter.
const MAX_TEXT: usize = 255;

/// Read the audit log
///
/// Who changed what, newest first, and who was not let in (`auth.refused`, at most ten a minute of
/// each process). Kept for 90 days, at most 100,000 lines. A page may be shorter than `limit`, even
/// empty, although more follows: go on while there is a `next_cursor`.
#[utoipa::path(
    get, path = "/v1/audit", tag = "keys", operation_id = "list_audit",
    params(
        ("action" = Option<String>, Query, description = "Of this action, `keys.create`; with a dot at the end of this resource, `keys.`.", min_length = 1, max_length = 255),
        ("actor" = Option<String>, Query, description = "By this key: its id or its name.", min_length = 1, max_length = 255),
        ("target" = Option<String>, Query, description = "About this thing.", min_length = 1, max_length = 255),
        ("since" = Option<schema::Time>, Query, description = "From this time."),
        ("until" = Option<schema::Time>, Query, description = "Until before this time."),
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page.", body = AuditPage), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let mut q = Query::of(&uri);
    let filter = AuditFilter {
        action: q.one("action", text),
        actor: q.one("actor", text),
        target: q.one("target", text),
        since: q.one("since", parsed),
        until: q.one("until", parsed),
    };
    let limit = q.one("limit", |s| match s.parse::<usize>() {
        Ok(n) if (1..=MAX_PAGE).contains(&n) => Ok(n),
        _ => Err(("range_error", format!("Input should be a whole number from 1 to {MAX_PAGE}"))),
    });
    let cursor = q.one("cursor", |s| Ok(s.to_owned()));
    let (filter, limit, cursor) = q.finish((filter, limit, cursor))?;
    if cursor.as_deref().is_some_and(|c| !is_cursor(c)) {
        return Err(ApiError::UnknownCursor(FieldError::new(
            ["query", "cursor"],
            "value_error",
            "The cursor is not one that this server gave out",
        )));
    }
    let page = api.audit_log(&filter, cursor, limit.unwrap_or(DEFAULT_PAGE)).await?;
    Ok(json_of(StatusCode::OK, &page))
}

fn text(s: &str) -> Result<String, Refusal> {
    if s.is_empty() || s.len() > MAX_TEXT {
        return Err(("value_error", format!("Input should be 1 to {MAX_TEXT} bytes")));
    }
    Ok(s.to_owned())
}
