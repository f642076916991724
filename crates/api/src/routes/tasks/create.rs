//! `POST /v1/tasks`: enqueue a task of any kind.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use posthaste_core::limits::{MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_SCHEDULE_AHEAD, MAX_UNIQUE_HOLD};
use posthaste_core::{Due, IdempotencyKey, Json, Kind, NewTask, Priority, RetryPolicy, Unique, UniqueHold};
use posthaste_notify::http_task::{self, HttpTask};
use posthaste_notify::net::read_url;
use posthaste_notify::{Notification, kinds, lanes};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::auth::now;
use crate::detail::json_of;
use crate::input::fields::{Errors, Object, id, integer, key, parsed, time, word};
use crate::input::json::{JsonBody, unreadable, written};
use crate::input::notification::Beside;
use crate::input::{notification, query, retry};
use crate::operations::tenants::config_for;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::view::EnqueuedView;
use crate::{Api, ApiConfig, ApiError, Caller, FieldError, schema};

/// The header that makes repeats of a request answer as the first did.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header of an answer that was given before.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A task to be enqueued.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTask, example = json!({
    "kind": "report.build", "payload": { "month": "2026-01" }, "queue": "reports", "priority": "high",
    "delay_ms": 5000, "retry": { "max_failures": 3 }
}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct NewTaskBody {
    /// Selects the handler.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    kind: String,
    /// What the handler gets: any JSON up to 256 KiB, kept as it is written. Of kind `notify`:
    /// `{"channel": "email", "to", "subject"?, "message"?, "html"?, "reply_to"?, "headers"?,
    /// "provider"?}`, `headers` being an object of texts.
    payload: Value,
    /// Where it waits; `default` if left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    queue: Option<String>,
    /// Its lane, `target` or `target/tenant`. One that is named like a lane of ours (`email:default`, `http:example.com`) is kept
    /// behind `x:`; that of a tenant's key is its own, shown as `x:target/tenant`.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[A-Za-z0-9._:@-]{1,128}(/[A-Za-z0-9._:@-]{1,128})?$"
    )]
    lane: Option<String>,
    /// Whose task it is; a key that is bound to a tenant makes its own.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    tenant: Option<String>,
    /// How urgent; `normal` if left out.
    #[schema(value_type = Option<schema::Priority>)]
    priority: Option<String>,
    /// When it is ready; a time that has passed is now. At most 366 days ahead.
    #[schema(value_type = Option<schema::Time>)]
    due_at: Option<String>,
    /// How long after `due_at` it is ready, or after it was accepted if there is none, in
    /// milliseconds.
    #[schema(maximum = 31_622_400_000_i64)]
    delay_ms: Option<u64>,
    /// When it is of no use any more.
    #[schema(value_type = Option<schema::Time>)]
    expires_at: Option<String>,
    /// Refuses a second task with the same tenant, kind and key while this one holds it.
    unique: Option<UniqueBody>,
    /// When it is tried again; what is left out is as the kind's default.
    retry: Option<RetryBody>,
    /// Its id; minted if left out.
    #[schema(value_type = Option<schema::Id>)]
    id: Option<String>,
    /// Whom it is for, as `channel:address`, so that it is found and erased with what else was for them; of kind
    /// `notify` known from the payload.
    #[schema(min_length = 1, max_length = 255, pattern = "^[ -~]+$")]
    recipient: Option<String>,
    /// Told by a signed POST when the task is final.
    #[schema(max_length = 2048, pattern = "^https?://[^\\s]+$")]
    callback_url: Option<String>,
}

/// A unique key.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
#[schema(as = Unique)]
pub(crate) struct UniqueBody {
    /// The key: printable ASCII characters.
    #[schema(min_length = 1, max_length = 255, pattern = "^[ -~]+$")]
    key: String,
    /// How long it is held, in milliseconds; until the task is final if left out.
    #[schema(minimum = 1, maximum = 86_400_000)]
    hold_ms: Option<u64>,
}

/// Parts of a retry policy.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
#[schema(as = RetryOverride)]
pub(crate) struct RetryBody {
    /// The try that brings the failures to this number is the last.
    #[schema(minimum = 1, maximum = 100)]
    max_failures: Option<u32>,
    /// The delays between tries.
    #[schema(value_type = Option<schema::Backoff>)]
    backoff: Option<Value>,
    /// Bounds tries that count nothing, and waiting in a paused lane, in milliseconds.
    #[schema(minimum = 1, maximum = 2_419_200_000_i64)]
    max_age_ms: Option<u64>,
    /// How long one attempt may take, in milliseconds.
    #[schema(minimum = 1, maximum = 86_400_000)]
    timeout_ms: Option<u64>,
    /// What to do when a message may or may not have been sent.
    #[schema(value_type = Option<schema::OnAmbiguous>)]
    on_ambiguous: Option<String>,
}

/// Enqueue a task
///
/// Stores a task of any kind; durable when it answers. With an `Idempotency-Key` a repeat within 24
/// hours answers as the first request did, with `Idempotency-Replayed: true`, and stores nothing;
/// the same key with another body answers 422. While another task holds its unique key nothing is
/// stored: the answer is 200 with that task's id and `duplicate: true`.
#[utoipa::path(
    post, path = "/v1/tasks", tag = "tasks", operation_id = "create_task",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
        description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters.")),
    request_body(content = NewTaskBody, content_type = "application/json"),
    responses(
        (status = 202, description = "Stored, now or by the first request with this key.", body = EnqueuedView,
            headers(
                ("Location" = String, description = "The task."),
                ("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."),
            )),
        (status = 200, description = "Another task holds the unique key; nothing was stored.", body = EnqueuedView,
            headers(("Location" = String, description = "That task."))),
        Common, BadHead, WithBody, Conflicting,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let body = JsonBody::read(&parts.headers, body).await?;
    let mut errors = Errors::default();
    let key = idempotency_key(&parts.headers, &mut errors);
    let (value, payload) = body.object(&mut errors, Some("payload"))?;
    let config = config_for(api.config(), &caller);
    let task = read_task(&value, payload, config, &mut errors);
    let callback_url = callback_url(&value, vec!["body".into()], &mut errors);
    let Some(task) = errors.into_result(task)? else {
        // A missing part was reported above, so this cannot be reached.
        return Err(ApiError::Internal);
    };
    let idempotency = key.map(|key| IdempotencyKey {
        tenant: caller.tenant().cloned().or_else(|| task.tenant.clone()),
        operation: "tasks.create",
        key,
        fingerprint: fingerprint(&value, payload),
    });
    let answer = match api.check_payload(&caller, &task).await {
        Ok(()) => api.enqueue_told(&caller, task, callback_url, idempotency).await?,
        Err(e) => {
            let first = api.first_answer(idempotency.as_ref(), e).await?;
            // Without a unique key the callback was stored with its task.
            let callback_url = callback_url.filter(|_| task.unique.is_some());
            api.task_again(&caller, &first, callback_url, idempotency).await?
        }
    };
    Ok(accepted(&answer))
}

/// The answer to an enqueue of one task.
pub(crate) fn accepted(answer: &crate::EnqueueAnswer) -> Response {
    let status =
        if answer.task.duplicate && !answer.replayed { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = json_of(status, &answer.task);
    let location = HeaderValue::try_from(format!("/v1/tasks/{}", answer.task.id));
    response.headers_mut().insert(header::LOCATION, location.expect("a UUID is plain ASCII"));
    mark_replayed(&mut response, answer.replayed);
    response
}

/// Says of an answer that it was given before.
pub(crate) fn mark_replayed(response: &mut Response, replayed: bool) {
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
}

/// The key of a request that is known by `what` it asks for.
///
/// # Errors
/// [`ApiError::Invalid`] for a header that is no key.
pub(crate) fn once_key(
    headers: &HeaderMap,
    caller: &Caller,
    operation: &'static str,
    what: &[u8],
) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut errors = Errors::default();
    let key = idempotency_key(headers, &mut errors);
    let key = errors.into_result(key)?;
    Ok(key.map(|key| IdempotencyKey {
        tenant: caller.tenant().cloned(),
        operation,
        key,
        fingerprint: Sha256::digest(what).into(),
    }))
}

/// Where somebody wants to be told of the end.
pub(crate) fn callback_url(value: &Value, mut loc: Vec<crate::Loc>, errors: &mut Errors) -> Option<String> {
    let given = value.get("callback_url").filter(|v| !v.is_null())?;
    loc.push("callback_url".into());
    let read = crate::input::fields::text(given)
        .and_then(|t| read_url(t).map(|_| t.to_owned()).map_err(|e| ("value_error", e.to_string())));
    match read {
        Ok(url) => Some(url),
        Err((kind, msg)) => {
            errors.push(FieldError::new(loc, kind, msg));
            None
        }
    }
}

/// The key of the request, if it has one.
pub(crate) fn idempotency_key(headers: &HeaderMap, errors: &mut Errors) -> Option<String> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next()?;
    let text = value.to_str().ok().filter(|t| {
        !t.is_empty() && t.len() <= MAX_KEY_BYTES && t.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    });
    match text {
        Some(t) if values.next().is_none() => Some(t.to_owned()),
        _ => {
            let msg = format!("Give it once, as 1 to {MAX_KEY_BYTES} visible ASCII characters");
            errors.push(FieldError::new(["header", "Idempotency-Key"], "value_error", msg));
            None
        }
    }
}

/// The task; `None` only if something was reported.
pub(crate) fn read_task(
    value: &Value,
    payload: Option<&RawValue>,
    config: &ApiConfig,
    errors: &mut Errors,
) -> Option<NewTask> {
    let mut o = Object::new(value, vec!["body".into()], errors)?;
    let kind: Option<Kind> = o.required(errors, "kind", parsed);
    o.value("payload");
    let payload = read_payload(payload, errors);
    let mut task = base(kind, payload, config, errors);
    let mut scratch = NewTask::new(Kind::notify(), Json::from_trusted("null".into()));
    // Every field is read even if there is no task to put it in, so that all errors are named.
    let t = task.as_mut().unwrap_or(&mut scratch);
    if let Some(queue) = o.optional(errors, "queue", parsed) {
        t.queue = queue;
    }
    if let Some(lane) = o.optional(errors, "lane", parsed) {
        t.lane = Some(lanes::of_caller(lane));
    }
    t.tenant = o.optional(errors, "tenant", parsed);
    t.priority = o.optional(errors, "priority", word(&Priority::ALL, Priority::as_str)).unwrap_or_default();
    t.due = read_due(&mut o, "due_at", errors);
    t.expires_at = o.optional(errors, "expires_at", time);
    t.unique = o.object(errors, "unique").and_then(|u| read_unique(u, errors));
    if let Some(r) = o.object(errors, "retry") {
        t.policy = retry::override_policy(t.policy.clone(), r, errors);
    }
    t.id = o.optional(errors, "id", id);
    if let Some(recipient) = o.optional(errors, "recipient", key) {
        t.recipient = Some(recipient);
    }
    o.value("callback_url");
    o.finish(errors);
    task
}

/// When a task is ready, by its fields `at` and `delay_ms`.
pub(crate) fn read_due(o: &mut Object<'_>, at: &'static str, errors: &mut Errors) -> Due {
    let field = at;
    let ahead = u64::try_from(MAX_SCHEDULE_AHEAD.as_millis()).unwrap_or(u64::MAX);
    let at = o.optional(errors, field, time);
    let delay = o.optional(errors, "delay_ms", integer(0, ahead)).map(Duration::from_millis);
    match (at, delay) {
        (Some(at), delay) => {
            let due = at.plus(delay.unwrap_or_default());
            if due > now().plus(MAX_SCHEDULE_AHEAD) {
                let days = MAX_SCHEDULE_AHEAD.as_secs() / (24 * 3600);
                let msg = format!("It should be at most {days} days ahead");
                errors.push(FieldError::new(o.loc(field), "range_error", msg));
            }
            Due::At(due)
        }
        (None, Some(delay)) if !delay.is_zero() => Due::After(delay),
        (None, _) => Due::Now,
    }
}

pub(crate) fn read_unique(mut o: Object<'_>, errors: &mut Errors) -> Option<Unique> {
    let most = u64::try_from(MAX_UNIQUE_HOLD.as_millis()).unwrap_or(u64::MAX);
    let key = o.required(errors, "key", key);
    let hold = o.optional(errors, "hold_ms", integer(1, most));
    o.finish(errors);
    let hold = hold.map_or(UniqueHold::UntilFinal, |ms| UniqueHold::For(Duration::from_millis(ms)));
    key.map(|key| Unique { key, hold })
}

fn read_payload(payload: Option<&RawValue>, errors: &mut Errors) -> Option<Json> {
    let Some(raw) = payload else {
        errors.push(FieldError::missing(["body", "payload"]));
        return None;
    };
    if raw.get().len() > MAX_PAYLOAD_BYTES {
        let msg = format!("The payload should be at most {MAX_PAYLOAD_BYTES} bytes of JSON");
        errors.push(FieldError::new(["body", "payload"], "too_large", msg));
        return None;
    }
    // What no reader could take apart must not be stored: handlers parse it again.
    if serde_json::from_str::<Value>(raw.get()).is_err() {
        errors.push(unreadable(["body", "payload"]));
        return None;
    }
    Some(Json::from_trusted(raw.get().to_owned()))
}

/// A task of the kind with its payload and every default of the kind.
fn base(
    kind: Option<Kind>,
    payload: Option<Json>,
    config: &ApiConfig,
    errors: &mut Errors,
) -> Option<NewTask> {
    let kind = kind?;
    if let Some(why) = kinds::refusal(&kind) {
        errors.push(FieldError::new(["body", "kind"], "value_error", why));
        return None;
    }
    let payload = payload?;
    if kind.as_str() == http_task::KIND {
        return read_http(kind, payload, errors);
    }
    if kind != Kind::notify() {
        return Some(NewTask::new(kind, payload));
    }
    let notification = read_notification(&payload, config, errors)?;
    Some(notification.into_task())
}

/// A task of kind `http`: its payload is checked, and it waits behind others for its host.
pub(crate) fn read_http(kind: Kind, payload: Json, errors: &mut Errors) -> Option<NewTask> {
    let task: HttpTask = match payload.parse() {
        Ok(task) => task,
        Err(e) => {
            errors.push(FieldError::new(
                ["body", "payload"],
                "value_error",
                format!("It is no request: {e}"),
            ));
            return None;
        }
    };
    if let Err(problems) = task.check() {
        for p in problems {
            errors.push(FieldError::new(["body", "payload", p.field], "value_error", p.problem));
        }
        return None;
    }
    let lane = Some(task.lane());
    Some(NewTask { lane, policy: RetryPolicy::http(), ..NewTask::new(kind, payload) })
}

/// The payload of a `notify` task, checked field by field.
fn read_notification(payload: &Json, config: &ApiConfig, errors: &mut Errors) -> Option<Notification> {
    let value: Value = payload.parse().ok()?;
    let mut found = Errors::default();
    let loc: Vec<crate::Loc> = vec!["body".into(), "payload".into()];
    let Some(mut o) = Object::new(&value, loc.clone(), &mut found) else {
        errors.absorb(found);
        return None;
    };
    // What is stored must say its channel: the handler does not guess.
    if o.value("channel").is_none() {
        found.push(FieldError::missing(o.loc("channel")));
    }
    let beside = Beside { to: o.value("to"), data: written(payload.as_str().as_bytes(), "data") };
    let read = if found.is_empty() { notification::message(&mut o, beside, &mut found) } else { None };
    if o.value("channel").is_some() {
        o.finish(&mut found);
    }
    if let Some(message) = &read {
        notification::check(message, &loc, config, &mut found);
    }
    let good = found.is_empty();
    errors.absorb(found);
    read.filter(|_| good)
}

/// SHA-256 of the body in canonical form: names sorted, no white space between tokens. The payload
/// goes in as parsed too, so that a client which writes it in another order repeats the request.
pub(crate) fn fingerprint(value: &Value, payload: Option<&RawValue>) -> [u8; 32] {
    let mut text = String::new();
    canonical(value, &mut text);
    text.push('\n');
    if let Some(Ok(payload)) = payload.map(|p| serde_json::from_str::<Value>(p.get())) {
        canonical(&payload, &mut text);
    }
    Sha256::digest(text.as_bytes()).into()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(k, _)| k.as_str());
            out.push('{');
            for (i, (k, v)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(k.clone()).to_string());
                out.push(':');
                canonical(v, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (i, v) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(v, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_names_does_not_change_the_fingerprint() {
        let print = |text: &str, payload: &str| {
            let raw: Box<RawValue> = serde_json::from_str(payload).expect("JSON");
            fingerprint(&serde_json::from_str(text).expect("JSON"), Some(&raw))
        };
        let a = print(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#, r#"{"x":1,"y":2}"#);
        assert_eq!(a, print(r#"{ "b": {"d":null,"c":[1,2]}, "a": 1 }"#, r#"{"y":2, "x":1}"#));
        assert_ne!(a, print(r#"{"a":1,"b":{"c":[2,1],"d":null}}"#, r#"{"x":1,"y":2}"#));
        assert_ne!(a, print(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#, r#"{"x":1,"y":3}"#));
    }
}
