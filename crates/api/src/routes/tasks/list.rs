//! `GET /v1/tasks`: list tasks, newest first.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::broker::{Bodies, ListFilter, ListRequest};
use posthaste_core::limits::{DEFAULT_PAGE, MAX_PAGE};
use posthaste_core::{FailureClass, Kind, State as TaskState};
use posthaste_notify::{ChannelKind, Recipient};

use crate::detail::json_of;
use crate::input::fields::Refusal;
use crate::input::query::{Query, parsed};
use crate::responses::{BadHead, Common, OnOne};
use crate::view::TaskPage;
use crate::{Api, ApiError, Caller, schema};

/// List tasks
///
/// Newest first, without payloads, results and logs. All given conditions hold. A page may be
/// shorter than `limit`, even empty, although more follows: go on while there is a `next_cursor`.
#[utoipa::path(
    get, path = "/v1/tasks", tag = "tasks", operation_id = "list_tasks",
    params(
        ("state" = Option<Vec<schema::State>>, Query, description = "In one of these states; repeat it, or separate by commas."),
        ("kind" = Option<String>, Query, description = "Of this kind.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$"),
        ("queue" = Option<String>, Query, description = "In this queue.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$"),
        ("tenant" = Option<String>, Query, description = "Of this tenant; of its own in any case for a key that is bound to one.",
            min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$"),
        ("batch" = Option<schema::Id>, Query, description = "Of this batch."),
        ("recipient" = Option<String>, Query, description = "For this recipient: an e-mail address, or `channel:recipient`.",
            min_length = 1, max_length = 255, example = "ann@example.com"),
        ("class" = Option<schema::FailureClass>, Query, description = "Whose last failure was of this class."),
        ("limit" = Option<u32>, Query, description = "At most this many; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page.", body = TaskPage), Common, BadHead, OnOne)
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    let page = api.tasks(&caller, read(&uri, None)?).await?;
    Ok(json_of(StatusCode::OK, &page))
}

/// Reads the conditions of a list; of `kind` alone where the path says so.
pub(crate) fn read(uri: &Uri, kind: Option<Kind>) -> Result<ListRequest, ApiError> {
    let mut q = Query::of(uri);
    let mut states = Vec::new();
    for word in q.all("state").iter().flat_map(|v| v.split(',')) {
        match word.parse::<TaskState>() {
            Ok(state) => states.push(state),
            Err(e) => q.refuse("state", "enum", format!("{word:?} is {e}")),
        }
    }
    let filter = ListFilter {
        states,
        kind: kind.or_else(|| q.one("kind", parsed)),
        queue: q.one("queue", parsed),
        batch: q
            .one("batch", |s| s.parse().map_err(|_| ("uuid_parsing", "Input should be a valid UUID".into()))),
        tenant: q.one("tenant", parsed),
        recipient: q.one("recipient", recipient),
        class: q.one("class", class),
    };
    let limit = q.one("limit", |s| match s.parse::<usize>() {
        Ok(n) if (1..=MAX_PAGE).contains(&n) => Ok(n),
        _ => Err(("range_error", format!("Input should be 1 to {MAX_PAGE}"))),
    });
    let cursor = q.one("cursor", |s| Ok(s.to_owned()));
    q.finish(ListRequest { filter, cursor, limit: limit.unwrap_or(DEFAULT_PAGE), bodies: Bodies::Omit })
}

/// A recipient as tasks are found by it: an e-mail address alone stands for `email:address`.
pub(crate) fn recipient(s: &str) -> Result<String, Refusal> {
    let most = posthaste_core::limits::MAX_KEY_BYTES;
    if s.is_empty() || s.len() > most || s.chars().any(char::is_control) {
        return Err((
            "string_length",
            format!("String should have 1 to {most} bytes and no control characters"),
        ));
    }
    let known = s.split_once(':').and_then(|(channel, to)| Some((channel.parse::<ChannelKind>().ok()?, to)));
    let key = |channel, to| posthaste_notify::notification::recipient_key(channel, &to);
    match known {
        Some((ChannelKind::Email, to)) => {
            Ok(email(to).map_or_else(|| s.to_owned(), |a| key(ChannelKind::Email, a)))
        }
        Some((channel, to)) => Ok(key(channel, Recipient::Other(to.to_owned()))),
        None => Ok(email(s).map_or_else(|| s.to_owned(), |a| key(ChannelKind::Email, a))),
    }
}

fn email(s: &str) -> Option<Recipient> {
    s.parse().ok().map(Recipient::Email)
}

fn class(s: &str) -> Result<FailureClass, Refusal> {
    let found = FailureClass::ALL.into_iter().find(|c| c.as_str() == s);
    found.ok_or_else(|| {
        ("enum", crate::input::fields::one_of(FailureClass::ALL.map(FailureClass::as_str).into_iter()))
    })
}
