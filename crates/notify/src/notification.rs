//! One message to one recipient over one channel: the payload of a task of kind `notify`.

use std::collections::BTreeMap;

use posthaste_core::{Json, Kind, Name, NewTask, RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::address::is_control;
use crate::config::{MAX_PROVIDER_NAME, email_lane};
use crate::{EmailAddress, Mailbox};

/// Longest subject, in bytes: a header line holds 998 (RFC 5322 §2.1.1).
pub const MAX_SUBJECT: usize = 900;
/// Longest text and longest HTML, in bytes; together they fit a task's payload.
pub const MAX_BODY: usize = 100 * 1024;
/// Most headers of a caller's own.
pub const MAX_HEADERS: usize = 20;
/// Longest value of such a header, in bytes: with its name it fits a line (RFC 5322 §2.1.1).
pub const MAX_HEADER: usize = 900;
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

/// A message for one recipient. Serialized, it is the task's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct Notification {
    /// The recipient.
    pub to: EmailAddress,
    /// The subject line.
    pub subject: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// The HTML part, as it is; without one it is made from the text.
    pub html: Option<String>,
    /// Which configured provider sends it; without one, the one named `default`.
    pub provider: Option<Name>,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Mailbox>,
    /// Headers of the caller's own, such as `List-Id`; those that are ours to write are refused.
    pub headers: BTreeMap<String, String>,
}

/// The form in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    channel: WireChannel,
    to: EmailAddress,
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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireChannel {
    Email,
}

impl From<Wire> for Notification {
    fn from(w: Wire) -> Self {
        let WireChannel::Email = w.channel;
        Self {
            to: w.to,
            subject: w.subject,
            message: w.message,
            html: w.html,
            provider: w.provider,
            reply_to: w.reply_to,
            headers: w.headers,
        }
    }
}

impl From<Notification> for Wire {
    fn from(n: Notification) -> Self {
        Self {
            channel: WireChannel::Email,
            to: n.to,
            subject: n.subject,
            message: n.message,
            html: n.html,
            provider: n.provider,
            reply_to: n.reply_to,
            headers: n.headers,
        }
    }
}

impl Notification {
    /// A message to `to` with nothing else set.
    pub fn to(to: EmailAddress) -> Self {
        Self {
            to,
            subject: None,
            message: None,
            html: None,
            provider: None,
            reply_to: None,
            headers: BTreeMap::new(),
        }
    }

    /// Checks everything that the types do not, so that a request can be refused before it is
    /// stored. The handler checks again.
    ///
    /// # Errors
    /// Every problem, one per field.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut refuse = |field, problem: String| problems.push(FieldProblem { field, problem });
        if let Some(subject) = &self.subject {
            if subject.chars().any(is_control) {
                refuse("subject", "The subject must not contain line breaks or control characters.".into());
            } else if subject.len() > MAX_SUBJECT {
                refuse("subject", format!("The subject must be at most {MAX_SUBJECT} bytes long."));
            }
        }
        for (field, what, body) in [("message", "message", &self.message), ("html", "HTML", &self.html)] {
            let Some(body) = body else { continue };
            if body.contains('\0') {
                refuse(field, format!("The {what} must not contain NUL characters."));
            } else if body.len() > MAX_BODY {
                refuse(field, format!("The {what} must be at most {MAX_BODY} bytes long."));
            }
        }
        if self.provider.as_ref().is_some_and(|p| p.as_str().len() > MAX_PROVIDER_NAME) {
            refuse("provider", format!("The provider name must be at most {MAX_PROVIDER_NAME} bytes long."));
        }
        if self.reply_to.as_ref().is_some_and(|m| m.address.needs_smtputf8()) {
            refuse("reply_to", "The address before its @ must be ASCII.".into());
        }
        if let Some(problem) = header_problem(&self.headers) {
            refuse("headers", problem);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The task that delivers it: kind `notify`, queue `default`, lane `email:<provider>`, the retry
    /// policy of e-mail.
    pub fn into_task(self) -> NewTask {
        let lane = email_lane(self.provider.as_ref());
        let payload = Json::from_value(&Wire::from(self)).expect("strings and names are always JSON");
        NewTask { lane: Some(lane), policy: RetryPolicy::email(), ..NewTask::new(Kind::notify(), payload) }
    }
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
    fn every_problem_is_named_at_once() {
        let n = Notification {
            subject: Some("Hi\r\nBcc: x@example.com".into()),
            message: Some("a\0b".into()),
            html: Some("x".repeat(MAX_BODY + 1)),
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
