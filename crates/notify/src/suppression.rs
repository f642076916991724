//! Recipients that must not be written to: addresses that do not exist, people who unsubscribed, whom somebody listed.

use posthaste_core::{BrokerError, Expect, Json, Record, RecordKind, Records, TaskId, Tenant, Timestamp};
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

/// Longest category, in bytes.
pub const MAX_CATEGORY: usize = 128;

/// Whether a text may be the category of messages.
pub fn is_category(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=MAX_CATEGORY).contains(&text.len()) && text.bytes().all(fine)
}

/// The name of a recipient's record, from its key `channel:address`: a category goes in front of an address, and an e-mail
/// address stands alone, unless it could be read as a category and another address; then it keeps its channel in front.
pub fn record_name(recipient: &str, category: Option<&str>) -> String {
    let plain = recipient.strip_prefix("email:").unwrap_or(recipient);
    bounded(match category {
        Some(category) => format!("{category}/{plain}"),
        None if reads_as_category(plain) => format!("email:{plain}"),
        None => plain.to_owned(),
    })
}

/// The name of a recipient's record in stores of earlier releases, where an address such as `news/ann@example.com` and the
/// category `news` of `ann@example.com` had one name between them.
fn shared_name(recipient: &str, category: Option<&str>) -> String {
    let plain = recipient.strip_prefix("email:").unwrap_or(recipient);
    bounded(category.map_or_else(|| plain.to_owned(), |category| format!("{category}/{plain}")))
}

fn reads_as_category(plain: &str) -> bool {
    plain.split_once('/').is_some_and(|(category, _)| is_category(category))
}

/// Names that are too long are kept by their digest.
fn bounded(name: String) -> String {
    if name.len() <= posthaste_core::limits::MAX_KEY_BYTES {
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
    match (get(records, recipient, None).await?, category) {
        (None, Some(_)) => get(records, recipient, category).await,
        (all, _) => Ok(all),
    }
}

/// The suppression of exactly this: of all messages, or of the category alone.
///
/// # Errors
/// The store's.
pub async fn get(
    records: &dyn Records,
    recipient: &str,
    category: Option<&str>,
) -> Result<Option<Record>, BrokerError> {
    let name = record_name(recipient, category);
    let found = records.get_record(RecordKind::Suppression, &name).await?;
    // What stands there may be about somebody else: an earlier release gave both one name.
    let found = found.filter(|r| is_about(r, category));
    let shared = shared_name(recipient, category);
    if found.is_some() || shared == name {
        return Ok(found);
    }
    let found = records.get_record(RecordKind::Suppression, &shared).await?;
    Ok(found.filter(|r| is_about(r, category)))
}

/// Whether a record is about messages of this category, or about all. One that cannot be read holds as it is found.
fn is_about(record: &Record, category: Option<&str>) -> bool {
    record.body.parse::<Suppression>().map_or(true, |s| s.category.as_deref() == category)
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
    move_address(records, recipient, category).await?;
    let name = record_name(recipient, category);
    records.put_record(RecordKind::Suppression, &name, suppression.body(), expect).await?;
    Ok(name)
}

/// Moves the record of an address from the name that an earlier release had it share with a category, if it is there.
async fn move_address(
    records: &dyn Records,
    recipient: &str,
    category: Option<&str>,
) -> Result<(), BrokerError> {
    let shared = shared_name(recipient, category);
    let plain = recipient.strip_prefix("email:").unwrap_or(recipient);
    let address = category.map_or_else(|| plain.to_owned(), |category| format!("{category}/{plain}"));
    let own = record_name(&format!("email:{address}"), None);
    if own == shared {
        return Ok(());
    }
    let Some(record) = records.get_record(RecordKind::Suppression, &shared).await? else { return Ok(()) };
    if !record.body.parse::<Suppression>().is_ok_and(|s| s.category.is_none()) {
        return Ok(());
    }
    // Whoever changes either at the same moment has moved it, or knows better.
    let ours = |done: Result<(), BrokerError>| match done {
        Err(BrokerError::VersionConflict { .. }) => Ok(()),
        other => other,
    };
    let put = records.put_record(RecordKind::Suppression, &own, record.body, Expect::Absent).await;
    ours(put.map(drop))?;
    let expect = Expect::Version(record.version);
    ours(records.delete_record(RecordKind::Suppression, &shared, expect).await.map(drop))
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
        found.extend(get(records, recipient, Some(&category)).await?);
    }
    Ok(found)
}

/// The categories that a recipient was ever suppressed in, and how their record is to be found when it is put again.
async fn categories(records: &dyn Records, recipient: &str) -> Result<(Vec<String>, Expect), BrokerError> {
    let name = shared_name(recipient, None);
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
    let name = shared_name(recipient, None);
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

/// The key under which a tenant's messages to a recipient are remembered: no address and no channel begins like it.
pub fn key_of(recipient: &str, tenant: Option<&Tenant>) -> String {
    tenant.map_or_else(|| recipient.to_owned(), |tenant| format!("[{tenant}]{recipient}"))
}

/// What keeps a message of a tenant, or of the installation, from its recipient.
///
/// What became of one tenant's messages says nothing about another's, or the installation's. Whom the operator listed, and who
/// unsubscribed from the installation's messages, is written to by nobody: of the links of earlier releases nobody knows
/// whose they were.
///
/// # Errors
/// The store's.
pub async fn holding(
    records: &dyn Records,
    recipient: &str,
    category: Option<&str>,
    tenant: Option<&Tenant>,
) -> Result<Option<Record>, BrokerError> {
    if tenant.is_none() {
        return find(records, recipient, category).await;
    }
    let own = key_of(recipient, tenant);
    let (own, everybodys) =
        tokio::try_join!(find(records, &own, category), of_everybody(records, recipient, category))?;
    Ok(own.or(everybodys))
}

async fn of_everybody(
    records: &dyn Records,
    recipient: &str,
    category: Option<&str>,
) -> Result<Option<Record>, BrokerError> {
    let all = get(records, recipient, None).await?.filter(holds_for_all);
    let (None, Some(category)) = (&all, category) else { return Ok(all) };
    Ok(get(records, recipient, Some(category)).await?.filter(holds_for_all))
}

/// Whether a suppression of the installation's holds for tenants' messages, too: what a provider said of one message does not.
pub fn holds_for_all(record: &Record) -> bool {
    record.body.parse::<Suppression>().map_or(true, |s| s.source != Source::Bounce)
}
