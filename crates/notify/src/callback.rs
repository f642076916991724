//! Tasks of kind `callback`: tell a URL that a batch or a task is final.
//!
//! The callback is enqueued together with what it is about, and looks whether that has ended: at once, then after a
//! tenth of its age. So it comes late by at most a tenth, a store is asked little, and no crash loses it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::broker::{ListFilter, ListRequest};
use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{
    BatchId, Failure, FailureClass, Json, Kind, NewTask, Outcome, RetryPolicy, State, Store, Task, TaskEnd,
    TaskId, Timestamp,
};
use posthaste_worker::{Context, Handler};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::channels::{mark_error, now, store_error, webhook};
use crate::net::{Ask, HttpClient, Read};
use crate::signing::Signing;

/// The name of the kind.
pub const KIND: &str = "callback";
/// Shortest and longest time between two looks.
const LOOK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Pages that one look reads: a batch has at most 1,000 tasks.
const MAX_PAGES: usize = 50;
/// How young a callback may be for what is not there to be still on its way; later, retention has removed it.
const ON_ITS_WAY: Duration = Duration::from_secs(60);
/// A batch that is not final by then is not waited for any longer.
const MAX_WAIT: Duration = Duration::from_secs(28 * 24 * 3600);

/// The payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Where to.
    pub url: String,
    /// The batch that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// How many tasks the batch has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The task that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

impl Callback {
    /// The task that does it.
    ///
    /// # Panics
    /// Never: the kind's name is fixed.
    pub fn into_task(self) -> NewTask {
        let policy = RetryPolicy { max_age: MAX_WAIT, ..RetryPolicy::webhook() };
        let payload = Json::from_value(&self).expect("texts and numbers are JSON");
        let lane = crate::config::channel_lane(crate::ChannelKind::Webhook, &webhook::target(&self.url));
        NewTask {
            policy,
            lane: Some(lane),
            ..NewTask::new(Kind::new(KIND).expect("a fixed, valid name"), payload)
        }
    }
}

/// What is told, the same at every attempt.
struct News {
    event: &'static str,
    /// When it came to be.
    at: Timestamp,
    data: Json,
}

/// What is told of a task; its result as the handler wrote it.
#[derive(Serialize)]
struct Finished<'a> {
    id: TaskId,
    kind: &'a str,
    state: State,
    attempt: u32,
    finished_at: Option<Timestamp>,
    result: Option<&'a Json>,
    error: Option<&'a TaskEnd>,
}

fn age(cx: &Context) -> Duration {
    now().since(cx.task().created_at)
}

/// Runs tasks of kind `callback`.
pub struct CallbackHandler {
    store: Arc<dyn Store>,
    http: HttpClient,
    signing: Signing,
}

impl CallbackHandler {
    /// Over this client, signed with these secrets.
    pub fn new(store: Arc<dyn Store>, http: HttpClient, signing: Signing) -> Self {
        Self { store, http, signing }
    }

    /// The kind it runs.
    ///
    /// # Panics
    /// Never: the name is fixed.
    pub fn kind() -> Kind {
        Kind::new(KIND).expect("a fixed, valid name")
    }

    async fn run_one(&self, cx: &Context) -> Result<Outcome, Failure> {
        let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
        let callback: Callback = cx
            .task()
            .payload
            .parse()
            .map_err(|e| permanent(format!("The payload is not a callback: {e}.")))?;
        let told = match (callback.batch, callback.task) {
            (Some(batch), None) => self.batch(cx, batch, callback.size).await?,
            (None, Some(task)) => self.task(cx, task).await?,
            _ => return Err(permanent("A callback is about a batch or about a task.".into())),
        };
        let Some(news) = told else {
            return Ok(Outcome::Snooze { delay: (age(cx) / 10).clamp(LOOK.0, LOOK.1) });
        };
        self.tell(cx, &callback.url, &news).await
    }

    /// What is to be told of a batch, once all of it is final.
    async fn batch(&self, cx: &Context, id: BatchId, size: Option<u64>) -> Result<Option<News>, Failure> {
        let mut at = cx.task().created_at;
        let mut whole = false;
        let mut counts = [0u64; State::ALL.len()];
        // What is not of the callback's tenant is not there.
        let tenant = cx.task().tenant.clone();
        let filter = ListFilter { batch: Some(id), tenant, ..ListFilter::default() };
        let mut request = ListRequest { filter, limit: MAX_PAGE, ..ListRequest::default() };
        for _ in 0..MAX_PAGES {
            let page = self.store.list(request.clone()).await.map_err(|e| store_error(&e))?;
            for task in &page.tasks {
                if !task.state.is_final() {
                    return Ok(None);
                }
                counts[usize::from(task.state.code())] += 1;
                at = at.max(task.finished_at.unwrap_or(at));
            }
            if page.next_cursor.is_none() {
                whole = true;
                break;
            }
            request.cursor = page.next_cursor;
        }
        let known: u64 = counts.iter().sum();
        let missing = size.unwrap_or(known).saturating_sub(known);
        // A page may end early on a busy store; what was not seen is not known to be final.
        if !whole || (missing > 0 && age(cx) < ON_ITS_WAY) {
            return Ok(None);
        }
        let of = |s: State| counts[usize::from(s.code())];
        Ok(Some(News {
            event: "batch.finished",
            at,
            data: Json::from(json!({
                "batch_id": id,
                "size": size.unwrap_or(known),
                "counts": {
                    "succeeded": of(State::Succeeded), "failed": of(State::Failed),
                    "cancelled": of(State::Cancelled), "expired": of(State::Expired),
                    // Final so long ago that retention has removed them.
                    "removed": missing,
                },
            })),
        }))
    }

    /// What is to be told of a task, once it is final.
    async fn task(&self, cx: &Context, id: TaskId) -> Result<Option<News>, Failure> {
        let event = "task.finished";
        let found = self.store.get(&[id]).await.map_err(|e| store_error(&e))?.into_iter().next().flatten();
        let own = |t: &Task| cx.task().tenant.is_none() || cx.task().tenant == t.tenant;
        let Some(task) = found.filter(own) else {
            let data = Json::from(json!({"id": id, "state": Value::Null}));
            let gone = News { event, at: cx.task().created_at, data };
            return Ok((age(cx) >= ON_ITS_WAY).then_some(gone));
        };
        if !task.state.is_final() {
            return Ok(None);
        }
        let finished = Finished {
            id,
            kind: task.kind.as_str(),
            state: task.state,
            attempt: task.attempt,
            finished_at: task.finished_at,
            result: task.result.as_ref(),
            error: task.error.as_ref(),
        };
        Ok(Some(News {
            event,
            at: task.finished_at.unwrap_or(cx.task().created_at),
            data: Json::from_value(&finished).expect("texts, numbers and JSON are JSON"),
        }))
    }

    async fn tell(&self, cx: &Context, url: &str, news: &News) -> Result<Outcome, Failure> {
        let News { event, at, data } = news;
        let tenant = cx.task().tenant.as_ref();
        let http = self.http.of(tenant);
        let url = http.guard().check_url(url);
        let url = url.map_err(|e| Failure::new(FailureClass::Permanent, e.to_string()))?;
        let secrets = self.signing.of(tenant, now()).await.map_err(|e| store_error(&e))?;
        let body = webhook::body_of(event, data, *at);
        let headers = webhook::signed_headers(&secrets, &cx.task().lease.task.to_string(), &body);
        cx.mark().await.map_err(|e| mark_error(&e))?;
        let method = reqwest::Method::POST;
        let ask = Ask { method, url, headers, body, within: webhook::within(cx), read: Read::Glance };
        let answer = http.ask(ask).await.map_err(|e| webhook::failure_without(&e))?;
        if !answer.is_success() {
            return Err(webhook::failure_of(&answer));
        }
        Ok(Outcome::result(Json::from(json!({"message": format!("Told {event}"), "code": answer.status}))))
    }
}

#[async_trait]
impl Handler for CallbackHandler {
    async fn run(&self, cx: Context) -> Outcome {
        self.run_one(&cx).await.unwrap_or_else(Outcome::Failure)
    }
}
