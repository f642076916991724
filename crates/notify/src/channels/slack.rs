//! Slack: an incoming webhook, or a bot that posts to a channel.
//!
//! Sources: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/methods/chat.postMessage>, <https://docs.slack.dev/apis/web-api/rate-limits>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass};
use posthaste_worker::Context;
use serde_json::json;

use super::service::{Request, Services, failure_of, json_of, post, text_of, whole_text};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// Slack.
pub struct SlackChannel {
    services: Services,
    http: HttpClient,
}

impl SlackChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Slack, config), http }
    }
}

#[async_trait]
impl Channel for SlackChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Slack
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let text = escape(&whole_text(message));
        let (request, bot) = match &service.kind {
            ServiceKind::SlackBot { token, api, channel } => {
                let to = Some(message.to.as_str()).filter(|t| !t.is_empty()).or(channel.as_deref());
                let to = to.ok_or_else(|| {
                    Failure::new(
                        FailureClass::Permanent,
                        "The message names no Slack channel, nor does its provider.",
                    )
                })?;
                let body = json!({"channel": to, "text": text, "unfurl_links": false});
                let url = format!("{}/chat.postMessage", api.trim_end_matches('/'));
                (
                    Request::json(url, &body).with("authorization", &format!("Bearer {}", token.expose()))?,
                    true,
                )
            }
            ServiceKind::SlackWebhook { url } => {
                if !message.to.as_str().is_empty() {
                    return Err(Failure::new(
                        FailureClass::Permanent,
                        "An incoming webhook of Slack has one channel: leave the recipient out, or configure a bot's token.",
                    ));
                }
                (Request::json(url.expose(), &json!({"text": text})), false)
            }
            _ => unreachable!("services are found by their channel"),
        };
        let answer = post(&self.http, cx, request).await?;
        let failed = if bot { bot_failure(&answer) } else { webhook_failure(&answer) };
        match failed {
            Some(failure) => Err(failure),
            None => Ok(Receipt {
                provider: service.name.to_string(),
                code: answer.status.to_string(),
                response: if bot { text_of(&json_of(&answer), "/ts") } else { answer.text() },
            }),
        }
    }
}

/// `&`, `<` and `>` are Slack's markup: mentions and links are written with them.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Incoming webhooks answer a word as plain text.
fn webhook_failure(answer: &Answer) -> Option<Failure> {
    if answer.is_success() {
        return None;
    }
    let word = answer.text();
    Some(with_class(failure_of(answer, ""), &word))
}

/// Methods answer 200 with `ok`, and `error` when it is false.
fn bot_failure(answer: &Answer) -> Option<Failure> {
    let body = json_of(answer);
    if answer.is_success() && body.get("ok").and_then(serde_json::Value::as_bool) == Some(true) {
        return None;
    }
    let word = text_of(&body, "/error");
    let failure = failure_of(answer, &word);
    // A 200 that is no success, and says nothing that is known, may pass.
    let failure =
        if answer.is_success() { Failure { class: FailureClass::Transient, ..failure } } else { failure };
    Some(with_class(failure, &word))
}

fn with_class(failure: Failure, word: &str) -> Failure {
    let class = match word {
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "no_permission"
        | "missing_scope"
        | "org_login_required"
        | "ekm_access_denied"
        | "invalid_token"
        | "no_service"
        | "no_service_id"
        | "no_team"
        | "team_disabled"
        | "action_prohibited"
        | "posting_to_general_channel_denied" => FailureClass::Misconfigured,
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => FailureClass::Throttled,
        "channel_not_found"
        | "is_archived"
        | "channel_is_archived"
        | "not_in_channel"
        | "user_not_found"
        | "restricted_action"
        | "no_text"
        | "msg_too_long"
        | "invalid_payload"
        | "invalid_blocks"
        | "too_many_attachments" => FailureClass::Permanent,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "rollup_error" => {
            FailureClass::Transient
        }
        _ => failure.class,
    };
    Failure { class, ..failure }
}
