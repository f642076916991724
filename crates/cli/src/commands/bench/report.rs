//! The rows of the table and how they are judged.

use serde::Serialize;

/// What a figure must not miss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Floor {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Told for its own sake.
    None,
}

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// The figure.
    pub(crate) figure: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What it must not miss.
    pub(crate) floor: Floor,
    /// Why the figure does not count, if it does not: a run that lost or invented a task, say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invalid: Option<String>,
    /// More about it.
    pub(crate) note: String,
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At or beyond its floor.
    Pass,
    /// Short of it.
    Short,
    /// Told for its own sake.
    Told,
    /// It does not count.
    Invalid,
}

impl Row {
    /// A row with a floor.
    pub(crate) fn new(what: impl Into<String>, figure: f64, unit: &'static str, floor: Floor) -> Self {
        Self { what: what.into(), figure, unit, floor, invalid: None, note: String::new() }
    }

    /// With more about it.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Does not count, if there is a reason.
    #[must_use]
    pub(crate) fn unless(mut self, reason: Option<String>) -> Self {
        self.invalid = reason;
        self
    }

    /// How it stands.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.floor {
            _ if self.invalid.is_some() => Verdict::Invalid,
            Floor::AtLeast(floor) if self.figure >= floor => Verdict::Pass,
            Floor::AtMost(floor) if self.figure <= floor => Verdict::Pass,
            Floor::AtLeast(_) | Floor::AtMost(_) => Verdict::Short,
            Floor::None => Verdict::Told,
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.what, number(self.figure), self.unit)?;
        match (&self.invalid, self.verdict()) {
            (Some(why), _) => write!(f, " INVALID: {why}"),
            (None, Verdict::Short) => write!(f, " SHORT ({})", self.note),
            (None, _) => write!(f, " ({})", self.note),
        }
    }
}

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut lines =
        vec!["| what | floor | measured | | |".to_owned(), "| --- | --- | --- | --- | --- |".to_owned()];
    for row in rows {
        let floor = match row.floor {
            Floor::AtLeast(f) => format!("≥ {}", number(f)),
            Floor::AtMost(f) => format!("≤ {}", number(f)),
            Floor::None => "–".to_owned(),
        };
        let (verdict, note) = match (row.verdict(), &row.invalid) {
            (_, Some(why)) => ("INVALID", format!("{why} {}", row.note)),
            (Verdict::Pass, None) => ("ok", row.note.clone()),
            (Verdict::Short, None) => ("SHORT", row.note.clone()),
            (Verdict::Told | Verdict::Invalid, None) => ("", row.note.clone()),
        };
        lines.push(format!(
            "| {} | {floor} | **{}** {} | {verdict} | {} |",
            row.what,
            number(row.figure),
            row.unit,
            note.trim()
        ));
    }
    lines.join("\n")
}

/// Thousands apart; decimals only where they matter.
pub(crate) fn number(n: f64) -> String {
    if n.abs() < 100.0 {
        return format!("{n:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{n:.0}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        let left = digits.len() - i;
        if i > 0 && left % 3 == 0 && c != '-' {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The value below which `share` of the samples lie. Sorts them.
pub(crate) fn percentile(samples: &mut [u32], share: f64) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    samples.sort_unstable();
    let at = ((samples.len() as f64 * share).ceil() as usize).clamp(1, samples.len()) - 1;
    f64::from(samples[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(1.5), "1.5");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(150.4), "150");
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut s: Vec<u32> = (1..=100).rev().collect();
        assert_eq!((percentile(&mut s, 0.5), percentile(&mut s, 0.99)), (50.0, 99.0));
        assert_eq!(percentile(&mut [7], 0.99), 7.0);
    }

    #[test]
    fn a_figure_that_does_not_count_never_passes() {
        let row = Row::new("x", 10.0, "/s", Floor::AtLeast(1.0));
        assert_eq!(row.verdict(), Verdict::Pass);
        assert_eq!(row.unless(Some("lost one".into())).verdict(), Verdict::Invalid);
    }
}
