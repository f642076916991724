//! Notifications: what one is, the channels that deliver them, the providers behind a channel, the
//! class of every answer, and the sandbox.
//!
//! A notification is a task of kind `notify`: one message, one recipient, one channel. This crate
//! checks it ([`Notification::check`]), turns it into a task ([`Notification::into_task`]) and runs
//! it ([`NotifyHandler`]). It stores nothing and decides no retry: it says which
//! [class](posthaste_core::FailureClass) an attempt ended in, and the store does the rest.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

pub mod address;
pub mod attachment;
pub mod callback;
pub mod channel;
pub mod channels;
pub mod config;
pub mod digest;
pub mod ehlo;
pub mod endpoint;
pub mod faults;
mod fingerprint;
pub mod handler;
pub mod held;
pub mod http_task;
pub mod kinds;
pub mod lanes;
pub mod mailbox;
pub mod net;
pub mod notification;
pub mod result;
pub mod secret;
pub mod sign;
pub mod signing;
pub mod smtp_url;
pub mod suppression;
pub mod template;
pub mod unsubscribe;
pub mod witness;

pub use address::{AddressError, EmailAddress};
pub use channel::ChannelKind;
pub use config::{ConfigError, EmailProvider, NotifyConfig, RecipientPattern, Sandbox, Service, ServiceKind};
pub use ehlo::EhloName;
pub use fingerprint::fingerprints;
pub use handler::NotifyHandler;
pub use held::HeldMessage;
pub use kinds::kinds;
pub use mailbox::{Mailbox, MailboxError};
pub use notification::{FieldProblem, Notification, Recipient};
pub use result::{NotifyResult, result_sentence};
pub use secret::Secret;
pub use smtp_url::{SmtpUrl, SmtpUrlError, Transport};
pub use suppression::Suppression;
