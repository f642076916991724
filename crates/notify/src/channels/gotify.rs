//! Gotify: an application of a server of one's own.
//!
//! Source: <https://gotify.net/docs/pushmsg>, <https://gotify.net/api-docs>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass};
use posthaste_worker::Context;
use serde_json::json;

use super::service::{Request, Services, body_text, failure_of, json_of, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::HttpClient;
use crate::{Notification, NotifyConfig, ServiceKind};

/// Gotify.
pub struct GotifyChannel {
    services: Services,
    http: HttpClient,
}

impl GotifyChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Gotify, config), http }
    }
}

#[async_trait]
impl Channel for GotifyChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Gotify
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::Gotify { url, token } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        let mut body = json!({"message": body_text(message)});
        if let Some(subject) = &message.subject {
            body["title"] = subject.clone().into();
        }
        if let Some(priority) = message.options.get("priority") {
            body["priority"] = priority.clone();
        }
        // In a header, not in the address, where logs would keep it.
        let request = Request::json(format!("{}/message", url.trim_end_matches('/')), &body)
            .with("x-gotify-key", token.expose())?;
        let answer = post(&self.http, cx, request).await?;
        let said = json_of(&answer);
        if answer.is_success() {
            let id = said.get("id").map(ToString::to_string).unwrap_or_default();
            return Ok(Receipt {
                provider: service.name.to_string(),
                code: answer.status.to_string(),
                response: id,
            });
        }
        let failure = failure_of(&answer, &text_of(&said, "/errorDescription"));
        // The server knows one path for messages: where it is not found, the address is wrong.
        Err(if answer.status == 404 {
            Failure { class: FailureClass::Misconfigured, ..failure }
        } else {
            failure
        })
    }
}
