//! Runs tasks of kind `notify`: checks the payload, holds the message in the sandbox or hands it to
//! its channel, and remembers addresses that do not exist.

use std::sync::Arc;

use async_trait::async_trait;
use posthaste_core::{
    BrokerError, Expect, Failure, FailureClass, Json, Kept, LaneFault, Outcome, Record, RecordKind, Records,
    TaskId,
};
use posthaste_worker::{Context, Handler};
use serde::Serialize;

use crate::channel::ChannelKind;
use crate::channels::email::NO_CONNECTION;
use crate::channels::email::message::{Parts, message_id, unsubscribe_headers};
use crate::channels::email::{foreign_sender, unsubscribe_link};
use crate::channels::{Channel, Means, now, registry, store_error};
use crate::config::{DEFAULT_PROVIDER, is_open_to};
use crate::faults::FaultBox;
use crate::fingerprint;
use crate::net::{Guard, HttpClient};
use crate::signing::Signing;
use crate::suppression::{self, Source, Suppression};
use crate::witness::{RECIPIENTS, Witness};
use crate::{HeldMessage, Mailbox, Notification, NotifyConfig, NotifyResult, Sandbox};

/// Runs tasks of kind `notify`.
pub struct NotifyHandler {
    config: NotifyConfig,
    channels: Vec<Arc<dyn Channel>>,
    records: Option<Arc<dyn Records>>,
    signing: Option<Signing>,
    faults: Option<FaultBox>,
    sandbox_from: Mailbox,
    witness: Witness,
}

impl NotifyHandler {
    /// A handler with these providers; connections are made when the first message needs one.
    pub fn new(config: NotifyConfig) -> Self {
        let http = HttpClient::trusting(Guard::new(config.allow.clone()), config.trust.as_ref());
        Self::with_means(config, Means { http, stored: None })
    }

    /// A handler that uses what others use, too.
    pub(crate) fn with_means(config: NotifyConfig, means: Means) -> Self {
        let fallback = || "posthaste@localhost".parse().expect("a fixed, valid address");
        let sandbox_from = config.default_from.clone().unwrap_or_else(fallback);
        let channels = registry(&config, &means);
        let (records, signing) = means.stored.unzip();
        let faults = records.as_ref().map(|r| FaultBox::new(Arc::clone(r)));
        Self { channels, config, records, signing, faults, sandbox_from, witness: Witness::default() }
    }

    /// With the documents of a store: endpoints, attachments, signing secrets, and the addresses that a server said do
    /// not exist, which are not written to again.
    #[must_use]
    pub fn with_records(self, records: Arc<dyn Records>) -> Self {
        let http = HttpClient::trusting(Guard::new(self.config.allow.clone()), self.config.trust.as_ref());
        let signing = Signing::new(Arc::clone(&records), self.config.signing.clone());
        Self::with_means(self.config, Means { http, stored: Some((records, signing)) })
    }

    /// What it was configured with.
    pub fn config(&self) -> &NotifyConfig {
        &self.config
    }

    async fn deliver(&self, cx: &Context) -> Result<Outcome, Failure> {
        let notification = read(&cx.task().payload)?;
        let task = cx.task().lease.task;
        self.refuse_provider(&notification, cx)?;
        if self.config.sandbox.holds(notification.channel, &notification.to) {
            // As before a provider; nobody is asked, so nothing that is remembered is lifted.
            self.refuse_suppressed(&notification, cx).await?;
            if let Some(faults) = &self.faults
                && let Some(failure) = faults.take(notification.channel).await.map_err(|e| store_error(&e))?
            {
                return Err(failure);
            }
            return self.hold(&notification, cx).await;
        }
        let channel = self.channels.iter().find(|c| c.kind() == notification.channel).ok_or_else(|| {
            let why = format!("The channel {} needs a store for its secrets.", notification.channel);
            Failure::new(FailureClass::Misconfigured, why)
        })?;
        let lifted = self.refuse_suppressed(&notification, cx).await?;
        let mut span = cx.span("send");
        span.set("posthaste.channel", || notification.channel.as_str());
        let sent = channel.send(&notification, cx).await;
        match &sent {
            Ok(receipt) => span.set("posthaste.provider", || receipt.provider.clone()),
            Err(failure) => span.fail(failure.class.as_str()),
        }
        drop(span);
        match sent {
            Ok(receipt) => {
                self.witness.refutes(cx.task());
                if let Some(record) = lifted {
                    self.lift(task, record).await;
                }
                let to =
                    if notification.channel == ChannelKind::WebPush { "" } else { notification.to.as_str() };
                Ok(Outcome::result(json(&receipt.into_result(to))))
            }
            // Other messages have the connections: as if this try had not been.
            Err(Failure { code: Some(code), retry_after: Some(delay), .. }) if code == NO_CONNECTION => {
                Ok(Outcome::Snooze { delay })
            }
            Err(failure) => {
                if failure.class == FailureClass::Suppress {
                    self.suppress(&notification, cx, &failure).await;
                }
                Err(self.of_the_lane(&notification, cx, failure).await)
            }
        }
    }

    /// What a failure says of its lane: nothing while it may be one recipient's own. Where the provider itself is the
    /// recipient, it is the provider's. With a refusal of our settings goes which they were.
    async fn of_the_lane(&self, n: &Notification, cx: &Context, failure: Failure) -> Failure {
        let failure = match failure.lane {
            Some(fault) if n.to.as_str().is_empty() => {
                Failure { class: fault.class(), lane: None, ..failure }
            }
            _ => self.witness.hears(cx.task(), &n.recipient_key(), RECIPIENTS, failure),
        };
        if failure.pauses() != Some(LaneFault::Misconfigured) {
            return failure;
        }
        // Without them the pause waits for its probe, as it would without a restart.
        let secrets = match &self.signing {
            Some(signing) => signing.secrets(now()).await.ok(),
            None => None,
        };
        let secret = secrets.as_ref().and_then(|s| s.first());
        let settings = secret.map(|s| fingerprint::of(s, &self.config, n.channel, n.provider.as_ref()));
        Failure { settings, ..failure }
    }

    /// Refuses a task of a tenant that names no provider and would go through that of somebody else. Whoever accepted it may not
    /// have known the providers; a name was judged at the door, where an operator may name any for a tenant. Of the message alone:
    /// a pause would hold up those whose provider it is.
    fn refuse_provider(&self, n: &Notification, cx: &Context) -> Result<(), Failure> {
        let Some(tenant) = cx.task().tenant.as_ref().filter(|_| n.provider.is_none()) else { return Ok(()) };
        let meant = self.config.unnamed(n.channel);
        if meant.is_none_or(|name| is_open_to(name.as_str(), tenant)) {
            return Ok(());
        }
        // Which others there are is not a tenant's to know.
        let why = format!(
            "There is no such {} provider for this tenant: ask the operator for one that is named {DEFAULT_PROVIDER} or as the tenant is.",
            n.channel
        );
        Err(Failure::new(FailureClass::Permanent, why))
    }

    /// Keeps the message instead of sending it. Nothing leaves, so no mark is taken.
    async fn hold(&self, n: &Notification, cx: &Context) -> Result<Outcome, Failure> {
        let task = cx.task().lease.task;
        let email = n.channel == ChannelKind::Email;
        let from = match self.config.provider(n.provider.as_ref()) {
            Some(provider) => {
                provider.sender(n.from.as_ref()).ok_or_else(|| foreign_sender(&provider.name))?
            }
            // Nobody allows anything yet: what the sender wants is shown.
            None => n.from.clone().unwrap_or_else(|| self.sandbox_from.clone()),
        };
        let reason = match &self.config.sandbox {
            Sandbox::OnlyFor(_) => "the sandbox is on for this recipient".to_owned(),
            _ if self.config.sends_nothing() && email => "no e-mail provider is configured".to_owned(),
            _ if self.config.sends_nothing() => format!("no {} provider is configured", n.channel),
            _ => "the sandbox is on".to_owned(),
        };
        let sender = if email { from.to_string() } else { provider_name(n) };
        let mut parts = Parts::of(n);
        // Without a public URL there is no link; to hold the message all the same is what a sandbox is for.
        if email
            && let Some(url) = self.config.public_url.as_deref()
            && let Some(link) =
                unsubscribe_link(n, Some(url), self.signing.as_ref(), cx.task().tenant.as_ref()).await?
        {
            parts.headers.extend(unsubscribe_headers(&link).map(|(name, value)| (name.to_owned(), value)));
        }
        let held = HeldMessage {
            channel: n.channel.as_str().to_owned(),
            from: sender,
            to: n.named_recipient(),
            subject: parts.subject,
            text: parts.text,
            html: parts.html,
            data: n.data.clone(),
            event: n.event.clone(),
            cc: parts.cc.iter().map(ToString::to_string).collect(),
            bcc: n.bcc.iter().map(ToString::to_string).collect(),
            attachments: n.attachments.iter().map(|a| a.filename.clone()).collect(),
            reply_to: parts.reply_to.as_ref().map(ToString::to_string),
            headers: parts.headers,
            date: now(),
            message_id: if email { message_id(task, &from) } else { task.to_string() },
            reason: reason.clone(),
        };
        let whom = if n.to.as_str().is_empty() { n.channel.as_str() } else { n.to.as_str() };
        let result = NotifyResult {
            message: format!("Notification held in the sandbox for {whom}: {reason}"),
            sandbox: true,
            provider: None,
            code: None,
            response: None,
        };
        let kept = Kept { kind: RecordKind::SandboxMessage, body: json(&held) };
        Ok(Outcome::Success { result: Some(json(&result)), kept: Some(kept) })
    }

    /// Refuses a recipient that is remembered. The very task that found out may ask the provider again:
    /// it runs again only because a person retried it. Answers the record that a success would lift.
    async fn refuse_suppressed(&self, n: &Notification, cx: &Context) -> Result<Option<Record>, Failure> {
        let Some(records) = &self.records else { return Ok(None) };
        let (task, tenant) = (cx.task().lease.task, cx.task().tenant.as_ref());
        let (key, category) = (n.recipient_key(), n.unsubscribe.as_deref());
        let found = suppression::holding(records.as_ref(), &key, category, tenant).await;
        let Some(record) = found.map_err(|e| store_error(&e))? else { return Ok(None) };
        let Ok(found) = record.body.parse::<Suppression>() else {
            return Err(Failure::new(FailureClass::Suppress, "The address is suppressed."));
        };
        if found.task == Some(task) {
            return Ok(Some(record));
        }
        let reason = match (tenant, found.source) {
            // What the operator wrote is for the operator.
            (Some(_), Source::Manual) => "listed by the operator",
            _ => found.reason.trim_end_matches('.'),
        };
        let why = match (found.source, found.task) {
            (Source::Bounce, Some(by)) => {
                format!(
                    "The address is suppressed: {}. Retry task {by} to ask the server again.",
                    found.reason
                )
            }
            _ => format!("The address is suppressed: {reason}. Nothing was sent."),
        };
        Err(Failure { code: found.code, ..Failure::new(FailureClass::Suppress, why) })
    }

    async fn lift(&self, task: TaskId, record: Record) {
        let Some(records) = &self.records else { return };
        let expect = Expect::Version(record.version);
        if let Err(e) = records.delete_record(RecordKind::Suppression, &record.name, expect).await {
            tracing::warn!(task_id = %task, error = %e, "the suppression of a working address could not be lifted");
        }
    }

    async fn suppress(&self, n: &Notification, cx: &Context, failure: &Failure) {
        let Some(records) = &self.records else { return };
        let task = cx.task().lease.task;
        let found = Suppression {
            channel: n.channel.as_str().to_owned(),
            reason: failure.message.clone(),
            code: failure.code.clone(),
            task: Some(task),
            source: Source::Bounce,
            category: None,
            created_at: Some(now()),
        };
        let key = suppression::key_of(&n.recipient_key(), cx.task().tenant.as_ref());
        // What is remembered already stays: it knows who found out first.
        match suppression::put(records.as_ref(), &key, &found, Expect::Absent).await {
            Ok(_) | Err(BrokerError::VersionConflict { .. }) => {}
            // The task fails all the same; the next message to this address will find out again.
            Err(e) => {
                tracing::warn!(task_id = %task, error = %e, "the suppressed address could not be remembered")
            }
        }
    }
}

/// Who a message that is no e-mail would be from.
fn provider_name(n: &Notification) -> String {
    n.provider.as_ref().map_or_else(|| n.channel.to_string(), |p| format!("{} ({p})", n.channel))
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
