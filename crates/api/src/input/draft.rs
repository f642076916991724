//! A notification of `/v1/notifications`: the message and how it is to be sent.

use posthaste_core::{Json, Kind, NewTask, Priority};
use posthaste_notify::{ChannelKind, template};
use serde_json::Value;

use super::fields::{Errors, Object, id, integer, parsed, text, time, word};
use super::notification::Beside;
use super::{notification, retry};
use crate::FieldError;
use crate::operations::send::{Draft, TemplateRef};
use crate::routes::tasks::create::{read_due, read_unique};

/// Reads one notification from `o`, which its caller finishes.
pub(crate) fn draft(o: &mut Object<'_>, beside: Beside<'_>, errors: &mut Errors) -> Option<Draft> {
    let template = o.object(errors, "template").and_then(|t| read_template(t, errors));
    let named = o.value("template").is_some();
    let mut message = notification::message(o, beside, errors);
    let data = o.value("data").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    // The data is the template's; a webhook says it as well.
    if named && let Some(message) = message.as_mut().filter(|m| m.channel != ChannelKind::Webhook) {
        message.data = None;
    }
    if named && let Err(problem) = template::check_data(&data) {
        errors.push(FieldError::new(o.loc("data"), "value_error", problem));
    }
    let mut envelope = NewTask::new(Kind::notify(), Json::from_trusted("null".into()));
    if let Some(queue) = o.optional(errors, "queue", parsed) {
        envelope.queue = queue;
    }
    envelope.tenant = o.optional(errors, "tenant", parsed);
    envelope.priority =
        o.optional(errors, "priority", word(&Priority::ALL, Priority::as_str)).unwrap_or_default();
    envelope.due = read_due(o, "send_at", errors);
    envelope.expires_at = o.optional(errors, "expires_at", time);
    envelope.unique = o.object(errors, "unique").and_then(|u| read_unique(u, errors));
    envelope.id = o.optional(errors, "id", id);
    // Without a message there is no default to override, but what is wrong with it is said all the same.
    let channel = message.as_ref().map_or(ChannelKind::Email, |m| m.channel);
    let base = posthaste_notify::notification::policy_of(channel);
    let own_policy = o.object(errors, "retry").map(|r| retry::override_policy(base, r, errors));
    let template = template.map(|t| (t, data));
    message.map(|message| Draft { message, template, envelope, own_policy })
}

fn read_template(mut o: Object<'_>, errors: &mut Errors) -> Option<TemplateRef> {
    let name = o.required(errors, "name", |v| text(v).map(str::to_owned));
    let version = o.optional(errors, "version", integer(1, 999_999)).and_then(|v| u32::try_from(v).ok());
    o.finish(errors);
    name.map(|name| TemplateRef { name, version })
}
