//! E-mail by SMTP: `lettre` builds the message, this module speaks the protocol, command by command, and says what
//! each answer means.

pub mod asked;
pub mod classes;
mod connection;
mod files;
mod granted;
pub(crate) mod headers;
mod html_text;
pub mod message;
mod offers;
mod pool;
mod reply;
pub mod rows;
mod server;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use posthaste_core::{Failure, FailureClass, Name, Tenant};
use posthaste_worker::Context;

pub(crate) use self::connection::NO_CONNECTION;
pub use self::connection::SmtpTimeouts;
use self::connection::{Budget, Envelope, Refusal};
use self::message::{Draft, File, Parts, build};
use self::pool::Pool;
use self::reply::Reply;
use self::server::Server;
use super::{Channel, Means, Receipt, mark_error, now, store_error};
use crate::channel::ChannelKind;
use crate::config::DEFAULT_PROVIDER;
use crate::signing::Signing;
use crate::witness::{RECIPIENTS, Witness};
use crate::{EmailAddress, EmailProvider, Mailbox, Notification, NotifyConfig, unsubscribe};

/// E-mail by SMTP.
pub struct EmailChannel {
    providers: BTreeMap<Name, Provider>,
    means: Means,
    public_url: Option<String>,
    /// Whose messages got no answer lately.
    unanswered: Witness,
}

struct Provider {
    config: EmailProvider,
    pool: Arc<Pool>,
}

impl EmailChannel {
    /// With the providers of `config`; connects when the first message needs it.
    pub fn new(config: &NotifyConfig, means: Means) -> Self {
        let provider = |p: &EmailProvider| Provider { config: p.clone(), pool: Pool::new(p) };
        let providers = config.providers.iter().map(|(name, p)| (name.clone(), provider(p))).collect();
        Self { providers, means, public_url: config.public_url.clone(), unanswered: Witness::default() }
    }

    fn provider(&self, named: Option<&Name>) -> Result<&Provider, Failure> {
        let found = match named {
            Some(name) => self.providers.get(name),
            None => self.providers.values().find(|p| p.config.name.as_str() == DEFAULT_PROVIDER),
        };
        found.ok_or_else(|| Failure::new(FailureClass::Misconfigured, self.no_provider(named)))
    }

    fn no_provider(&self, named: Option<&Name>) -> String {
        let known: Vec<&str> = self.providers.keys().map(Name::as_str).collect();
        match (named, known.is_empty()) {
            (_, true) => "No e-mail provider is configured: set POSTHASTE_SMTP_URL.".to_owned(),
            (Some(name), false) => {
                format!("No e-mail provider is named {name}; configured: {}.", known.join(", "))
            }
            (None, false) => {
                format!("No e-mail provider is named default; configured: {}.", known.join(", "))
            }
        }
    }
}

/// Connects to a provider and signs in as a message would, without sending anything: for `posthaste doctor`.
///
/// # Errors
/// The failure that a message would end in.
pub async fn probe(provider: &EmailProvider, within: Duration) -> Result<(), Failure> {
    let server = Server::new(provider);
    let budget = Budget::of_attempt(within * 2, &server.timeouts);
    let connection = server.connect(budget).await.map_err(|r| r.into_failure(&server.name()))?;
    connection.quit().await;
    Ok(())
}

#[async_trait]
impl Channel for EmailChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Email
    }

    async fn send(&self, message: &Notification, attempt: &Context) -> Result<Receipt, Failure> {
        let provider = self.provider(message.provider.as_ref()).map_err(|e| {
            // Which providers there are is not a tenant's to know.
            let why = "There is no such e-mail provider for this tenant: its operator adds one.";
            if attempt.task().tenant.is_some() { Failure { message: why.into(), ..e } } else { e }
        })?;
        let Provider { config, pool } = provider;
        let from = config.sender(message.from.as_ref()).ok_or_else(|| foreign_sender(&config.name))?;
        let task = attempt.task();
        let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
        // From here, so that fetching files takes from the time before the final dot, not from the wait after it.
        let budget = Budget::of_attempt(task.policy.timeout, &pool.server.timeouts);
        let to = message.to.email().ok_or_else(|| permanent("The recipient is no e-mail address.".into()))?;
        let mut parts = Parts::of(message);
        parts.files = self.files(message, attempt, budget).await?;
        let signing = self.means.stored.as_ref().map(|(_, signing)| signing);
        parts.unsubscribe =
            unsubscribe_link(message, self.public_url.as_deref(), signing, task.tenant.as_ref()).await?;
        let recipient = Mailbox { name: message.to_name.clone(), address: to.clone() };
        let draft = Draft {
            task: task.lease.task,
            from: &from,
            to: &recipient,
            parts: &parts,
            date: SystemTime::now(),
            eight_bit: true,
        };
        let mut content = build(draft).map_err(|e| permanent(e.to_string()))?;
        let envelope = Envelope {
            from: from.address.to_wire(),
            to: to.to_wire(),
            copies: copies(message),
            from_needs_utf8: from.address.needs_smtputf8(),
            to_needs_utf8: to.needs_smtputf8(),
            eight_bit: !content.is_ascii(),
        };
        let server = &pool.server;
        let refused = |r: Refusal| self.refused(r, &server.name(), message, attempt);
        let (response, left_out) = loop {
            let mut lent = tokio::select! {
                biased;
                () = attempt.cancellation().cancelled() => return Err(cancelled()),
                lent = pool.open(&envelope, budget) => lent.map_err(refused)?,
            };
            if !lent.connection().offers_eight_bit() && parts.files.iter().any(File::wants_eight_bit) {
                content = build(Draft { eight_bit: false, ..draft }).map_err(|e| permanent(e.to_string()))?;
            }
            attempt.mark().await.map_err(|e| mark_error(&e))?;
            // From here on it is finished, whatever the cancellation says: half a message helps nobody.
            match lent.connection().data(&content, &server.timeouts).await {
                Ok(response) => break (response, lent.left_out),
                // Refused for its connection, and so not taken: it may go by another one.
                Err(refusal) => pool.go_on(lent, refusal).await.map_err(refused)?,
            }
        };
        self.unanswered.refutes(task);
        Ok(Receipt {
            provider: config.name.to_string(),
            code: response.code.to_string(),
            response: shown(&response, left_out, envelope.copies.len()),
        })
    }
}

impl EmailChannel {
    /// From RCPT on an answer is about this message, and so is none: it has its own backoff and counts. What it would be of the
    /// provider it is only where several recipients in a row meet it.
    fn refused(&self, refusal: Refusal, server: &str, message: &Notification, attempt: &Context) -> Failure {
        let of_one = refusal.is_of_one();
        let failure = refusal.into_failure(server);
        if !of_one {
            return failure;
        }
        if failure.class == FailureClass::Unavailable {
            let who = message.recipient_key();
            return self.unanswered.hears_unavailable(attempt.task(), &who, RECIPIENTS, failure);
        }
        match failure.pauses() {
            Some(fault) => Failure { class: FailureClass::Transient, ..failure.with_lane(fault) },
            None => failure,
        }
    }

    /// The files of a message. Cancelled, nothing was sent.
    async fn files(
        &self,
        message: &Notification,
        attempt: &Context,
        budget: Budget,
    ) -> Result<Vec<File>, Failure> {
        let tenant = attempt.task().tenant.as_ref();
        let slow = "An attachment could not be fetched in the time of an attempt.";
        tokio::select! {
            biased;
            () = attempt.cancellation().cancelled() => Err(cancelled()),
            files = files::load(&message.attachments, &self.means, tenant) => files,
            () = budget.spent() => Err(Failure::new(FailureClass::Transient, slow)),
        }
    }
}

/// The link by which its recipient unsubscribes from the category of the message, if it has one.
pub(crate) async fn unsubscribe_link(
    message: &Notification,
    public_url: Option<&str>,
    signing: Option<&Signing>,
    tenant: Option<&Tenant>,
) -> Result<Option<String>, Failure> {
    let Some(category) = &message.unsubscribe else { return Ok(None) };
    // Not misconfigured: that would pause the provider for everybody who needs no such link.
    let permanent = |why: &str| Failure::new(FailureClass::Permanent, why);
    let base = public_url.ok_or_else(|| {
        permanent("A message that can be unsubscribed from needs POSTHASTE_PUBLIC_URL, where its link leads.")
    })?;
    let signing = signing.ok_or_else(|| permanent("Links are signed by a store."))?;
    let secrets = signing.secrets(now()).await.map_err(|e| store_error(&e))?;
    let newest = secrets.first().ok_or_else(|| permanent("The installation has no secret that signs."))?;
    let token = unsubscribe::mint_for(newest, &message.recipient_key(), category, tenant);
    Ok(Some(format!("{}/unsubscribe/{token}", base.trim_end_matches('/'))))
}

/// The text of the answer to a message, and how many of its copies were refused before: nothing else tells of them.
fn shown(response: &Reply, left_out: usize, copies: usize) -> String {
    let text = connection::clean(&response.text());
    match left_out {
        0 => text,
        n => format!("{text} ({n} of {copies} copies refused)").trim_start().to_owned(),
    }
}

/// Who gets copies, each address once: servers differ about one that is named twice.
fn copies(message: &Notification) -> Vec<String> {
    let mut seen: Vec<String> = message.to.email().map(EmailAddress::suppression_name).into_iter().collect();
    let mut out = Vec::new();
    for copy in message.cc.iter().chain(&message.bcc) {
        let name = copy.address.suppression_name();
        if !seen.contains(&name) {
            seen.push(name);
            out.push(copy.address.to_wire());
        }
    }
    out
}

/// Of the message alone: the provider goes on for everybody else.
pub(crate) fn foreign_sender(provider: &Name) -> Failure {
    let why = format!(
        "The provider {provider} does not send from this address: add it to senders in [providers.{provider}], or leave from out."
    );
    Failure::new(FailureClass::Permanent, why)
}

fn cancelled() -> Failure {
    Failure::new(FailureClass::Transient, "The attempt was cancelled before anything was sent.")
}
