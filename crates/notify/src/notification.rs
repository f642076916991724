//! One message to one recipient over one channel: the payload of a task of kind `notify`.

use std::collections::BTreeMap;
use std::fmt;

use posthaste_core::{Json, Kind, LaneKey, Name, NewTask, OnAmbiguous, RetryPolicy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::is_control;
use crate::attachment::{Attachment, check_attachments};
use crate::channel::ChannelKind;
use crate::channels::email::headers::own_problem;
use crate::config::{DEFAULT_PROVIDER, MAX_PROVIDER_NAME, channel_lane, push_lane};
use crate::digest::sha256_hex;
use crate::mailbox::MAX_NAME as MAX_DISPLAY_NAME;
use crate::{EmailAddress, Mailbox, MailboxError};

/// Longest subject, in bytes: a header line holds 998 (RFC 5322 §2.1.1).
pub const MAX_SUBJECT: usize = 900;
/// Longest text and longest HTML, in bytes; together they fit a task's payload.
pub const MAX_BODY: usize = 100 * 1024;
/// Largest HTML of an e-mail, in bytes; the whole notification must fit a payload besides.
pub const MAX_HTML: usize = 250 * 1024;
/// Most headers of a caller's own.
pub const MAX_HEADERS: usize = 20;
/// Longest value of such a header, in bytes: with its name it fits a line (RFC 5322 §2.1.1).
pub const MAX_HEADER: usize = 900;
/// Most recipients of copies.
pub const MAX_CC: usize = 20;
/// Longest recipient of a channel other than e-mail, in bytes; a subscription of Web Push is the longest.
pub const MAX_TO: usize = 2_048;
/// Longest name of an event and of a category that may be unsubscribed from, in bytes.
pub const MAX_EVENT: usize = 128;
/// Longest name of such a header, in bytes.
const MAX_HEADER_NAME: usize = 76;

/// Headers that are ours to write, or that say who the message went through.
const DENIED_HEADERS: [&str; 16] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "auto-submitted",
    "received",
    "return-path",
    "delivered-to",
    "dkim-signature",
    "authentication-results",
];
/// What names of such headers begin with.
const DENIED_PREFIXES: [&str; 3] = ["content-", "resent-", "arc-"];

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field, by its name in JSON.
    pub field: &'static str,
    /// A sentence that says what is wrong.
    pub problem: String,
}

/// Whom a message is for. Neither form prints by [`Debug`](fmt::Debug), so that it stays out of logs.
#[derive(Clone, PartialEq, Eq)]
pub enum Recipient {
    /// An e-mail address.
    Email(EmailAddress),
    /// What the channel takes: an endpoint, a chat, a number, a subscription; empty where the provider knows.
    Other(String),
}

impl Recipient {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(a) => a.as_str(),
            Self::Other(t) => t,
        }
    }

    /// The e-mail address, if it is one.
    pub fn email(&self) -> Option<&EmailAddress> {
        match self {
            Self::Email(a) => Some(a),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(…)")
    }
}

/// A message for one recipient. Serialized, it is the task's payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Notification {
    /// By which channel.
    pub channel: ChannelKind,
    /// The recipient.
    pub to: Recipient,
    /// The display name of the recipient of an e-mail.
    pub to_name: Option<String>,
    /// The subject line or title.
    pub subject: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// The HTML part of an e-mail, as it is; without one it is made from the text.
    pub html: Option<String>,
    /// Which configured provider sends it; without one, the one named `default`.
    pub provider: Option<Name>,
    /// Where answers to an e-mail go, if not to the sender.
    pub reply_to: Option<Mailbox>,
    /// Who gets copies of an e-mail, seen by all.
    pub cc: Vec<Mailbox>,
    /// Who gets copies of an e-mail, seen by nobody: they are named to the server and never in the message.
    pub bcc: Vec<Mailbox>,
    /// Who an e-mail is from, of those that its provider allows; its provider's own sender unless given.
    pub from: Option<Mailbox>,
    /// Headers of the caller's own, such as `List-Id`; those that are ours to write are refused.
    pub headers: BTreeMap<String, String>,
    /// Files that go with an e-mail.
    pub attachments: Vec<Attachment>,
    /// The category that the recipient may unsubscribe from with one click.
    pub unsubscribe: Option<String>,
    /// What kind of event a webhook tells of.
    pub event: Option<String>,
    /// What a webhook says, as it was written: receivers compare amounts digit by digit.
    pub data: Option<Json>,
    /// What only this channel knows.
    pub options: BTreeMap<String, Value>,
}

/// The form in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    channel: ChannelKind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<Mailbox>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cc: Vec<Mailbox>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<Mailbox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Mailbox>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsubscribe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Json>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, Value>,
}

impl TryFrom<Wire> for Notification {
    type Error = MailboxError;

    fn try_from(w: Wire) -> Result<Self, MailboxError> {
        let (to, to_name) = match w.channel {
            ChannelKind::Email => {
                let Mailbox { name, address } = w.to.parse()?;
                (Recipient::Email(address), name)
            }
            _ => (Recipient::Other(w.to), None),
        };
        Ok(Self {
            channel: w.channel,
            to,
            to_name,
            subject: w.subject,
            message: w.message,
            html: w.html,
            provider: w.provider,
            reply_to: w.reply_to,
            cc: w.cc,
            bcc: w.bcc,
            from: w.from,
            headers: w.headers,
            attachments: w.attachments,
            unsubscribe: w.unsubscribe,
            event: w.event,
            data: w.data,
            options: w.options,
        })
    }
}

impl From<Notification> for Wire {
    fn from(n: Notification) -> Self {
        Self {
            channel: n.channel,
            to: n.named_recipient(),
            subject: n.subject,
            message: n.message,
            html: n.html,
            provider: n.provider,
            reply_to: n.reply_to,
            cc: n.cc,
            bcc: n.bcc,
            from: n.from,
            headers: n.headers,
            attachments: n.attachments,
            unsubscribe: n.unsubscribe,
            event: n.event,
            data: n.data,
            options: n.options,
        }
    }
}

/// Collects what is wrong.
struct Problems(Vec<FieldProblem>);

impl Problems {
    fn refuse(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(FieldProblem { field, problem: problem.into() });
    }
}

impl Notification {
    /// An e-mail to `to` with nothing else set.
    pub fn to(to: EmailAddress) -> Self {
        Self::of(ChannelKind::Email, Recipient::Email(to))
    }

    /// A message by `channel` to `to` with nothing else set. Of an e-mail the recipient must be an address.
    pub fn of(channel: ChannelKind, to: Recipient) -> Self {
        Self {
            channel,
            to,
            to_name: None,
            subject: None,
            message: None,
            html: None,
            provider: None,
            reply_to: None,
            cc: Vec::new(),
            bcc: Vec::new(),
            from: None,
            headers: BTreeMap::new(),
            attachments: Vec::new(),
            unsubscribe: None,
            event: None,
            data: None,
            options: BTreeMap::new(),
        }
    }

    /// Checks everything that the types do not, so that a request can be refused before it is
    /// stored. The handler checks again.
    ///
    /// # Errors
    /// Every problem, one per field.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Problems(Vec::new());
        self.check_recipient(&mut problems);
        self.check_text(&mut problems);
        if self.provider.as_ref().is_some_and(|p| p.as_str().len() > MAX_PROVIDER_NAME) {
            problems.refuse(
                "provider",
                format!("The provider name must be at most {MAX_PROVIDER_NAME} bytes long."),
            );
        }
        self.check_email_fields(&mut problems);
        self.check_webhook_fields(&mut problems);
        if let Err(problem) = self.channel.check_options(&self.options) {
            problems.refuse("options", problem);
        }
        if problems.0.is_empty() { Ok(()) } else { Err(problems.0) }
    }

    fn check_recipient(&self, problems: &mut Problems) {
        match (&self.to, self.channel) {
            (Recipient::Email(_), ChannelKind::Email) => {
                if self
                    .to_name
                    .as_ref()
                    .is_some_and(|n| n.len() > MAX_DISPLAY_NAME || n.chars().any(is_control))
                {
                    problems.refuse(
                        "to",
                        format!("The name must be at most {MAX_DISPLAY_NAME} bytes long, without control characters."),
                    );
                }
            }
            (Recipient::Email(_), _) | (_, ChannelKind::Email) => {
                problems.refuse("to", "The recipient does not fit the channel.");
            }
            (Recipient::Other(to), channel) => {
                if to.len() > MAX_TO {
                    problems.refuse("to", format!("The recipient must be at most {MAX_TO} bytes long."));
                } else if to.chars().any(is_control) {
                    problems
                        .refuse("to", "The recipient must not contain line breaks or control characters.");
                } else if let Err(problem) = channel.check_recipient(to) {
                    problems.refuse("to", problem);
                }
            }
        }
    }

    fn check_text(&self, problems: &mut Problems) {
        let limits = self.channel.limits();
        if let Some(subject) = &self.subject {
            if subject.chars().any(is_control) {
                problems.refuse("subject", "The subject must not contain line breaks or control characters.");
            } else if subject.len() > limits.subject {
                problems
                    .refuse("subject", format!("The subject must be at most {} bytes long.", limits.subject));
            }
        }
        for (field, what, body, most) in
            [("message", "message", &self.message, limits.body), ("html", "HTML", &self.html, MAX_HTML)]
        {
            let Some(body) = body else { continue };
            if body.contains('\0') {
                problems.refuse(field, format!("The {what} must not contain NUL characters."));
            } else if body.len() > most {
                problems.refuse(field, format!("The {what} must be at most {most} bytes long."));
            }
        }
    }

    fn check_email_fields(&self, problems: &mut Problems) {
        if self.channel != ChannelKind::Email {
            let given = [
                ("html", self.html.is_some()),
                ("reply_to", self.reply_to.is_some()),
                ("cc", !self.cc.is_empty()),
                ("bcc", !self.bcc.is_empty()),
                ("from", self.from.is_some()),
                ("headers", !self.headers.is_empty()),
                ("attachments", !self.attachments.is_empty()),
                ("unsubscribe", self.unsubscribe.is_some()),
            ];
            for (field, _) in given.into_iter().filter(|(_, given)| *given) {
                problems.refuse(field, "Only an e-mail can have this.");
            }
            return;
        }
        if self.reply_to.as_ref().is_some_and(|m| m.address.needs_smtputf8()) {
            problems.refuse("reply_to", "The address before its @ must be ASCII.");
        }
        for (field, copies) in [("cc", &self.cc), ("bcc", &self.bcc)] {
            if copies.len() > MAX_CC {
                problems.refuse(field, format!("There must be at most {MAX_CC} recipients of copies."));
            } else if copies.iter().any(|m| m.address.needs_smtputf8()) {
                problems.refuse(field, "The addresses before their @ must be ASCII.");
            }
        }
        if let Some(problem) = header_problem(&self.headers) {
            problems.refuse("headers", problem);
        }
        if let Err(problem) = check_attachments(&self.attachments) {
            problems.refuse("attachments", problem);
        }
        if self.unsubscribe.is_some() && !(self.cc.is_empty() && self.bcc.is_empty()) {
            // One message, one link: whoever got a copy would unsubscribe the recipient with it.
            problems
                .refuse("unsubscribe", "A message with copies cannot be unsubscribed from: send it to each.");
        }
        if let Some(category) = &self.unsubscribe {
            let good = |c: &str| !c.is_empty() && c.len() <= MAX_EVENT && c.bytes().all(is_word_byte);
            if !good(category) {
                problems.refuse(
                    "unsubscribe",
                    format!("A category is 1 to {MAX_EVENT} letters, digits, dots, dashes and underscores."),
                );
            }
        }
    }

    fn check_webhook_fields(&self, problems: &mut Problems) {
        if self.channel != ChannelKind::Webhook {
            for (field, given) in [("event", self.event.is_some()), ("data", self.data.is_some())] {
                if given {
                    problems.refuse(field, "Only a webhook can have this.");
                }
            }
            return;
        }
        if let Some(event) = &self.event
            && (event.is_empty() || event.len() > MAX_EVENT || !event.bytes().all(is_word_byte))
        {
            problems.refuse(
                "event",
                format!("An event is 1 to {MAX_EVENT} letters, digits, dots, dashes and underscores."),
            );
        }
    }

    /// The task that delivers it: kind `notify`, queue `default`, a lane of its provider or endpoint, the retry policy
    /// of its channel, its recipient to be found by.
    pub fn into_task(self) -> NewTask {
        let (lane, policy, recipient) = (self.lane(), policy_of(self.channel), self.recipient_key());
        let payload = Json::from_value(&Wire::from(self)).expect("strings, names and JSON are always JSON");
        NewTask {
            lane: Some(lane),
            policy,
            recipient: Some(recipient),
            ..NewTask::new(Kind::notify(), payload)
        }
    }

    /// Where it waits: behind others for the same provider or endpoint, and for nobody else.
    pub fn lane(&self) -> LaneKey {
        let provider = self.provider.as_ref().map_or(DEFAULT_PROVIDER, Name::as_str);
        match self.channel {
            ChannelKind::Webhook => {
                channel_lane(self.channel, &crate::channels::webhook::target(self.to.as_str()))
            }
            ChannelKind::WebPush => {
                push_lane(provider, &crate::channels::web_push::service_of(self.to.as_str()))
            }
            _ => channel_lane(self.channel, provider),
        }
    }

    /// Its recipient with the display name, as it is written in a request.
    pub fn named_recipient(&self) -> String {
        match &self.to {
            Recipient::Email(address) if self.to_name.is_some() => {
                Mailbox { name: self.to_name.clone(), address: address.clone() }.to_string()
            }
            to => to.as_str().to_owned(),
        }
    }

    /// How its recipient is remembered: `channel:address`.
    pub fn recipient_key(&self) -> String {
        recipient_key(self.channel, &self.to)
    }
}

/// How a recipient is remembered: `channel:address`, an address that is long by its digest.
pub fn recipient_key(channel: ChannelKind, to: &Recipient) -> String {
    let address = match to {
        Recipient::Email(a) => a.suppression_name(),
        Recipient::Other(t) => channel.normal_recipient(t),
    };
    let key = format!("{channel}:{address}");
    if key.len() <= posthaste_core::limits::MAX_KEY_BYTES {
        return key;
    }
    format!("{channel}:sha256:{}", sha256_hex(key.as_bytes()))
}

/// What is tried again, how often and when, unless a request says otherwise.
pub fn policy_of(channel: ChannelKind) -> RetryPolicy {
    match channel {
        ChannelKind::Email => RetryPolicy::email(),
        ChannelKind::Webhook => RetryPolicy::webhook(),
        // Whether a text message was sent cannot be asked, and a second one costs money and patience.
        ChannelKind::Sms => RetryPolicy { on_ambiguous: OnAmbiguous::Hold, ..RetryPolicy::http() },
        ChannelKind::Slack
        | ChannelKind::Discord
        | ChannelKind::Teams
        | ChannelKind::Telegram
        | ChannelKind::Ntfy
        | ChannelKind::Gotify
        | ChannelKind::WebPush => RetryPolicy::http(),
    }
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

/// The first thing that is wrong with the caller's own headers.
fn header_problem(headers: &BTreeMap<String, String>) -> Option<String> {
    if headers.len() > MAX_HEADERS {
        return Some(format!("There must be at most {MAX_HEADERS} headers."));
    }
    let mut seen = Vec::new();
    for (name, value) in headers {
        let good = !name.is_empty()
            && name.len() <= MAX_HEADER_NAME
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if !good {
            return Some(format!(
                "The name of a header must be 1 to {MAX_HEADER_NAME} visible ASCII characters without a colon."
            ));
        }
        let lower = name.to_ascii_lowercase();
        if DENIED_HEADERS.contains(&lower.as_str()) || DENIED_PREFIXES.iter().any(|p| lower.starts_with(p)) {
            return Some(format!("The header {name} is written by the server."));
        }
        if value.chars().any(is_control) {
            return Some(format!("The header {name} must not contain line breaks or control characters."));
        }
        if let Some(problem) = own_problem(name, value) {
            return Some(format!("The header {name} {problem}."));
        }
        if value.len() > MAX_HEADER {
            return Some(format!("The header {name} must be at most {MAX_HEADER} bytes long."));
        }
        if seen.contains(&lower) {
            return Some(format!("The header {name} is given twice."));
        }
        seen.push(lower);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_ours_and_broken_ones_are_refused() {
        let with = |list: &[(&str, &str)]| Notification {
            headers: list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            ..note()
        };
        assert!(with(&[("List-Id", "news <news.example.com>"), ("X-Größe", "1")]).check().is_err());
        assert!(with(&[("List-Id", "news <news.example.com>"), ("X-Note", "größer")]).check().is_ok());
        for bad in [
            &[("Bcc", "x@example.com")][..],
            &[("content-TYPE", "text/plain")],
            &[("Resent-To", "x@example.com")],
            &[("X-A", "1\r\nBcc: x@example.com")],
            &[("X-A:", "1")],
            &[("X A", "1")],
            &[("", "1")],
            &[("X-A", "1"), ("x-a", "2")],
            &[("List-Unsubscribe", "<https://example.com/ü>")],
        ] {
            let problems = with(bad).check().unwrap_err();
            assert_eq!(problems.iter().map(|p| p.field).collect::<Vec<_>>(), ["headers"], "{bad:?}");
        }
        let many: Vec<String> = (0..=MAX_HEADERS).map(|n| format!("X-{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|n| (n.as_str(), "1")).collect();
        assert!(with(&many).check().is_err());
        assert!(with(&many[1..]).check().is_ok());
    }

    fn note() -> Notification {
        Notification::to("dev@example.com".parse().unwrap())
    }

    #[test]
    fn the_payload_reads_back() {
        let n =
            Notification { subject: Some("Hi".into()), provider: Some(Name::new("ses").unwrap()), ..note() };
        let task = n.clone().into_task();
        assert_eq!(
            task.payload.as_str(),
            r#"{"channel":"email","to":"dev@example.com","subject":"Hi","provider":"ses"}"#
        );
        assert_eq!(task.payload.parse::<Notification>().unwrap(), n);
        assert_eq!(task.lane.unwrap().to_string(), "email:ses");
        assert_eq!(task.kind, Kind::notify());
        assert!(task.policy.check().is_ok());
    }

    #[test]
    fn a_name_goes_along_and_the_address_alone_is_remembered() {
        let text = r#"{"channel":"email","to":"\"Ada \\\"the first\\\"\" <Ada@Example.com>","bcc":["b@example.com"],"from":"News <n@example.com>"}"#;
        let n: Notification = serde_json::from_str(text).unwrap();
        assert_eq!((n.to.as_str(), n.to_name.as_deref()), ("Ada@Example.com", Some("Ada \"the first\"")));
        assert_eq!(n.recipient_key(), "email:ada@example.com");
        let task = n.clone().into_task();
        assert_eq!((task.payload.as_str(), task.recipient.as_deref()), (text, Some("email:ada@example.com")));
        assert_eq!(task.payload.parse::<Notification>().unwrap(), n);
        let other = Notification { channel: ChannelKind::Slack, to: Recipient::Other(String::new()), ..n };
        let fields: Vec<_> = other.check().unwrap_err().into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["bcc", "from"]);
        let many = Notification { bcc: vec!["b@example.com".parse().unwrap(); MAX_CC + 1], ..note() };
        assert_eq!(many.check().unwrap_err()[0].field, "bcc");
        let left = Notification { unsubscribe: Some("news".into()), bcc: many.bcc[1..].to_vec(), ..note() };
        assert_eq!(left.check().unwrap_err()[0].field, "unsubscribe");
    }

    #[test]
    fn data_is_kept_as_it_was_written() {
        let text =
            r#"{"channel":"webhook","to":"shop","data":{"b":1e2,"a":12345678901234567890123,"c":12.30}}"#;
        let n: Notification = serde_json::from_str(text).unwrap();
        assert_eq!(n.into_task().payload.as_str(), text);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let n = Notification {
            subject: Some("Hi\r\nBcc: x@example.com".into()),
            message: Some("a\0b".into()),
            html: Some("x".repeat(MAX_HTML + 1)),
            provider: Some(Name::new("x".repeat(128)).unwrap()),
            ..note()
        };
        let fields: Vec<_> = n.check().unwrap_err().into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["subject", "message", "html", "provider"]);
        assert!(note().check().is_ok());
    }

    #[test]
    fn unknown_fields_and_channels_are_refused() {
        for bad in [
            r#"{"channel":"email","to":"dev@example.com","cc":"x"}"#,
            r#"{"channel":"pigeon","to":"dev@example.com"}"#,
            r#"{"channel":"email","to":"nobody"}"#,
            r#"{"channel":"email"}"#,
        ] {
            assert!(serde_json::from_str::<Notification>(bad).is_err(), "{bad}");
        }
    }
}
