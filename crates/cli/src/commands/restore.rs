//! `posthaste restore`: fills a store from a backup.

use std::path::{Path, PathBuf};

use posthaste_core::Store;
use posthaste_core::limits::MAX_PORTABLE;
use serde_json::json;

use super::moving::file::Reader;
use super::moving::{Mark, Moved, Progress, begin, end, import, open, store_config};
use crate::http::block_on;
use crate::output::Out;
use crate::settings::store::StoreConfig;

/// Arguments of `posthaste restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup; `-` is standard input. Compressed or not
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The store, instead of the one that the settings name: sqlite:DIRECTORY or redis://…
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Its namespace on Redis
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Its number of shards, if it is a new one on Redis
    #[arg(long, value_name = "N")]
    shards: Option<String>,
    /// Into a store that holds something: what is there stays as it is
    #[arg(long)]
    merge: bool,
}

/// Stores what the backup holds. One that was broken off is gone on with by the same command.
///
/// # Errors
/// Wrong settings, or a store that is not empty (2); a file that was cut or changed, or a store that does not take it (1); a
/// data directory that a server has open (75).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let given = [
        ("store", args.store.as_deref()),
        ("namespace", args.namespace.as_deref()),
        ("shards", args.shards.as_deref()),
    ];
    let config = store_config(file, &given)?;
    let moved = block_on(async { fill(&config, &args).await })?;
    let text = format!("{}: {}", config.shown(), moved.text());
    out.either(&json!({ "file": args.from, "store": config.shown(), "moved": moved }), text)
}

async fn fill(config: &StoreConfig, args: &Args) -> anyhow::Result<Moved> {
    let mut reader = if args.from == Path::new("-") {
        Reader::new(std::io::stdin())?
    } else {
        // Read to its end before anything is stored: a file that was cut changes nothing.
        let mut whole = Reader::open(&args.from)?;
        while !whole.next(MAX_PORTABLE)?.is_empty() {}
        Reader::open(&args.from)?
    };
    let opened = open(config).await?;
    let store = opened.seam();
    let done = fill_store(&mut reader, &*store, args.merge, &config.shown()).await;
    opened.close().await;
    done
}

async fn fill_store(
    reader: &mut Reader,
    store: &dyn Store,
    merge: bool,
    shown: &str,
) -> anyhow::Result<Moved> {
    let header = reader.header();
    let mark = Mark { store: format!("a backup of {} of {}", header.store, header.made_at) };
    let progress = Progress::new(header.tasks);
    let begun = begin(store, &mark, merge, shown).await?;
    let mut moved = Moved::default();
    loop {
        let items = reader.next(MAX_PORTABLE)?;
        if items.is_empty() {
            break;
        }
        moved.add(&items);
        moved.left += import(store, items).await?.left as u64;
        progress.at(&moved);
    }
    if begun {
        end(store).await?;
    }
    Ok(moved)
}
