//! `posthaste tasks watch`: follows the server's events.

use futures_util::StreamExt;
use posthaste_core::{State, TaskId};
use serde_json::Value;

use super::view;
use crate::exit::Stop;
use crate::http::Server;
use crate::output::Out;

/// Longest event that is kept while it arrives.
const MAX_EVENT: usize = 1024 * 1024;

/// Prints each event; of one task, until it is final: exit 4 unless it succeeded.
///
/// # Errors
/// The server (1, 3), the end of the task (4).
pub(crate) async fn run(server: Server, id: Option<TaskId>, out: Out) -> anyhow::Result<()> {
    let path = id.map_or_else(|| "v1/events".to_owned(), |id| format!("v1/tasks/{id}/events"));
    // Subscribed before the first look, so that no end falls between the two.
    let response = server.events(&path).await?;
    if let Some(id) = id {
        let task = server.get(&format!("v1/tasks/{id}"), &[]).await?;
        if is_final(&task) {
            return end(&task, out);
        }
        show(&task, out)?;
    }
    let mut stream = response.bytes_stream();
    let mut buffer = Events::default();
    while let Some(chunk) = stream.next().await {
        for event in buffer.push(&chunk?) {
            let over = match event.name.as_str() {
                "task" => {
                    let data: Value = serde_json::from_str(&event.data)?;
                    show(&data, out)?;
                    is_final(&data)
                }
                // Some were dropped: only a look tells whether the end was among them.
                "missed" => true,
                _ => false,
            };
            if let Some(id) = id.filter(|_| over) {
                let task = server.get(&format!("v1/tasks/{id}"), &[]).await?;
                if is_final(&task) {
                    return end(&task, out);
                }
            }
        }
        anyhow::ensure!(buffer.rest.len() <= MAX_EVENT, "the server sent an event without an end");
    }
    anyhow::bail!("the server ended the stream; it may be shutting down")
}

fn is_final(task: &Value) -> bool {
    view::text(task, "state").parse::<State>().is_ok_and(State::is_final)
}

fn show(task: &Value, out: Out) -> anyhow::Result<()> {
    let kind = view::text(task, "kind");
    let at = view::text(task, "at");
    let class = view::text(task, "class");
    let line = [at, view::text(task, "id"), kind, view::text(task, "state"), class];
    let line: Vec<&str> = line.iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
    if out.is_json() { out.line(task.to_string()) } else { out.line(line.join("  ")) }
}

fn end(task: &Value, out: Out) -> anyhow::Result<()> {
    if out.is_json() {
        out.line(task.to_string())?;
    } else {
        out.line(view::sentence(task))?;
    }
    let state = view::text(task, "state");
    if state == State::Succeeded.as_str() {
        return Ok(());
    }
    Err(Stop::TaskEnded(format!("task {} {state}", view::text(task, "id"))).into())
}

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
}

/// Takes a stream of server-sent events apart (HTML Living Standard §9.2), as far as we send them.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    next: Event,
}

impl Events {
    fn push(&mut self, chunk: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(chunk);
        let mut out = Vec::new();
        while let Some(at) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=at).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.next);
                if !event.data.is_empty() {
                    out.push(event);
                }
            } else if let Some(name) = line.strip_prefix("event:") {
                self.next.name = name.trim_start().to_owned();
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.next.data.is_empty() {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_across_chunks() {
        let mut events = Events::default();
        assert!(events.push(b": hello\n\nevent: ta").is_empty());
        let got = events.push(b"sk\ndata: {\"a\":1}\n\nevent: missed\ndata: {}\n\n");
        assert_eq!(
            got,
            [
                Event { name: "task".into(), data: "{\"a\":1}".into() },
                Event { name: "missed".into(), data: "{}".into() }
            ]
        );
    }
}
