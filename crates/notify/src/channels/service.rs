//! What the channels over HTTP share: one POST to a provider, and what its answers mean unless it documents otherwise.

use std::time::Duration;

use posthaste_core::limits::MAX_THROTTLE;
use posthaste_core::{Failure, FailureClass, Name, Tenant};
use posthaste_worker::Context;
use serde_json::Value;

use super::rows::{GENERIC, Row, row_of};
use super::{Receipt, mark_error, webhook};
use crate::channel::ChannelKind;
use crate::net::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use crate::net::{Answer, Ask, HttpClient, Read};
use crate::{Notification, NotifyConfig, Service, ServiceKind};

/// Longest answer that is looked at: Telegram and Discord repeat the message in theirs.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest part of an answer that is told to people.
const MAX_TOLD: usize = 500;

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
    let tenant = cx.task().tenant.as_ref();
    let http = http.of(tenant);
    let url = http
        .guard()
        .check_url(&url)
        .map_err(|e| Failure::new(blocked(tenant), format!("The provider's URL: {e}")))?;
    cx.mark().await.map_err(|e| mark_error(&e))?;
    let ask = Ask {
        method: reqwest::Method::POST,
        url,
        headers,
        body,
        within: webhook::within(cx),
        read: Read::Beginning(MAX_ANSWER),
    };
    http.ask(ask).await.map_err(|e| {
        let failure = webhook::failure_without(&e);
        // A provider's address is configuration: a blocked one is no fault of the message.
        if failure.class == FailureClass::Permanent {
            return Failure { class: blocked(tenant), ..failure };
        }
        failure
    })
}

/// A provider's address is configuration, so a blocked one is no fault of the message; unless it is blocked to a tenant's
/// tasks alone, which must not pause the provider for everybody.
fn blocked(tenant: Option<&Tenant>) -> FailureClass {
    if tenant.is_some() { FailureClass::Permanent } else { FailureClass::Misconfigured }
}

/// What an answer says, as its channel reads it.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The provider's own error code. With one, a 2xx is no success.
    pub(crate) code: Option<String>,
    /// Its sentence; the answer's text when it is empty.
    pub(crate) text: String,
    /// The delay that it asks for, if not by `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// What it calls the message that it took.
    pub(crate) id: String,
    /// Secrets of this one request, beside those of the provider.
    pub(crate) secrets: Vec<String>,
}

/// What an answer means: a receipt, or a failure of the class that the first fitting row gives it, the
/// provider's own rows before [`GENERIC`]. Nothing that the provider signs in with is in either.
pub(crate) fn judge(
    service: &Service,
    rows: &[Row],
    answer: &Answer,
    said: Said,
) -> Result<Receipt, Failure> {
    let status = answer.status;
    let mut secrets = secrets(&service.kind);
    secrets.extend(said.secrets);
    if answer.is_success() && said.code.is_none() {
        let response = short(&redacted(said.id, &secrets));
        return Ok(Receipt { provider: service.name.to_string(), code: status.to_string(), response });
    }
    let row = row_of(&[rows, GENERIC], answer, said.code.as_deref());
    let code = said.code.map(|code| short(&redacted(code, &secrets)));
    let code = code.map_or_else(|| status.to_string(), |code| format!("{status} {code}"));
    let text = if said.text.is_empty() { answer.text() } else { said.text };
    // Taken out before the text is cut: half a secret is one, too.
    let text = short(&redacted(text, &secrets));
    let told = if text.is_empty() { String::new() } else { format!(": {text}") };
    let failure = Failure::new(row.class, format!("{} answered {code}{told}", service.name)).with_code(code);
    // Zero names no time: the header's own does, else the rule's.
    let asked = said.retry_after.filter(|after| !after.is_zero()).or(answer.retry_after);
    let retry_after = asked.map(|after| after.min(MAX_THROTTLE));
    Err(Failure { lane: row.several, retry_after, ..failure })
}

/// One line of at most [`MAX_TOLD`] bytes.
fn short(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > MAX_TOLD {
            break;
        }
        out.push(c);
    }
    out
}

/// `text` without the secrets, should a provider have repeated one.
fn redacted(mut text: String, secrets: &[String]) -> String {
    for secret in secrets.iter().filter(|s| s.len() >= 6) {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "…");
        }
    }
    text
}

/// What must not be in any text that people read.
fn secrets(kind: &ServiceKind) -> Vec<String> {
    match kind {
        ServiceKind::SlackWebhook { url } | ServiceKind::Discord { url } | ServiceKind::Teams { url } => {
            url_secrets(url.expose())
        }
        ServiceKind::SlackBot { token, .. } | ServiceKind::Gotify { token, .. } => {
            vec![token.expose().to_owned()]
        }
        ServiceKind::Twilio { account, token, .. } => {
            let token = token.expose();
            vec![token.to_owned(), super::sms::credentials(account, token)]
        }
        ServiceKind::Telegram { token, .. } => {
            let token = token.expose();
            std::iter::once(token).chain(token.split_once(':').map(|(_, s)| s)).map(str::to_owned).collect()
        }
        ServiceKind::Ntfy { token, .. } => token.iter().map(|t| t.expose().to_owned()).collect(),
        // Its private key is in no request.
        ServiceKind::WebPush { .. } => Vec::new(),
    }
}

/// The secret parts of a URL: everything behind its host, and each long piece of that.
pub(crate) fn url_secrets(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    let pieces = path.split(['/', '?', '&', '=', '#']).filter(|piece| piece.len() >= 12);
    std::iter::once(path).chain(pieces).map(str::to_owned).collect()
}

/// What is markup in the dialects of Markdown that chats understand.
const MARKDOWN: &[char] = &['\\', '*', '_', '~', '`', '|', '[', ']', '<', '>', '#'];

/// `text` so that markup shows as it is written: a backslash before each mark, and before what would
/// begin a list. Links are left alone, or they would lead elsewhere.
pub(crate) fn unmarked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut line_start, mut word_start, mut in_link) = (true, true, false);
    for (at, c) in text.char_indices() {
        if word_start {
            in_link = ["https://", "http://"].iter().any(|scheme| text[at..].starts_with(scheme));
        }
        let angle = matches!(c, '<' | '>');
        let list = line_start && matches!(c, '-' | '+');
        if (MARKDOWN.contains(&c) && (!in_link || angle)) || list {
            out.push('\\');
        }
        out.push(c);
        word_start = c.is_whitespace();
        line_start = c == '\n' || (line_start && c.is_whitespace());
    }
    out
}

/// A text that is too long as it would be sent: providers cut or refuse it.
pub(crate) fn at_most(length: usize, most: usize, unit: &str) -> Result<(), Failure> {
    if length <= most {
        return Ok(());
    }
    let why = format!("The text is {length} {unit} long as it is sent; this channel takes at most {most}.");
    Err(Failure::new(FailureClass::Permanent, why))
}

/// The answer as JSON; null when it is none.
pub(crate) fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// A text of the answer's JSON, as one line.
pub(crate) fn text_of(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_shows_as_it_is_written_and_links_lead_where_they_led() {
        for (text, shown) in [
            ("*a* _b_ `c`", r"\*a\* \_b\_ \`c\`"),
            ("see https://x.example/a_b?c=*d*", "see https://x.example/a_b?c=*d*"),
            ("[click](https://evil.example/a_b)", r"\[click\](https://evil.example/a\_b)"),
            ("https://a.example/<@1>", r"https://a.example/\<@1\>"),
            ("- one\n  + two\nthree - four", "\\- one\n  \\+ two\nthree - four"),
            ("# title\n> quote", "\\# title\n\\> quote"),
            (r"a\*b", r"a\\\*b"),
        ] {
            assert_eq!(unmarked(text), shown);
        }
    }

    #[test]
    fn a_secret_url_is_taken_out_of_texts() {
        let url = "https://hooks.slack.com/services/T0/B0/abcdefghijklmnop?sig=qrstuvwxyz0123";
        let secrets = url_secrets(url);
        for text in [url, "see abcdefghijklmnop", "sig qrstuvwxyz0123!"] {
            let shown = redacted(text.to_owned(), &secrets);
            assert!(!shown.contains("abcdefgh") && !shown.contains("qrstuvw"), "{shown}");
        }
        assert_eq!(redacted("nothing".into(), &secrets), "nothing");
    }
}
