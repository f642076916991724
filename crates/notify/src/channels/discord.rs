//! Discord: a webhook.
//!
//! Sources: <https://discord.com/developers/docs/resources/webhook#execute-webhook>,
//! <https://discord.com/developers/docs/topics/rate-limits>.

use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass as C};
use posthaste_worker::Context;
use serde_json::{Value, json};

use super::rows::{Row, codes, status};
use super::service::{Request, Said, Services, at_most, json_of, judge, post, text_of, unmarked, whole_text};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// Longest text, in characters.
const MAX_TEXT: usize = 2_000;

/// Discord.
pub struct DiscordChannel {
    services: Services,
    http: HttpClient,
}

impl DiscordChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Discord, config), http }
    }
}

#[async_trait]
impl Channel for DiscordChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Discord
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::Discord { url } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        // Nobody is mentioned, and nothing is a link with another name, by what somebody else wrote.
        let text = unmarked(&whole_text(message));
        at_most(text.chars().count(), MAX_TEXT, "characters")?;
        let mut body = json!({"content": text, "allowed_mentions": {"parse": []}});
        if let Some(name) = message.options.get("username") {
            body["username"] = name.clone();
        }
        // With `wait` the answer says that the message is there.
        let joint = if url.expose().contains('?') { '&' } else { '?' };
        let request = Request::json(format!("{}{joint}wait=true", url.expose()), &body);
        let answer = post(&self.http, cx, request).await?;
        judge(service, ROWS, &answer, said(&answer))
    }
}

fn said(answer: &Answer) -> Said {
    let body = json_of(answer);
    let code = body.get("code").and_then(Value::as_u64).filter(|code| *code != 0 && !answer.is_success());
    // In seconds with a fraction; the header is rounded.
    let asked = body.get("retry_after").and_then(Value::as_f64).filter(|s| (0.0..86_400.0).contains(s));
    Said {
        code: code.map(|c| c.to_string()),
        text: text_of(&body, "/message"),
        retry_after: asked.map(Duration::from_secs_f64),
        id: text_of(&body, "/id"),
        ..Said::default()
    }
}

/// What the answers of a webhook mean; codes:
/// <https://docs.discord.com/developers/topics/opcodes-and-status-codes>.
pub(crate) const ROWS: &[Row] = &[
    codes(&["10015", "50027"], C::Misconfigured, "no such webhook, or its token is refused"),
    codes(&["10003", "10004"], C::Misconfigured, "the webhook's channel or server is no more"),
    codes(&["50001", "50013", "40002", "40001"], C::Misconfigured, "the webhook may not write there"),
    codes(
        &[
            "50006", "50035", "50109", "40005", "40060", "220001", "220002", "220003", "220004", "240000",
            "200000", "200001",
        ],
        C::Permanent,
        "the message is refused",
    ),
    codes(&["20016", "20028", "20029", "40062"], C::Throttled, "too fast"),
    status(404, C::Misconfigured, "no such webhook"),
];
