//! Registered webhook endpoints: where a customer wants to be called, and the secret that the calls are signed with.

use std::time::Duration;

use posthaste_core::{BrokerError, Expect, Json, Name, Record, RecordKind, Records, Timestamp};
use serde::{Deserialize, Serialize};

use crate::net::read_url;
use crate::notification::FieldProblem;
use crate::signing::Secrets;

/// An endpoint that failed for this long without one success is disabled.
pub const FAILING_FOR: Duration = Duration::from_secs(5 * 24 * 3600);
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 500;
/// Longest name, so that its lane's name is valid with a tenant behind it.
const MAX_NAME: usize = 80;

/// Why an endpoint gets nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// A word: `gone` (it answered 410), `failing` (five days without a success), `manual`.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// An endpoint as it is kept under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it is.
    pub url: String,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its calls are signed with.
    pub secrets: Secrets,
    /// Why it gets nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// Since when every call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Endpoint {
    /// Checks what a person wrote.
    ///
    /// # Errors
    /// Every problem, one per field.
    pub fn check(name: &str, url: &str, description: Option<&str>) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut refuse = |field, problem| problems.push(FieldProblem { field, problem });
        if Name::new(name).is_err() || name.len() > MAX_NAME || name.contains([':', '@']) {
            refuse(
                "name",
                format!("A name is 1 to {MAX_NAME} letters, digits, dots, dashes and underscores."),
            );
        }
        if let Err(e) = read_url(url) {
            refuse("url", e.to_string());
        }
        if description.is_some_and(|d| d.len() > MAX_DESCRIPTION) {
            refuse("description", format!("The description must be at most {MAX_DESCRIPTION} bytes long."));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Its record's body.
    ///
    /// # Panics
    /// Never: it is made of texts and times.
    pub fn body(&self) -> Json {
        Json::from_value(self).expect("texts and times are JSON")
    }
}

/// The endpoint of a name with its record's version; `None` when there is none.
///
/// # Errors
/// The store's; [`BrokerError::Corrupt`] when it cannot be read.
pub async fn find(records: &dyn Records, name: &str) -> Result<Option<(Endpoint, u64)>, BrokerError> {
    records.get_record(RecordKind::Endpoint, name).await?.map(|r| read(&r)).transpose()
}

/// An endpoint of its record.
///
/// # Errors
/// [`BrokerError::Corrupt`].
pub fn read(record: &Record) -> Result<(Endpoint, u64), BrokerError> {
    let endpoint = record.body.parse();
    let endpoint =
        endpoint.map_err(|_| BrokerError::Corrupt { what: format!("the endpoint {}", record.name) })?;
    Ok((endpoint, record.version))
}

/// What a call to it came to, as far as the endpoint is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// It took the message.
    Well,
    /// It did not.
    Badly,
    /// It is gone for good (410).
    Gone,
}

/// What noting a call changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// Nothing.
    Nothing,
    /// The endpoint's record, or somebody else changed it at that moment.
    Changed,
    /// It is disabled now, for this reason.
    Disabled(String),
}

/// Notes how a call went where that changes something: the first failure, the first success after it, the end.
/// Whoever else changes the endpoint at that moment wins; the next call notes it again.
///
/// # Errors
/// The store's.
pub async fn note(
    records: &dyn Records,
    name: &str,
    (before, version): (&Endpoint, u64),
    called: Called,
    now: Timestamp,
) -> Result<Noted, BrokerError> {
    if called == Called::Well && before.failing_since.is_none() {
        return Ok(Noted::Nothing);
    }
    let mut endpoint = before.clone();
    let disable = |reason: &str| Some(Disabled { reason: reason.to_owned(), at: now });
    match (called, endpoint.failing_since) {
        (Called::Well, _) => endpoint.failing_since = None,
        (Called::Gone, _) => endpoint.disabled = disable("gone"),
        (Called::Badly, None) => endpoint.failing_since = Some(now),
        (Called::Badly, Some(since)) if now.since(since) >= FAILING_FOR => {
            endpoint.disabled = disable("failing")
        }
        (Called::Badly, Some(_)) => {}
    }
    if endpoint == *before {
        return Ok(Noted::Nothing);
    }
    match records.put_record(RecordKind::Endpoint, name, endpoint.body(), Expect::Version(version)).await {
        Ok(_) => Ok(match endpoint.disabled.filter(|_| before.disabled.is_none()) {
            Some(disabled) => Noted::Disabled(disabled.reason),
            None => Noted::Changed,
        }),
        Err(BrokerError::VersionConflict { .. }) => Ok(Noted::Changed),
        Err(e) => Err(e),
    }
}
