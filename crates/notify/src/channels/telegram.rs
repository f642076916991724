//! Telegram: a bot.
//!
//! Sources: <https://core.telegram.org/bots/api#making-requests>, <https://core.telegram.org/bots/api#responseparameters>.

use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass, FailureClass as C};
use posthaste_worker::Context;
use serde_json::{Value, json};

use super::rows::{Row, UNKNOWN_ERROR, UNREADABLE, UNREADABLE_SUCCESS, codes, status};
use super::service::{Request, Said, Services, at_most, json_of, judge, post, text_of, whole_text};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// Where bots are served.
pub const API: &str = "https://api.telegram.org";

/// Longest text, in UTF-16 units, as Telegram counts.
const MAX_TEXT: usize = 4_096;

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
        let text = whole_text(message);
        at_most(text.encode_utf16().count(), MAX_TEXT, "UTF-16 units")?;
        let mut body = json!({"chat_id": to, "text": text, "link_preview_options": {"is_disabled": true}});
        if let Some(mode) = message.options.get("parse_mode") {
            body["parse_mode"] = mode.clone();
        }
        if let Some(silent) = message.options.get("silent") {
            body["disable_notification"] = silent.clone();
        }
        let url = format!("{}/bot{}/sendMessage", api.trim_end_matches('/'), token.expose());
        let answer = post(&self.http, cx, Request::json(url, &body)).await?;
        judge(service, ROWS, &answer, said(&answer))
    }
}

fn said(answer: &Answer) -> Said {
    let body = json_of(answer);
    let text = text_of(&body, "/description");
    let code = match body.get("ok").and_then(Value::as_bool) {
        Some(true) => None,
        Some(false) => code_of(&text).or_else(|| answer.is_success().then(|| "unknown".to_owned())),
        None => answer.is_success().then(|| UNREADABLE.to_owned()),
    };
    Said {
        code,
        text,
        retry_after: body.pointer("/parameters/retry_after").and_then(Value::as_u64).map(Duration::from_secs),
        id: body.pointer("/result/message_id").map(ToString::to_string).unwrap_or_default(),
        ..Said::default()
    }
}

/// The server describes its errors in words that have been the same for years and that every client
/// reads. They are turned into codes here, in one place.
fn code_of(description: &str) -> Option<String> {
    let said = description.to_lowercase();
    SAYINGS.iter().find(|(words, _)| said.contains(words)).map(|(_, code)| (*code).to_owned())
}

/// What the description of an error says, and the code that we give it.
pub const SAYINGS: &[(&str, &str)] = &[
    ("bot was blocked by the user", "blocked"),
    ("user is deactivated", "deactivated"),
    ("bot was kicked", "kicked"),
    ("bot is not a member", "not_a_member"),
    ("bot can't initiate conversation", "not_started"),
    ("chat not found", "chat_not_found"),
    ("user not found", "chat_not_found"),
    ("peer_id_invalid", "chat_not_found"),
    ("group chat was upgraded", "chat_moved"),
    ("group chat was deactivated", "chat_closed"),
    ("message is too long", "too_long"),
    ("text is empty", "empty"),
    ("can't parse entities", "markup"),
    ("message thread not found", "thread_not_found"),
    ("topic_closed", "thread_closed"),
    ("not enough rights", "no_rights"),
    ("have no rights", "no_rights"),
    ("chat_write_forbidden", "no_rights"),
];

/// What the answers mean.
pub(crate) const ROWS: &[Row] = &[
    UNREADABLE_SUCCESS,
    codes(
        &["blocked", "deactivated", "kicked", "chat_closed"],
        C::Suppress,
        "they do not want it or are no more: the recipient is remembered",
    ),
    codes(
        &[
            "not_started",
            "not_a_member",
            "chat_not_found",
            "chat_moved",
            "thread_not_found",
            "thread_closed",
            "no_rights",
        ],
        C::Permanent,
        "there is no such chat, or the bot may not write there",
    ),
    codes(&["too_long", "empty", "markup"], C::Permanent, "the message is refused"),
    status(401, C::Misconfigured, "the token is refused"),
    status(404, C::Misconfigured, "no such bot: the token has not its form"),
    status(403, C::Permanent, "the bot may not write there"),
    status(420, C::Throttled, "too fast"),
    UNKNOWN_ERROR,
];
