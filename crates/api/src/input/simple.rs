//! What endpoints of named documents share: a body that is one object, a name in the path, a page of a list.

use axum::extract::{FromRequestParts, Path, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use posthaste_core::limits::{DEFAULT_PAGE, MAX_PAGE, MAX_PAGE_BYTES};
use posthaste_core::{Name, Record, RecordKind, RecordOrder};

use serde_json::value::RawValue;

use super::fields::{Errors, Object};
use super::json::JsonBody;
use super::query::{self, Query};
use crate::{Api, ApiError};

/// Longest name of a schedule, template or endpoint, in bytes.
pub(crate) const MAX_NAME: usize = 80;

/// Reads the body as one object; an empty body is one without fields. There may be no query.
pub(crate) async fn body<T>(
    request: Request,
    read: impl FnOnce(&mut Object<'_>, &mut Errors) -> Option<T>,
) -> Result<T, ApiError> {
    body_with(request, "", |o, _, errors| read(o, errors)).await
}

/// As [`body`]; the field `verbatim` as it was written as well: its numbers and the order of its names are the caller's own.
pub(crate) async fn body_with<T>(
    request: Request,
    verbatim: &str,
    read: impl FnOnce(&mut Object<'_>, Option<&RawValue>, &mut Errors) -> Option<T>,
) -> Result<T, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let body = JsonBody::read(&parts.headers, body).await?;
    let mut errors = Errors::default();
    let (value, written) = body.optional_object_noting(&mut errors, verbatim)?;
    let mut read_as = None;
    if let Some(mut o) = Object::new(&value, vec!["body".into()], &mut errors) {
        read_as = read(&mut o, written, &mut errors);
        o.finish(&mut errors);
    }
    // What is missing was reported, so this cannot be reached without an error.
    errors.into_result(read_as)?.ok_or(ApiError::Internal)
}

/// The name that the path ends in or goes through: letters, digits, dots, dashes and underscores.
pub(crate) struct Named(pub(crate) Name);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw = Path::<String>::from_request_parts(parts, state).await.map_err(|_| {
            ApiError::field(["path", "name"], "string_unicode", "It should be percent-encoded UTF-8")
        })?;
        name(&raw.0).map(Self)
    }
}

/// A name of the path.
pub(crate) fn name(raw: &str) -> Result<Name, ApiError> {
    let fine = raw.len() <= MAX_NAME
        && raw.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let read = if fine { Name::new(raw).ok() } else { None };
    read.ok_or_else(|| {
        let msg = format!("A name is 1 to {MAX_NAME} letters, digits, dots, dashes and underscores");
        ApiError::field(["path", "name"], "value_error", msg)
    })
}

/// Which page of a list is asked for.
pub(crate) struct PageOf {
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
}

/// Reads `limit` and `cursor`.
pub(crate) fn page(q: &mut Query) -> PageOf {
    let limit = q.one("limit", |s| match s.parse::<usize>() {
        Ok(n) if (1..=MAX_PAGE).contains(&n) => Ok(n),
        _ => Err(("range_error", format!("Input should be 1 to {MAX_PAGE}"))),
    });
    let most = posthaste_core::limits::MAX_KEY_BYTES;
    let cursor = q.one("cursor", |s| {
        if s.len() <= most {
            Ok(s.to_owned())
        } else {
            Err(("value_error", "The cursor is not one that this server gave out".into()))
        }
    });
    PageOf { limit: limit.unwrap_or(DEFAULT_PAGE), cursor }
}

/// Records that are read at first, before it is known how large they are.
const FIRST_READ: usize = 16;

/// A page of records and where the next one begins. It is full with its number of records or with [`MAX_PAGE_BYTES`] of them,
/// and hardly more than that is read.
pub(crate) async fn records(
    api: &Api,
    kind: RecordKind,
    order: RecordOrder,
    page: &PageOf,
) -> Result<(Vec<Record>, Option<String>), ApiError> {
    let (mut records, mut bytes) = (Vec::<Record>::new(), 0);
    loop {
        let after = records.last().map(|r| r.name.as_str()).or(page.cursor.as_deref());
        let most = next_read(records.len(), bytes).min(page.limit - records.len());
        let read = api.store().list_records(kind, order, after, most).await?;
        let ended = read.len() < most;
        for record in read {
            bytes += record.body.len();
            records.push(record);
            if records.len() == page.limit || bytes >= MAX_PAGE_BYTES {
                let next = records.last().map(|r| r.name.clone());
                return Ok((records, next));
            }
        }
        if ended {
            return Ok((records, None));
        }
    }
}

/// How many records to read when so many of so many bytes were: as many as fit a page, if the others are like them.
fn next_read(count: usize, bytes: usize) -> usize {
    match count {
        0 => FIRST_READ,
        _ => (MAX_PAGE_BYTES.saturating_sub(bytes) / (bytes / count).max(1) + 1).min(MAX_PAGE),
    }
}

/// A list's page without other conditions.
pub(crate) fn only_page(uri: &Uri) -> Result<PageOf, ApiError> {
    let mut q = Query::of(uri);
    let page = page(&mut q);
    q.finish(page)
}
