//! Newline-delimited JSON: one request per line.

use std::io::{BufRead, Read};

use anyhow::Context as _;
use serde_json::Value;

use super::plan::Source;
use super::rows::{Gather, Gone, Item, MAX_ROW, Place};
use super::state::Checkpoint;

/// Reads line by line; a line that is too long is rejected and passed over.
///
/// # Errors
/// The file.
pub(super) fn read(
    source: &Source,
    from: &Checkpoint,
    gather: &mut Gather<'_>,
) -> anyhow::Result<Result<(), Gone>> {
    let mut input = std::io::BufReader::with_capacity(64 * 1024, source.open(from.offset)?);
    let mut place = Place { offset: from.offset, line: from.line };
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_ROW as u64 + 1;
        let mut size = (&mut input)
            .take(limit)
            .read_until(b'\n', &mut line)
            .with_context(|| source.failed(place.line))?;
        if size == 0 {
            return Ok(Ok(()));
        }
        let whole = line.last() == Some(&b'\n') || (size as u64) < limit;
        if !whole {
            size += skip_line(&mut input).with_context(|| source.failed(place.line))?;
        }
        place = Place { offset: place.offset + size as u64, line: place.line + 1 };
        let mut text: &[u8] = &line;
        if place.line == 1 {
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        let text = text.trim_ascii();
        // Empty lines are no rows.
        if text.is_empty() && whole {
            continue;
        }
        let item = if whole { parse(text) } else { too_long() };
        if gather.take(place.line, item, place).is_err() {
            return Ok(Err(Gone));
        }
    }
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<usize> {
    input.skip_until(b'\n')
}

fn too_long() -> Item {
    Item::Bad { row: Value::Null, reason: format!("the row is longer than {} KiB", MAX_ROW / 1024) }
}

fn parse(text: &[u8]) -> Item {
    let shown = || Value::String(String::from_utf8_lossy(text).into_owned());
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Item::Object(object),
        Ok(other) => Item::Bad { row: other, reason: "a row is a JSON object".to_owned() },
        Err(e) => Item::Bad { row: shown(), reason: format!("no JSON: {e}") },
    }
}
