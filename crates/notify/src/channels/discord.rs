//! Discord: a webhook.
//!
//! Sources: <https://discord.com/developers/docs/resources/webhook#execute-webhook>,
//! <https://discord.com/developers/docs/topics/rate-limits>.

use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass};
use posthaste_worker::Context;
use serde_json::{Value, json};

use super::service::{Request, Services, failure_of, json_of, post, text_of, whole_text};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

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
        // Nobody is mentioned by what somebody else wrote.
        let mut body = json!({"content": whole_text(message), "allowed_mentions": {"parse": []}});
        if let Some(name) = message.options.get("username") {
            body["username"] = name.clone();
        }
        // With `wait` the answer says that the message is there.
        let joint = if url.expose().contains('?') { '&' } else { '?' };
        let request = Request::json(format!("{}{joint}wait=true", url.expose()), &body);
        let answer = post(&self.http, cx, request).await?;
        if !answer.is_success() {
            return Err(failure(&answer));
        }
        let response = text_of(&json_of(&answer), "/id");
        Ok(Receipt { provider: service.name.to_string(), code: answer.status.to_string(), response })
    }
}

fn failure(answer: &Answer) -> Failure {
    let body = json_of(answer);
    let failure = failure_of(answer, &text_of(&body, "/message"));
    match (answer.status, body.get("code").and_then(Value::as_u64)) {
        // 10015 Unknown Webhook, 50027 Invalid Webhook Token: it was deleted, or its URL is wrong.
        (404, _) | (_, Some(10_015 | 50_027)) => Failure { class: FailureClass::Misconfigured, ..failure },
        (429, _) => {
            // In seconds with a fraction; the header is rounded.
            let after =
                body.get("retry_after").and_then(Value::as_f64).filter(|s| (0.0..86_400.0).contains(s));
            match after {
                Some(seconds) => failure.with_retry_after(Duration::from_secs_f64(seconds)),
                None => failure,
            }
        }
        _ => failure,
    }
}
