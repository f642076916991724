//! A bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far it is.
pub(super) struct Progress {
    bar: ProgressBar,
    sized: bool,
}

impl Progress {
    /// Of an input of `size` bytes, if that is known, of which `done` were done before.
    pub(super) fn new(size: Option<u64>, done: u64) -> Self {
        let (bar, template) = match size {
            Some(size) => (
                ProgressBar::new(size).with_position(done),
                "{bar:30} {percent:>3}%  {msg}  {elapsed}, {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, sized: size.is_some() }
    }

    /// So many bytes and rows are done.
    pub(super) fn at(&self, offset: u64, rows: u64, rejected: u64) {
        if self.sized {
            self.bar.set_position(offset);
        }
        let refused = if rejected > 0 { format!(", {rejected} refused") } else { String::new() };
        self.bar.set_message(format!("{rows} rows{refused}"));
    }

    /// Leaves the line empty for what is said next.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
