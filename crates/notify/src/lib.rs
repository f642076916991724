//! Notifications: what one is, the channels that deliver them, the providers behind a channel, the
//! class of every answer, and the sandbox.
//!
//! A notification is a task of kind `notify`: one message, one recipient, one channel. This crate
//! checks it ([`Notification::check`]), turns it into a task ([`Notification::into_task`]) and runs
//! it ([`NotifyHandler`]). It stores nothing and decides no retry: it says which
//! [class](posthaste_core::FailureClass) an attempt ended in, and the store does the rest.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

pub mod address;
pub mod channels;
pub mod config;
pub mod handler;
pub mod held;
pub mod mailbox;
pub mod notification;
pub mod result;
pub mod secret;
pub mod smtp_url;

pub use address::{AddressError, EmailAddress};
pub use config::{ConfigError, EmailProvider, NotifyConfig, RecipientPattern, Sandbox};
pub use handler::{NotifyHandler, Suppression};
pub use held::HeldMessage;
pub use mailbox::{Mailbox, MailboxError};
pub use notification::{FieldProblem, Notification};
pub use result::{NotifyResult, result_sentence};
pub use secret::Secret;
pub use smtp_url::{SmtpUrl, SmtpUrlError, Transport};
