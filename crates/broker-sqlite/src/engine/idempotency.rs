//! Idempotency keys: a log, and an index by hash that is written some thousand keys at a time.

use std::collections::BTreeSet;

use posthaste_core::limits::{IDEMPOTENCY_KEPT, TICK_BATCH};
use posthaste_core::{IdempotencyKey, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest as _, Sha256};

use super::{Done, Tx};

/// Keys that are in the log alone before all of them are entered into the index: in its order, so that neighbours share a page.
const RECENT: usize = 4_096;

/// What finds a key: its text, and the number it has in the index.
pub(crate) struct KeyName {
    pub(crate) text: String,
    hash: i64,
}

impl KeyName {
    /// Of a request's key; no part of it can hold the separator.
    pub(crate) fn of(k: &IdempotencyKey) -> Self {
        let tenant = k.tenant.as_ref().map_or("", |t| t.as_str());
        Self::from_text(format!("{tenant}\u{1f}{}\u{1f}{}", k.operation, k.key))
    }

    /// Of the text that stands in the store. Callers choose their keys: nobody may make many that share a number.
    pub(crate) fn from_text(text: String) -> Self {
        let digest = Sha256::digest(&text);
        let first = *digest.first_chunk().expect("a SHA-256 has 32 bytes");
        Self { text, hash: (u64::from_be_bytes(first) >> 1) as i64 }
    }
}

/// What a request was answered.
pub(crate) struct Entry {
    pub(crate) n: i64,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) at: Timestamp,
    pub(crate) ids: Vec<u8>,
}

/// The end of the log, which the index does not have yet.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Hash and number in the log.
    entries: BTreeSet<(i64, i64)>,
    /// Last number given out.
    last: i64,
}

impl Recent {
    /// Reads it. Numbers go on behind the index, too: an emptied log would begin anew.
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let indexed: i64 =
            db.query_row("SELECT coalesce(max(value), 0) FROM meta WHERE key = 'idem_indexed'", [], |r| {
                r.get(0)
            })?;
        let mut recent = Self { entries: BTreeSet::new(), last: indexed };
        let mut stmt = db.prepare("SELECT n, key FROM idem_entry WHERE n > ?1 ORDER BY n")?;
        let mut rows = stmt.query([indexed])?;
        while let Some(r) = rows.next()? {
            recent.last = r.get(0)?;
            recent.entries.insert((KeyName::from_text(r.get(1)?).hash, recent.last));
        }
        Ok(recent)
    }
}

impl Tx<'_> {
    /// The entry of a key.
    pub(crate) fn find_key(&mut self, name: &KeyName) -> Done<Option<Entry>> {
        let entry = |n, r: &rusqlite::Row<'_>| {
            Ok(Entry { n, fingerprint: r.get(0)?, at: Timestamp::from_millis(r.get(1)?), ids: r.get(2)? })
        };
        for (_, n) in self.mem.recent_keys.entries.range((name.hash, 0)..=(name.hash, i64::MAX)) {
            let found = self
                .db
                .prepare_cached("SELECT fingerprint, at, ids FROM idem_entry WHERE n = ?1 AND key = ?2")?
                .query_row((n, &name.text), |r| entry(*n, r))
                .optional()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(self
            .db
            .prepare_cached(
                "SELECT e.fingerprint, e.at, e.ids, e.n FROM idem_index i JOIN idem_entry e ON e.n = i.n \
                 WHERE i.hash = ?1 AND e.key = ?2",
            )?
            .query_row((name.hash, &name.text), |r| entry(r.get(3)?, r))
            .optional()?)
    }

    /// Keeps what a request was answered; there is no entry of its key.
    pub(crate) fn insert_key(
        &mut self,
        name: &KeyName,
        fingerprint: &[u8],
        at: Timestamp,
        ids: &[u8],
    ) -> Done<()> {
        let recent = &mut self.mem.recent_keys;
        recent.last += 1;
        recent.entries.insert((name.hash, recent.last));
        self.db
            .prepare_cached(
                "INSERT INTO idem_entry (n, key, fingerprint, at, ids) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((recent.last, &name.text, fingerprint, at.as_millis(), ids))?;
        if recent.entries.len() >= RECENT { self.index_keys() } else { Ok(()) }
    }

    fn index_keys(&mut self) -> Done<()> {
        let recent = &mut self.mem.recent_keys;
        let mut stmt = self.db.prepare_cached("INSERT INTO idem_index (hash, n) VALUES (?1, ?2)")?;
        for entry in std::mem::take(&mut recent.entries) {
            stmt.execute(entry)?;
        }
        self.db
            .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('idem_indexed', ?1)")?
            .execute([recent.last])?;
        Ok(())
    }

    /// Takes an entry out.
    pub(crate) fn delete_key(&mut self, name: &KeyName, n: i64) -> Done<()> {
        if !self.mem.recent_keys.entries.remove(&(name.hash, n)) {
            self.db
                .prepare_cached("DELETE FROM idem_index WHERE hash = ?1 AND n = ?2")?
                .execute((name.hash, n))?;
        }
        self.db.prepare_cached("DELETE FROM idem_entry WHERE n = ?1")?.execute([n])?;
        Ok(())
    }

    /// Forgets what is too old, from the beginning of the log on. What came by an import, older than those before it, waits for
    /// them: it is found no more all the same.
    pub(crate) fn prune_keys(&mut self) -> Done<usize> {
        let until = self.now.minus(IDEMPOTENCY_KEPT).as_millis();
        let mut old = Vec::new();
        {
            let mut stmt = self.db.prepare_cached("SELECT n, at, key FROM idem_entry ORDER BY n LIMIT ?1")?;
            let mut rows = stmt.query([TICK_BATCH as i64])?;
            while let Some(r) = rows.next()? {
                if r.get::<_, i64>(1)? > until {
                    break;
                }
                old.push((KeyName::from_text(r.get(2)?), r.get(0)?));
            }
        }
        // In the order of the index, so that neighbours share a page.
        old.sort_unstable_by_key(|(name, _)| name.hash);
        for (name, n) in &old {
            self.delete_key(name, *n)?;
        }
        Ok(old.len())
    }
}
