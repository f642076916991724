//! Microsoft Teams: a workflow that posts an adaptive card.
//!
//! Source: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass};
use posthaste_worker::Context;
use serde_json::json;

use super::service::{Request, Services, body_text, failure_of, json_of, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// Microsoft Teams.
pub struct TeamsChannel {
    services: Services,
    http: HttpClient,
}

impl TeamsChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Teams, config), http }
    }
}

#[async_trait]
impl Channel for TeamsChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Teams
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::Teams { url } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        let mut blocks = Vec::new();
        if let Some(subject) = message.subject.as_deref().filter(|s| !s.trim().is_empty()) {
            blocks.push(json!({"type": "TextBlock", "text": plain(subject), "weight": "bolder", "size": "medium", "wrap": true}));
        }
        blocks.push(json!({"type": "TextBlock", "text": plain(&body_text(message)), "wrap": true}));
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": blocks,
        });
        let body = json!({"type": "message", "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card}
        ]});
        let answer = post(&self.http, cx, Request::json(url.expose(), &body)).await?;
        match failure(&answer) {
            Some(failure) => Err(failure),
            None => Ok(Receipt {
                provider: service.name.to_string(),
                code: answer.status.to_string(),
                response: answer.text(),
            }),
        }
    }
}

/// Text blocks read a subset of Markdown; what somebody wrote is to be seen as it is.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '*' | '_' | '[' | ']' | '#' | '`' | '<' | '>' | '~') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn failure(answer: &Answer) -> Option<Failure> {
    let said = text_of(&json_of(answer), "/error/message");
    // The older connectors answer 200 and say in the text that the service behind them answered 429.
    if answer.is_success() {
        let text = answer.text();
        let throttled = text.contains("HTTP error 429");
        return throttled.then(|| {
            Failure::new(FailureClass::Throttled, format!("The provider answered: {text}")).with_code("429")
        });
    }
    let failure = failure_of(answer, &said);
    match answer.status {
        // The workflow was deleted or switched off.
        404 | 410 => Some(Failure { class: FailureClass::Misconfigured, ..failure }),
        _ => Some(failure),
    }
}
