//! `POST /notify/`: the notification that existing clients send, and the hottest path there is.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use posthaste_notify::{EmailAddress, Notification};
use serde_json::value::RawValue;

use crate::detail::{Detail, DetailBody, ValidationDetailBody, json};
use crate::input::body::{self, ContentType, without_mark};
use crate::input::query::{Decoded, pairs};
use crate::routes::tasks::create::{IDEMPOTENCY_KEY, mark_replayed, once_key};
use crate::{Api, ApiError, Caller, FieldError};

/// The fields that are read; all others are ignored.
const FIELDS: [&str; 3] = ["email", "message", "subject"];

/// The answer to an accepted notification.
#[derive(utoipa::ToSchema)]
#[schema(as = NotifyAccepted, example = json!({
    "message": "Email will be sent to dev@example.com", "task_id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58"
}))]
#[expect(dead_code, reason = "describes a body that is written by hand")]
pub(crate) struct Accepted {
    /// A sentence.
    message: String,
    /// The task's id: see `/task_status/{task_id}`.
    #[schema(value_type = crate::schema::Id)]
    task_id: String,
}

/// Send a notification
///
/// Stores an e-mail to be sent and answers at once; `/task_status/{task_id}` says what became of
/// it. The fields may also come as a JSON body or a form, and query and body may be mixed (the query
/// wins). Unknown fields are ignored. With no e-mail provider configured the message is held in the
/// sandbox.
#[utoipa::path(
    post, path = "/notify/", tag = "notify", operation_id = "notify",
    params(
        ("email" = String, Query, format = "email", description = "The recipient.", example = "dev@example.com"),
        ("message" = Option<String>, Query, description = "The text.", example = "Your export is ready."),
        ("subject" = Option<String>, Query, description = "The subject line.", example = "Hello", pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
            description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters."),
    ),
    responses(
        (status = 200, description = "Stored, now or by the first request with this key.", body = Accepted, headers(("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."))),
        (status = 401, description = "No key, or one that is not good.", body = DetailBody),
        (status = 403, description = "A page of another origin, or a wrong Host.", body = DetailBody),
        (status = 408, description = "The body took too long to arrive.", body = DetailBody),
        (status = 413, description = "The request is too large.", body = DetailBody),
        (status = 414, description = "The address is longer than 64 KiB."),
        (status = 422, description = "A field is not acceptable.", body = ValidationDetailBody),
        (status = 431, description = "The head of the request is larger than 64 KiB."),
        (status = 429, description = "Too many requests; `Retry-After` says how long to wait.", body = DetailBody),
        (status = 500, description = "A fault of the server.", body = DetailBody),
        (status = 503, description = "The store does not answer; nothing was stored.", body = DetailBody),
    )
)]
pub(crate) async fn handle(State(api): State<Api>, caller: Caller, request: Request) -> Response {
    match notify(&api, &caller, request).await {
        Ok(response) => response,
        Err(e) => Detail(e).into_response(),
    }
}

async fn notify(api: &Api, caller: &Caller, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = body::read(body).await?;
    if let Some(units) = units_of(&body)
        && matches!(ContentType::of(&parts.headers), ContentType::Json | ContentType::Absent)
        && let Some(text) = decoded(&body, units)
    {
        body = text.into();
    }
    let mut fields = Fields::default();
    let unread = fields.read_body(&parts.headers, &body).err();
    fields.read_query(parts.uri.query().unwrap_or_default());
    // A body that is not needed is not judged: the address is in the query.
    if let Some(problem) = unread.filter(|_| !fields.are_in_the_query()) {
        return Err(problem);
    }
    let (notification, places) = fields.into_notification(!body.is_empty())?;
    let email = notification.to.clone();
    let key = if parts.headers.contains_key(IDEMPOTENCY_KEY) {
        let what = serde_json::to_vec(&notification).map_err(|_| ApiError::Internal)?;
        once_key(&parts.headers, caller, operation(caller), &what)?
    } else {
        None
    };
    let stored = api.notify_once(caller, notification, key).await;
    let (task, replayed) = stored.map_err(|e| relocate(e, places))?;
    let mut response = json(StatusCode::OK, answer(email.as_str(), &task.id));
    mark_replayed(&mut response, replayed);
    Ok(response)
}

/// What the characters of a text are made of.
#[derive(Clone, Copy)]
struct Units {
    bytes: usize,
    greatest_first: bool,
}

/// What JSON is made of that is UTF-16 or UTF-32, which Python's reader takes as well: it has a mark, or zeros beside its first
/// character (RFC 4627 §3). `None` for everything else.
fn units_of(json: &[u8]) -> Option<Units> {
    let (bytes, greatest_first) = match json {
        [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, _, ..] => (4, true),
        [0xff, 0xfe, 0, 0, ..] | [_, 0, 0, 0, ..] => (4, false),
        [0xfe, 0xff, ..] | [0, _, ..] => (2, true),
        [0xff, 0xfe, ..] | [_, 0, ..] => (2, false),
        _ => return None,
    };
    Some(Units { bytes, greatest_first })
}

/// The text that is made of these units, if it is one.
fn decoded(body: &[u8], Units { bytes, greatest_first }: Units) -> Option<String> {
    if !body.len().is_multiple_of(bytes) {
        return None;
    }
    let byte = |n: u32, b: &u8| (n << 8) | u32::from(*b);
    let number = |unit: &[u8]| {
        if greatest_first { unit.iter().fold(0, byte) } else { unit.iter().rev().fold(0, byte) }
    };
    let numbers = body.chunks(bytes).map(number);
    if bytes == 2 {
        // Two bytes are never more than that.
        let units = numbers.map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        char::decode_utf16(units).collect::<Result<_, _>>().ok()
    } else {
        numbers.map(char::from_u32).collect()
    }
}

/// Whose idempotency keys count together. Who needs no key here may be anybody, and must not learn what the installation's own
/// programs sent, nor be in their way.
fn operation(caller: &Caller) -> &'static str {
    if caller.is_open_notify() { "notify.open" } else { "notify" }
}

fn answer(email: &str, id: &posthaste_core::TaskId) -> String {
    let escaped = if email.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        Cow::Borrowed(email)
    } else {
        let quoted = serde_json::to_string(email).expect("text always serializes");
        Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
    };
    format!(r#"{{"message":"Email will be sent to {escaped}","task_id":"{id}"}}"#)
}

/// Where a field came from, as FastAPI names it.
type Place = &'static str;

/// The text of a field, or what is wrong with it.
type Found<'a> = Result<Cow<'a, str>, FieldError>;

/// The fields as they were found.
#[derive(Default)]
struct Fields<'a> {
    found: [Option<(Place, Found<'a>)>; 3],
}

impl<'a> Fields<'a> {
    fn read_query(&mut self, query: &'a str) {
        self.read_pairs("query", query.as_bytes());
    }

    /// Whether the query alone is a notification.
    fn are_in_the_query(&self) -> bool {
        self.found[0].as_ref().is_some_and(|(place, _)| *place == "query")
    }

    fn read_pairs(&mut self, place: Place, text: &'a [u8]) {
        for (name, value) in pairs(text) {
            if let Ok(name) = name {
                self.set_decoded(place, &name, value);
            }
        }
    }

    fn set_decoded(&mut self, place: Place, name: &str, value: Decoded<'a>) {
        self.set(place, name, || {
            value.map_err(|_| {
                let msg = "Input should be a valid string, unable to parse raw data as a unicode string";
                FieldError::new([place, name], "string_unicode", msg)
            })
        });
    }

    /// The last one given wins; the query is read last.
    fn set(&mut self, place: Place, name: &str, value: impl FnOnce() -> Found<'a>) {
        if let Some(i) = FIELDS.iter().position(|f| *f == name) {
            self.found[i] = Some((place, value()));
        }
    }

    fn read_body(&mut self, headers: &HeaderMap, body: &'a Bytes) -> Result<(), ApiError> {
        if body.is_empty() {
            return Ok(());
        }
        match ContentType::of(headers) {
            ContentType::Form => self.read_pairs("body", body),
            ContentType::Json => self.read_json(body)?,
            // A script that sends JSON.stringify(…) and names no type.
            ContentType::Absent if without_mark(body).trim_ascii_start().starts_with(b"{") => {
                self.read_json(body)?;
            }
            ContentType::Multipart => self.read_multipart(headers, body),
            ContentType::Absent | ContentType::Other => {}
        }
        Ok(())
    }

    fn read_json(&mut self, body: &'a Bytes) -> Result<(), ApiError> {
        for (name, value) in body::object(body).map_err(ApiError::MalformedBody)?.0 {
            self.read_json_field(&name, value);
        }
        Ok(())
    }

    fn read_json_field(&mut self, name: &str, value: &'a RawValue) {
        // An optional field may be null; a null e-mail address is no address.
        if value.get() == "null" && name != "email" {
            return;
        }
        self.set("body", name, || {
            if value.get().starts_with('"') {
                serde_json::from_str::<Cow<'a, str>>(value.get()).map(|s| Cow::Owned(s.into_owned())).map_err(
                    |_| {
                        FieldError::new(
                            ["body", name],
                            "string_unicode",
                            "Input should be a valid unicode string",
                        )
                    },
                )
            } else {
                Err(FieldError::new(["body", name], "string_type", "Input should be a valid string"))
            }
        });
    }

    fn read_multipart(&mut self, headers: &HeaderMap, body: &'a Bytes) {
        for (name, value) in crate::input::multipart::fields(headers, body) {
            self.set("body", &name, || {
                std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_| {
                    let msg = "Input should be a valid string, unable to parse raw data as a unicode string";
                    FieldError::new(["body", &*name], "string_unicode", msg)
                })
            });
        }
    }

    /// The notification, and where its fields came from.
    fn into_notification(self, has_body: bool) -> Result<(Notification, [Place; 3]), ApiError> {
        let default = if has_body { "body" } else { "query" };
        let places = [0, 1, 2].map(|i| self.found[i].as_ref().map_or(default, |f| f.0));
        let mut errors = Vec::new();
        let [email, message, subject] = self.found.map(|f| f.map(|f| f.1));
        let mut text = |found: Option<Found<'a>>| match found {
            Some(Ok(t)) => Some(t),
            Some(Err(e)) => {
                errors.push(e);
                None
            }
            None => None,
        };
        let email_given = email.is_some();
        let (email, message, subject) = (text(email), text(message), text(subject));
        let to = match email.map(|e| e.parse::<EmailAddress>()) {
            Some(Ok(to)) => Some(to),
            Some(Err(e)) => {
                let msg = format!("value is not a valid email address: {e}");
                errors.push(FieldError::new([places[0], "email"], "value_error", msg));
                None
            }
            None => {
                if !email_given {
                    errors.push(FieldError::missing([default, "email"]));
                }
                None
            }
        };
        match to {
            Some(to) if errors.is_empty() => {
                // An empty field of a form means that it was left out.
                let given = |t: Option<Cow<'_, str>>| t.filter(|t| !t.is_empty()).map(Cow::into_owned);
                let notification =
                    Notification { subject: given(subject), message: given(message), ..Notification::to(to) };
                Ok((notification, places))
            }
            _ => Err(ApiError::Invalid(errors)),
        }
    }
}

/// Puts field errors of the notification where the caller wrote the field.
fn relocate(e: ApiError, places: [Place; 3]) -> ApiError {
    match e {
        ApiError::Invalid(errors) => ApiError::Invalid(
            errors
                .into_iter()
                .map(|mut e| {
                    let name = e.loc.last().cloned();
                    if let Some(i) = FIELDS.iter().position(|f| name == Some((*f).into())) {
                        e.loc = vec![places[i].into(), FIELDS[i].into()];
                    }
                    e
                })
                .collect(),
        ),
        other => other,
    }
}
