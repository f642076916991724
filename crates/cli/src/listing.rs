//! Lists and single things of the API, as tables and pages for people or as JSON.

use serde_json::Value;

use crate::exit::Stop;
use crate::http::Server;
use crate::output::{Out, plain, shorten};

/// Most items that a page of the API holds.
const PAGE: u64 = 200;

/// The fields that a page begins with.
const FIRST: &[&str] = &["id", "name", "kind", "channel", "queue", "url", "state"];

/// How a field is shown.
#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Time,
    State,
    /// Shortened to so many characters.
    Short(usize),
    /// The word if the field is there and not `false`, nothing otherwise.
    Flag(&'static str),
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    head: &'static str,
    /// A field, or a path of fields with dots between.
    field: &'static str,
    form: Form,
}

impl Column {
    /// A field as it is.
    pub(crate) const fn text(head: &'static str, field: &'static str) -> Self {
        Self { head, field, form: Form::Text }
    }

    /// A time.
    pub(crate) const fn time(head: &'static str, field: &'static str) -> Self {
        Self { head, field, form: Form::Time }
    }

    /// A state, in its colour.
    pub(crate) const fn state(head: &'static str, field: &'static str) -> Self {
        Self { head, field, form: Form::State }
    }

    /// At most `max` characters of a field.
    pub(crate) const fn short(head: &'static str, field: &'static str, max: usize) -> Self {
        Self { head, field, form: Form::Short(max) }
    }

    /// A word for a field that is set.
    pub(crate) const fn flag(head: &'static str, field: &'static str, word: &'static str) -> Self {
        Self { head, field, form: Form::Flag(word) }
    }

    fn cell(&self, out: Out, item: &Value) -> String {
        let value = at(item, self.field);
        let text = value.map(words).unwrap_or_default();
        match self.form {
            Form::Text => text,
            Form::Time => out.time(&text),
            Form::State => out.state(&text),
            Form::Short(max) => shorten(&text, max),
            Form::Flag(word) => {
                let set = value.is_some_and(|v| !matches!(v, Value::Null | Value::Bool(false)));
                if set { out.state(word) } else { String::new() }
            }
        }
    }
}

/// The value at a path of fields, or of places in lists, with dots between.
fn at<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(item, |value, field| match field.parse::<usize>() {
        Ok(index) if value.is_array() => value.get(index),
        _ => value.get(field),
    })
}

/// A value as text: lists of words with commas, anything else as JSON.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => plain(s),
        Value::Array(list) if list.iter().all(|v| !v.is_object() && !v.is_array()) => {
            list.iter().map(words).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// A field as text; empty when it is not there.
pub(crate) fn text(item: &Value, field: &str) -> String {
    item.get(field).map(words).unwrap_or_default()
}

/// The items of an answer `{data: […]}`.
pub(crate) fn data(answer: &Value) -> Vec<Value> {
    answer.get("data").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// How many items a list shows; flattened into the verbs that list by pages.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Limit {
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) limit: u64,
}

/// Follows the cursors of a list up to `limit` items.
///
/// # Errors
/// The server.
pub(crate) async fn fetch(
    server: &Server,
    path: &str,
    query: &[(&str, String)],
    limit: u64,
) -> anyhow::Result<Vec<Value>> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    let mut left = limit;
    while left > 0 {
        let mut page_query = query.to_vec();
        page_query.push(("limit", left.min(PAGE).to_string()));
        page_query.extend(cursor.take().map(|c| ("cursor", c)));
        let page = server.get(path, &page_query).await?;
        let found = data(&page);
        left = left.saturating_sub(found.len() as u64);
        items.extend(found);
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(items)
}

/// Prints items as a table, as JSON if that was asked for, or `none` if there are none.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn print(out: Out, columns: &[Column], items: &[Value], none: &str) -> anyhow::Result<()> {
    if out.is_json() {
        return out.value(&items);
    }
    if items.is_empty() {
        return out.line(none);
    }
    out.line(table(out, columns, items))
}

/// Items as a table; a column that is empty for all of them is left out.
pub(crate) fn table(out: Out, columns: &[Column], items: &[Value]) -> String {
    let cells: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|c| c.cell(out, item)).collect()).collect();
    let used: Vec<usize> =
        (0..columns.len()).filter(|i| *i == 0 || cells.iter().any(|row| !row[*i].is_empty())).collect();
    let head: Vec<&str> = used.iter().map(|i| columns[*i].head).collect();
    let rows: Vec<Vec<String>> =
        cells.iter().map(|row| used.iter().map(|i| row[*i].clone()).collect()).collect();
    out.table(&head, &rows)
}

/// Prints one thing: each field on a line of its own, or JSON.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn show(out: Out, item: &Value) -> anyhow::Result<()> {
    out.either(item, page(out, item))
}

/// Prints `text` for people, the server's answer as JSON.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn said(out: Out, answer: &Value, text: impl AsRef<str>) -> anyhow::Result<()> {
    if out.is_json() && answer.is_null() {
        return out.value(&serde_json::json!({"done": true}));
    }
    out.either(answer, text)
}

/// Each field on a line of its own, inner ones by their path.
pub(crate) fn page(out: Out, item: &Value) -> String {
    let mut lines = Vec::new();
    flatten(out, item, "", &mut lines);
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    lines.join("\n")
}

fn flatten(out: Out, item: &Value, prefix: &str, lines: &mut Vec<(String, String)>) {
    let Some(fields) = item.as_object() else {
        lines.push((prefix.to_owned(), words(item)));
        return;
    };
    // What names a thing comes first, whatever the alphabet says.
    let rank = |name: &str| FIRST.iter().position(|f| *f == name).unwrap_or(FIRST.len());
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| rank(name));
    for (name, value) in fields {
        let full = if prefix.is_empty() { plain(name) } else { format!("{prefix}.{}", plain(name)) };
        match value {
            Value::Null => {}
            Value::Object(inner) if !inner.is_empty() => flatten(out, value, &full, lines),
            Value::String(s) if name == "state" => lines.push((full, out.state(&plain(s)))),
            Value::String(s) if name.ends_with("_at") || name == "at" || name == "until" => {
                lines.push((full, out.full_time(&plain(s))));
            }
            // Text of several lines, a template for instance, is shown as it is.
            Value::String(s) if s.contains('\n') => {
                let inner: Vec<String> = s.lines().map(|line| format!("    {}", plain(line))).collect();
                lines.push((full, format!("\n{}", inner.join("\n"))));
            }
            other => lines.push((full, words(other))),
        }
    }
}

/// `--yes` of the verbs that destroy.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Sure {
    /// Do not ask first
    #[arg(long, short)]
    yes: bool,
}

impl Sure {
    /// Asks on a terminal; elsewhere nobody could answer, and the verb was typed or written down by
    /// somebody who meant it.
    ///
    /// # Errors
    /// [`Stop::Usage`] when the answer is no.
    pub(crate) fn ask(self, question: &str) -> anyhow::Result<()> {
        use std::io::{BufRead, IsTerminal, Write};
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if self.yes || !terminal {
            return Ok(());
        }
        let mut err = std::io::stderr().lock();
        write!(err, "{question} [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Stop::Usage("nothing was done".to_owned()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_take_inner_fields_and_leave_out_what_nobody_has() {
        let out = Out::new(false);
        let columns = [
            Column::text("name", "name"),
            Column::text("nothing", "nothing"),
            Column::flag("state", "paused", "paused"),
            Column::text("rate", "limits.rate"),
            Column::short("list", "list", 5),
        ];
        let items = [
            json!({"name": "a\u{1b}", "limits": {"rate": 5}, "list": ["ab", "cd"]}),
            json!({"name": "b", "paused": {"reason": "x"}, "nothing": null}),
        ];
        assert_eq!(
            table(out, &columns, &items),
            "name  state   rate  list\na\u{fffd}            5     ab,cd\nb     paused"
        );
    }

    #[test]
    fn a_page_shows_every_field_by_its_path() {
        let item =
            json!({"name": "x", "none": null, "in": {"a": 1, "b": [1, 2]}, "text": "one\ntwo\u{7}", "e": {}});
        let shown = page(Out::new(false), &item);
        let want = "e     {}\nin.a  1\nin.b  1,2\nname  x\ntext  \n    one\n    two\u{fffd}";
        let (mut got, mut want): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), want.lines().collect());
        got.sort_unstable();
        want.sort_unstable();
        assert_eq!(got, want);
    }
}
