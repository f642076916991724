//! Text messages by Twilio.
//!
//! Sources: <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>,
//! <https://www.twilio.com/docs/api/errors>.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste_core::{Failure, FailureClass};
use posthaste_worker::Context;
use serde_json::Value;

use super::service::{Request, Services, body_text, failure_of, json_of, post, text_of};
use super::{Channel, Receipt};
use crate::channel::ChannelKind;
use crate::net::{Answer, HttpClient};
use crate::{Notification, NotifyConfig, ServiceKind};

/// Where the API is.
pub const API: &str = "https://api.twilio.com";

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
        let pairs = [("To", message.to.as_str()), (sender, from), ("Body", &text)];
        let credentials = STANDARD.encode(format!("{account}:{}", token.expose()));
        let request = Request::form(url, &pairs).with("authorization", &format!("Basic {credentials}"))?;
        let answer = post(&self.http, cx, request).await?;
        let said = json_of(&answer);
        if answer.is_success() {
            let response = text_of(&said, "/sid");
            return Ok(Receipt {
                provider: service.name.to_string(),
                code: answer.status.to_string(),
                response,
            });
        }
        Err(failure(&answer, &said))
    }
}

fn failure(answer: &Answer, said: &Value) -> Failure {
    let failure = failure_of(answer, &text_of(said, "/message"));
    let Some(code) = said.get("code").and_then(Value::as_u64) else { return failure };
    let class = match code {
        // Authentication, suspended account, a From that is not ours, no permission for the region, no credit.
        20_003 | 20_005 | 20_008 | 20_404 | 21_212 | 21_408 | 21_606 | 21_659 | 21_660 | 21_703 | 30_002 => {
            FailureClass::Misconfigured
        }
        // Too many requests, concurrency, queue of the sender full.
        20_429 | 14_107 | 21_611 | 30_001 | 63_018 => FailureClass::Throttled,
        // No such number, no mobile number, opted out, unreachable for good.
        21_211 | 21_217 | 21_610 | 21_614 | 30_005 | 30_006 => FailureClass::Suppress,
        // The text or the combination of numbers.
        21_602 | 21_604 | 21_605 | 21_612 | 21_617 | 21_620 | 30_004 | 30_007 => FailureClass::Permanent,
        20_500 | 20_503 | 20_504 | 30_003 | 30_008 => FailureClass::Transient,
        _ => failure.class,
    };
    Failure { class, ..failure }.with_code(format!("{} {code}", answer.status))
}
