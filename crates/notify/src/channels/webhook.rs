//! Webhooks: a signed POST to a registered endpoint or to a URL.
//!
//! Source: Standard Webhooks, "Considerations for webhook producers": only 2xx succeeds, redirects are failures, 410
//! disables the endpoint, `Retry-After` is heeded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass, Json, Records, Timestamp};
use posthaste_worker::Context;
use serde::Serialize;
use serde_json::Value;

use super::rows::{Code, Row, Status, class_of, status};
use super::{Channel, Receipt, mark_error, now, store_error};
use crate::channel::ChannelKind;
use crate::endpoint::{self, Called, Noted};
use crate::net::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use crate::net::{Allowed, Answer, Ask, Blocked, EXCHANGE, HttpClient, NoAnswer, Read};
use crate::sign::{self, SigningSecret};
use crate::signing::Signing;
use crate::{Notification, net};

/// The event of a webhook that names none.
pub const DEFAULT_EVENT: &str = "notification";
/// Longest part of a lane's name that tells a host.
const MAX_TARGET: usize = 80;

/// What a webhook says.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event: &'a str,
    timestamp: Timestamp,
    data: &'a Json,
}

/// How long an endpoint that was read is believed: one that is disabled or moved gets nothing more after that.
const FRESH: Duration = Duration::from_secs(1);
/// Endpoints that are remembered at once.
const MAX_KNOWN: usize = 1_000;

type Known = HashMap<String, (Instant, Arc<Found>)>;

/// An endpoint that was read, made ready to be called many times.
struct Found {
    endpoint: endpoint::Endpoint,
    version: u64,
    url: Result<Allowed, Blocked>,
    secrets: Vec<SigningSecret>,
}

/// Webhooks.
pub struct WebhookChannel {
    http: HttpClient,
    signing: Signing,
    records: Arc<dyn Records>,
    known: Mutex<Known>,
}

impl WebhookChannel {
    /// Over this client; endpoints and secrets are in the store.
    pub fn new(http: HttpClient, signing: Signing, records: Arc<dyn Records>) -> Self {
        Self { http, signing, records, known: Mutex::default() }
    }
}

/// The part of a lane's name that tells where a webhook goes: an endpoint's name, or a URL's host and port.
pub(crate) fn target(to: &str) -> String {
    if to.contains("://") { format!("@{}", host_and_port(to)) } else { to.to_owned() }
}

/// The host of a URL, and its port unless it is its scheme's own, as part of a lane's name: what listens on one port says
/// nothing of its neighbour.
pub(crate) fn host_and_port(url: &str) -> String {
    let url = net::read_url(url).ok();
    let host = url.as_ref().and_then(|u| u.host_str()).unwrap_or_default();
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':') { c } else { '_' };
    let host: String = host.chars().take(MAX_TARGET).map(plain).collect();
    match url.and_then(|u| u.port()) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// The headers of a signed message.
pub(crate) fn signed_headers(secrets: &[SigningSecret], id: &str, body: &[u8]) -> HeaderMap {
    let seconds = now().as_millis() / 1_000;
    let mut headers = HeaderMap::with_capacity(8);
    let value =
        |text: String| HeaderValue::try_from(text).expect("ids, numbers and base64 are header values");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static(sign::ID), value(id.to_owned()));
    headers.insert(HeaderName::from_static(sign::TIMESTAMP), value(seconds.to_string()));
    headers.insert(
        HeaderName::from_static(sign::SIGNATURE),
        value(sign::signatures(secrets, id, seconds, body)),
    );
    headers
}

/// A body of a signed message: `{"type", "timestamp", "data"}`.
pub(crate) fn body_of(event: &str, data: &Json, timestamp: Timestamp) -> Vec<u8> {
    serde_json::to_vec(&Body { event, timestamp, data }).expect("texts, times and JSON are JSON")
}

/// What the answers of somebody's endpoint mean. It is not ours, and what it says about a request today
/// may be a mistake that is mended tomorrow: all but the clear words are transient.
pub(crate) const ROWS: &[Row] = &[
    status(410, FailureClass::Permanent, "the endpoint is no more: it is disabled"),
    status(429, FailureClass::Throttled, "too fast; 60 s unless the answer names a time"),
    Row {
        status: Status::Asking(503),
        code: Code::Any,
        class: FailureClass::Throttled,
        several: None,
        why: "it asks for a pause",
    },
    Row {
        status: Status::Digit(3),
        code: Code::Any,
        class: FailureClass::Permanent,
        several: None,
        why: "redirects are not followed",
    },
    Row {
        status: Status::Any,
        code: Code::Any,
        class: FailureClass::Transient,
        several: None,
        why: "anything but 2xx",
    },
];

/// An answer that is no success, as the failure of a customer's endpoint.
pub(crate) fn failure_of(answer: &Answer) -> Failure {
    let said = answer.text();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let status = answer.status;
    let class = class_of(&[ROWS], answer, None);
    let what = match (status, class) {
        (300..=399, _) => "redirects are not followed",
        (410, _) => "it is gone for good",
        (_, FailureClass::Throttled) => "it asks to be left alone for a while",
        _ => "it did not take the message",
    };
    let failure = Failure::new(class, format!("The receiver answered {status}, {what}{said}"))
        .with_code(status.to_string());
    match answer.retry_after {
        Some(after) => failure.with_retry_after(after),
        None => failure,
    }
}

/// No answer, as a failure.
pub(crate) fn failure_without(e: &NoAnswer) -> Failure {
    let class = match e {
        NoAnswer::Blocked(_) | NoAnswer::TooLarge(_) => FailureClass::Permanent,
        NoAnswer::Unreachable(_) => FailureClass::Unavailable,
        NoAnswer::Lost(_) => FailureClass::Ambiguous,
    };
    Failure::new(class, e.to_string())
}

/// How long one exchange of an attempt may take.
pub(crate) fn within(cx: &Context) -> Duration {
    // A little less than the attempt, so that what is lost is told as such.
    let attempt = cx.task().policy.timeout;
    attempt.saturating_sub(Duration::from_millis(200)).clamp(Duration::from_millis(1), EXCHANGE.max(attempt))
}

#[async_trait]
impl Channel for WebhookChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let to = message.to.as_str();
        let named = if to.contains("://") { None } else { Some(self.endpoint(to, cx).await?) };
        // Before the mark: what must not be called is known to have been sent nothing.
        let tenant = cx.task().tenant.as_ref();
        let http = self.http.of(tenant);
        let url = match &named {
            // What is kept is of the installation's guard; a tenant's own is the stricter one.
            Some(found) if tenant.is_none() => found.url.clone(),
            Some(found) => http.guard().check_url(&found.endpoint.url),
            None => http.guard().check_url(to),
        };
        let url = url.map_err(|e| Failure::new(FailureClass::Permanent, e.to_string()))?;
        let own;
        let secrets = match &named {
            Some(found) => found.secrets.as_slice(),
            None => {
                own = self.signing.of(tenant, now()).await.map_err(|e| store_error(&e))?;
                &own
            }
        };
        let task = cx.task();
        let event = message.event.as_deref().unwrap_or(DEFAULT_EVENT);
        let data = data_of(message);
        // The time of the event, the same at every attempt.
        let body = body_of(event, &data, task.created_at);
        let headers = signed_headers(secrets, &task.lease.task.to_string(), &body);
        cx.mark().await.map_err(|e| mark_error(&e))?;
        let method = reqwest::Method::POST;
        let answer =
            http.ask(Ask { method, url, headers, body, within: within(cx), read: Read::Glance }).await;
        let (called, outcome) = match answer {
            Ok(answer) if answer.is_success() => (
                Called::Well,
                Ok(Receipt {
                    provider: "webhook".into(),
                    code: answer.status.to_string(),
                    response: answer.text(),
                }),
            ),
            Ok(answer) => {
                let called = if answer.status == 410 { Called::Gone } else { Called::Badly };
                (called, Err(failure_of(&answer)))
            }
            Err(e) => (Called::Badly, Err(failure_without(&e))),
        };
        if let Some(found) = named {
            self.note(cx, to, &found, called).await;
        }
        outcome
    }
}

impl WebhookChannel {
    async fn endpoint(&self, name: &str, cx: &Context) -> Result<Arc<Found>, Failure> {
        let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
        let found = match self.remembered(name) {
            Some(found) => found,
            None => {
                let read = endpoint::find(self.records.as_ref(), name).await.map_err(|e| store_error(&e))?;
                let read = read.ok_or_else(|| permanent(format!("There is no endpoint {name}.")));
                let (endpoint, version) = read?;
                let found = Arc::new(Found {
                    url: self.http.guard().check_url(&endpoint.url),
                    secrets: endpoint.secrets.active(now()),
                    endpoint,
                    version,
                });
                self.remember(name, &found);
                found
            }
        };
        let tenant = cx.task().tenant.as_ref().map(|t| t.as_str());
        if found.endpoint.tenant.is_some() && found.endpoint.tenant.as_deref() != tenant {
            return Err(permanent(format!("There is no endpoint {name}.")));
        }
        match &found.endpoint.disabled {
            Some(disabled) => Err(permanent(format!(
                "The endpoint {name} is disabled ({}); enable it to send again.",
                disabled.reason
            ))),
            None => Ok(found),
        }
    }

    fn remembered(&self, name: &str) -> Option<Arc<Found>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, found)| Arc::clone(found))
    }

    fn remember(&self, name: &str, found: &Arc<Found>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(name.to_owned(), (Instant::now(), Arc::clone(found)));
    }

    async fn note(&self, cx: &Context, name: &str, found: &Found, called: Called) {
        match endpoint::note(self.records.as_ref(), name, (&found.endpoint, found.version), called, now())
            .await
        {
            Ok(Noted::Nothing) => return,
            Ok(Noted::Changed) => {}
            Ok(Noted::Disabled(reason)) => say_disabled(cx, name, &reason),
            Err(e) => {
                // The message itself is settled all the same; the next one notes it.
                tracing::warn!(endpoint = name, error = %e, "how the endpoint answered could not be noted");
            }
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn say_disabled(cx: &Context, name: &str, reason: &str) {
    let task = cx.task();
    let lane = task.lane.as_ref().map(ToString::to_string).unwrap_or_default();
    let cause = match reason {
        "gone" => "it answered 410: it is gone for good",
        _ => "every call of the last days failed",
    };
    tracing::warn!(task_id = %task.lease.task, endpoint = name, lane, reason, cause, "an endpoint is disabled: nothing is sent to it until it is enabled");
}

/// What the message says: its data, or its texts.
fn data_of(message: &Notification) -> Cow<'_, Json> {
    if let Some(data) = &message.data {
        return Cow::Borrowed(data);
    }
    let mut map = serde_json::Map::new();
    for (name, text) in [("subject", &message.subject), ("message", &message.message)] {
        if let Some(text) = text {
            map.insert(name.to_owned(), Value::String(text.clone()));
        }
    }
    Cow::Owned(Json::from(Value::Object(map)))
}
