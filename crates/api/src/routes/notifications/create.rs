//! `POST /v1/notifications`: send a message to one recipient, or the same to several.

use std::collections::{HashMap, HashSet};

use axum::extract::{Request, State};
use axum::response::Response;
use posthaste_core::broker::Enqueued;
use posthaste_core::limits::MAX_BATCH_BYTES;
use posthaste_core::{IdempotencyKey, NewTask};
use posthaste_notify::notification::recipient_key;
use serde_json::Value;
use serde_json::value::RawValue;

use super::batch::{BatchView, answer};
use super::body::NotificationBody;
use crate::input::bulk::check_len;
use crate::input::draft::draft;
use crate::input::fields::{Errors, Object};
use crate::input::json::JsonBody;
use crate::input::notification::{Addressee, Beside, addressee};
use crate::input::query;
use crate::operations::send::{Draft, NewBatch};
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::routes::tasks::create::{accepted, callback_url, fingerprint, idempotency_key};
use crate::view::EnqueuedView;
use crate::{Api, ApiError, Caller, FieldError};

/// Several recipients of one message, beside its other fields.
#[derive(utoipa::ToSchema)]
#[schema(as = NotificationRequest)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct RequestBody {
    #[schema(inline)]
    #[serde(flatten)]
    notification: NotificationBody,
    /// Told by a signed POST when it is final.
    #[schema(max_length = 2048, pattern = "^https?://[^\\s]+$")]
    callback_url: Option<String>,
}

/// Send a notification
///
/// Stores a message to one recipient; durable when it answers 202. `to` may be a list of up to 1,000: then each recipient
/// gets a message of their own, stored together as a batch, and the answer is that of `/v1/notifications/batch`; one that
/// is named twice gets one, and its second place says `duplicate`. The messages of a list are at most 8 MiB together, as they
/// are stored: each with its texts and the files within it. A template is filled in before anything is stored. With an
/// `Idempotency-Key` a repeat within 24 hours answers as the first request did, with `Idempotency-Replayed: true`; the same
/// key with another body answers 422.
#[utoipa::path(
    post, path = "/v1/notifications", tag = "notifications", operation_id = "create_notification",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
        description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters.")),
    request_body(content = RequestBody, content_type = "application/json"),
    responses(
        (status = 202, description = "Stored, now or by the first request with this key.", body = EnqueuedView,
            headers(
                ("Location" = String, description = "The task that sends it; of several, their batch."),
                ("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."),
            )),
        (status = 200, description = "Another one holds the unique key; nothing was stored.", body = EnqueuedView,
            headers(("Location" = String, description = "The task that holds it."))),
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
    let body = JsonBody::read(&parts.headers, body).await?;
    let mut errors = Errors::default();
    let key = idempotency_key(&parts.headers, &mut errors);
    let (value, data) = body.object_noting(&mut errors, "data")?;
    let wanted = read(&value, data, &mut errors);
    let callback = callback_url(&value, vec!["body".into()], &mut errors);
    // What is missing was reported, so this cannot be reached without an error.
    let Wanted { draft, several } = errors.into_result(wanted)?.ok_or(ApiError::Internal)?;
    let tenant = caller.tenant().or(draft.envelope.tenant.as_ref()).cloned();
    let idempotency = key.map(|key| IdempotencyKey {
        tenant,
        operation: "notifications.create",
        key,
        fingerprint: fingerprint(&value, None),
    });
    if let Some(Several { others, places }) = several {
        let new = NewBatch::new(callback, idempotency);
        // Boxed: it is large and rarely needed.
        let stored = match Box::pin(tasks(&api, &caller, draft, others)).await {
            Ok(tasks) => api.enqueue_batch(&caller, new, tasks).await?,
            Err(e) => {
                let first = api.first_answer(new.idempotency.as_ref(), e).await?;
                api.batch_stored(&caller, new, first).await?
            }
        };
        let listed = in_places(&places, stored.tasks);
        let view = BatchView::new(stored.id, (0..listed.len()).collect(), listed, Vec::new());
        return Ok(answer(&view, stored.replayed));
    }
    let unique = draft.envelope.unique.is_some();
    let told = match task(&api, &caller, draft).await {
        Ok(task) => api.enqueue_told(&caller, task, callback, idempotency).await?,
        Err(e) => {
            let first = api.first_answer(idempotency.as_ref(), e).await?;
            // Without a unique key the callback was stored with its task.
            api.task_again(&caller, &first, callback.filter(|_| unique), idempotency).await?
        }
    };
    Ok(accepted(&told))
}

/// The task that sends this.
async fn task(api: &Api, caller: &Caller, draft: Box<Draft>) -> Result<NewTask, ApiError> {
    let known = api.look_up(caller, &[&*draft]).await?;
    api.task_of(caller, *draft, &known)
}

/// The tasks that send this to its own recipient and to the others. It is stored once for each of them, so what all of it takes
/// is bounded, and never more than that is there at a time.
async fn tasks(
    api: &Api,
    caller: &Caller,
    mut draft: Box<Draft>,
    others: Vec<Addressee>,
) -> Result<Vec<NewTask>, ApiError> {
    let named: Vec<_> = others.iter().map(|(to, _)| draft.only_to(to)).collect();
    let all: Vec<&Draft> = std::iter::once(&*draft).chain(&named).collect();
    let known = api.look_up(caller, &all).await?;
    let recipients = all.len();
    // By the common way, so that everything that is wrong with it is said at once.
    let first = api.task_of(caller, Draft::clone(&draft), &known)?;
    draft.settle_template(&known)?;
    let mut bytes = first.payload.len();
    let mut tasks = Vec::with_capacity(recipients);
    tasks.push(first);
    for to in others {
        let task = api.task_of(caller, draft.to(to), &known)?;
        bytes += task.payload.len();
        if bytes > MAX_BATCH_BYTES {
            return Err(too_much(recipients));
        }
        tasks.push(task);
    }
    Ok(tasks)
}

fn too_much(recipients: usize) -> ApiError {
    let msg = format!(
        "The message is stored once for each of its {recipients} recipients, at most {MAX_BATCH_BYTES} bytes together: name fewer of them in one request, or upload its files to /v1/attachments and name them by id"
    );
    ApiError::field(["body", "to"], "too_large", msg)
}

/// What became of each place of the list: of a repeated recipient what became of the first.
fn in_places(places: &[usize], stored: Vec<Enqueued>) -> Vec<Enqueued> {
    // An earlier version, whose answer is repeated here, stored one for each place.
    if stored.len() == places.len() {
        return stored;
    }
    let mut seen = HashSet::new();
    let of = |at: &usize| {
        let first = *stored.get(*at)?;
        Some(Enqueued { duplicate: first.duplicate || !seen.insert(*at), ..first })
    };
    places.iter().filter_map(of).collect()
}

/// What a body asks for.
struct Wanted {
    /// The message to its recipient, or to the first of several.
    draft: Box<Draft>,
    several: Option<Several>,
}

/// Whom else a message is for.
struct Several {
    /// The recipients behind the first, each of them once.
    others: Vec<Addressee>,
    /// For each place of the list which recipient it is; the first is 0.
    places: Vec<usize>,
}

/// What a body asks for. The message is read once: it is the same for every recipient.
fn read(value: &Value, data: Option<&RawValue>, errors: &mut Errors) -> Option<Wanted> {
    let beside = |to| Beside { to, data };
    let Some(list) = value.get("to").and_then(Value::as_array) else {
        let draft = one(value, beside(value.get("to")), errors)?;
        return Some(Wanted { draft: Box::new(draft), several: None });
    };
    if !check_len(list.len(), vec!["body".into(), "to".into()], errors) {
        return None;
    }
    if value.get("id").is_some_and(|v| !v.is_null()) {
        errors.push(FieldError::new(["body", "id"], "value_error", "Several recipients cannot share one id"));
    }
    let mut found = Errors::default();
    let draft = one(value, beside(list.first()), &mut found);
    if !found.is_empty() {
        errors.absorb(at_place(found, 0));
        return None;
    }
    let draft = Box::new(draft?);
    let mut known = HashMap::from([(draft.message.recipient_key(), 0)]);
    let (mut others, mut places) = (Vec::new(), vec![0]);
    for (i, to) in list.iter().enumerate().skip(1) {
        let mut found = Errors::default();
        let to = Some(to).filter(|v| !v.is_null());
        let o = Object::new(value, vec!["body".into()], &mut found);
        let Some(to) = o.and_then(|mut o| addressee(&mut o, to, &mut found).1) else {
            errors.absorb(at_place(found, i));
            return None;
        };
        let next = others.len() + 1;
        let at = *known.entry(recipient_key(draft.message.channel, &to.0)).or_insert(next);
        places.push(at);
        if at == next {
            others.push(to);
        }
    }
    Some(Wanted { draft, several: Some(Several { others, places }) })
}

/// What is wrong with a recipient is said with its place; what is wrong with the rest once.
fn at_place(found: Errors, place: usize) -> Errors {
    found.moved(|mut e| {
        if e.loc.last() == Some(&"to".into()) {
            e.loc.push(place.into());
        }
        e
    })
}

fn one(value: &Value, beside: Beside<'_>, errors: &mut Errors) -> Option<Draft> {
    let mut o = Object::new(value, vec!["body".into()], errors)?;
    o.value("to");
    o.value("callback_url");
    let to = beside.to.filter(|v| !v.is_null());
    let draft = draft(&mut o, Beside { to, ..beside }, errors);
    o.finish(errors);
    draft
}
