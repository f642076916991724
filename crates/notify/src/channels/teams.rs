//! Microsoft Teams: a workflow that posts an adaptive card.
//!
//! Source: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass as C};
use posthaste_worker::Context;
use serde_json::json;

use super::rows::{Row, UNKNOWN_ERROR, codes, status};
use super::service::{Request, Said, Services, at_most, body_text, json_of, judge, post, text_of, unmarked};
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
            blocks.push(json!({"type": "TextBlock", "text": unmarked(subject), "weight": "bolder", "size": "medium", "wrap": true}));
        }
        blocks.push(json!({"type": "TextBlock", "text": lines(&body_text(message)), "wrap": true}));
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": blocks,
        });
        let body = json!({"type": "message", "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card}
        ]});
        let request = Request::json(url.expose(), &body);
        at_most(request.body.len(), MAX_REQUEST, "bytes")?;
        let answer = post(&self.http, cx, request).await?;
        judge(service, ROWS, &answer, said(&answer))
    }
}

/// Text blocks read a subset of Markdown; what somebody wrote is to be seen as it is. One line break
/// alone would be a space.
fn lines(text: &str) -> String {
    unmarked(text).replace("\r\n", "\n").replace('\n', "\n\n")
}

/// Longest request, in bytes.
const MAX_REQUEST: usize = 28 * 1024;

fn said(answer: &Answer) -> Said {
    let (body, text) = (json_of(answer), answer.text());
    let code = if answer.is_success() {
        // The older connectors answer 200 and say in the text what the service behind them answered.
        text.find("HTTP error ").map(|at| text[at..].chars().take("HTTP error 429".len()).collect())
    } else {
        Some(text_of(&body, "/error/code")).filter(|code| !code.is_empty())
    };
    Said { code, text: text_of(&body, "/error/message"), id: text, ..Said::default() }
}

/// What the answers of a workflow or connector mean.
pub(crate) const ROWS: &[Row] = &[
    codes(
        &[
            "WorkflowTriggerIsNotEnabled",
            "WorkflowNotFound",
            "DirectApiAuthorizationRequired",
            "DirectApiInvalidAuthorizationScheme",
            "AuthorizationFailed",
        ],
        C::Misconfigured,
        "the workflow is off, is no more, or its URL has no valid signature",
    ),
    // An old webhook answers 200 and says in words what Teams said.
    codes(&["HTTP error 429"], C::Throttled, "four messages a second and webhook"),
    codes(&["HTTP error 413"], C::Permanent, "too long"),
    codes(
        &["HTTP error 403", "HTTP error 404", "HTTP error 410"],
        C::Misconfigured,
        "the webhook is no more",
    ),
    codes(
        &["HTTP error 500", "HTTP error 502", "HTTP error 503", "HTTP error 504"],
        C::Transient,
        "an error at Teams",
    ),
    status(404, C::Misconfigured, "no such webhook"),
    status(410, C::Misconfigured, "the webhook is no more"),
    UNKNOWN_ERROR,
];
