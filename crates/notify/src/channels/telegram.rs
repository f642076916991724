//! Telegram: a bot.
//!
//! Sources: <https://core.telegram.org/bots/api#making-requests>, <https://core.telegram.org/bots/api#responseparameters>.

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

/// Where bots are served.
pub const API: &str = "https://api.telegram.org";

/// Telegram.
pub struct TelegramChannel {
    services: Services,
    http: HttpClient,
}

impl TelegramChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Telegram, config), http }
    }
}

#[async_trait]
impl Channel for TelegramChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Telegram
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::Telegram { token, api, chat } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        let to = Some(message.to.as_str()).filter(|t| !t.is_empty()).or(chat.as_deref());
        let to = to.ok_or_else(|| {
            Failure::new(
                FailureClass::Permanent,
                "The message names no Telegram chat, nor does its provider.",
            )
        })?;
        let mut body = json!({"chat_id": to, "text": whole_text(message), "link_preview_options": {"is_disabled": true}});
        if let Some(mode) = message.options.get("parse_mode") {
            body["parse_mode"] = mode.clone();
        }
        if let Some(silent) = message.options.get("silent") {
            body["disable_notification"] = silent.clone();
        }
        let url = format!("{}/bot{}/sendMessage", api.trim_end_matches('/'), token.expose());
        let answer = post(&self.http, cx, Request::json(url, &body)).await?;
        let said = json_of(&answer);
        if answer.is_success() && said.get("ok").and_then(Value::as_bool) == Some(true) {
            let id = said.pointer("/result/message_id").map(ToString::to_string).unwrap_or_default();
            return Ok(Receipt {
                provider: service.name.to_string(),
                code: answer.status.to_string(),
                response: id,
            });
        }
        Err(failure(&answer, &said))
    }
}

fn failure(answer: &Answer, said: &Value) -> Failure {
    let text = text_of(said, "/description");
    let failure = failure_of(answer, &text);
    let class = match answer.status {
        // 404 is "Not Found" for a token that nobody has.
        401 | 404 => FailureClass::Misconfigured,
        // "Forbidden: bot was blocked by the user", "user is deactivated", "bot was kicked": this chat, not the bot.
        403 => FailureClass::Suppress,
        400 if text.contains("chat not found") || text.contains("PEER_ID_INVALID") => FailureClass::Suppress,
        200..=299 => FailureClass::Transient,
        _ => failure.class,
    };
    let failure = Failure { class, ..failure };
    match said.pointer("/parameters/retry_after").and_then(Value::as_u64) {
        Some(seconds) => failure.with_retry_after(Duration::from_secs(seconds)),
        None => failure,
    }
}
