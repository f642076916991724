//! `posthaste tasks watch`: follows the server's events; after a lost connection it asks again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use console::Term;
use futures_util::StreamExt;
use posthaste_core::TaskId;
use serde_json::Value;

use super::events::{Event, Events};
use super::view::{self, is_final};
use crate::exit::Stop;
use crate::http::Server;
use crate::listing::{self, Column, text};
use crate::output::Out;

/// How long a server may be away before we give up.
const AWAY: Duration = Duration::from_secs(300);
/// The longest pause between two attempts to reach it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The table is drawn at most this often.
const FRAME: Duration = Duration::from_millis(100);

const BOARD: &[Column] = &[
    Column::text("id", "id"),
    Column::text("kind", "kind"),
    Column::text("queue", "queue"),
    Column::state("state", "state"),
    Column::text("attempt", "attempt"),
    Column::text("class", "class"),
    Column::time("changed", "at"),
];

/// Follows one task until it is final (exit 4 unless it succeeded), or every task: as a table that
/// changes in place on a terminal, as a line per event elsewhere.
///
/// # Errors
/// The server (1, 3), the end of the task (4).
pub(super) async fn run(server: &Server, id: Option<TaskId>, out: Out) -> anyhow::Result<()> {
    let mut screen = match id {
        None if out.is_terminal() => Screen::Board(Board::new(out)),
        _ => Screen::Lines { out, id, shown: None },
    };
    let path = id.map_or_else(|| "v1/events".to_owned(), |id| format!("v1/tasks/{id}/events"));
    let mut lost: Option<(Instant, Duration)> = None;
    loop {
        match follow(server, &path, &mut screen, lost.is_some()).await {
            Ok(Some(task)) => return end(&task, out),
            // The stream was open and ended: a restart, a proxy's limit.
            Ok(None) => lost = Some((Instant::now(), Duration::from_millis(200))),
            Err(e) => {
                let Some((since, pause)) = lost.filter(|(since, _)| may_pass(&e) && since.elapsed() < AWAY)
                else {
                    return Err(e);
                };
                lost = Some((since, (pause * 2).min(LONGEST_PAUSE)));
            }
        }
        if let Some((_, pause)) = lost {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether asking again may help: the server is away, or says that it cannot now.
fn may_pass(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<crate::http::Refused>() {
        Some(refused) => refused.status >= 500 || refused.status == 429,
        None => matches!(error.downcast_ref::<Stop>(), Some(Stop::Unreachable(_))),
    }
}

/// Shows one stream until it ends; the watched task once it is final.
async fn follow(
    server: &Server,
    path: &str,
    screen: &mut Screen,
    again: bool,
) -> anyhow::Result<Option<Value>> {
    // Subscribed before the first look, so that no end falls between the two.
    let response = server.events(path).await?;
    if again {
        eprintln!("posthaste: the connection was lost and is there again");
    }
    if let Some(task) = screen.look(server).await? {
        return Ok(Some(task));
    }
    let mut stream = response.bytes_stream();
    let mut events = Events::default();
    let mut frame = tokio::time::interval(FRAME);
    frame.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            chunk = stream.next() => {
                // A connection that breaks ends the stream as one that is closed.
                let Some(Ok(chunk)) = chunk else { return Ok(None) };
                for event in events.push(&chunk)? {
                    if screen.take(&event)? && let Some(task) = screen.look(server).await? {
                        return Ok(Some(task));
                    }
                }
            }
            _ = frame.tick() => screen.draw()?,
        }
    }
}

fn end(task: &Value, out: Out) -> anyhow::Result<()> {
    if out.is_json() {
        out.line(task.to_string())?;
    } else {
        out.line(view::sentence(task))?;
    }
    let state = text(task, "state");
    if state == "succeeded" {
        return Ok(());
    }
    Err(Stop::TaskEnded(format!("task {} {state}", text(task, "id"))).into())
}

/// What shows the events.
enum Screen {
    /// A line for each; `shown` is the last state of a watched task.
    Lines { out: Out, id: Option<TaskId>, shown: Option<String> },
    /// The latest tasks in place.
    Board(Board),
}

impl Screen {
    /// Takes an event; whether the server must be looked at.
    fn take(&mut self, event: &Event) -> anyhow::Result<bool> {
        match (event.name.as_str(), self) {
            ("task", Self::Board(board)) => {
                board.put(serde_json::from_str(&event.data)?);
                Ok(false)
            }
            ("task", Self::Lines { out, id, shown }) => {
                let data: Value = serde_json::from_str(&event.data)?;
                let over = id.is_some() && is_final(&data);
                if !over {
                    line(&data, *out, shown)?;
                }
                Ok(over)
            }
            // Some were dropped: only a look tells what they were.
            ("missed", _) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Reads what events cannot tell: the watched task, or the latest of all.
    async fn look(&mut self, server: &Server) -> anyhow::Result<Option<Value>> {
        match self {
            Self::Lines { id: None, .. } => Ok(None),
            Self::Lines { out, id: Some(id), shown } => {
                let task = server.get(&format!("v1/tasks/{id}"), &[]).await?;
                if is_final(&task) {
                    return Ok(Some(task));
                }
                line(&task, *out, shown)?;
                Ok(None)
            }
            Self::Board(board) => {
                let latest = server.get("v1/tasks", &[("limit", board.height().to_string())]).await?;
                for task in listing::data(&latest).into_iter().rev() {
                    board.put(task);
                }
                Ok(None)
            }
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Lines { .. } => Ok(()),
            Self::Board(board) => board.draw(),
        }
    }
}

/// Prints an event, unless it says what was said last.
fn line(task: &Value, out: Out, shown: &mut Option<String>) -> anyhow::Result<()> {
    let state = format!("{} {} {}", text(task, "id"), text(task, "state"), text(task, "attempt"));
    if shown.as_ref() == Some(&state) {
        return Ok(());
    }
    *shown = Some(state);
    if out.is_json() {
        return out.line(task.to_string());
    }
    let [id, kind, state, class] = ["id", "kind", "state", "class"].map(|field| text(task, field));
    let parts = [out.time(&text(task, "at")), id, kind, out.state(&state), class];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
    out.line(parts.join("  "))
}

/// The latest tasks, newest change first.
struct Board {
    term: Term,
    out: Out,
    tasks: VecDeque<Value>,
    /// Lines that were drawn last.
    drawn: usize,
    changed: bool,
}

impl Board {
    fn new(out: Out) -> Self {
        Self { term: Term::stdout(), out, tasks: VecDeque::new(), drawn: 0, changed: true }
    }

    /// Tasks that fit: a line for the heading, one for the cursor.
    fn height(&self) -> usize {
        usize::from(self.term.size().0).saturating_sub(2).clamp(1, 200)
    }

    fn put(&mut self, mut task: Value) {
        if task.get("at").is_none() {
            let at = ["finished_at", "started_at", "created_at"].iter().find_map(|f| task.get(*f).cloned());
            task["at"] = at.unwrap_or_default();
        }
        self.tasks.retain(|t| t["id"] != task["id"]);
        self.tasks.push_front(task);
        self.tasks.truncate(self.height());
        self.changed = true;
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let width = usize::from(self.term.size().1);
        let items: Vec<Value> = self.tasks.iter().cloned().collect();
        let text = if items.is_empty() {
            "waiting for tasks".to_owned()
        } else {
            listing::table(self.out, BOARD, &items)
        };
        // A line that wraps would be counted wrongly when it is cleared.
        let lines: Vec<_> = text.lines().map(|l| console::truncate_str(l, width, "…")).collect();
        self.term.clear_last_lines(self.drawn)?;
        self.drawn = lines.len();
        for line in lines {
            self.term.write_line(&line)?;
        }
        Ok(())
    }
}
