//! The channels by which a notification is delivered, and their registry.

pub mod email;

use std::sync::Arc;

use async_trait::async_trait;
use posthaste_core::Failure;
use posthaste_worker::Context;

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
        NotifyResult {
            message: format!("Notification sent to {to}"),
            sandbox: false,
            provider: Some(self.provider),
            code: Some(self.code),
            response: Some(self.response),
        }
    }
}

/// A way to deliver a message to one recipient.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Its name in a payload: `email`.
    fn kind(&self) -> &'static str;

    /// Checks a recipient as a person would write it.
    ///
    /// # Errors
    /// A sentence for that person.
    fn check_address(&self, address: &str) -> Result<(), String>;

    /// What a message may hold.
    fn limits(&self) -> ChannelLimits;

    /// Sends `message` once. It marks the attempt ([`Context::mark`]) right before the first act
    /// that cannot be taken back, and does nothing of that kind unless the mark was granted.
    ///
    /// Dropping the future closes the connection it used: what was not sent by then is not sent.
    ///
    /// # Errors
    /// The failure, with its class.
    async fn send(&self, message: &Notification, attempt: &Context) -> Result<Receipt, Failure>;
}

/// Every channel. A new one is a module here and a line below.
pub fn registry(config: &NotifyConfig) -> Vec<Arc<dyn Channel>> {
    vec![Arc::new(email::EmailChannel::new(config))]
}
