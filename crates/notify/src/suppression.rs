//! Recipients that must not be written to: addresses that do not exist, people who unsubscribed, whom somebody listed.

use posthaste_core::{BrokerError, Expect, Json, Record, RecordKind, Records, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a suppression comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A provider said that there is no such recipient.
    #[default]
    Bounce,
    /// The recipient unsubscribed.
    Unsubscribe,
    /// Somebody listed it.
    Manual,
}

/// Why a recipient must not be written to: the body of a
/// [`Suppression`](posthaste_core::RecordKind::Suppression), under the name of [`record_name`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The channel.
    pub channel: String,
    /// What a provider or person said.
    pub reason: String,
    /// A provider's answer code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The task that found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Where it comes from.
    #[serde(default)]
    pub source: Source,
    /// The category of messages, if not all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// Most categories that are remembered of one recipient; the oldest are forgotten, and still hold.
const MAX_CATEGORIES: usize = 100;

/// The name of a recipient's record, from its key `channel:address`: an e-mail address stands alone, as it always has;
/// a category goes in front.
pub fn record_name(recipient: &str, category: Option<&str>) -> String {
    let plain = recipient.strip_prefix("email:").unwrap_or(recipient);
    let name = match category {
        Some(category) => format!("{category}/{plain}"),
        None => plain.to_owned(),
    };
    let most = posthaste_core::limits::MAX_KEY_BYTES;
    if name.len() <= most {
        return name;
    }
    crate::digest::sha256_hex(name.as_bytes())
}

impl Suppression {
    /// Its record's body.
    ///
    /// # Panics
    /// Never: it is made of texts.
    pub fn body(&self) -> Json {
        Json::from_value(self).expect("texts are JSON")
    }
}

/// A suppression with its record, of all messages or of the category; `None` when there is none.
///
/// # Errors
/// The store's.
pub async fn find(
    records: &dyn Records,
    recipient: &str,
    category: Option<&str>,
) -> Result<Option<Record>, BrokerError> {
    let all = records.get_record(RecordKind::Suppression, &record_name(recipient, None)).await?;
    // `news/ann@example.com` is an address, too: what Ann unsubscribed from says nothing about whoever has it.
    let all = all.filter(|r| !r.body.parse::<Suppression>().is_ok_and(|s| s.category.is_some()));
    match (all, category) {
        (None, Some(_)) => {
            records.get_record(RecordKind::Suppression, &record_name(recipient, category)).await
        }
        (all, _) => Ok(all),
    }
}

/// Stores a suppression of a recipient, `channel:address`; its record's name.
///
/// # Errors
/// [`BrokerError::VersionConflict`] where it was to be absent and is there; the store's.
pub async fn put(
    records: &dyn Records,
    recipient: &str,
    suppression: &Suppression,
    expect: Expect,
) -> Result<String, BrokerError> {
    let category = suppression.category.as_deref();
    // First, so that one that holds is always found; one that was removed is looked up in vain.
    if let Some(category) = category {
        remember_category(records, recipient, category).await?;
    }
    let name = record_name(recipient, category);
    records.put_record(RecordKind::Suppression, &name, suppression.body(), expect).await?;
    Ok(name)
}

/// Every suppression of a recipient: of all messages first, then of each category by its name.
///
/// # Errors
/// The store's.
pub async fn of_recipient(records: &dyn Records, recipient: &str) -> Result<Vec<Record>, BrokerError> {
    let mut found: Vec<Record> = find(records, recipient, None).await?.into_iter().collect();
    let (mut categories, _) = categories(records, recipient).await?;
    categories.sort();
    for category in categories {
        let name = record_name(recipient, Some(&category));
        let record = records.get_record(RecordKind::Suppression, &name).await?;
        // `news/ann@example.com` may be somebody's address.
        found.extend(record.filter(|r| {
            r.body.parse::<Suppression>().is_ok_and(|s| s.category.as_deref() == Some(category.as_str()))
        }));
    }
    Ok(found)
}

/// The categories that a recipient was ever suppressed in, and how their record is to be found when it is put again.
async fn categories(records: &dyn Records, recipient: &str) -> Result<(Vec<String>, Expect), BrokerError> {
    let name = record_name(recipient, None);
    let Some(record) = records.get_record(RecordKind::SuppressedCategories, &name).await? else {
        return Ok((Vec::new(), Expect::Absent));
    };
    let known = record.body.parse();
    let known =
        known.map_err(|_| BrokerError::Corrupt { what: "the categories of a recipient".to_owned() })?;
    Ok((known, Expect::Version(record.version)))
}

async fn remember_category(
    records: &dyn Records,
    recipient: &str,
    category: &str,
) -> Result<(), BrokerError> {
    let name = record_name(recipient, None);
    loop {
        let (mut known, expect) = categories(records, recipient).await?;
        if known.iter().any(|c| c == category) {
            return Ok(());
        }
        known.push(category.to_owned());
        known.drain(..known.len().saturating_sub(MAX_CATEGORIES));
        let body = Json::from_value(&known).expect("texts are JSON");
        match records.put_record(RecordKind::SuppressedCategories, &name, body, expect).await {
            // Somebody else added one at the same moment.
            Err(BrokerError::VersionConflict { .. }) => {}
            other => return other.map(drop),
        }
    }
}
