//! Runs tasks of kind `notify`: checks the payload, holds the message in the sandbox or hands it to
//! its channel, and remembers addresses that do not exist.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use posthaste_core::{
    Expect, Failure, FailureClass, Json, Kept, Outcome, Record, RecordKind, Records, TaskId, Timestamp,
};
use posthaste_worker::{Context, Handler};
use serde::{Deserialize, Serialize};

use crate::channels::email::message::{Parts, message_id};
use crate::channels::{Channel, registry};
use crate::{EmailAddress, HeldMessage, Mailbox, Notification, NotifyConfig, NotifyResult, Sandbox};

/// Runs tasks of kind `notify`.
pub struct NotifyHandler {
    config: NotifyConfig,
    channels: Vec<Arc<dyn Channel>>,
    suppressions: Option<Arc<dyn Records>>,
    sandbox_from: Mailbox,
}

/// Why an address must not be written to: the body of a
/// [`Suppression`](posthaste_core::RecordKind::Suppression), named by
/// [`EmailAddress::suppression_name`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The channel: `email`.
    pub channel: String,
    /// What the server said.
    pub reason: String,
    /// Its answer code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The task that found out.
    pub task: TaskId,
}

impl NotifyHandler {
    /// A handler with these providers; connections are made when the first message needs one.
    pub fn new(config: NotifyConfig) -> Self {
        let fallback = || "posthaste@localhost".parse().expect("a fixed, valid address");
        let sandbox_from = config.default_from.clone().unwrap_or_else(fallback);
        Self { channels: registry(&config), config, suppressions: None, sandbox_from }
    }

    /// Remembers addresses that a server said do not exist, and refuses to write to them again.
    #[must_use]
    pub fn with_suppressions(mut self, records: Arc<dyn Records>) -> Self {
        self.suppressions = Some(records);
        self
    }

    /// What it was configured with.
    pub fn config(&self) -> &NotifyConfig {
        &self.config
    }

    async fn deliver(&self, cx: &Context) -> Result<Outcome, Failure> {
        let notification = read(&cx.task().payload)?;
        if self.config.sandbox.holds(&notification.to) {
            return Ok(self.hold(&notification, cx.task().lease.task));
        }
        // Every payload is an e-mail by now; `read` refused other channels.
        let channel = self.channels.iter().find(|c| c.kind() == "email").expect("in the registry");
        let task = cx.task().lease.task;
        let lifted = self.refuse_suppressed(&notification.to, task).await?;
        match channel.send(&notification, cx).await {
            Ok(receipt) => {
                if let Some(record) = lifted {
                    self.lift(task, record).await;
                }
                Ok(Outcome::result(json(&receipt.into_result(notification.to.as_str()))))
            }
            Err(failure) => {
                if failure.class == FailureClass::Suppress {
                    self.suppress(&notification.to, task, &failure).await;
                }
                Err(failure)
            }
        }
    }

    /// Keeps the message instead of sending it. Nothing leaves, so no mark is taken.
    fn hold(&self, n: &Notification, task: TaskId) -> Outcome {
        let from = self.config.provider(n.provider.as_ref()).map_or(&self.sandbox_from, |p| &p.from);
        let reason = match &self.config.sandbox {
            Sandbox::OnlyFor(_) => "the sandbox is on for this recipient",
            _ if self.config.providers.is_empty() => "no e-mail provider is configured",
            _ => "the sandbox is on",
        };
        let parts = Parts::of(n);
        let held = HeldMessage {
            channel: "email".to_owned(),
            from: from.to_string(),
            to: n.to.to_string(),
            subject: parts.subject,
            text: parts.text,
            html: parts.html,
            reply_to: parts.reply_to.as_ref().map(ToString::to_string),
            headers: parts.headers,
            date: now(),
            message_id: message_id(task, from),
            reason: reason.to_owned(),
        };
        let result = NotifyResult {
            message: format!("Notification held in the sandbox for {}: {reason}", n.to),
            sandbox: true,
            provider: None,
            code: None,
            response: None,
        };
        let kept = Kept { kind: RecordKind::SandboxMessage, body: json(&held) };
        Outcome::Success { result: Some(json(&result)), kept: Some(kept) }
    }

    /// Refuses an address that is remembered. The very task that found out may ask the server again:
    /// it runs again only because a person retried it. Answers the record that a success would lift.
    async fn refuse_suppressed(&self, to: &EmailAddress, task: TaskId) -> Result<Option<Record>, Failure> {
        let Some(records) = &self.suppressions else { return Ok(None) };
        let record = records.get_record(RecordKind::Suppression, &to.suppression_name()).await;
        let record =
            record.map_err(|e| Failure::new(FailureClass::Unavailable, format!("Nothing was sent: {e}.")))?;
        let Some(record) = record else { return Ok(None) };
        let Ok(found) = record.body.parse::<Suppression>() else {
            return Err(Failure::new(FailureClass::Suppress, "The address is suppressed."));
        };
        if found.task == task {
            return Ok(Some(record));
        }
        let why = format!(
            "The address is suppressed: {}. Retry task {} to ask the server again.",
            found.reason, found.task
        );
        Err(Failure { code: found.code, ..Failure::new(FailureClass::Suppress, why) })
    }

    async fn lift(&self, task: TaskId, record: Record) {
        let Some(records) = &self.suppressions else { return };
        let expect = Expect::Version(record.version);
        if let Err(e) = records.delete_record(RecordKind::Suppression, &record.name, expect).await {
            tracing::warn!(%task, error = %e, "the suppression of a working address could not be lifted");
        }
    }

    async fn suppress(&self, to: &EmailAddress, task: TaskId, failure: &Failure) {
        let Some(records) = &self.suppressions else { return };
        let body = json(&Suppression {
            channel: "email".to_owned(),
            reason: failure.message.clone(),
            code: failure.code.clone(),
            task,
        });
        let name = to.suppression_name();
        if let Err(e) = records.put_record(RecordKind::Suppression, &name, body, Expect::Any).await {
            // The task fails all the same; the next message to this address will find out again.
            tracing::warn!(%task, error = %e, "the suppressed address could not be remembered");
        }
    }
}

#[async_trait]
impl Handler for NotifyHandler {
    async fn run(&self, cx: Context) -> Outcome {
        self.deliver(&cx).await.unwrap_or_else(Outcome::Failure)
    }
}

fn read(payload: &Json) -> Result<Notification, Failure> {
    let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
    let n: Notification =
        payload.parse().map_err(|e| permanent(format!("The payload is not a notification: {e}.")))?;
    n.check().map_err(|problems| {
        let all: Vec<String> = problems.into_iter().map(|p| p.problem).collect();
        permanent(all.join(" "))
    })?;
    Ok(n)
}

fn json<T: Serialize>(value: &T) -> Json {
    Json::from_value(value).expect("structs of strings are always JSON")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
