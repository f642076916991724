//! Tables and migrations. A released migration is never edited; a new one is added below it.

use rusqlite::Connection;

/// Marks the file as ours (`PRAGMA application_id`): "PHST".
pub(crate) const APPLICATION_ID: i64 = 0x5048_5354;

/// Each element brings the store from its index to the next format number.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_tasks.sql"),
    include_str!("migrations/0002_recipients.sql"),
    include_str!("migrations/0003_recipient_parts.sql"),
    include_str!("migrations/0004_idempotency.sql"),
    include_str!("migrations/0005_brought.sql"),
];

/// The newest format that this program knows.
pub(crate) fn known() -> i64 {
    MIGRATIONS.len() as i64
}

/// The format of an open file.
pub(crate) fn found(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |r| r.get(0))
}

/// Runs what is missing, within a transaction of the caller's.
pub(crate) fn migrate(db: &Connection) -> rusqlite::Result<()> {
    let from = found(db)?;
    for (i, sql) in MIGRATIONS.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        db.execute_batch(sql)?;
        db.pragma_update(None, "user_version", (i + 1) as i64)?;
    }
    Ok(())
}
