//! Recipients that must not be written to: addresses that do not exist, people who unsubscribed, whom somebody listed.

use posthaste_core::{BrokerError, Json, Record, RecordKind, Records, TaskId, Timestamp};
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
