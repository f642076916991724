//! A notification field by field: the payload of a `notify` task and the body of `/v1/notifications`.

use std::collections::BTreeMap;

use posthaste_core::Json;
use posthaste_notify::attachment::Attachment;
use posthaste_notify::{ChannelKind, EmailAddress, Mailbox, Notification, Recipient};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::fields::{Errors, Object, Refusal, parsed, text};
use crate::operations::providers;
use crate::{ApiConfig, FieldError, Loc};

/// Most entries of a list that are looked at.
const MAX_LISTED: usize = 100;

/// What of a message is read beside its fields.
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// The recipient, of which there may be more than one.
    pub(crate) to: Option<&'a Value>,
    /// Its `data` as it was written: numbers and the order of names are the caller's own.
    pub(crate) data: Option<&'a RawValue>,
}

/// A recipient and, of an e-mail, its display name.
pub(crate) type Addressee = (Recipient, Option<String>);

/// The channel of a message, and whom it is for.
pub(crate) fn addressee(
    o: &mut Object<'_>,
    to: Option<&Value>,
    errors: &mut Errors,
) -> (Option<ChannelKind>, Option<Addressee>) {
    let given = o.optional(errors, "channel", channel);
    let named = o.value("channel").is_some();
    let wants_email = to.and_then(Value::as_str).is_some_and(|t| t.contains('@') && !t.contains("://"));
    let channel = match (given, named) {
        (Some(channel), _) => Some(channel),
        (None, true) => None,
        (None, false) if wants_email => Some(ChannelKind::Email),
        (None, false) => {
            errors.push(without_channel(o, to));
            None
        }
    };
    (channel, channel.and_then(|c| recipient(c, to, o.loc("to"), errors)))
}

/// Reads the fields of a message from `o`, which its caller finishes.
pub(crate) fn message(o: &mut Object<'_>, beside: Beside<'_>, errors: &mut Errors) -> Option<Notification> {
    let Beside { to, data } = beside;
    let (channel, read) = addressee(o, to, errors);
    let (to, to_name) = read.unzip();
    let string = |v: &Value| text(v).map(str::to_owned);
    let (channel_or, to_or) =
        (channel.unwrap_or(ChannelKind::Gotify), to.clone().unwrap_or(Recipient::Other(String::new())));
    let message = Notification {
        subject: o.optional(errors, "subject", string),
        message: o.optional(errors, "message", string),
        html: o.optional(errors, "html", string),
        provider: o.optional(errors, "provider", parsed),
        reply_to: o.optional(errors, "reply_to", parsed),
        cc: o.optional(errors, "cc", mailboxes).unwrap_or_default(),
        bcc: o.optional(errors, "bcc", mailboxes).unwrap_or_default(),
        from: o.optional(errors, "from", parsed),
        to_name: to_name.flatten(),
        headers: o.optional(errors, "headers", texts).unwrap_or_default(),
        attachments: o.optional(errors, "attachments", attachments).unwrap_or_default(),
        unsubscribe: o.optional(errors, "unsubscribe", string),
        event: o.optional(errors, "event", string),
        data: o.value("data").map(|value| match data {
            Some(text) => Json::from_trusted(text.get().to_owned()),
            None => Json::from(value.clone()),
        }),
        options: o.optional(errors, "options", object).unwrap_or_default(),
        ..Notification::of(channel_or, to_or)
    };
    (channel.is_some() && to.is_some()).then_some(message)
}

/// What is wrong with a message that names no channel and is for no e-mail address.
fn without_channel(o: &Object<'_>, to: Option<&Value>) -> FieldError {
    match to.map(text) {
        // Most likely an address with a mistake in it.
        Some(Ok(to)) => {
            let problem = to.parse::<EmailAddress>().err();
            let problem = problem.map_or_else(|| "it is for another channel".to_owned(), |e| e.to_string());
            let problem = problem.trim_end_matches('.');
            let msg =
                format!("value is not a valid email address: {problem}; other recipients need a `channel`");
            FieldError::new(o.loc("to"), "value_error", msg)
        }
        Some(Err((kind, _))) => {
            let msg = "Input should be an e-mail address as text; other recipients, a Web Push subscription too, need a `channel`";
            FieldError::new(o.loc("to"), kind, msg)
        }
        None => {
            let msg = "Field required: an e-mail address, or another recipient and its `channel`";
            FieldError::new(o.loc("to"), "missing", msg)
        }
    }
}

/// Checks the rest of a message: what its fields cannot tell each by itself.
pub(crate) fn check(message: &Notification, loc: &[Loc], config: &ApiConfig, errors: &mut Errors) {
    let at = |field: &'static str| loc.iter().cloned().chain([field.into()]);
    for p in message.check().err().into_iter().flatten() {
        errors.push(FieldError::new(at(p.field), "value_error", p.problem));
    }
    if let Err(problem) = providers::check(config, message) {
        errors.push(FieldError::new(at("provider"), "value_error", problem));
    }
}

fn channel(v: &Value) -> Result<ChannelKind, Refusal> {
    let all = ChannelKind::ALL.map(ChannelKind::as_str);
    text(v)?.parse().map_err(|_| ("enum", super::fields::one_of(all.into_iter())))
}

/// The recipient of a channel, of an e-mail with the display name; a subscription of Web Push may be an object.
fn recipient(
    channel: ChannelKind,
    to: Option<&Value>,
    loc: Vec<Loc>,
    errors: &mut Errors,
) -> Option<Addressee> {
    let other = |text: String| (Recipient::Other(text), None);
    let read = match (channel, to) {
        (_, None) if channel.recipient_is_optional() => return Some(other(String::new())),
        (_, None) => {
            errors.push(FieldError::missing(loc));
            return None;
        }
        (ChannelKind::WebPush, Some(v @ Value::Object(_))) => Ok(other(v.to_string())),
        (ChannelKind::Email, Some(v)) => text(v).and_then(|t| {
            let read: Result<Mailbox, _> = t.parse();
            let read = read.map_err(|e| ("value_error", format!("value is not a valid email address: {e}")));
            read.map(|Mailbox { name, address }| (Recipient::Email(address), name))
        }),
        (_, Some(v)) => text(v).map(|t| other(t.to_owned())),
    };
    match read {
        Ok(to) => Some(to),
        Err((kind, msg)) => {
            errors.push(FieldError::new(loc, kind, msg));
            None
        }
    }
}

/// An object of texts.
pub(crate) fn texts(v: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let object = v.as_object().ok_or_else(|| ("dict_type", "Input should be a valid object".to_owned()))?;
    object.iter().map(|(name, v)| Ok((name.clone(), text(v)?.to_owned()))).collect()
}

fn object(v: &Value) -> Result<BTreeMap<String, Value>, Refusal> {
    let object = v.as_object().ok_or_else(|| ("dict_type", "Input should be a valid object".to_owned()))?;
    Ok(object.iter().map(|(name, v)| (name.clone(), v.clone())).collect())
}

fn list(v: &Value) -> Result<&[Value], Refusal> {
    let list = v.as_array().ok_or_else(|| ("list_type", "Input should be a valid list".to_owned()))?;
    if list.len() > MAX_LISTED {
        Err(("list_length", format!("List should have at most {MAX_LISTED} items")))
    } else {
        Ok(list)
    }
}

fn mailboxes(v: &Value) -> Result<Vec<Mailbox>, Refusal> {
    list(v)?
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let read = text(v).map_err(|(kind, msg)| (kind, format!("Item {i}: {msg}")))?;
            read.parse().map_err(|e| ("value_error", format!("Item {i}: {e}")))
        })
        .collect()
}

fn attachments(v: &Value) -> Result<Vec<Attachment>, Refusal> {
    list(v)?
        .iter()
        .enumerate()
        .map(|(i, v)| {
            // In our words: the reader would tell of the letters of the id.
            let id = v.get("id").filter(|id| !id.is_null());
            if id.is_some_and(|id| id.as_str().is_none_or(|id| Uuid::try_parse(id).is_err())) {
                let msg = format!("Item {i}: the id should be a valid UUID, as /v1/attachments answered it");
                return Err(("uuid_parsing", msg));
            }
            serde_json::from_value(v.clone()).map_err(|e| ("value_error", format!("Item {i}: {e}")))
        })
        .collect()
}
