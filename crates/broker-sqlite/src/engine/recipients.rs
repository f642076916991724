//! The index of recipients: in parts, so that what is new is written into few pages.

use rusqlite::{Connection, OptionalExtension};

use super::{Done, Tx};
use crate::row::recipient_hash;

/// Tasks of a part. Fewer make writing cheaper and finding dearer: of ten million tasks, a search looks into 2,441 parts.
const PART: u32 = 4_096;
/// Parts that one sweep looks at.
const SWEEP: usize = 32;

/// The parts, oldest first; never none.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Number and first task.
    all: Vec<(i64, i64)>,
    /// Tasks entered into the newest, since it was begun or the store was opened.
    entered: u32,
    /// The newest task that may be in the newest.
    newest: i64,
    /// Where the next sweep goes on.
    sweep: usize,
}

impl Parts {
    /// Reads them; `newest` is the newest task there is.
    pub(crate) fn load(db: &Connection, newest: i64) -> rusqlite::Result<Self> {
        let mut stmt = db.prepare("SELECT part, first FROM recipient_part ORDER BY part")?;
        let all = stmt.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(Self { all, entered: 0, newest, sweep: 0 })
    }

    /// The place of the part of a task.
    fn place_of(&self, seq: i64) -> usize {
        self.all.partition_point(|(_, first)| *first <= seq).saturating_sub(1)
    }
}

impl Tx<'_> {
    /// Enters tasks into the index.
    pub(crate) fn insert_recipients(&mut self, tasks: &[(&str, i64)]) -> Done<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let mut entries = Vec::with_capacity(tasks.len());
        for (recipient, seq) in tasks {
            entries.push((self.part_for(*seq)?, recipient_hash(recipient), *seq));
        }
        // In the order of the table, so that neighbours are written into the same page in turn.
        entries.sort_unstable();
        let mut insert =
            self.db.prepare_cached("INSERT INTO recipient_entry (part, hash, seq) VALUES (?1, ?2, ?3)")?;
        for entry in entries {
            insert.execute(entry)?;
        }
        Ok(())
    }

    /// The part that a task is entered into.
    fn part_for(&mut self, seq: i64) -> Done<i64> {
        let parts = &mut self.mem.recipients;
        // Only what is newer than all before it may begin a part: tasks that are imported come in any order.
        if parts.entered >= PART && seq > parts.newest {
            let part = parts.all.last().map_or(1, |(part, _)| part + 1);
            self.db
                .prepare_cached("INSERT INTO recipient_part (part, first) VALUES (?1, ?2)")?
                .execute((part, seq))?;
            parts.all.push((part, seq));
            parts.entered = 0;
        }
        let place = parts.place_of(seq);
        if place + 1 == parts.all.len() {
            parts.entered += 1;
            parts.newest = parts.newest.max(seq);
        }
        Ok(parts.all[place].0)
    }

    /// Takes a task out of the index.
    pub(crate) fn delete_recipient(&mut self, recipient: &str, seq: i64) -> Done<()> {
        let parts = &self.mem.recipients;
        let (part, _) = parts.all[parts.place_of(seq)];
        self.db
            .prepare_cached("DELETE FROM recipient_entry WHERE part = ?1 AND hash = ?2 AND seq = ?3")?
            .execute((part, recipient_hash(recipient), seq))?;
        Ok(())
    }

    /// Forgets parts whose tasks are all gone, of some of them at a time; never the newest.
    pub(crate) fn sweep_recipients(&mut self) -> Done<()> {
        for _ in 0..SWEEP {
            let parts = &mut self.mem.recipients;
            if parts.sweep + 1 >= parts.all.len() {
                parts.sweep = 0;
                return Ok(());
            }
            let (part, _) = parts.all[parts.sweep];
            let held: Option<i64> = self
                .db
                .prepare_cached("SELECT 1 FROM recipient_entry WHERE part = ?1 LIMIT 1")?
                .query_row([part], |r| r.get(0))
                .optional()?;
            if held.is_some() {
                parts.sweep += 1;
                continue;
            }
            self.db.prepare_cached("DELETE FROM recipient_part WHERE part = ?1")?.execute([part])?;
            parts.all.remove(parts.sweep);
        }
        Ok(())
    }
}
