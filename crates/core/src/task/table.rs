//! `docs/STATES.md`, generated from the tables.

use std::fmt::Write;

use super::class::{CLASSES, LaneEffect, TaskEffect};
use super::state::{State, TRANSITIONS};

/// The page, as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "<!-- Generated from crates/core/src/task by `UPDATE_DOCS=1 cargo test -p posthaste-core states`. Do not edit. -->\n\
         # States of a task\n\n\
         `attempt` rises at each claim; `failures` only when a try counts, against `max_failures`.\n\
         A pair that is not in this table does not happen.\n\n\
         | from | on | to | meaning |\n| --- | --- | --- | --- |\n",
    );
    for t in TRANSITIONS {
        let from = t.from.map_or("–", State::as_str);
        let _ = writeln!(out, "| {from} | {:?} | {} | {} |", t.on, t.to, t.note);
    }
    out.push_str(
        "\n# Classes of a failure\n\nThe class decides what follows, never the text of an error.\n\n\
         | class | task | failures + 1 | lane | when |\n| --- | --- | --- | --- | --- |\n",
    );
    for r in CLASSES {
        let task = match r.task {
            TaskEffect::Retry => "retrying, with backoff",
            TaskEffect::Park => "queued, behind what waits in its lane",
            TaskEffect::Fail => "failed",
            TaskEffect::ByPolicy => "policy `retry`: retrying; `hold`: failed",
        };
        let lane = match r.lane {
            LaneEffect::None => "–",
            LaneEffect::Breaker => "five in a row open the breaker; half-open probes",
            LaneEffect::PauseUntil => "paused until the time asked for (60 s if none), the latest wins",
            LaneEffect::PauseAlarm => "paused, alarm; a person or a probe every 5 min resumes it",
        };
        let counts = if r.counts { "yes" } else { "no" };
        let _ = writeln!(out, "| {} | {task} | {counts} | {lane} | {} |", r.class, r.when);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn states_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/STATES.md");
        let page = super::markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("docs/ is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            stored, page,
            "docs/STATES.md is stale: run UPDATE_DOCS=1 cargo test -p posthaste-core states"
        );
    }
}
