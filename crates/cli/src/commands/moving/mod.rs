//! What `backup`, `restore` and `migrate` have in common: which store, how far it is, what was moved.

pub(crate) mod file;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use posthaste_broker_sqlite::Snapshot;
use posthaste_core::limits::{MAX_PORTABLE, Retention};
use posthaste_core::portable::{Exported, Imported, PortableItem};
use posthaste_core::{Expect, Json, RecordKind, Store};
use serde::{Deserialize, Serialize};

use super::serve::store::OpenStore;
use crate::exit::Stop;
use crate::settings::store::{Role, StoreConfig};
use crate::settings::{self};

/// The record of a store whose content has moved elsewhere: no process is started on it by mistake.
pub(crate) const MOVED: &str = "moved";
/// The record of a store that is being filled: only the same move goes on with it.
pub(crate) const FILLING: &str = "filling";

/// What the record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The other store, without its password.
    pub(crate) store: String,
}

/// A store by its URL, or the one that the settings name.
///
/// # Errors
/// A URL or setting that is not acceptable.
pub(crate) fn store_config(
    file: Option<&Path>,
    given: &[(&'static str, Option<&str>)],
) -> anyhow::Result<StoreConfig> {
    let flags: BTreeMap<&'static str, String> =
        given.iter().filter_map(|(key, value)| Some((*key, (*value)?.to_owned()))).collect();
    let settings = settings::load(file, flags)?;
    Ok(StoreConfig::new(&settings, Role::Up)?)
}

/// Opens a store and waits until it answers.
///
/// # Errors
/// A store that cannot be used; says what to do.
pub(crate) async fn open(config: &StoreConfig) -> anyhow::Result<OpenStore> {
    let store = OpenStore::open_at(config, Retention::default()).await?;
    store.answers().await?;
    Ok(store)
}

/// Where items come from.
pub(crate) enum Source {
    /// A moment of the embedded store, whoever has it open.
    Snapshot(Box<Snapshot>),
    /// A store.
    Store(Arc<dyn Store>),
}

impl Source {
    /// The items behind `cursor`.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn export(&self, cursor: Option<&str>) -> anyhow::Result<Exported> {
        let part = match self {
            Self::Snapshot(snapshot) => snapshot.export(cursor, MAX_PORTABLE)?,
            Self::Store(store) => store.export(cursor, MAX_PORTABLE).await?,
        };
        Ok(Exported { items: part.items.into_iter().filter(is_content).collect(), ..part })
    }

    /// How many tasks of a file could not be read and were left out so far.
    pub(crate) fn left_out(&self) -> usize {
        match self {
            Self::Snapshot(snapshot) => snapshot.left_out(),
            Self::Store(_) => 0,
        }
    }

    /// How many tasks it holds.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn tasks(&self) -> anyhow::Result<u64> {
        match self {
            Self::Snapshot(snapshot) => Ok(snapshot.tasks()?),
            Self::Store(store) => tasks(&**store).await,
        }
    }
}

/// How many tasks a store holds, by its counters.
///
/// # Errors
/// Those of the store.
pub(crate) async fn tasks(store: &dyn Store) -> anyhow::Result<u64> {
    Ok(store.counts().await?.iter().flat_map(|q| q.by_state).sum())
}

/// Our own marks are no content.
fn is_content(item: &PortableItem) -> bool {
    !matches!(item, PortableItem::Record(r) if r.kind == RecordKind::Setting && (r.name == MOVED || r.name == FILLING))
}

/// Whether a store holds anything.
///
/// # Errors
/// Those of the store.
pub(crate) async fn is_empty(store: &dyn Store) -> anyhow::Result<bool> {
    let mut cursor = None;
    loop {
        let part = store.export(cursor.as_deref(), MAX_PORTABLE).await?;
        // Series alone are what a store wrote about itself.
        if part.items.iter().any(|i| is_content(i) && !matches!(i, PortableItem::Series(_))) {
            return Ok(false);
        }
        cursor = part.next_cursor;
        if cursor.is_none() {
            return Ok(true);
        }
    }
}

/// The mark of this name, if there is one.
///
/// # Errors
/// Those of the store.
pub(crate) async fn mark_of(store: &dyn Store, name: &str) -> anyhow::Result<Option<Mark>> {
    let record = store.get_record(RecordKind::Setting, name).await?;
    record.map(|r| r.body.parse().context("a mark cannot be read")).transpose()
}

/// Sets a mark.
///
/// # Errors
/// Those of the store.
pub(crate) async fn set_mark(store: &dyn Store, name: &str, mark: &Mark) -> anyhow::Result<()> {
    store.put_record(RecordKind::Setting, name, Json::from_value(mark)?, Expect::Any).await?;
    Ok(())
}

/// Makes sure that a store may be filled: it is empty, or this very move was broken off before, or what is there shall stay.
/// Says whether it is marked as being filled, until [`end`]: no server starts on a part of something.
///
/// # Errors
/// A store that holds something else (2); those of the store.
pub(crate) async fn begin(store: &dyn Store, mark: &Mark, merge: bool, shown: &str) -> anyhow::Result<bool> {
    let goes_on = mark_of(store, FILLING).await?.as_ref() == Some(mark);
    if !goes_on && !is_empty(store).await? {
        if merge {
            return Ok(false);
        }
        let problem = format!(
            "{shown} is not empty; choose another store or namespace, or add --merge: what is there stays, and the rest is added"
        );
        return Err(Stop::Usage(problem).into());
    }
    set_mark(store, FILLING, mark).await?;
    Ok(true)
}

/// The store is whole.
///
/// # Errors
/// Those of the store.
pub(crate) async fn end(store: &dyn Store) -> anyhow::Result<()> {
    store.delete_record(RecordKind::Setting, FILLING, Expect::Any).await?;
    Ok(())
}

/// What was moved, by sort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Moved {
    /// Tasks.
    pub(crate) tasks: u64,
    /// Unique and idempotency keys.
    pub(crate) keys: u64,
    /// Records.
    pub(crate) records: u64,
    /// Limits and pauses.
    pub(crate) lanes: u64,
    /// Minutes of the series.
    pub(crate) series: u64,
    /// Items that were in place already.
    pub(crate) left: u64,
}

impl Moved {
    /// Counts items.
    pub(crate) fn add(&mut self, items: &[PortableItem]) {
        for item in items {
            match item {
                PortableItem::Task(_) => self.tasks += 1,
                PortableItem::Unique(_) | PortableItem::Idempotency(_) => self.keys += 1,
                PortableItem::Record(_) => self.records += 1,
                PortableItem::Lane(_) | PortableItem::Queue(_) => self.lanes += 1,
                PortableItem::Series(_) => self.series += 1,
            }
        }
    }

    /// Everything together.
    pub(crate) fn items(&self) -> u64 {
        self.tasks + self.keys + self.records + self.lanes + self.series
    }

    /// A sentence.
    pub(crate) fn text(&self) -> String {
        let left = match self.left {
            0 => String::new(),
            n => format!(" ({n} of them were in place already)"),
        };
        format!(
            "{} tasks, {} keys, {} records, {} limits and pauses, {} minutes of series{left}",
            self.tasks, self.keys, self.records, self.lanes, self.series
        )
    }
}

/// Stores items, in calls that are not too large.
///
/// # Errors
/// Those of the store.
pub(crate) async fn import(store: &dyn Store, mut items: Vec<PortableItem>) -> anyhow::Result<Imported> {
    let mut sum = Imported::default();
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(MAX_PORTABLE));
        let done = store.import(std::mem::replace(&mut items, rest)).await?;
        sum.stored += done.stored;
        sum.left += done.left;
    }
    Ok(sum)
}

/// A line on a terminal that tells how far it is; elsewhere, nothing.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// For so many tasks.
    pub(crate) fn new(of: u64) -> Self {
        let style = ProgressStyle::with_template("[{bar:30}] {pos} of {len} tasks, {msg} items  {elapsed}");
        Self(
            ProgressBar::new(of)
                .with_style(style.expect("the template is well formed").progress_chars("#--")),
        )
    }

    /// So far.
    pub(crate) fn at(&self, moved: &Moved) {
        self.0.set_position(moved.tasks);
        self.0.set_message(moved.items().to_string());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
