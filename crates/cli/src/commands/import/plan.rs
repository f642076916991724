//! What is imported, from where, and by which name its batches are known to the server.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use posthaste_notify::digest::sha256_hex;
use serde::{Deserialize, Serialize};

use super::Args;
use super::is_stdin;
use super::shape::{Shape, What};
use super::state::{Checkpoint, Keeper, Stored};
use crate::exit::Stop;

/// How much of a file's beginning its identity is made of, in bytes.
const HEAD: u64 = 64 * 1024;

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A JSON object per line
    Ndjson,
    /// Columns with commas between
    Csv,
    /// Columns with tabs between
    Tsv,
}

impl Format {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match end.as_str() {
            "ndjson" | "jsonl" | "json" => Ok(Self::Ndjson),
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            _ if is_stdin(path) => Ok(Self::Ndjson),
            _ => Err(Stop::Usage(format!("{}: say how it is written, with --format", path.display())).into()),
        }
    }
}

/// What makes a file the one that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    name: String,
    size: u64,
    modified_ms: u64,
    /// SHA-256 of its beginning.
    head: String,
    /// SHA-256 of what was said about it: other fields make other requests.
    options: String,
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    path: PathBuf,
    pub(super) format: Format,
    pub(super) delimiter: u8,
    pub(super) map: Vec<(String, String)>,
    pub(super) shape: Shape,
    /// In bytes, of a file.
    pub(super) size: Option<u64>,
}

impl Source {
    /// The input from `offset` on.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn open(&self, offset: u64) -> anyhow::Result<Box<dyn Read>> {
        if is_stdin(&self.path) {
            return Ok(Box::new(std::io::stdin()));
        }
        let failed = || format!("{} cannot be read", self.path.display());
        let mut file = File::open(&self.path).with_context(failed)?;
        file.seek(SeekFrom::Start(offset)).with_context(failed)?;
        Ok(Box::new(file))
    }

    /// What to say when reading failed behind so many lines.
    pub(super) fn failed(&self, line: u64) -> String {
        format!("{} cannot be read behind line {line}", self.path.display())
    }
}

/// A whole import.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) what: What,
    pub(super) source: Source,
    /// What the keys of its batches begin with being hashed.
    pub(super) name: BatchName,
    pub(super) rejects: PathBuf,
    identity: Option<Identity>,
    state: PathBuf,
    restart: bool,
}

/// How batches are named to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchName {
    seed: String,
    /// Whether their content is part of it: where there is no file to tell from another.
    by_content: bool,
}

impl BatchName {
    /// The idempotency key of some rows.
    pub(super) fn key(&self, first: u64, count: u64, body: &str) -> String {
        let content = if self.by_content { body } else { "" };
        let text = format!("{}\n{first}+{count}\n{content}", self.seed);
        format!("import-{}", &sha256_hex(text.as_bytes())[..40])
    }
}

impl Plan {
    /// Looks at the file.
    ///
    /// # Errors
    /// A file that cannot be read, a format that nobody said (2).
    pub(super) fn new(args: &Args) -> anyhow::Result<Self> {
        let path = args.file.clone();
        let format = args.format.map_or_else(|| Format::of(&path), Ok)?;
        let delimiter = delimiter(args.delimiter, format)?;
        let options = options(args, format, delimiter);
        let identity = if is_stdin(&path) { None } else { Some(identity(&path, options.clone())?) };
        // By name, size and beginning, not by its time: a copy that was fetched again is the same file.
        let mut seed = match &identity {
            Some(i) => format!("{}\n{}\n{}\n{}", i.name, i.size, i.head, i.options),
            None => options,
        };
        if args.again {
            seed.push_str(&format!("\n{} {}", jiff::Timestamp::now(), std::process::id()));
        }
        let beside = |end: &str| match identity {
            Some(_) => PathBuf::from(format!("{}.{end}", path.display())),
            None => PathBuf::from(format!("import.{end}")),
        };
        Ok(Self {
            what: args.what,
            rejects: args.rejects.clone().unwrap_or_else(|| beside("rejects.ndjson")),
            state: args.state.clone().unwrap_or_else(|| beside("posthaste-import")),
            source: Source {
                format,
                delimiter,
                map: args.map.clone(),
                shape: Shape::new(args.what, args.set.clone()),
                size: identity.as_ref().map(|i| i.size),
                path,
            },
            name: BatchName { seed, by_content: identity.is_none() },
            identity,
            restart: args.restart,
        })
    }

    /// Where to begin: where the import of this file was, or at its first row.
    ///
    /// # Errors
    /// The file is not the one that was begun (2); a state that cannot be read or written.
    pub(super) fn resume(&mut self) -> anyhow::Result<(Keeper, Checkpoint)> {
        let Some(identity) = self.identity.clone() else {
            return Ok((Keeper::nowhere(), Checkpoint::default()));
        };
        let stored = if self.restart { None } else { Stored::read(&self.state)? };
        let begun = match stored {
            Some(stored) if stored.identity != identity => {
                return Err(Stop::Usage(format!(
                    "{} was begun with another file or other options: the file or the command changed since. \
                     --restart begins at the first row",
                    self.state.display()
                ))
                .into());
            }
            Some(stored) => {
                self.name.seed = stored.seed;
                stored.checkpoint
            }
            None => Checkpoint::default(),
        };
        let keeper = Keeper::at(&self.state, identity, self.name.seed.clone());
        keeper.save(&begun)?;
        Ok((keeper, begun))
    }
}

fn delimiter(given: Option<char>, format: Format) -> anyhow::Result<u8> {
    let default = if format == Format::Tsv { b'\t' } else { b',' };
    given.map_or(Ok(default), |c| {
        u8::try_from(c)
            .ok()
            .filter(u8::is_ascii)
            .ok_or_else(|| Stop::Usage(format!("--delimiter {c}: one ASCII character")).into())
    })
}

/// A hash of what decides how rows become requests.
fn options(args: &Args, format: Format, delimiter: u8) -> String {
    let text = format!("{} {format:?} {delimiter} {:?} {:?}", args.what.as_str(), args.map, args.set);
    sha256_hex(text.as_bytes())
}

fn identity(path: &Path, options: String) -> anyhow::Result<Identity> {
    let failed = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(failed)?;
    let meta = file.metadata().with_context(failed)?;
    if !meta.is_file() {
        return Err(Stop::Usage(format!("{} is no file; give - and pipe it in", path.display())).into());
    }
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).with_context(failed)?;
    Ok(Identity {
        name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        size: meta.len(),
        modified_ms: modified.map_or(0, crate::args::ms),
        head: sha256_hex(&head),
        options,
    })
}

/// `Column=field`.
pub(super) fn map_arg(text: &str) -> Result<(String, String), String> {
    let (column, field) = text.rsplit_once('=').ok_or("a column, = and a field")?;
    Ok((column.trim().to_owned(), field.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_by_its_file_and_its_rows() {
        let file = BatchName { seed: "a".into(), by_content: false };
        assert_eq!(
            file.key(1, 1000, "x"),
            file.key(1, 1000, "y"),
            "a changed row is refused, not sent twice"
        );
        assert_ne!(file.key(1, 1000, "x"), file.key(1001, 1000, "x"));
        assert_ne!(file.key(1, 1000, "x"), file.key(1, 999, "x"));
        let pipe = BatchName { seed: "a".into(), by_content: true };
        assert_ne!(pipe.key(1, 1000, "x"), pipe.key(1, 1000, "y"));
    }

    #[test]
    fn the_format_is_in_the_name() {
        assert_eq!(Format::of(Path::new("a.CSV")).ok(), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("a.jsonl")).ok(), Some(Format::Ndjson));
        assert!(Format::of(Path::new("a.txt")).is_err());
    }
}
