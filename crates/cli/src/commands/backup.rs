//! `posthaste backup`: everything that a store holds, in one file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use posthaste_broker_sqlite::Snapshot;
use posthaste_core::Timestamp;
use posthaste_core::portable::PORTABLE_VERSION;
use serde_json::json;

use super::moving::file::{Header, Writer, create};
use super::moving::{Moved, Progress, Source, open, store_config};
use super::serve::VERSION;
use crate::exit::Stop;
use crate::http::block_on;
use crate::output::Out;
use crate::settings::store::StoreConfig;

/// Arguments of `posthaste backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it goes; `-` is standard output. With a name that ends in .gz it is compressed
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// The store, instead of the one that the settings name: sqlite:DIRECTORY or redis://…
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Its namespace on Redis
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Compress whatever the name of the file
    #[arg(long)]
    gzip: bool,
}

/// Writes the backup. A server may run meanwhile.
///
/// # Errors
/// Wrong settings (2), a store that cannot be read or a file that cannot be written (1).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let given = [("store", args.store.as_deref()), ("namespace", args.namespace.as_deref())];
    let config = store_config(file, &given)?;
    if args.to == Path::new("-") && out.is_json() {
        return Err(Stop::Usage("--json cannot go with -: standard output is the backup".into()).into());
    }
    let gzip = args.gzip || args.to.extension().is_some_and(|e| e == "gz");
    let moved = block_on(async { write(&config, &args.to, gzip.then(Compression::default)).await })?;
    let text = format!("{}: {}", args.to.display(), moved.text());
    if args.to == Path::new("-") {
        eprintln!("{text}");
        return Ok(());
    }
    out.either(&json!({ "file": args.to, "store": config.shown(), "moved": moved }), text)
}

async fn write(config: &StoreConfig, to: &Path, gzip: Option<Compression>) -> anyhow::Result<Moved> {
    let (source, store) = match config {
        // One moment of the file, also while a server has it open.
        StoreConfig::Embedded(dir) => {
            let snapshot =
                Snapshot::open(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
            if let Some(why) = snapshot.holds_log() {
                eprintln!(
                    "no room for a copy in the temporary directory ({why}): the log of the store grows until this ends; set TMPDIR"
                );
            }
            (Source::Snapshot(Box::new(snapshot)), None)
        }
        StoreConfig::Redis(_) => {
            let store = open(config).await?;
            (Source::Store(store.seam()), Some(store))
        }
    };
    let header = Header {
        posthaste_backup: PORTABLE_VERSION,
        version: VERSION.into(),
        store: config.shown(),
        made_at: Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
        tasks: source.tasks().await?,
    };
    // Beside its place until it is whole, so that what is there under its name is always a backup.
    let part = if to == Path::new("-") { to.to_owned() } else { with_suffix(to, ".part") };
    let mut writer = Writer::new(create(&part)?, gzip, &header)?;
    let progress = Progress::new(header.tasks);
    let (mut moved, mut cursor) = (Moved::default(), None);
    loop {
        let items = source.export(cursor.as_deref()).await?;
        writer.add(&items.items)?;
        moved.add(&items.items);
        progress.at(&moved);
        cursor = items.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    writer.finish()?;
    let left_out = source.left_out();
    if left_out > 0 {
        eprintln!(
            "{left_out} tasks cannot be read and are not in the backup: `posthaste doctor` looks at the store"
        );
    }
    if part != to {
        std::fs::File::open(&part)?.sync_all()?;
        std::fs::rename(&part, to).with_context(|| format!("{} cannot be written", to.display()))?;
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(moved)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
