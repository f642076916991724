//! `POST /v1/notifications/batch`: send up to 1,000 messages in one request.

use std::collections::HashSet;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use posthaste_core::broker::{EnqueueReply, Enqueued};
use posthaste_core::limits::MAX_BATCH_BYTES;
use posthaste_core::{BatchId, BrokerError, IdempotencyKey, NewTask, State as TaskState, TaskId};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::body::NotificationBody;
use crate::auth::now;
use crate::detail::json_of;
use crate::input::bulk::{self, Mode, relocate};
use crate::input::draft::draft;
use crate::input::fields::{Errors, MAX_ERRORS, Object};
use crate::input::json::{JsonBody, written, written_items};
use crate::input::notification::Beside;
use crate::input::query;
use crate::operations::repeat::BatchNote;
use crate::operations::send::{Draft, NewBatch, StoredBatch};
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::routes::tasks::create::{IDEMPOTENCY_REPLAYED, callback_url, fingerprint, idempotency_key};
use crate::{Api, ApiError, Caller, FieldError, schema};

/// Several messages.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewNotificationBatch, example = json!({ "mode": "permissive", "notifications": [
    { "to": "ann@example.com", "message": "Your order 1 is on its way." },
    { "channel": "webhook", "to": "shop", "event": "order.shipped", "data": { "order": 1 } }
]}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// The messages, each to one recipient.
    #[schema(min_items = 1, max_items = 1000)]
    notifications: Vec<NotificationBody>,
    /// What happens when some are not acceptable; `strict` if left out: nothing is stored.
    #[schema(value_type = Option<schema::BatchMode>)]
    mode: Option<String>,
    /// Told by a signed POST when all of them are final.
    #[schema(max_length = 2048, pattern = "^https?://[^\\s]+$")]
    callback_url: Option<String>,
}

/// One that was stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItem)]
pub(crate) struct ItemView {
    /// Its place in the request.
    index: usize,
    /// Its id; of a duplicate, the id of the one that holds the unique key or is for the same recipient.
    #[schema(value_type = schema::Id)]
    id: TaskId,
    /// Its state.
    #[schema(value_type = schema::State)]
    state: TaskState,
    /// Whether another one holds its unique key, or an earlier one of `to` is the same recipient: nothing was stored.
    duplicate: bool,
}

/// One that was not stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItemError)]
pub(crate) struct ItemErrors {
    /// Its place in the request.
    pub(crate) index: usize,
    /// What is wrong with it.
    pub(crate) errors: Vec<FieldError>,
}

/// What became of each.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchAccepted, example = json!({
    "batch_id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a59",
    "data": [{ "index": 0, "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "state": "queued", "duplicate": false }],
    "errors": [{ "index": 1, "errors": [{ "loc": ["body", "notifications", 1, "to"], "msg": "Field required", "type": "missing" }] }]
}))]
pub(crate) struct BatchView {
    /// The batch that was stored.
    #[schema(value_type = schema::Id)]
    batch_id: BatchId,
    /// Those that were stored, in order.
    data: Vec<ItemView>,
    /// Those that were not, in permissive mode.
    #[schema(value_type = Vec<ItemErrors>)]
    errors: Vec<Value>,
}

impl BatchView {
    /// `places` are the places in the request of what was stored.
    pub(crate) fn new(batch: BatchId, places: Vec<usize>, stored: Vec<Enqueued>, errors: Vec<Value>) -> Self {
        let item = |(index, e): (usize, Enqueued)| ItemView {
            index,
            id: e.id,
            state: e.state,
            duplicate: e.duplicate,
        };
        Self { batch_id: batch, data: places.into_iter().zip(stored).map(item).collect(), errors }
    }
}

/// The answer to a batch that was stored.
pub(crate) fn answer(view: &BatchView, replayed: bool) -> Response {
    let mut response = json_of(StatusCode::ACCEPTED, view);
    let headers = response.headers_mut();
    let location = HeaderValue::try_from(format!("/v1/batches/{}", view.batch_id));
    headers.insert(header::LOCATION, location.expect("a UUID is plain ASCII"));
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Send a batch of notifications
///
/// Stores up to 1,000 messages, of at most 8 MiB together, at once and durable when it answers: as they come and, with what
/// templates make of them, as they are stored. In `strict` mode one that is
/// not acceptable fails all, with 422 and the first 20 errors; in `permissive` mode the good ones are stored and `errors`
/// says what is wrong with each of the others; 422 if none is good. A repeat with the same `Idempotency-Key` and body answers as the first did.
#[utoipa::path(
    post, path = "/v1/notifications/batch", tag = "notifications", operation_id = "create_notification_batch",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
        description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters.")),
    request_body(content = Body, content_type = "application/json"),
    responses(
        (status = 202, description = "Stored, now or by the first request with this key.", body = BatchView,
            headers(
                ("Location" = String, description = "The batch."),
                ("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."),
            )),
        Common, BadHead, WithBody, Conflicting,
    )
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    query::none(&parts.uri)?;
    let body = JsonBody::read_up_to(&parts.headers, body, MAX_BATCH_BYTES).await?;
    let mut errors = Errors::default();
    let key = idempotency_key(&parts.headers, &mut errors);
    let (value, texts) = body.object_noting(&mut errors, "notifications")?;
    let callback = callback_url(&value, vec!["body".into()], &mut errors);
    let Some(mut o) = Object::new(&value, vec!["body".into()], &mut errors) else {
        return Err(errors.into_error());
    };
    let mode = bulk::mode(&mut o, &mut errors);
    o.value("callback_url");
    let items = bulk::items(&mut o, "notifications", &mut errors);
    o.finish(&mut errors);
    let Some(items) = errors.into_result(items)? else { return Err(ApiError::Internal) };

    let texts = written_items(texts);
    let read: Vec<_> = items.iter().zip(texts).map(|(item, text)| read_one(item, text)).collect();
    let good: Vec<_> = read.iter().filter_map(|r| r.as_ref().ok()).collect();
    let idempotency = key.map(|key| IdempotencyKey {
        tenant: caller.tenant().cloned(),
        operation: "notifications.batch",
        key,
        fingerprint: fingerprint(&value, None),
    });
    let asked = Asked { field: "notifications", mode, new: NewBatch::new(callback, idempotency) };
    let known = match api.look_up(&caller, &good).await {
        Ok(known) => known,
        Err(e) => return asked.failed(&api, &caller, e, items.len()).await,
    };
    let task = |draft: Result<Draft, Errors>| -> Result<NewTask, Wrong> {
        Ok(api.task_of(&caller, draft?, &known)?)
    };
    asked.store(&api, &caller, read.into_iter().map(task)).await
}

/// What is wrong with an item.
pub(crate) enum Wrong {
    /// Its fields.
    Fields(Errors),
    /// It is not for this caller to send.
    Forbidden(&'static str),
}

impl From<Errors> for Wrong {
    fn from(errors: Errors) -> Self {
        Self::Fields(errors)
    }
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Forbidden { why } => Self::Forbidden(why),
            ApiError::Invalid(errors) => Self::Fields(errors.into()),
            other => Self::Fields(vec![FieldError::new(["body"], "value_error", other.detail())].into()),
        }
    }
}

impl Wrong {
    /// Why it is forbidden.
    const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Forbidden(why) => Some(*why),
            Self::Fields(_) => None,
        }
    }

    /// As errors of the item.
    fn into_errors(self) -> Errors {
        match self {
            Self::Fields(errors) => errors,
            Self::Forbidden(why) => vec![FieldError::new(["body"], "forbidden", why)].into(),
        }
    }
}

/// A batch as it was asked for, apart from its tasks.
pub(crate) struct Asked {
    /// The field of the body that lists them.
    pub(crate) field: &'static str,
    pub(crate) mode: Mode,
    pub(crate) new: NewBatch,
}

impl Asked {
    /// The answer to a batch of `count` items that failed as a whole: that of the first request, if this one repeats it.
    pub(crate) async fn failed(
        self,
        api: &Api,
        caller: &Caller,
        error: ApiError,
        count: usize,
    ) -> Result<Response, ApiError> {
        let first = api.first_answer(self.new.idempotency.as_ref(), error).await?;
        again(api, caller, self.new, first, count).await
    }

    /// Stores what is good, unless one that is not fails all; the answer.
    pub(crate) async fn store(
        self,
        api: &Api,
        caller: &Caller,
        read: impl Iterator<Item = Result<NewTask, Wrong>>,
    ) -> Result<Response, ApiError> {
        let (mut tasks, mut places, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        let (mut forbidden, mut bytes) = (None, 0);
        for (index, task) in read.enumerate() {
            match task.and_then(|task| fits(task, &mut bytes)) {
                Ok(task) => {
                    tasks.push(task);
                    places.push(index);
                }
                Err(e) => {
                    forbidden = forbidden.or(e.refusal());
                    wrong.push((index, relocate(e.into_errors(), self.field, index)));
                }
            }
        }
        let Self { field, mode, new } = self;
        let count = tasks.len() + wrong.len();
        if !wrong.is_empty() {
            // What is wrong now may have been right when the first request came.
            if let Some(key) = &new.idempotency
                && let Some(first) = api.remembered(key).await?
            {
                return again(api, caller, new, first, count).await;
            }
            // All or none of it is asked for: then what one may not do, one may not do of all.
            if mode == Mode::Strict
                && let Some(why) = forbidden
            {
                return Err(ApiError::Forbidden { why });
            }
            if mode == Mode::Strict || tasks.is_empty() {
                return Err(all(wrong).into_error());
            }
        }
        let (stored, errors) = if mode == Mode::Strict {
            (api.enqueue_batch(caller, new, tasks).await?, Vec::new())
        } else {
            let mut good = Good { tasks, places, wrong };
            let (stored, errors) = good.store(api, caller, field, new).await?;
            places = good.places;
            (stored, errors)
        };
        if stored.replayed {
            return again_of(api, stored, count).await;
        }
        Ok(answer(&BatchView::new(stored.id, places, stored.tasks, errors), false))
    }
}

/// A batch in permissive mode: what is good of it so far, its places in the request, and what is wrong with the others.
struct Good {
    tasks: Vec<NewTask>,
    places: Vec<usize>,
    wrong: Vec<(usize, Errors)>,
}

impl Good {
    /// Stores what is good. What the store refuses of it for itself is wrong, too: then the rest is stored without.
    async fn store(
        &mut self,
        api: &Api,
        caller: &Caller,
        field: &'static str,
        new: NewBatch,
    ) -> Result<(StoredBatch, Vec<Value>), ApiError> {
        loop {
            let errors = by_item(self.wrong.clone());
            if !errors.is_empty() && new.idempotency.is_some() {
                let note = BatchNote { at: now(), places: self.places.clone(), errors: errors.clone() };
                api.note_batch(new.id, &note).await?;
            }
            // Nobody but a tenant is refused anything by the store alone: what it brings is counted there.
            let tenants = caller.tenant().is_some() || self.tasks.iter().any(|t| t.tenant.is_some());
            let mut kept = if tenants { self.tasks.clone() } else { Vec::new() };
            match api.enqueue_tasks_of(caller, &new, std::mem::take(&mut self.tasks)).await? {
                Ok(reply) => return Ok((api.batch_stored(caller, new, reply).await?, errors)),
                // Each time there are fewer of them.
                Err(BrokerError::Invalid { each, field: what, problem, .. })
                    if !each.is_empty() && !kept.is_empty() =>
                {
                    let refused: HashSet<usize> = each.into_iter().collect();
                    let mut at = 0..;
                    kept.retain(|_| at.next().is_some_and(|at| !refused.contains(&at)));
                    self.tasks = kept;
                    self.give_up(&refused, field, &FieldError::new(["body", what], "value_error", problem));
                    if self.tasks.is_empty() {
                        return Err(all(std::mem::take(&mut self.wrong)).into_error());
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Moves the places of refused tasks to what is wrong.
    fn give_up(&mut self, refused: &HashSet<usize>, field: &'static str, error: &FieldError) {
        let mut left = Vec::with_capacity(self.places.len());
        for (at, place) in std::mem::take(&mut self.places).into_iter().enumerate() {
            if refused.contains(&at) {
                self.wrong.push((place, relocate(vec![error.clone()].into(), field, place)));
            } else {
                left.push(place);
            }
        }
        self.places = left;
        self.wrong.sort_by_key(|(place, _)| *place);
    }
}

/// The task, if it may be stored with those before it, which take `bytes`: what a template makes of little may be much.
fn fits(task: NewTask, bytes: &mut usize) -> Result<NewTask, Wrong> {
    let all = *bytes + task.payload.len();
    if all > MAX_BATCH_BYTES {
        let msg = format!(
            "With those before it, it is more than the {MAX_BATCH_BYTES} bytes that a batch takes as it is stored: send it in another batch"
        );
        return Err(Errors::from(vec![FieldError::new(["body"], "too_large", msg)]).into());
    }
    *bytes = all;
    Ok(task)
}

/// What is wrong with any of them.
fn all(wrong: Vec<(usize, Errors)>) -> Errors {
    let mut all = Errors::default();
    wrong.into_iter().for_each(|(_, errors)| all.absorb(errors));
    all
}

/// What is wrong with each. Every bad item is there, and once enough has been said, with one error alone: the answer
/// stays as small as the request.
fn by_item(wrong: Vec<(usize, Errors)>) -> Vec<Value> {
    let mut left = MAX_ERRORS;
    let item = |(index, errors): (usize, Errors)| {
        let errors = errors.named(left.max(1));
        left = left.saturating_sub(errors.len());
        json!(ItemErrors { index, errors })
    };
    wrong.into_iter().map(item).collect()
}

/// The answer to a repeat of a batch of `count` items: as the first request was answered.
async fn again(
    api: &Api,
    caller: &Caller,
    new: NewBatch,
    first: EnqueueReply,
    count: usize,
) -> Result<Response, ApiError> {
    let stored = api.batch_stored(caller, new, first).await?;
    again_of(api, stored, count).await
}

async fn again_of(api: &Api, stored: StoredBatch, count: usize) -> Result<Response, ApiError> {
    // Only of a batch in which something was wrong less was stored than was asked for, and that was noted.
    let note = if stored.tasks.len() < count { api.batch_note(stored.id).await? } else { None };
    let (places, errors) = note.map_or_else(|| ((0..count).collect(), Vec::new()), |n| (n.places, n.errors));
    Ok(answer(&BatchView::new(stored.id, places, stored.tasks, errors), true))
}

fn read_one(value: &Value, text: &RawValue) -> Result<Draft, Errors> {
    let mut errors = Errors::default();
    let mut read = None;
    if let Some(mut o) = Object::new(value, vec!["body".into()], &mut errors) {
        let data = value.get("data").and_then(|_| written(text.get().as_bytes(), "data"));
        let beside = Beside { to: o.value("to"), data };
        read = draft(&mut o, beside, &mut errors);
        o.finish(&mut errors);
    }
    match read {
        Some(draft) if errors.is_empty() => Ok(draft),
        _ => Err(errors),
    }
}
