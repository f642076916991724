//! Suppressions and what is known of a recipient.

use std::collections::BTreeMap;

use posthaste_core::broker::{ListFilter, ListRequest};
use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{Expect, Record, RecordKind, RecordOrder, State, TaskId, Tenant, Timestamp};
use posthaste_notify::suppression::{self, Source, Suppression};
use posthaste_notify::{ChannelKind, EmailAddress, NotifyResult};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::now;
use crate::input::path::RecipientPath;
use crate::input::simple::{PageOf, records};
use crate::view::TaskView;
use crate::{Api, ApiError, Caller, schema};

/// A recipient that is not written to.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Suppression, example = json!({
    "recipient": "ann@example.com", "channel": "email", "source": "bounce", "reason": "The server said 550 5.1.1 no such user",
    "code": "550 5.1.1", "created_at": "2026-01-31T09:30:00.000Z"
}))]
pub(crate) struct SuppressionView {
    /// The recipient, as it is to be named in the path.
    pub recipient: String,
    /// The channel.
    pub channel: String,
    /// The tenant whose messages alone it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// `bounce`, `unsubscribe` or `manual`.
    #[schema(value_type = schema::SuppressionSource)]
    pub source: Source,
    /// What was said about it.
    pub reason: String,
    /// A provider's answer code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The category of messages, if not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category: Option<String>,
    /// The task that found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>, nullable = false)]
    pub task: Option<TaskId>,
    /// Since when.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
}

/// What is known of a recipient.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Recipient, example = json!({
    "recipient": "email:ann@example.com", "got_it": true, "counts": { "succeeded": 3, "failed": 1 }, "more": false, "latest": [],
    "suppressions": [{
        "recipient": "news/ann@example.com", "channel": "email", "source": "unsubscribe", "category": "news",
        "reason": "The recipient unsubscribed.", "created_at": "2026-01-31T09:30:00.000Z"
    }]
}))]
pub(crate) struct RecipientView {
    /// The recipient, `channel:address`.
    pub recipient: String,
    /// Whether the newest message that has ended reached its provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub got_it: Option<bool>,
    /// The messages of these pages by state.
    pub counts: BTreeMap<&'static str, u64>,
    /// Whether there are more than were counted.
    pub more: bool,
    /// The newest messages, without their texts.
    pub latest: Vec<TaskView>,
    /// Why it is not written to, if it is not: of all messages first, then of each category, with its name.
    pub suppressions: Vec<SuppressionView>,
}

/// How many of the newest messages are shown.
const LATEST: usize = 20;

fn view(record: &Record) -> Option<SuppressionView> {
    let s: Suppression = record.body.parse().ok()?;
    let category = s.category.as_deref();
    let name = category.and_then(|c| record.name.strip_prefix(c)?.strip_prefix('/')).unwrap_or(&record.name);
    // Records of earlier programs have the tenant in front of the channel, too.
    let ((by_name, _), (by_channel, channel)) = (apart(name), apart(&s.channel));
    Some(SuppressionView {
        recipient: record.name.clone(),
        channel: channel.to_owned(),
        tenant: by_name.or(by_channel).map(str::to_owned),
        source: s.source,
        reason: s.reason,
        code: s.code,
        category: s.category,
        task: s.task,
        created_at: s.created_at.unwrap_or(record.updated_at),
    })
}

impl Api {
    /// A page of suppressions, by recipient.
    pub(crate) async fn suppression_list(
        &self,
        page: &PageOf,
    ) -> Result<(Vec<SuppressionView>, Option<String>), ApiError> {
        let (found, next) = records(self, RecordKind::Suppression, RecordOrder::Ascending, page).await?;
        Ok((found.iter().filter_map(view).collect(), next))
    }

    /// Why a recipient, named as the list names it or as it was put, is not written to.
    pub(crate) async fn suppression(&self, path: &RecipientPath) -> Result<SuppressionView, ApiError> {
        let found = self.suppressed(path).await?;
        found.as_ref().and_then(view).ok_or_else(none)
    }

    async fn suppressed(&self, path: &RecipientPath) -> Result<Option<Record>, ApiError> {
        let records = self.store().as_ref();
        if let Some((recipient, category)) = path.category()
            && let Some(found) = suppression::get(records, &recipient, Some(category)).await?
        {
            return Ok(Some(found));
        }
        if let Some(found) = suppression::get(records, &path.key, None).await? {
            return Ok(Some(found));
        }
        // The list names what is too long by its digest.
        Ok(records.get_record(RecordKind::Suppression, &path.raw).await?)
    }

    /// Lists a recipient by hand: the one of the path, or its category that the path names.
    pub(crate) async fn suppress(
        &self,
        caller: &Caller,
        path: &RecipientPath,
        reason: Option<String>,
        category: Option<String>,
    ) -> Result<SuppressionView, ApiError> {
        let (recipient, category) = match path.category() {
            None => (path.key.clone(), category),
            Some((recipient, named)) if category.as_deref().is_none_or(|c| c == named) => {
                (recipient, Some(named.to_owned()))
            }
            Some((_, named)) => {
                let problem = format!(
                    "The path names the category {named}: leave this out, or say {} for an address like that",
                    path.key
                );
                return Err(ApiError::field(["body", "category"], "value_error", problem));
            }
        };
        let (_, whom) = apart(&recipient);
        let Some((channel, _)) = whom.split_once(':').filter(|_| is_written_to(whom)) else {
            let problem = "There is nobody of that name: give an e-mail address, or another recipient as channel:recipient, for example sms:+4930123456";
            return Err(ApiError::field(["path", "recipient"], "value_error", problem));
        };
        let body = Suppression {
            channel: channel.to_owned(),
            reason: reason.unwrap_or_else(|| "Listed by hand.".into()),
            code: None,
            task: None,
            source: Source::Manual,
            category,
            created_at: Some(now()),
        };
        let name = suppression::put(self.store().as_ref(), &recipient, &body, Expect::Any).await?;
        self.audit(caller, "suppressions.put", "a recipient").await;
        let stored = self.store().get_record(RecordKind::Suppression, &name).await?;
        stored.as_ref().and_then(view).ok_or_else(none)
    }

    /// Lets a recipient be written to again.
    pub(crate) async fn release(&self, caller: &Caller, path: &RecipientPath) -> Result<(), ApiError> {
        let record = self.suppressed(path).await?.ok_or_else(none)?;
        if !self.store().delete_record(RecordKind::Suppression, &record.name, Expect::Any).await? {
            return Err(none());
        }
        self.audit(caller, "suppressions.delete", "a recipient").await;
        Ok(())
    }

    /// Whether somebody got what was sent to them.
    pub(crate) async fn recipient(
        &self,
        caller: &Caller,
        recipient: &str,
    ) -> Result<RecipientView, ApiError> {
        let filter = ListFilter {
            recipient: Some(recipient.to_owned()),
            tenant: caller.tenant_filter(None)?,
            ..ListFilter::default()
        };
        let page =
            self.store().list(ListRequest { filter, limit: MAX_PAGE, ..ListRequest::default() }).await?;
        let own: Vec<_> = page.tasks.into_iter().filter(|t| caller.may_see(t.tenant.as_ref())).collect();
        let mut counts = BTreeMap::new();
        for task in &own {
            *counts.entry(task.state.as_str()).or_insert(0) += 1;
        }
        let newest = own.iter().find(|t| t.state.is_final());
        let got_it = match newest {
            Some(t) if t.state == State::Succeeded => Some(!self.was_held(t.id).await?),
            other => other.map(|_| false),
        };
        let suppressions = self.suppressions_of(caller, recipient).await?;
        let latest = own.into_iter().take(LATEST).map(|t| TaskView::new(t, None)).collect();
        let more = page.next_cursor.is_some();
        Ok(RecipientView { recipient: recipient.to_owned(), got_it, counts, more, latest, suppressions })
    }

    /// What keeps `caller` from writing to a recipient. A tenant is told what came of its own messages, and that the operator
    /// listed somebody, but not why.
    async fn suppressions_of(
        &self,
        caller: &Caller,
        recipient: &str,
    ) -> Result<Vec<SuppressionView>, ApiError> {
        // Before anything is read: other texts may be names of what is kept for another tenant.
        if caller.tenant().is_some() && !is_written_to(recipient) {
            return Ok(Vec::new());
        }
        let records = self.store().as_ref();
        let everybodys = suppression::of_recipient(records, recipient).await?;
        let Some(tenant) = caller.tenant() else { return Ok(everybodys.iter().filter_map(view).collect()) };
        let key = suppression::key_of(recipient, Some(tenant));
        let own = suppression::of_recipient(records, &key).await?;
        let bare = |name: &str| {
            name.replacen(&format!("[{tenant}]email:"), "", 1).replacen(&format!("[{tenant}]"), "", 1)
        };
        let own = own.iter().filter_map(view).map(|s| SuppressionView {
            recipient: bare(&s.recipient),
            tenant: None,
            ..s
        });
        let held = everybodys.iter().filter(|r| suppression::holds_for_all(r)).filter_map(view);
        let held = held.map(|s| {
            let reason =
                if s.source == Source::Manual { "Listed by the operator.".to_owned() } else { s.reason };
            SuppressionView { reason, code: None, task: None, ..s }
        });
        Ok(own.chain(held).collect())
    }

    /// Whether the sandbox held what a task was to send: its result says so, which a list does not have.
    async fn was_held(&self, id: TaskId) -> Result<bool, ApiError> {
        let task = self.store().get(&[id]).await?.into_iter().next().flatten();
        let result = task.and_then(|t| t.result?.parse::<NotifyResult>().ok());
        Ok(result.is_some_and(|r| r.sandbox))
    }
}

/// Whether a key is that of somebody whom a notification can be for, `channel:address`. What is kept for one tenant's messages has
/// that tenant in brackets in front, also behind the channel of an e-mail, and what is long has a digest as its name.
fn is_written_to(key: &str) -> bool {
    let Some((channel, to)) = key.split_once(':') else { return false };
    match channel.parse::<ChannelKind>() {
        Ok(ChannelKind::Email) => to.parse::<EmailAddress>().is_ok(),
        Ok(channel) => !to.is_empty() || channel.recipient_is_optional(),
        Err(_) => false,
    }
}

/// A key as [`suppression::key_of`] makes it, apart: the tenant whose messages alone it is about, and the recipient.
fn apart(key: &str) -> (Option<&str>, &str) {
    match key.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((tenant, whom)) if Tenant::new(tenant).is_ok() => (Some(tenant), whom),
        _ => (None, key),
    }
}

fn none() -> ApiError {
    ApiError::NotFound { what: "that recipient is not suppressed".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_records_are_nobody_whom_a_tenant_writes_to() {
        for key in ["email:ann@example.com", "slack:#ops", "sms:+4930123456", "webhook:shop", "ntfy:[x]"] {
            assert!(is_written_to(key), "{key}");
        }
        let digest = "ab".repeat(32);
        for key in [
            "[globex]email:ann@example.com",
            "email:[globex]email:ann@example.com",
            "email:[globex]slack:#ops",
            "email:news/[globex]email:ann@example.com",
            "news/[globex]email:ann@example.com",
            "news/ann@example.com",
            "customer-42",
            "",
            "sms:",
            &digest,
            &format!("email:{digest}"),
        ] {
            assert!(!is_written_to(key), "{key}");
        }
    }
}
