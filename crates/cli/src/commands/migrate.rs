//! `posthaste migrate`: moves everything from one store to another, whatever they are.

use std::path::Path;

use anyhow::bail;
use posthaste_core::{Expect, RecordKind, Store};
use serde_json::json;

use super::moving::{
    FILLING, MOVED, Mark, Moved, Progress, Source, begin, end, import, open, set_mark, store_config, tasks,
};
use crate::exit::Stop;
use crate::http::block_on;
use crate::output::Out;
use crate::settings::store::StoreConfig;

/// Arguments of `posthaste migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store to move: sqlite:DIRECTORY or redis://…
    #[arg(long, value_name = "URL")]
    from: String,
    /// The store to move it to
    #[arg(long, value_name = "URL", required_unless_present = "unmark")]
    to: Option<String>,
    /// The namespace of the first, on Redis
    #[arg(long, value_name = "NAME")]
    from_namespace: Option<String>,
    /// The namespace of the second, on Redis
    #[arg(long, value_name = "NAME")]
    to_namespace: Option<String>,
    /// The number of shards of the second, if it is a new one on Redis
    #[arg(long, value_name = "N")]
    to_shards: Option<String>,
    /// Although workers of the first live: what they do meanwhile may be missing or run twice
    #[arg(long)]
    force: bool,
    /// Into a store that holds something: what is there stays as it is
    #[arg(long)]
    merge: bool,
    /// Take back the mark of an earlier move, or of one that was broken off, so that the store can be used
    #[arg(long, conflicts_with = "to")]
    unmark: bool,
}

/// Moves. A move that was broken off is gone on with by the same command.
///
/// # Errors
/// Wrong settings, a target that is not empty, workers that live (2); a store that does not answer or counts that do not
/// agree at the end (1); a data directory that a server has open (75).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let given = [("store", Some(args.from.as_str())), ("namespace", args.from_namespace.as_deref())];
    let from = store_config(file, &given)?;
    let Some(to) = &args.to else {
        block_on(async { unmark(&from).await })?;
        return out.either(&json!({ "store": from.shown() }), format!("{} can be used again", from.shown()));
    };
    let given = [
        ("store", Some(to.as_str())),
        ("namespace", args.to_namespace.as_deref()),
        ("shards", args.to_shards.as_deref()),
    ];
    let to = store_config(file, &given)?;
    if name(&from) == name(&to) {
        bail!(Stop::Usage("both are the same store".into()));
    }
    let (moved, count) = block_on(async { move_all(&from, &to, &args).await })?;
    let text = format!(
        "moved {}\n{} holds {count} tasks, as many as {} did; start your processes on it. The first store is as it was, and marked: \
         `posthaste migrate --from … --unmark` takes that back",
        moved.text(),
        to.shown(),
        from.shown(),
    );
    out.either(&json!({ "from": name(&from), "to": name(&to), "moved": moved, "tasks": count }), text)
}

/// A store with its namespace, for people.
fn name(config: &StoreConfig) -> String {
    match config {
        StoreConfig::Embedded(_) => config.shown(),
        StoreConfig::Redis(redis) => format!("{} ({})", config.shown(), redis.namespace),
    }
}

async fn unmark(config: &StoreConfig) -> anyhow::Result<()> {
    let store = open(config).await?;
    for mark in [MOVED, FILLING] {
        store.seam().delete_record(RecordKind::Setting, mark, Expect::Any).await?;
    }
    store.close().await;
    Ok(())
}

async fn move_all(from: &StoreConfig, to: &StoreConfig, args: &Args) -> anyhow::Result<(Moved, u64)> {
    // The embedded store is locked by this: no server can start on it meanwhile.
    let (source, target) = (open(from).await?, open(to).await?);
    let done = move_between(&source.seam(), &target.seam(), (from, to), args).await;
    source.close().await;
    target.close().await;
    done
}

async fn move_between(
    source: &std::sync::Arc<dyn Store>,
    target: &std::sync::Arc<dyn Store>,
    (from, to): (&StoreConfig, &StoreConfig),
    args: &Args,
) -> anyhow::Result<(Moved, u64)> {
    let workers = source.workers().await?;
    if !workers.is_empty() && !args.force {
        let hosts: Vec<String> = workers.iter().map(|w| format!("{} (pid {})", w.host, w.pid)).collect();
        let problem = format!(
            "{} worker(s) live on {}, or were heard of within the last minute: {}. Stop them and every `posthaste api` first; \
             --force moves all the same",
            workers.len(),
            from.shown(),
            hosts.join(", ")
        );
        bail!(Stop::Usage(problem));
    }
    let mark = Mark { store: name(from) };
    let was_empty = begin(&**target, &mark, args.merge, &to.shown()).await?;
    let before = tasks(&**source).await?;
    let moved = copy(&Source::Store(source.clone()), &**target, before).await?;
    let (after, there) = (tasks(&**source).await?, tasks(&**target).await?);
    if after != before {
        bail!(
            "something wrote to {} meanwhile ({before} tasks before, {after} now): stop it and run this again",
            from.shown()
        );
    }
    if there < after || (was_empty && there != after) {
        bail!("{} holds {there} tasks, {} holds {after}: run this again", to.shown(), from.shown());
    }
    if was_empty {
        end(&**target).await?;
    }
    set_mark(&**source, MOVED, &Mark { store: name(to) }).await?;
    Ok((moved, there))
}

async fn copy(source: &Source, target: &dyn Store, of: u64) -> anyhow::Result<Moved> {
    let progress = Progress::new(of);
    let (mut moved, mut cursor) = (Moved::default(), None);
    loop {
        let part = source.export(cursor.as_deref()).await?;
        moved.add(&part.items);
        moved.left += import(target, part.items).await?.left as u64;
        progress.at(&moved);
        cursor = part.next_cursor;
        if cursor.is_none() {
            return Ok(moved);
        }
    }
}
