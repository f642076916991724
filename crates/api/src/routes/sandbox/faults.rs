//! `/v1/sandbox/faults`: let the next sends that the sandbox would hold answer as a troubled provider would.

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use posthaste_notify::ChannelKind;
use posthaste_notify::faults::{Fault, Faults, Kind, MAX_FAULTS, MAX_SENDS};
use serde_json::Value;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{Errors, Object, integer, word};
use crate::input::{query, simple};
use crate::responses::{BadHead, Common, WithBody};
use crate::{Api, ApiError, Caller, FieldError, schema};

/// The next sends answer like this.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = Fault)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct FaultBody {
    /// `451` (busy: tried again), `550` (no such mailbox: failed), `429` (the provider is left alone for a while) or
    /// `timeout` (no answer: it may have been sent).
    #[schema(value_type = schema::FaultAnswer)]
    answer: String,
    /// How many sends; counts down.
    #[schema(minimum = 1, maximum = 100_000)]
    sends: u32,
    /// Of this channel alone.
    #[schema(value_type = Option<schema::Channel>)]
    channel: Option<String>,
    /// What `429` asks for, in seconds; 60 if left out.
    #[schema(minimum = 0, maximum = 86_400)]
    retry_after: Option<u64>,
}

/// Faults on order, used in this order.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = Faults, example = json!({ "faults": [{ "answer": "451", "sends": 3 }, { "answer": "429", "sends": 1, "retry_after": 10 }] }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct FaultsBody {
    /// The faults.
    #[schema(max_items = 20)]
    faults: Vec<FaultBody>,
}

/// Get the faults on order
///
/// What is left of them.
#[utoipa::path(
    get, path = "/v1/sandbox/faults", tag = "sandbox", operation_id = "get_faults",
    responses((status = 200, description = "The faults.", body = FaultsBody), Common, BadHead)
)]
pub(crate) async fn get(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    Ok(json_of(StatusCode::OK, &api.faults().await?))
}

/// Order faults
///
/// The next sends that the sandbox would hold answer like this instead, so that whoever integrates sees what becomes of
/// them. They replace those that are on order.
#[utoipa::path(
    put, path = "/v1/sandbox/faults", tag = "sandbox", operation_id = "put_faults",
    request_body(content = FaultsBody, content_type = "application/json"),
    responses((status = 200, description = "On order.", body = FaultsBody), Common, BadHead, WithBody)
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let faults = simple::body(request, |o, errors| {
        let list = o.required(errors, "faults", |v| {
            v.as_array().ok_or_else(|| ("list_type", "Input should be a valid list".to_owned()))
        })?;
        if list.len() > MAX_FAULTS {
            let msg = format!("List should have at most {MAX_FAULTS} items");
            errors.push(FieldError::new(o.loc("faults"), "list_length", msg));
            return None;
        }
        let one = |(i, v): (usize, &Value)| {
            let mut loc = o.loc("faults");
            loc.push(i.into());
            read(Object::new(v, loc, errors)?, errors)
        };
        // All of them first: what is wrong with each is said at once.
        let read: Vec<Option<Fault>> = list.iter().enumerate().map(one).collect();
        Some(Faults { faults: read.into_iter().collect::<Option<_>>()? })
    })
    .await?;
    api.order_faults(&caller, &faults).await?;
    Ok(json_of(StatusCode::OK, &faults))
}

/// Take the order back
///
/// No more faults.
#[utoipa::path(
    delete, path = "/v1/sandbox/faults", tag = "sandbox", operation_id = "delete_faults",
    responses((status = 204, description = "Taken back."), Common, BadHead)
)]
pub(crate) async fn delete(State(api): State<Api>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    query::none(&uri)?;
    api.order_faults(&caller, &Faults::default()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn read(mut o: Object<'_>, errors: &mut Errors) -> Option<Fault> {
    let kinds: &[Kind] = &[Kind::Busy, Kind::NoSuchMailbox, Kind::Throttled, Kind::Timeout];
    let answer = o.required(
        errors,
        "answer",
        word(kinds, |k| match k {
            Kind::Busy => "451",
            Kind::NoSuchMailbox => "550",
            Kind::Throttled => "429",
            Kind::Timeout => "timeout",
        }),
    );
    let sends = o.required(errors, "sends", integer(1, MAX_SENDS.into())).and_then(|n| u32::try_from(n).ok());
    let channel = o.optional(errors, "channel", word(&ChannelKind::ALL, ChannelKind::as_str));
    let retry_after = o.optional(errors, "retry_after", integer(0, 86_400));
    o.finish(errors);
    Some(Fault { answer: answer?, sends: sends?, channel, retry_after })
}
