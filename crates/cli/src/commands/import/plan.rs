//! What is imported, from where, and by which name its batches are known to the server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use posthaste_notify::digest::sha256_hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Args;
use super::is_stdin;
use super::rows::Row;
use super::shape::{Shape, What};
use super::state::{Checkpoint, Keeper, Stored};
use crate::exit::Stop;

/// How much of a file is read at once, in bytes.
const READ: usize = 64 * 1024;

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

/// What makes a file the one that was begun: what it holds, not where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    size: u64,
    /// SHA-256 of it all; an earlier release did not note it.
    #[serde(default)]
    content: String,
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

/// How batches are named to the server: by what is asked for and by its place, whatever file it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchName {
    seed: String,
}

impl BatchName {
    /// The idempotency key of some rows.
    pub(super) fn key(&self, first: u64, count: u64, rows: &[Row]) -> String {
        let mut text = format!("{}\n{first}+{count}", self.seed);
        for row in rows {
            text.push('\n');
            // The order of the fields says nothing.
            match serde_json::from_str(row.json.get()) {
                Ok(value) => canonical(&value, &mut text),
                Err(_) => text.push_str(row.json.get()),
            }
        }
        format!("import-{}", &sha256_hex(text.as_bytes())[..40])
    }
}

/// JSON with the fields of objects in the order of their names.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            for (n, (name, value)) in sorted.into_iter().enumerate() {
                out.push(if n == 0 { '{' } else { ',' });
                let _ = write!(out, "{}:", Value::String(name.clone()));
                canonical(value, out);
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
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
        let identity = if is_stdin(&path) { None } else { Some(identity(&path, options)?) };
        let mut seed = args.what.as_str().to_owned();
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
            name: BatchName { seed },
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

/// A hash of what decides how rows become requests; in which order that was said decides nothing.
fn options(args: &Args, format: Format, delimiter: u8) -> String {
    // A column that keeps its name might as well not have been named.
    let mut map: Vec<_> = args.map.iter().filter(|(column, field)| column != field).collect();
    map.sort();
    let mut set: Vec<_> = args.set.iter().collect();
    // Of one field the order stays: it decides which value holds.
    set.sort_by_key(|(field, _)| field);
    let text = format!("{} {format:?} {delimiter} {map:?} {set:?}", args.what.as_str());
    sha256_hex(text.as_bytes())
}

fn identity(path: &Path, options: String) -> anyhow::Result<Identity> {
    let failed = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(failed)?;
    let meta = file.metadata().with_context(failed)?;
    if !meta.is_file() {
        return Err(Stop::Usage(format!("{} is no file; give - and pipe it in", path.display())).into());
    }
    let mut hash = Sha256::new();
    let mut input = BufReader::with_capacity(READ, file);
    loop {
        let read = input.fill_buf().with_context(failed)?;
        if read.is_empty() {
            break;
        }
        hash.update(read);
        let read = read.len();
        input.consume(read);
    }
    let content = format!("{:x}", hash.finalize());
    Ok(Identity { size: meta.len(), content, options })
}

/// `Column=field`.
pub(super) fn map_arg(text: &str) -> Result<(String, String), String> {
    let (column, field) = text.rsplit_once('=').ok_or("a column, = and a field")?;
    Ok((column.trim().to_owned(), field.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_batch_is_named_by_its_rows_and_their_place() {
        let row = |text: &str| Row { line: 1, json: RawValue::from_string(text.to_owned()).expect("JSON") };
        let name = BatchName { seed: "tasks".into() };
        let key = |first, rows: &[Row]| name.key(first, rows.len() as u64, rows);
        let one = [row("{\"a\":1,\"b\":{\"c\":[1,{}],\"d\":\"x\"}}")];
        assert_eq!(key(1, &one), key(1, &[row("{ \"b\": {\"d\":\"x\", \"c\":[1, {}]}, \"a\": 1 }")]));
        for other in [
            "{\"a\":2,\"b\":{\"c\":[1,{}],\"d\":\"x\"}}",
            "{\"a\":1,\"b\":{\"c\":[{},1],\"d\":\"x\"}}",
            "{\"a\":1}",
        ] {
            assert_ne!(key(1, &one), key(1, &[row(other)]), "{other}");
        }
        assert_ne!(key(1, &one), key(2, &one), "the same row twice is two");
        assert_ne!(key(1, &one), key(1, &[row("{\"a\":1}"), row("{\"b\":1}")]));
        assert_ne!(BatchName { seed: "notifications".into() }.key(1, 1, &one), key(1, &one));
    }

    #[test]
    fn the_format_is_in_the_name() {
        assert_eq!(Format::of(Path::new("a.CSV")).ok(), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("a.jsonl")).ok(), Some(Format::Ndjson));
        assert!(Format::of(Path::new("a.txt")).is_err());
    }
}
