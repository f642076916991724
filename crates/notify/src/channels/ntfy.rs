//! ntfy: a topic of ntfy.sh or of a server of one's own.
//!
//! Sources: <https://docs.ntfy.sh/publish/#publish-as-json>, <https://docs.ntfy.sh/publish/#limitations>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass};
use posthaste_worker::Context;
use serde_json::json;

use super::service::{Request, Services, body_text, failure_of, json_of, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::HttpClient;
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
        if answer.is_success() {
            let response = text_of(&json_of(&answer), "/id");
            return Ok(Receipt {
                provider: service.name.to_string(),
                code: answer.status.to_string(),
                response,
            });
        }
        Err(failure_of(&answer, &text_of(&json_of(&answer), "/error")))
    }
}
