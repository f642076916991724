//! `posthaste workers`: who serves the queues.

use std::path::Path;

use serde_json::Value;

use crate::http::{Server, ServerArg, block_on};
use crate::listing::{data, text};
use crate::output::Out;

const COLUMNS: &[&str] = &["host", "pid", "version", "queues", "busy", "state", "started", "last heartbeat"];

/// Arguments of `posthaste workers`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerArg,
}

/// Lists the workers that were heard of within the last minute.
///
/// # Errors
/// The server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    let workers = data(&block_on(server.get("v1/workers", &[]))?);
    if out.is_json() {
        return out.value(&workers);
    }
    if workers.is_empty() {
        return out.line(
            "no workers: accepted tasks wait until one is started, with `posthaste worker` or `posthaste up`",
        );
    }
    out.line(out.table(COLUMNS, &workers.iter().map(|w| row(out, w)).collect::<Vec<_>>()))
}

fn row(out: Out, worker: &Value) -> Vec<String> {
    let of = |field| text(worker, field);
    let is = |field| worker.get(field).and_then(Value::as_bool) == Some(true);
    let state = match (is("silent"), is("stopping")) {
        (true, _) => "silent",
        (false, true) => "stopping",
        (false, false) => "serving",
    };
    vec![
        of("host"),
        of("pid"),
        of("version"),
        of("queues"),
        format!("{}/{}", of("running"), of("slots")),
        out.state(state),
        out.time(&of("started_at")),
        out.time(&of("seen_at")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_worker_is_one_row_without_what_a_terminal_acts_on() {
        let worker = json!({"id": "a:1:2", "host": "mail-1\u{1b}[31m", "pid": 7, "version": "0.1.0", "queues": ["a", "b"],
            "kinds": ["notify"], "slots": 64, "running": 3, "started_at": "S", "seen_at": "H", "stopping": true});
        // Not a terminal for certain: JSON is never coloured.
        let row = row(Out::new(true), &worker);
        assert_eq!(row, ["mail-1\u{fffd}[31m", "7", "0.1.0", "a,b", "3/64", "stopping", "S", "H"]);
        let state = |silent, stopping| {
            super::row(Out::new(true), &json!({"silent": silent, "stopping": stopping})).swap_remove(5)
        };
        assert_eq!((state(true, false), state(true, true)), ("silent".into(), "silent".into()));
        assert_eq!((state(false, true), state(false, false)), ("stopping".into(), "serving".into()));
    }
}
