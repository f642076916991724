//! What is printed to standard output: JSON, or text for people.

use std::io::{IsTerminal, Write};

use console::{Color, Style};
use jiff::{Timestamp, Unit};
use serde::Serialize;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    json: bool,
    terminal: bool,
    colour: bool,
}

impl Out {
    /// JSON or text; relative times on a terminal, and colour unless `NO_COLOR` is set
    /// (<https://no-color.org>).
    pub(crate) fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self { json, terminal, colour: terminal && !json && !dumb && !set("NO_COLOR") }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal && !self.json
    }

    /// Prints a line.
    ///
    /// # Errors
    /// When standard output is gone; a broken pipe counts as success of the program.
    pub(crate) fn line(self, text: impl AsRef<str>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_ref().as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Prints a value as JSON: indented on a terminal, one line elsewhere.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub(crate) fn value(self, value: &impl Serialize) -> anyhow::Result<()> {
        let text =
            if self.terminal { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
        self.line(text)
    }

    /// Prints `value` as JSON if that was asked for, else `text`.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub(crate) fn either(self, value: &impl Serialize, text: impl AsRef<str>) -> anyhow::Result<()> {
        if self.json { self.value(value) } else { self.line(text) }
    }

    /// A word for a state, in its colour.
    pub(crate) fn state(self, word: &str) -> String {
        let style = Style::new().force_styling(self.colour);
        let style = match word {
            "succeeded" | "ok" | "done" | "serving" => style.fg(Color::Green),
            "failed" | "misconfigured" | "revoked" | "disabled" => style.fg(Color::Red),
            "running" => style.fg(Color::Cyan),
            "retrying" | "paused" | "breaker" | "throttled" | "stopping" => style.fg(Color::Yellow),
            "cancelled" | "expired" => style.dim(),
            _ => return word.to_owned(),
        };
        style.apply_to(word).to_string()
    }

    /// A time in RFC 3339: how long ago or ahead on a terminal, as it is elsewhere.
    pub(crate) fn time(self, text: &str) -> String {
        if self.is_terminal() {
            relative(text, Timestamp::now()).unwrap_or_else(|| text.to_owned())
        } else {
            text.to_owned()
        }
    }

    /// A time in RFC 3339 with how long ago that is behind it, on a terminal.
    pub(crate) fn full_time(self, text: &str) -> String {
        match relative(text, Timestamp::now()).filter(|_| self.is_terminal()) {
            Some(ago) => format!("{text}  ({ago})"),
            None => text.to_owned(),
        }
    }

    /// The heading of a table.
    fn heading(self, text: &str) -> String {
        Style::new().force_styling(self.colour).bold().apply_to(text).to_string()
    }

    /// A table, its heading bold on a terminal.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) -> String {
        let text = table(head, rows);
        match text.split_once('\n') {
            Some((first, rest)) if self.colour => format!("{}\n{rest}", self.heading(first)),
            _ => text,
        }
    }
}

/// `3 min ago`, `in 2 h`; nothing for what is no time.
fn relative(text: &str, now: Timestamp) -> Option<String> {
    let at: Timestamp = text.parse().ok()?;
    let seconds = (at - now).total(Unit::Second).ok()?;
    let size = seconds.abs();
    // Rounded down: "2 h ago" is never said of one hour and a half.
    let (n, unit) = match size {
        s if s < 1.0 => return Some("now".to_owned()),
        s if s < 60.0 => (s, "s"),
        s if s < 3_600.0 => (s / 60.0, "min"),
        s if s < 48.0 * 3_600.0 => (s / 3_600.0, "h"),
        s => (s / 86_400.0, "d"),
    };
    let n = n.floor();
    Some(if seconds < 0.0 { format!("{n} {unit} ago") } else { format!("in {n} {unit}") })
}

/// Columns of equal width, two spaces between, no trailing blanks. Colour has no width.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width_of = console::measure_text_width;
    let mut widths: Vec<usize> = head.iter().map(|h| width_of(h)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(width_of(cell));
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(width_of(cell)))))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Text from elsewhere without what a terminal would act on.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// At most `max` characters.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let cut: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_and_without_colour() {
        let rows = vec![vec!["a".into(), "bbb".into()], vec!["äää".into(), String::new()]];
        assert_eq!(table(&["x", "y"], &rows), "x    y\na    bbb\näää");
        let coloured = Out { json: false, terminal: true, colour: true };
        let rows = vec![vec![coloured.state("failed"), "b".into()], vec!["queued".into(), "c".into()]];
        assert_eq!(table(&["state", "y"], &rows), "state   y\n\u{1b}[31mfailed\u{1b}[0m  b\nqueued  c");
        let piped = Out { json: false, terminal: false, colour: false };
        assert_eq!(piped.state("failed"), "failed");
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }

    #[test]
    fn times_are_told_from_now() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let of = |text: &str| relative(text, now);
        assert_eq!(of("2026-01-31T11:58:01Z").as_deref(), Some("1 min ago"));
        assert_eq!(of("2026-01-31T15:00:00.5Z").as_deref(), Some("in 3 h"));
        assert_eq!(of("2026-01-28T12:00:00Z").as_deref(), Some("3 d ago"));
        assert_eq!(of("2026-01-31T12:00:00Z").as_deref(), Some("now"));
        assert_eq!(of("soon"), None);
        let piped = Out { json: false, terminal: false, colour: false };
        assert_eq!(piped.time("2026-01-31T12:00:00Z"), "2026-01-31T12:00:00Z");
    }
}
