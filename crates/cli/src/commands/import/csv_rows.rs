//! CSV (RFC 4180, with any line ends): the first line names the fields.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use anyhow::Context as _;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::plan::Source;
use super::rows::{Gather, Gone, Item, MAX_ROW, Place};
use super::shape::{Field, put};
use super::state::Checkpoint;
use crate::exit::Stop;

/// What the reader takes from the file at once.
const BUFFER: usize = 64 * 1024;

/// Reads record by record.
///
/// # Errors
/// The file; a quote that is never closed; a heading that names a field twice (2).
pub(super) fn read(
    source: &Source,
    from: &Checkpoint,
    gather: &mut Gather<'_>,
) -> anyhow::Result<Result<(), Gone>> {
    let budget = Rc::new(Cell::new(0));
    let mut reader = reader(source, 0, &budget)?;
    budget.set(MAX_ROW + BUFFER);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).with_context(|| source.failed(0))?;
    let fields = fields(source, &record)?;
    // Where the rows that follow begin; a resumed import opens the file there.
    let mut base = Place { offset: 0, line: 0 };
    if from.offset > 0 {
        base = Place { offset: from.offset, line: from.line };
        reader = self::reader(source, from.offset, &budget)?;
    }
    loop {
        budget.set(MAX_ROW + BUFFER);
        let line = base.line + reader.position().line();
        let more = reader.read_byte_record(&mut record).with_context(|| source.failed(line))?;
        if !more {
            return Ok(Ok(()));
        }
        let end = reader.position();
        let end = Place { offset: base.offset + end.byte(), line: base.line + end.line() - 1 };
        // The record knows better where it begins: empty lines before it are no rows.
        let line = record.position().map_or(line, |p| base.line + p.line());
        if gather.take(line, item(&fields, &record), end).is_err() {
            return Ok(Err(Gone));
        }
    }
}

fn reader(source: &Source, offset: u64, budget: &Rc<Cell<usize>>) -> anyhow::Result<Reader<Limited>> {
    let input = Limited { input: source.open(offset)?, left: Rc::clone(budget) };
    Ok(ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(source.delimiter)
        .buffer_capacity(BUFFER)
        .from_reader(input))
}

/// A row longer than the limit ends with an error instead of filling the memory.
struct Limited {
    input: Box<dyn Read>,
    left: Rc<Cell<usize>>,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            let what = format!("a row is longer than {} KiB; is a quote not closed?", MAX_ROW / 1024);
            return Err(io::Error::other(what));
        }
        let most = buffer.len().min(self.left.get());
        let n = self.input.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - n);
        Ok(n)
    }
}

/// Which field each column goes to; none where it is left out.
fn fields(source: &Source, head: &ByteRecord) -> anyhow::Result<Vec<Option<Field>>> {
    let mut out: Vec<Option<Field>> = Vec::new();
    for (i, name) in head.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let name = if i == 0 { name.trim_start_matches('\u{feff}') } else { &name }.trim();
        let field = match source.map.iter().find(|(column, _)| column == name) {
            Some((_, field)) if field == "-" => None,
            Some((_, field)) => Some(source.shape.field(field)),
            None => Some(source.shape.column(name)),
        };
        if let Some(field) = &field
            && out.iter().flatten().any(|f| f.path == field.path)
        {
            return Err(Stop::Usage(format!("two columns go to {}", field.path.join("."))).into());
        }
        out.push(field);
    }
    let known: Vec<String> = head.iter().map(|n| String::from_utf8_lossy(n).trim().to_owned()).collect();
    if let Some((column, _)) =
        source.map.iter().find(|(c, _)| !known.iter().any(|k| k.trim_start_matches('\u{feff}') == c))
    {
        return Err(Stop::Usage(format!("--map {column}: the file has no such column")).into());
    }
    Ok(out)
}

fn item(fields: &[Option<Field>], record: &ByteRecord) -> Item {
    if record.len() != fields.len() {
        return Item::Bad {
            row: texts(record),
            reason: format!("{} columns, and the first line has {}", record.len(), fields.len()),
        };
    }
    let mut object = Map::new();
    for (field, cell) in fields.iter().zip(record) {
        let Some(field) = field else { continue };
        let Ok(text) = std::str::from_utf8(cell) else {
            return Item::Bad { row: texts(record), reason: "the row is not UTF-8".to_owned() };
        };
        if text.is_empty() {
            continue;
        }
        let value = match field.read(text) {
            Ok(value) => value,
            Err(problem) => {
                let reason = format!("{}: {problem}", field.path.join("."));
                return Item::Bad { row: texts(record), reason };
            }
        };
        if !put(&mut object, &field.path, value) {
            let reason = format!("{} does not fit another column", field.path.join("."));
            return Item::Bad { row: texts(record), reason };
        }
    }
    Item::Object(object)
}

fn texts(record: &ByteRecord) -> Value {
    record.iter().map(|cell| Value::String(String::from_utf8_lossy(cell).into_owned())).collect()
}
