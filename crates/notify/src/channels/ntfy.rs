//! ntfy: a topic of ntfy.sh or of a server of one's own.
//!
//! Sources: <https://docs.ntfy.sh/publish/#publish-as-json>, <https://docs.ntfy.sh/publish/#limitations>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass, FailureClass as C, LaneFault};
use posthaste_worker::Context;
use serde_json::json;

use super::rows::{Row, codes, status};
use super::service::{Request, Said, Services, body_text, json_of, judge, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// The public server.
pub const SERVER: &str = "https://ntfy.sh";

/// ntfy.
pub struct NtfyChannel {
    services: Services,
    http: HttpClient,
}

impl NtfyChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Ntfy, config), http }
    }
}

#[async_trait]
impl Channel for NtfyChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Ntfy
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::Ntfy { url, token, topic } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        let to = Some(message.to.as_str()).filter(|t| !t.is_empty()).or(topic.as_deref());
        let to = to.ok_or_else(|| {
            Failure::new(
                FailureClass::Permanent,
                "The message names no topic of ntfy, nor does its provider.",
            )
        })?;
        let mut body = json!({"topic": to, "message": body_text(message)});
        if let Some(subject) = &message.subject {
            body["title"] = subject.clone().into();
        }
        for name in ["priority", "tags", "click"] {
            if let Some(value) = message.options.get(name) {
                body[name] = value.clone();
            }
        }
        let mut request = Request::json(url.clone(), &body);
        if let Some(token) = token {
            request = request.with("authorization", &format!("Bearer {}", token.expose()))?;
        }
        let answer = post(&self.http, cx, request).await?;
        judge(service, ROWS, &answer, said(&answer))
    }
}

fn said(answer: &Answer) -> Said {
    let body = json_of(answer);
    let code = body.get("code").and_then(serde_json::Value::as_u64).filter(|_| !answer.is_success());
    Said {
        code: code.map(|c| c.to_string()),
        text: text_of(&body, "/error"),
        id: text_of(&body, "/id"),
        ..Said::default()
    }
}

/// What the answers mean; codes: `server/errors.go` of binwiederhier/ntfy.
pub(crate) const ROWS: &[Row] = &[
    codes(&["40101"], C::Misconfigured, "the token is missing or refused"),
    codes(&["40301"], C::Permanent, "not allowed on this topic").of_one(LaneFault::Misconfigured),
    codes(
        &["42901", "42902", "42903", "42904", "42905", "42906", "42907", "42908", "42909", "42910"],
        C::Throttled,
        "a limit or the day's quota is used up",
    ),
    codes(&["41301", "41302", "41303"], C::Permanent, "too long"),
    codes(&["40009", "40010"], C::Permanent, "the topic's name is not allowed"),
    codes(&["50701", "50702", "50703"], C::Transient, "the server's storage is full"),
    status(404, C::Misconfigured, "there is no ntfy at this URL"),
    status(405, C::Misconfigured, "there is no ntfy at this URL"),
    status(507, C::Transient, "the server's storage is full"),
];
