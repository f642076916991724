//! Gotify: an application of a server of one's own.
//!
//! Source: <https://gotify.net/docs/pushmsg>, <https://gotify.net/api-docs>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass as C};
use posthaste_worker::Context;
use serde_json::json;

use super::rows::{Row, status};
use super::service::{Request, Said, Services, body_text, json_of, judge, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
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
        judge(service, ROWS, &answer, said(&answer))
    }
}

fn said(answer: &Answer) -> Said {
    let body = json_of(answer);
    let id = body.get("id").map(ToString::to_string).unwrap_or_default();
    // `errorCode` is the status again.
    Said { text: text_of(&body, "/errorDescription"), id, ..Said::default() }
}

/// What the answers mean.
pub(crate) const ROWS: &[Row] = &[
    status(400, C::Permanent, "the message is refused"),
    status(404, C::Misconfigured, "there is no Gotify at this URL"),
    status(405, C::Misconfigured, "there is no Gotify at this URL"),
    status(413, C::Permanent, "too long"),
];
