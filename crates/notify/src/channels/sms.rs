//! Text messages by Twilio.
//!
//! Sources: <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>,
//! <https://www.twilio.com/docs/api/errors>.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste_core::{Failure, FailureClass as C, LaneFault};
use posthaste_worker::Context;
use serde_json::Value;

use super::rows::{Row, codes, status};
use super::service::{Request, Said, Services, at_most, body_text, json_of, judge, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// Where the API is.
pub const API: &str = "https://api.twilio.com";

/// Longest text, in characters (error 21617).
const MAX_TEXT: usize = 1_600;

/// Text messages.
pub struct SmsChannel {
    services: Services,
    http: HttpClient,
}

impl SmsChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::Sms, config), http }
    }
}

#[async_trait]
impl Channel for SmsChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Sms
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::Twilio { account, token, from, api } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        let url = format!("{}/2010-04-01/Accounts/{account}/Messages.json", api.trim_end_matches('/'));
        let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let text = body_text(message);
        at_most(text.chars().count(), MAX_TEXT, "characters")?;
        let pairs = [("To", message.to.as_str()), (sender, from), ("Body", &text)];
        let credentials = credentials(account, token.expose());
        let request = Request::form(url, &pairs).with("authorization", &format!("Basic {credentials}"))?;
        let answer = post(&self.http, cx, request).await?;
        judge(service, ROWS, &answer, said(&answer))
    }
}

/// What signs in, as RFC 7617 writes it.
pub(super) fn credentials(account: &str, token: &str) -> String {
    STANDARD.encode(format!("{account}:{token}"))
}

fn said(answer: &Answer) -> Said {
    let body = json_of(answer);
    let code = body.get("code").and_then(Value::as_u64).filter(|_| !answer.is_success());
    Said {
        code: code.map(|c| c.to_string()),
        text: text_of(&body, "/message"),
        id: text_of(&body, "/sid"),
        ..Said::default()
    }
}

/// What the answers mean; codes: <https://www.twilio.com/docs/api/errors>. Most of 30xxx come later, to
/// a status callback, but they mean the same there.
pub(crate) const ROWS: &[Row] = &[
    codes(
        &["20003", "20005", "20006", "20008", "20404", "30002", "90010"],
        C::Misconfigured,
        "the account or its credentials are refused",
    ),
    codes(
        &["21212", "21603", "21660", "21661", "21701", "21704", "21705"],
        C::Misconfigured,
        "our number, name or messaging service is refused as the sender",
    ),
    // Each depends on the country of the recipient's number.
    codes(
        &["21606", "21659", "21703", "30032", "30034"],
        C::Transient,
        "our number may not send to this recipient",
    )
    .of_one(LaneFault::Misconfigured),
    codes(
        &["20429", "14107", "21611", "30001", "30022", "63017", "63018"],
        C::Throttled,
        "too fast, or the queue is full",
    ),
    codes(
        &["21211", "21614", "21635", "30005", "30006", "21217"],
        C::Suppress,
        "no number that can get text messages: it is remembered",
    ),
    codes(&["21610"], C::Suppress, "they wrote STOP: the number is remembered"),
    codes(&["21408", "21612", "21608", "30004", "30007", "30010"], C::Permanent, "not to this number"),
    codes(&["21602", "21604", "21617", "21619", "20001", "30019"], C::Permanent, "the message is refused"),
    codes(&["30003", "30008", "30009", "30017", "20500", "20503"], C::Transient, "it may go better later"),
    status(404, C::Misconfigured, "no such account"),
];
