//! What the embedded store keeps beside its tasks to find them by: in parts, in logs, across restarts and migrations.

mod idempotency;
mod names;
mod recipients;

use std::path::Path;

use posthaste_broker_sqlite::SqliteStore;
use posthaste_core::limits::MAX_PORTABLE;
use posthaste_core::portable::{Portable, PortableItem};

fn file(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("posthaste.sqlite3")).expect("the file opens")
}

fn number(dir: &Path, sql: &str) -> i64 {
    file(dir).query_row(sql, [], |r| r.get(0)).expect("a number")
}

/// All that a store holds, in the parts that it gives.
async fn exported(store: &SqliteStore) -> Vec<Vec<PortableItem>> {
    let (mut parts, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let part = store.export(cursor.as_deref(), MAX_PORTABLE).await.expect("exported");
        parts.push(part.items);
        cursor = part.next_cursor;
        if cursor.is_none() {
            return parts;
        }
    }
}
