//! Small named documents beside the tasks: schedules, templates, endpoints, keys, suppressions,
//! settings, held messages.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_PAGE;
use crate::{BrokerError, Json, Timestamp};

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A cron schedule.
    Schedule,
    /// A message template.
    Template,
    /// A registered webhook endpoint.
    Endpoint,
    /// An API key (its hash).
    ApiKey,
    /// An address that must not be written to.
    Suppression,
    /// A setting of the store.
    Setting,
    /// A message held by the sandbox; its name is the task's id, and it goes with its task.
    SandboxMessage,
    /// An earlier or present version of a template, kept for good: `name@version`.
    TemplateVersion,
    /// What is known of an attachment: size, type, digest, until when it is kept.
    Attachment,
    /// A piece of an attachment's bytes.
    AttachmentPart,
    /// A line of the audit log; its name sorts by time.
    Audit,
    /// When an API key was last used.
    KeyUse,
    /// A bulk operation, its cursor and counts.
    Operation,
    /// What was said about a batch when it was enqueued.
    Batch,
    /// The categories that a recipient was ever suppressed in.
    SuppressedCategories,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Schedule,
        Self::Template,
        Self::Endpoint,
        Self::ApiKey,
        Self::Suppression,
        Self::Setting,
        Self::SandboxMessage,
        Self::TemplateVersion,
        Self::Attachment,
        Self::AttachmentPart,
        Self::Audit,
        Self::KeyUse,
        Self::Operation,
        Self::Batch,
        Self::SuppressedCategories,
    ];
}

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: RecordKind,
    /// Its name, unique within the kind, at most 255 bytes.
    pub name: String,
    /// Rises by one at each put.
    pub version: u64,
    /// Its body.
    pub body: Json,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// What a put or delete expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// No such record.
    Absent,
    /// This version.
    Version(u64),
}

/// Which way a list of records runs, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOrder {
    /// From the smallest name.
    Ascending,
    /// From the largest name: newest first where names are task ids.
    Descending,
}

/// The record half of a store. Pinned by the conformance cases `records_*`.
#[async_trait]
pub trait Records: Send + Sync {
    /// The record, or `None`.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn get_record(&self, kind: RecordKind, name: &str) -> Result<Option<Record>, BrokerError>;

    /// Stores a record and returns its new version; durable on return. A repeat with
    /// [`Expect::Version`] answers [`BrokerError::VersionConflict`].
    ///
    /// # Errors
    /// [`BrokerError::VersionConflict`], [`BrokerError::Invalid`], [`BrokerError::Unavailable`], [`BrokerError::Full`].
    async fn put_record(
        &self,
        kind: RecordKind,
        name: &str,
        body: Json,
        expect: Expect,
    ) -> Result<u64, BrokerError>;

    /// At most `limit` records whose name lies beyond `after` in the given order; fewer only where no more follow. `limit` is
    /// at most [`MAX_PAGE`]: whoever wants more asks [`Records::list_many`].
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_records(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, BrokerError>;

    /// As [`Records::list_records`], page after page, so that `limit` may be any number: fewer only where no more follow.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_many(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, BrokerError> {
        let mut found: Vec<Record> = Vec::new();
        loop {
            let most = MAX_PAGE.min(limit - found.len());
            let after = found.last().map(|r| r.name.as_str()).or(after);
            let page = self.list_records(kind, order, after, most).await?;
            let ended = page.len() < most;
            found.extend(page);
            if ended || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Deletes a record; `false` when there was none. A repeat answers `false`.
    ///
    /// # Errors
    /// [`BrokerError::VersionConflict`], [`BrokerError::Unavailable`].
    async fn delete_record(&self, kind: RecordKind, name: &str, expect: Expect) -> Result<bool, BrokerError>;
}
