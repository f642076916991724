//! The channels by which a notification is delivered, and their registry.

pub mod discord;
pub mod email;
pub mod gotify;
pub mod ntfy;
pub mod page;
pub mod rows;
mod service;
pub mod slack;
pub mod sms;
pub mod teams;
pub mod telegram;
pub mod web_push;
pub mod webhook;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use posthaste_core::{BrokerError, Failure, FailureClass, Records, Timestamp};
use posthaste_worker::{Context, MarkError};

use crate::channel::ChannelKind;
use crate::net::HttpClient;
use crate::signing::Signing;
use crate::{Notification, NotifyConfig, NotifyResult};

/// What a message of a channel may hold, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelLimits {
    /// The subject.
    pub subject: usize,
    /// Each of text and HTML.
    pub body: usize,
}

/// A provider took the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which provider.
    pub provider: String,
    /// Its answer code.
    pub code: String,
    /// The text of its answer.
    pub response: String,
}

impl Receipt {
    /// The result of the task.
    pub fn into_result(self, to: &str) -> NotifyResult {
        let message = if to.is_empty() {
            format!("Notification sent by {}", self.provider)
        } else {
            format!("Notification sent to {to}")
        };
        NotifyResult {
            message,
            sandbox: false,
            provider: Some(self.provider),
            code: Some(self.code),
            response: Some(self.response).filter(|r| !r.is_empty()),
        }
    }
}

/// A way to deliver a message to one recipient.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Which it is.
    fn kind(&self) -> ChannelKind;

    /// Sends `message` once. It marks the attempt ([`Context::mark`]) right before the first act
    /// that cannot be taken back, and does nothing of that kind unless the mark was granted.
    ///
    /// Dropping the future closes the connection it used: what was not sent by then is not sent.
    ///
    /// # Errors
    /// The failure, with its class.
    async fn send(&self, message: &Notification, attempt: &Context) -> Result<Receipt, Failure>;
}

/// What channels share.
#[derive(Clone)]
pub struct Means {
    /// The client for everything that goes over HTTP.
    pub http: HttpClient,
    /// The store's documents, and the secrets in them; without a store no webhook can be signed.
    pub stored: Option<(Arc<dyn Records>, Signing)>,
}

/// Every channel. A new one is a module here and a line below.
pub fn registry(config: &NotifyConfig, means: &Means) -> Vec<Arc<dyn Channel>> {
    let http = &means.http;
    let mut all: Vec<Arc<dyn Channel>> = vec![
        Arc::new(email::EmailChannel::new(config, means.clone())),
        Arc::new(slack::SlackChannel::new(config, http.clone())),
        Arc::new(discord::DiscordChannel::new(config, http.clone())),
        Arc::new(teams::TeamsChannel::new(config, http.clone())),
        Arc::new(telegram::TelegramChannel::new(config, http.clone())),
        Arc::new(ntfy::NtfyChannel::new(config, http.clone())),
        Arc::new(gotify::GotifyChannel::new(config, http.clone())),
        Arc::new(sms::SmsChannel::new(config, http.clone())),
        Arc::new(web_push::WebPushChannel::new(config, http.clone())),
    ];
    if let Some((records, signing)) = &means.stored {
        all.push(Arc::new(webhook::WebhookChannel::new(http.clone(), signing.clone(), Arc::clone(records))));
    }
    all
}

/// A mark that was not granted, as a failure.
pub(crate) fn mark_error(e: &MarkError) -> Failure {
    let class = match e {
        // Nobody reads this one: the lease is somebody else's.
        MarkError::LeaseLost => FailureClass::Transient,
        MarkError::StoreUnavailable => FailureClass::Unavailable,
    };
    Failure::new(class, format!("Nothing was sent: {e}."))
}

/// A store that failed before anything was sent, as a failure.
pub(crate) fn store_error(e: &BrokerError) -> Failure {
    Failure::new(FailureClass::Unavailable, format!("Nothing was sent: {e}."))
}

/// The time of this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
