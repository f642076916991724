//! Server-sent events (the WHATWG HTML standard, section 9.2), written by hand: one chunk per
//! delivery of the store, however many events it holds.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use posthaste_core::{Delivery, Event, Subscription, TaskId};

use crate::auth::gate;
use crate::metrics::Watching;
use crate::view::TaskView;
use crate::{Api, ApiError, Caller};

/// A comment is sent when nothing else was for this long, so that proxies keep the stream open and
/// a reader that left is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often it is asked whether the key of the reader is still good, while there is something to tell.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Says that events were dropped; the watcher reads the store again.
const MISSED: &str = "event: missed\ndata: {}\n\n";

/// A stream that goes on until the reader leaves or the server stops.
pub(crate) fn all(api: &Api, caller: Caller) -> Response {
    let source = Source {
        _watching: api.metrics().watcher(),
        api: api.clone(),
        caller,
        events: api.events(None),
        task: None,
        checked: Instant::now(),
    };
    respond(source, String::from(": every change of every task\n\n"))
}

/// A stream about one task: its state now, then every change, until it is final.
///
/// # Errors
/// [`ApiError::NotFound`], [`ApiError::Unavailable`].
pub(crate) async fn of_task(api: &Api, caller: Caller, id: TaskId) -> Result<Response, ApiError> {
    // Subscribed before the read, so that a change between the two is not missed.
    let events = api.events(Some(id));
    let task = api.task_brief(&caller, id).await?.ok_or_else(|| ApiError::no_task(id))?;
    let mut first = String::new();
    let watched = Watched::show(&task, &mut first);
    Ok(respond(
        Source {
            _watching: api.metrics().watcher(),
            api: api.clone(),
            caller,
            events,
            task: Some(watched),
            checked: Instant::now(),
        },
        first,
    ))
}

/// What goes over the wire, for the description.
pub(crate) const EXAMPLE: &str = concat!(
    "event: task\n",
    r#"data: {"id":"0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58","kind":"notify","queue":"default","state":"succeeded","#,
    r#""at":"2026-01-31T09:30:00.480Z","attempt":1,"generation":1}"#,
    "\n\n"
);

struct Source {
    api: Api,
    caller: Caller,
    events: Box<dyn Subscription>,
    task: Option<Watched>,
    /// When it was last asked whether the key is still good.
    checked: Instant,
    /// Counted while it lives.
    _watching: Watching,
}

/// The newest state of the watched task that its reader knows.
struct Watched {
    id: TaskId,
    generation: u32,
    attempt: u32,
    state: posthaste_core::State,
}

impl Watched {
    /// Writes the task's state now as an event.
    fn show(task: &TaskView, out: &mut String) -> Self {
        let event = Event {
            id: task.id,
            kind: task.kind.clone(),
            queue: task.queue.clone(),
            state: task.state,
            at: task.finished_at.or(task.started_at).unwrap_or(task.created_at),
            attempt: task.attempt,
            generation: task.generation,
            class: task.error.as_ref().and_then(|e| e.class),
            next_at: (task.state == posthaste_core::State::Retrying).then_some(task.due_at),
        };
        write(&event, out);
        Self { id: task.id, generation: task.generation, attempt: task.attempt, state: task.state }
    }

    /// Whether the event tells the reader something new.
    fn take(&mut self, e: &Event) -> bool {
        let (seen, new) = ((self.generation, self.attempt), (e.generation, e.attempt));
        if new < seen || (new == seen && e.state == self.state) {
            return false;
        }
        (self.generation, self.attempt, self.state) = (e.generation, e.attempt, e.state);
        true
    }
}

fn respond(source: Source, first: String) -> Response {
    let ended = source.task.as_ref().is_some_and(|t| t.state.is_final());
    let body = stream::unfold((Some(first), (!ended).then_some(source)), |(first, source)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, Infallible>(first), (None, source)));
        }
        let mut source = source?;
        let (chunk, more) = source.next().await?;
        Some((Ok(chunk), (None, more.then_some(source))))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Source {
    /// The next chunk, and whether more follows; `None` ends the stream.
    async fn next(&mut self) -> Option<(String, bool)> {
        loop {
            let closing = self.api.closing().clone();
            let delivery = tokio::select! {
                d = self.events.next() => Some(d?),
                () = closing.cancelled() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => None,
            };
            // After the wait, which may have been long: what came meanwhile is not for a key that has ended since.
            if !self.may_go_on().await {
                return None;
            }
            let Some(delivery) = delivery else {
                return Some((": keep-alive\n\n".into(), true));
            };
            let mut out = String::new();
            let more = match delivery {
                Delivery::Events(list) if self.sees_all() => self.write(&list, &mut out),
                Delivery::Events(list) => match own(&self.api, &self.caller, &list).await {
                    Some(own) => self.write(&own, &mut out),
                    None => {
                        out.push_str(MISSED);
                        true
                    }
                },
                Delivery::Missed => {
                    out.push_str(MISSED);
                    self.reread(&mut out).await
                }
            };
            if !out.is_empty() || !more {
                return Some((out, more));
            }
        }
    }

    /// Whether no event has to be looked into: the one task was, when the stream began.
    fn sees_all(&self) -> bool {
        self.caller.tenant().is_none() || self.task.is_some()
    }

    /// Whether the key still lets its holder watch; asked at most once a second.
    async fn may_go_on(&mut self) -> bool {
        if self.checked.elapsed() < CHECK_EVERY {
            return true;
        }
        self.checked = Instant::now();
        gate::still_good(&self.api, &self.caller).await
    }

    fn write(&mut self, list: &[Event], out: &mut String) -> bool {
        for e in list {
            if let Some(task) = &mut self.task {
                if !task.take(e) {
                    continue;
                }
                write(e, out);
                if e.state.is_final() {
                    return false;
                }
            } else {
                write(e, out);
            }
        }
        true
    }

    /// After a gap, the state that the watched task is in now.
    async fn reread(&mut self, out: &mut String) -> bool {
        let Some(task) = &mut self.task else { return true };
        match self.api.task_brief(&self.caller, task.id).await {
            Ok(Some(now)) => {
                *task = Watched::show(&now, out);
                !now.state.is_final()
            }
            // Pruned meanwhile: nothing follows.
            Ok(None) => false,
            // The reader was told that it missed something, and later events still come.
            Err(_) => true,
        }
    }
}

/// The events of the caller's tenant. An event does not say whose its task is, so the tasks are
/// read; `None` when they cannot be.
async fn own(api: &Api, caller: &Caller, list: &[Event]) -> Option<Vec<Event>> {
    let own = api.own_tasks(caller, list.iter().map(|e| e.id)).await.ok()?;
    Some(list.iter().filter(|e| own.contains(&e.id)).cloned().collect())
}

fn write(e: &Event, out: &mut String) {
    out.push_str("event: task\ndata: ");
    out.push_str(&serde_json::to_string(e).expect("an event always serializes"));
    out.push_str("\n\n");
}
