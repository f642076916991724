//! Records: small named documents.

use posthaste_core::{BrokerError, Expect, RecordKind, TaskId};
use rusqlite::OptionalExtension;

use super::{Done, Fail, Tx};

/// A small number for a kind of record; never reused.
pub(crate) fn kind_code(kind: RecordKind) -> i64 {
    match kind {
        RecordKind::Schedule => 1,
        RecordKind::Template => 2,
        RecordKind::Endpoint => 3,
        RecordKind::ApiKey => 4,
        RecordKind::Suppression => 5,
        RecordKind::Setting => 6,
        RecordKind::SandboxMessage => 7,
        RecordKind::TemplateVersion => 8,
        RecordKind::Attachment => 9,
        RecordKind::AttachmentPart => 10,
        RecordKind::Audit => 11,
        RecordKind::KeyUse => 12,
        RecordKind::Operation => 13,
        RecordKind::Batch => 14,
        RecordKind::SuppressedCategories => 15,
    }
}

impl Tx<'_> {
    fn record_version(&mut self, kind: RecordKind, name: &str) -> Done<Option<i64>> {
        Ok(self
            .db
            .prepare_cached("SELECT version FROM record WHERE kind = ?1 AND name = ?2")?
            .query_row((kind_code(kind), name), |r| r.get(0))
            .optional()?)
    }

    fn expect(&mut self, kind: RecordKind, name: &str, expect: Expect) -> Done<Option<i64>> {
        let found = self.record_version(kind, name)?;
        let met = match expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Version(v) => found == i64::try_from(v).ok(),
        };
        if met {
            Ok(found)
        } else {
            let found = found.and_then(|v| u64::try_from(v).ok());
            Err(Fail::Caller(BrokerError::VersionConflict { found }))
        }
    }

    pub(crate) fn put_record(&mut self, kind: RecordKind, name: &str, body: &str, e: Expect) -> Done<u64> {
        let version = self.expect(kind, name, e)?.unwrap_or(0) + 1;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO record (kind, name, version, updated, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((kind_code(kind), name, version, self.now.as_millis(), body))?;
        Ok(version as u64)
    }

    /// Stores what a success keeps, whatever was there.
    pub(crate) fn upsert_record(&mut self, kind: RecordKind, name: &str, body: &str) -> Done<()> {
        self.db
            .prepare_cached(
                "INSERT INTO record (kind, name, version, updated, body) VALUES (?1, ?2, 1, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET version = version + 1, updated = excluded.updated, body = excluded.body",
            )?
            .execute((kind_code(kind), name, self.now.as_millis(), body))?;
        Ok(())
    }

    pub(crate) fn delete_record(&mut self, kind: RecordKind, name: &str, e: Expect) -> Done<bool> {
        if self.expect(kind, name, e)?.is_none() {
            return Ok(false);
        }
        self.db
            .prepare_cached("DELETE FROM record WHERE kind = ?1 AND name = ?2")?
            .execute((kind_code(kind), name))?;
        Ok(true)
    }

    /// Removes what goes with a task.
    pub(crate) fn delete_held(&mut self, id: TaskId) -> Done<()> {
        self.db
            .prepare_cached("DELETE FROM record WHERE kind = ?1 AND name = ?2")?
            .execute((kind_code(RecordKind::SandboxMessage), id.to_string()))?;
        Ok(())
    }
}
