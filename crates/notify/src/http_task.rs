//! Tasks of kind `http`: a POST to a URL, which is how code in any language runs as a handler.
//!
//! A 2xx with a body is the task's result. A 202 says that the other side goes on by itself: the worker lets go of the
//! task, and its lease, whose token went along, is the other side's to extend and to settle through the API.

use std::collections::BTreeMap;

use async_trait::async_trait;
use posthaste_core::limits::{DEFAULT_THROTTLE, MAX_RESULT_BYTES, MAX_RESULT_DEPTH};
use posthaste_core::{Failure, FailureClass, Json, Kind, LaneFault, LaneKey, LeaseToken, Outcome};
use posthaste_worker::{Context, Handler};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::channels::{mark_error, now, store_error, webhook};
use crate::net::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use crate::net::{Answer, Ask, HttpClient, Read, read_url};
use crate::notification::FieldProblem;
use crate::signing::Signing;
use crate::witness::{self, Witness};

/// The name of the kind.
pub const KIND: &str = "http";
/// The header with the task's id.
pub const TASK_ID: &str = "posthaste-task-id";
/// The header with the number of the attempt.
pub const ATTEMPT: &str = "posthaste-attempt";
/// The header with the token of the lease: the authority to say what became of the task.
pub const LEASE_TOKEN: &str = "posthaste-lease-token";
/// Most headers of a caller's own.
const MAX_HEADERS: usize = 20;
/// Longest value of one, in bytes.
const MAX_HEADER: usize = 4_096;
/// Headers that are ours, or that say how the connection is used.
const DENIED: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"];

/// The payload.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTask {
    /// Where to.
    pub url: String,
    /// `POST` unless given; also `PUT`, `PATCH`, `DELETE`, `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Headers of the caller's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, any JSON, sent as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
}

impl HttpTask {
    /// Checks it, so that a request can be refused before it is stored.
    ///
    /// # Errors
    /// Every problem, one per field.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut refuse = |field, problem: String| problems.push(FieldProblem { field, problem });
        if let Err(e) = read_url(&self.url) {
            refuse("url", e.to_string());
        }
        if self.method().is_none() {
            refuse("method", "The method must be POST, PUT, PATCH, DELETE or GET.".into());
        }
        if let Err(problem) = self.header_map() {
            refuse("headers", problem);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn method(&self) -> Option<reqwest::Method> {
        match self.method.as_deref().unwrap_or("POST") {
            "POST" => Some(reqwest::Method::POST),
            "PUT" => Some(reqwest::Method::PUT),
            "PATCH" => Some(reqwest::Method::PATCH),
            "DELETE" => Some(reqwest::Method::DELETE),
            "GET" => Some(reqwest::Method::GET),
            _ => None,
        }
    }

    fn header_map(&self) -> Result<HeaderMap, String> {
        if self.headers.len() > MAX_HEADERS {
            return Err(format!("There must be at most {MAX_HEADERS} headers."));
        }
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if DENIED.contains(&lower.as_str())
                || lower.starts_with("posthaste-")
                || lower.starts_with("webhook-")
            {
                return Err(format!("The header {name} is written by the server."));
            }
            let name = HeaderName::from_bytes(lower.as_bytes())
                .map_err(|_| "A header has no valid name.".to_owned())?;
            let fine = value.len() <= MAX_HEADER && !value.chars().any(crate::address::is_control);
            let value = HeaderValue::from_bytes(value.as_bytes()).ok().filter(|_| fine);
            map.insert(name.clone(), value.ok_or_else(|| format!("The header {name} has no valid value."))?);
        }
        Ok(map)
    }

    /// Where such a task waits unless it says otherwise: behind others for the same host and port.
    pub fn lane(&self) -> LaneKey {
        // Not that of webhooks, or both would share the pauses of one host.
        let name = posthaste_core::Name::new(format!("http:{}", webhook::host_and_port(&self.url)));
        LaneKey::target(
            name.unwrap_or_else(|_| posthaste_core::Name::new("http:unknown").expect("a fixed, valid name")),
        )
    }
}

/// A lease token as it goes over the wire: 32 hexadecimal digits.
pub fn token_text(token: LeaseToken) -> String {
    crate::digest::hex(&token.to_bytes())
}

/// A lease token as it came back; `None` when it is none.
pub fn read_token(text: &str) -> Option<LeaseToken> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(|n| LeaseToken::from_bytes(n.to_be_bytes()))
}

/// Runs tasks of kind `http`.
pub struct HttpTaskHandler {
    http: HttpClient,
    signing: Signing,
    witness: Witness,
}

impl HttpTaskHandler {
    /// Over this client, signed with these secrets.
    pub fn new(http: HttpClient, signing: Signing) -> Self {
        Self { http, signing, witness: Witness::default() }
    }

    /// The kind it runs.
    ///
    /// # Panics
    /// Never: the name is fixed.
    pub fn kind() -> Kind {
        Kind::new(KIND).expect("a fixed, valid name")
    }

    async fn call(&self, cx: &Context) -> Result<Outcome, Failure> {
        let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
        let task: HttpTask = cx
            .task()
            .payload
            .parse()
            .map_err(|e| permanent(format!("The payload is not a request: {e}.")))?;
        let method = task.method().ok_or_else(|| permanent("The method is not one that is sent.".into()))?;
        let own = task.header_map().map_err(permanent)?;
        let http = self.http.of(cx.task().tenant.as_ref());
        let url = http.guard().check_url(&task.url).map_err(|e| permanent(e.to_string()))?;
        let lease = cx.task().lease;
        let body = task.body.as_ref().map(|b| b.get().as_bytes().to_vec()).unwrap_or_default();
        let secrets = self.signing.of(cx.task().tenant.as_ref(), now()).await.map_err(|e| store_error(&e))?;
        let mut headers = webhook::signed_headers(&secrets, &lease.task.to_string(), &body);
        if task.body.is_none() {
            headers.remove(CONTENT_TYPE);
            // Where a body would mean something its absence is told (RFC 9110 §8.6).
            if matches!(method, reqwest::Method::POST | reqwest::Method::PUT | reqwest::Method::PATCH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        }
        headers.extend(own);
        let value = |text: String| HeaderValue::try_from(text).expect("ids and numbers are header values");
        headers.insert(HeaderName::from_static(TASK_ID), value(lease.task.to_string()));
        headers.insert(HeaderName::from_static(ATTEMPT), value(cx.task().attempt.to_string()));
        let mut token = value(token_text(lease.token));
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static(LEASE_TOKEN), token);
        cx.mark().await.map_err(|e| mark_error(&e))?;
        let ask = Ask {
            method,
            url,
            headers,
            body,
            within: webhook::within(cx),
            read: Read::Whole(MAX_RESULT_BYTES),
        };
        let answer = http.ask(ask).await.map_err(|e| webhook::failure_without(&e))?;
        let outcome = match answer.status {
            202 => Ok(Outcome::Detached),
            200..=299 => success(&answer),
            _ => Err(failure_of(&answer)),
        };
        match outcome {
            // One route may have a limit of its own: the service has when the next task is answered so, too.
            Err(failure) if failure.lane.is_some() => {
                Err(self.witness.hears(cx.task(), &lease.task.to_string(), witness::TASKS, failure))
            }
            other => {
                self.witness.refutes(cx.task());
                other
            }
        }
    }
}

#[async_trait]
impl Handler for HttpTaskHandler {
    async fn run(&self, cx: Context) -> Outcome {
        self.call(&cx).await.unwrap_or_else(Outcome::Failure)
    }
}

/// What the handler answered, unless nobody could read it again.
fn success(answer: &Answer) -> Result<Outcome, Failure> {
    let result = result_of(answer);
    if result.as_ref().is_some_and(|r| r.is_deeper_than(MAX_RESULT_DEPTH)) {
        let why = format!(
            "The handler succeeded, but its answer is nested more than {MAX_RESULT_DEPTH} levels deep."
        );
        return Err(Failure::new(FailureClass::Permanent, why).with_code("result_too_deep"));
    }
    Ok(Outcome::Success { result, kept: None })
}

/// JSON as it is, anything else as a text; nothing from nothing.
fn result_of(answer: &Answer) -> Option<Json> {
    if answer.body.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let json = answer.content_type.as_deref().is_some_and(|t| t.contains("json"));
    let read = if json { Json::from_text(text.clone()).ok() } else { None };
    read.or_else(|| Json::from_value(&text).ok().filter(|j| j.as_str().len() <= MAX_RESULT_BYTES))
}

fn failure_of(answer: &Answer) -> Failure {
    let said = answer.text();
    let said: String = if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.chars().take(1_000).collect::<String>())
    };
    let status = answer.status;
    let class = match status {
        408 | 425 | 429 | 500..=599 => FailureClass::Transient,
        _ => FailureClass::Permanent,
    };
    let asks = status == 429 || (status == 503 && answer.retry_after.is_some());
    let retry_after = answer.retry_after.or((status == 429).then_some(DEFAULT_THROTTLE));
    Failure {
        retry_after,
        lane: asks.then_some(LaneFault::Throttled),
        ..Failure::new(class, format!("The handler answered {status}{said}")).with_code(status.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> HttpTask {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn requests_are_checked() {
        assert_eq!(read(r#"{"url":"https://example.com/run","body":{"a":1.0}}"#).check(), Ok(()));
        for (bad, field) in [
            (r#"{"url":"ftp://example.com"}"#, "url"),
            (r#"{"url":"https://example.com","method":"TRACE"}"#, "method"),
            (r#"{"url":"https://example.com","headers":{"Host":"x"}}"#, "headers"),
            (r#"{"url":"https://example.com","headers":{"Posthaste-Lease-Token":"x"}}"#, "headers"),
            (r#"{"url":"https://example.com","headers":{"X-A":"1\r\nX-B: 2"}}"#, "headers"),
            (r#"{"url":"https://example.com","headers":{"X A":"1"}}"#, "headers"),
        ] {
            let problems = read(bad).check().unwrap_err();
            assert_eq!(problems.iter().map(|p| p.field).collect::<Vec<_>>(), [field], "{bad}");
        }
        assert!(serde_json::from_str::<HttpTask>(r#"{"url":"x","uri":"y"}"#).is_err());
    }

    #[test]
    fn each_host_and_port_has_a_lane() {
        for (url, lane) in [
            ("https://Example.com/x", "http:example.com"),
            ("https://example.com:443/x", "http:example.com"),
            ("http://example.com:80/x", "http:example.com"),
            ("https://example.com:8443/x", "http:example.com:8443"),
            ("http://example.com:443/x", "http:example.com:443"),
            ("https://[2001:db8::1]/x", "http:_2001:db8::1_"),
            ("http://[2001:db8::1]:8080/x", "http:_2001:db8::1_:8080"),
        ] {
            assert_eq!(read(&format!(r#"{{"url":"{url}"}}"#)).lane().to_string(), lane, "{url}");
        }
        let long = format!("https://{}example.com:65535/x", "a.".repeat(90));
        assert!(read(&format!(r#"{{"url":"{long}"}}"#)).lane().to_string().ends_with(":65535"));
    }

    #[test]
    fn tokens_read_back() {
        let token = LeaseToken { epoch: 7, nonce: u64::MAX - 1 };
        assert_eq!(read_token(&token_text(token)), Some(token));
        for bad in ["", "zz", "0x00000000000000000000000000000000", &"0".repeat(33)] {
            assert_eq!(read_token(bad), None, "{bad}");
        }
    }
}
