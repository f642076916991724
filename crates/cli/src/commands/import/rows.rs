//! Rows of the input in batches. They are read on a thread of their own, since a slow pipe must not
//! hold up what is under way; at most [`AHEAD`] batches wait.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::plan::{Format, Source};
use super::shape::Shape;
use super::state::Checkpoint;
use super::{csv_rows, ndjson};

/// Most rows of a batch, good and bad: what the API takes.
pub(super) const MAX_ROWS: u64 = 1_000;
/// Most bytes of a batch: below the 1 MiB that the API takes, with what stands around the rows.
const MAX_BYTES: usize = 900 * 1024;
/// Longest row, in bytes: what one batch holds.
pub(super) const MAX_ROW: usize = MAX_BYTES;
/// Batches that are read ahead.
const AHEAD: usize = 2;

/// A row that is sent.
#[derive(Debug)]
pub(super) struct Row {
    /// Its line in the file, the first of several.
    pub(super) line: u64,
    /// The request.
    pub(super) json: Box<RawValue>,
}

/// A row that is not.
#[derive(Debug, serde::Serialize)]
pub(super) struct Reject {
    /// Its line in the file.
    pub(super) line: u64,
    /// Why.
    pub(super) reasons: Vec<String>,
    /// What stood there: the request, or the text if none could be made of it.
    pub(super) row: Value,
}

/// A place in the file between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
}

/// Rows that are sent together.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The number of its first row, from 1.
    pub(super) first: u64,
    /// How many rows it has, good and bad.
    pub(super) count: u64,
    pub(super) rows: Vec<Row>,
    pub(super) rejects: Vec<Reject>,
    /// Behind its last row.
    pub(super) end: Place,
}

/// What a reader makes of one row.
pub(super) enum Item {
    /// An object, checked no further.
    Object(Map<String, Value>),
    /// Something else, and why that is no row.
    Bad { row: Value, reason: String },
}

/// Gathers rows into batches and hands them on.
pub(super) struct Gather<'a> {
    shape: &'a Shape,
    tx: &'a Sender<anyhow::Result<Chunk>>,
    chunk: Chunk,
    bytes: usize,
}

/// The reader of the input hung up: nobody wants the rest.
pub(super) struct Gone;

impl<'a> Gather<'a> {
    fn new(shape: &'a Shape, tx: &'a Sender<anyhow::Result<Chunk>>, from: &Checkpoint) -> Self {
        let end = Place { offset: from.offset, line: from.line };
        Self { shape, tx, chunk: empty(from.rows + 1, end), bytes: 0 }
    }

    /// Takes the row that begins in `line` and ends at `end`. Its batch is closed before it when it
    /// would not fit, and behind it when that is full: by the rows alone, so that a resumed import
    /// cuts where the first did.
    pub(super) fn take(&mut self, line: u64, item: Item, end: Place) -> Result<(), Gone> {
        let made = match item {
            Item::Object(object) => self.shape.make(object),
            Item::Bad { row, reason } => Err((row, vec![reason])),
        };
        match made {
            Ok(json) => {
                let size = json.get().len() + 1;
                if self.bytes + size > MAX_BYTES && self.chunk.count > 0 {
                    self.flush()?;
                }
                self.bytes += size;
                self.chunk.rows.push(Row { line, json });
            }
            Err((row, reasons)) => {
                // What is kept of a bad row is bounded with the others.
                let size = row.to_string().len();
                if self.bytes + size > MAX_BYTES && self.chunk.count > 0 {
                    self.flush()?;
                }
                self.bytes += size;
                self.chunk.rejects.push(Reject { line, reasons, row });
            }
        }
        self.chunk.count += 1;
        self.chunk.end = end;
        if self.chunk.count >= MAX_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let next = empty(self.chunk.first + self.chunk.count, self.chunk.end);
        self.bytes = 0;
        let full = std::mem::replace(&mut self.chunk, next);
        self.tx.blocking_send(Ok(full)).map_err(|_| Gone)
    }

    /// The last batch, if it holds anything.
    fn finish(mut self) -> Result<(), Gone> {
        if self.chunk.count > 0 { self.flush() } else { Ok(()) }
    }
}

fn empty(first: u64, end: Place) -> Chunk {
    Chunk { first, count: 0, rows: Vec::new(), rejects: Vec::new(), end }
}

/// Reads the input from a checkpoint on.
pub(super) fn read(source: Source, from: Checkpoint) -> Receiver<anyhow::Result<Chunk>> {
    let (tx, rx) = channel(AHEAD);
    std::thread::spawn(move || {
        let mut gather = Gather::new(&source.shape, &tx, &from);
        let read = match source.format {
            Format::Ndjson => ndjson::read(&source, &from, &mut gather),
            Format::Csv | Format::Tsv => csv_rows::read(&source, &from, &mut gather),
        };
        let finished = match read {
            Ok(Ok(())) => gather.finish(),
            Ok(Err(Gone)) => Err(Gone),
            Err(e) => tx.blocking_send(Err(e)).map_err(|_| Gone),
        };
        // Gone: the other end has its reason already.
        drop(finished);
    });
    rx
}
