//! Slack: an incoming webhook, or a bot that posts to a channel.
//!
//! Sources: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/methods/chat.postMessage>, <https://docs.slack.dev/apis/web-api/rate-limits>.

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass, FailureClass as C, LaneFault};
use posthaste_worker::Context;
use serde_json::json;

use super::rows::{Row, UNKNOWN_ERROR, UNREADABLE, UNREADABLE_SUCCESS, codes, status};
use super::service::{Request, Said, Services, json_of, judge, post, text_of, whole_text};
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
                let body = json!({"channel": to, "text": text, "mrkdwn": false, "unfurl_links": false});
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
                (Request::json(url.expose(), &json!({"text": text, "mrkdwn": false})), false)
            }
            _ => unreachable!("services are found by their channel"),
        };
        let answer = post(&self.http, cx, request).await?;
        let (rows, said) =
            if bot { (BOT_ROWS, bot_said(&answer)) } else { (WEBHOOK_ROWS, webhook_said(&answer)) };
        judge(service, rows, &answer, said)
    }
}

/// Mentions and links are written with `&`, `<` and `>`, also where `mrkdwn` switches the rest of the markup off
/// (<https://docs.slack.dev/messaging/formatting-message-text>).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Incoming webhooks answer a word as plain text.
fn webhook_said(answer: &Answer) -> Said {
    let text = answer.text();
    let word = !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    Said {
        code: (word && !answer.is_success()).then(|| text.clone()),
        id: text.clone(),
        text,
        ..Said::default()
    }
}

/// Methods answer 200 with `ok`, and `error` when it is false.
fn bot_said(answer: &Answer) -> Said {
    let body = json_of(answer);
    let code = match body.get("ok").and_then(serde_json::Value::as_bool) {
        Some(true) => None,
        Some(false) => Some(text_of(&body, "/error")),
        None => answer.is_success().then(|| UNREADABLE.to_owned()),
    };
    Said { code, id: text_of(&body, "/ts"), ..Said::default() }
}

/// What the answers of an incoming webhook mean.
pub(crate) const WEBHOOK_ROWS: &[Row] = &[
    codes(
        &[
            "invalid_token",
            "no_active_hooks",
            "no_service",
            "no_service_id",
            "no_team",
            "team_disabled",
            "user_not_found",
            "channel_not_found",
            "channel_is_archived",
            "action_prohibited",
            "posting_to_general_channel_denied",
        ],
        C::Misconfigured,
        "the webhook, or the conversation it is for, is no more or is closed to it",
    ),
    codes(
        &["invalid_payload", "no_text", "too_many_attachments", "invalid_blocks", "msg_too_long"],
        C::Permanent,
        "the message is refused",
    ),
    codes(&["rollup_error"], C::Transient, "an error at Slack"),
    codes(&["rate_limited", "ratelimited"], C::Throttled, "one message a second and conversation"),
    status(404, C::Misconfigured, "no such webhook"),
    status(410, C::Misconfigured, "the webhook is no more"),
    UNKNOWN_ERROR,
];

/// What the answers of `chat.postMessage` mean.
pub(crate) const BOT_ROWS: &[Row] = &[
    UNREADABLE_SUCCESS,
    codes(
        &[
            "not_authed",
            "invalid_auth",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "missing_scope",
            "not_allowed_token_type",
            "org_login_required",
            "ekm_access_denied",
            "team_access_not_granted",
            "two_factor_setup_required",
            "invalid_token",
        ],
        C::Misconfigured,
        "the token is refused or may not do this",
    ),
    codes(
        &[
            "channel_not_found",
            "user_not_found",
            "is_archived",
            "not_in_channel",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "cannot_reply_to_message",
            "messages_tab_disabled",
            "is_inactive",
            "cannot_dm_bot",
            "user_not_visible",
            "restricted_action_non_threadable_channel",
        ],
        C::Permanent,
        "there is no such conversation, or the bot may not write there",
    ),
    // "Make sure your app is a member of the conversation": of one conversation, unless of all.
    codes(&["no_permission", "access_denied"], C::Permanent, "the bot may not write there")
        .of_one(LaneFault::Misconfigured),
    codes(
        &[
            "msg_too_long",
            "no_text",
            "invalid_blocks",
            "too_many_attachments",
            "invalid_arguments",
            "invalid_arg_name",
        ],
        C::Permanent,
        "the message is refused",
    ),
    codes(
        &["rate_limited", "ratelimited", "message_limit_exceeded"],
        C::Throttled,
        "one message a second and conversation",
    ),
    codes(
        &["internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"],
        C::Transient,
        "an error at Slack",
    ),
    UNKNOWN_ERROR,
];
