//! What the channels over HTTP share: one POST to a provider, and what its answers mean unless it documents otherwise.

use posthaste_core::{Failure, FailureClass, Name};
use posthaste_worker::Context;
use serde_json::Value;

use super::{mark_error, webhook};
use crate::channel::ChannelKind;
use crate::net::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use crate::net::{Answer, Ask, HttpClient, KEPT_ANSWER, Read};
use crate::{Notification, NotifyConfig, Service};

/// The services of one channel.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    channel: ChannelKind,
    config: NotifyConfig,
}

impl Services {
    /// Those of `config`.
    pub(crate) fn new(channel: ChannelKind, config: &NotifyConfig) -> Self {
        Self { channel, config: config.clone() }
    }

    /// The one that a message uses.
    pub(crate) fn of(&self, provider: Option<&Name>) -> Result<&Service, Failure> {
        self.config.service(self.channel, provider).ok_or_else(|| {
            let channel = self.channel;
            let why = match provider {
                Some(name) => format!("No {channel} provider is named {name}: add [providers.{name}] to posthaste.toml."),
                None => format!("No {channel} provider is configured, or several and none named default: see [providers.<name>] of posthaste.toml."),
            };
            Failure::new(FailureClass::Misconfigured, why)
        })
    }
}

/// A request to a provider.
pub(crate) struct Request {
    /// Where to.
    pub(crate) url: String,
    /// Headers beside the content type.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A POST of JSON.
    pub(crate) fn json(url: impl Into<String>, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { url: url.into(), headers, body: serde_json::to_vec(body).expect("JSON is JSON") }
    }

    /// A POST of a form.
    pub(crate) fn form(url: impl Into<String>, pairs: &[(&str, &str)]) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Self { url: url.into(), headers, body: body.into_bytes() }
    }

    /// With a secret header; a value that is none is a fault of the configuration.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            Failure::new(
                FailureClass::Misconfigured,
                format!("The provider's {name} holds characters that no header can."),
            )
        })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// Checks, marks, and sends once.
pub(crate) async fn post(http: &HttpClient, cx: &Context, request: Request) -> Result<Answer, Failure> {
    let Request { url, headers, body } = request;
    // Before the mark: what must not be called is known to have been sent nothing.
    http.guard()
        .check_url(&url)
        .map_err(|e| Failure::new(FailureClass::Misconfigured, format!("The provider's URL: {e}")))?;
    cx.mark().await.map_err(|e| mark_error(&e))?;
    let ask = Ask {
        method: reqwest::Method::POST,
        url: &url,
        headers,
        body,
        within: webhook::within(cx),
        read: Read::Whole(16 * KEPT_ANSWER),
    };
    http.ask(ask).await.map_err(|e| {
        let failure = webhook::failure_without(&e);
        // A provider's address is configuration: a blocked one is no fault of the message.
        if failure.class == FailureClass::Permanent {
            return Failure { class: FailureClass::Misconfigured, ..failure };
        }
        failure
    })
}

/// An answer that is no success, by its status alone; `said` is the provider's own word.
pub(crate) fn failure_of(answer: &Answer, said: &str) -> Failure {
    let status = answer.status;
    let class = match status {
        401 | 403 => FailureClass::Misconfigured,
        429 => FailureClass::Throttled,
        503 if answer.retry_after.is_some() => FailureClass::Throttled,
        408 | 425 | 500..=599 => FailureClass::Transient,
        _ => FailureClass::Permanent,
    };
    let said = if said.is_empty() { answer.text() } else { said.to_owned() };
    let colon = if said.is_empty() { "" } else { ": " };
    let failure = Failure::new(class, format!("The provider answered {status}{colon}{said}"))
        .with_code(status.to_string());
    match answer.retry_after {
        Some(after) => failure.with_retry_after(after),
        None => failure,
    }
}

/// The answer as JSON; null when it is none.
pub(crate) fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// A text of the answer's JSON, as one short line.
pub(crate) fn text_of(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// The message as one text: title, a blank line, text.
pub(crate) fn whole_text(message: &Notification) -> String {
    let given = |t: &Option<String>| t.as_deref().filter(|t| !t.trim().is_empty()).map(str::to_owned);
    match (given(&message.subject), given(&message.message)) {
        (Some(s), Some(m)) => format!("{s}\n\n{m}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => crate::channels::email::message::DEFAULT_TEXT.to_owned(),
    }
}

/// The text alone, or what stands for it.
pub(crate) fn body_text(message: &Notification) -> String {
    let given = |t: &Option<String>| t.as_deref().filter(|t| !t.trim().is_empty()).map(str::to_owned);
    given(&message.message)
        .or_else(|| given(&message.subject))
        .unwrap_or_else(|| crate::channels::email::message::DEFAULT_TEXT.to_owned())
}
