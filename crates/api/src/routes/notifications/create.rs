//! `POST /v1/notifications`: send a message to one recipient, or the same to several.

use std::collections::{HashMap, HashSet};

use axum::extract::{Request, State};
use axum::response::Response;
use posthaste_core::broker::Enqueued;
use posthaste_core::{IdempotencyKey, NewTask};
use serde_json::Value;
use serde_json::value::RawValue;

use super::batch::{BatchView, answer};
use super::body::NotificationBody;
use crate::input::bulk::check_len;
use crate::input::draft::draft;
use crate::input::fields::{Errors, Object};
use crate::input::json::JsonBody;
use crate::input::notification::Beside;
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
/// is named twice gets one, and its second place says `duplicate`. A
/// template is filled in before anything is stored. With an `Idempotency-Key` a repeat within 24 hours answers as the
/// first request did, with `Idempotency-Replayed: true`; the same key with another body answers 422.
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
    let (drafts, several) = read(&value, data, &mut errors);
    let callback = callback_url(&value, vec!["body".into()], &mut errors);
    let drafts = errors.into_result(drafts)?;
    let tenant = caller.tenant().cloned().or_else(|| drafts.first().and_then(|d| d.envelope.tenant.clone()));
    let idempotency = key.map(|key| IdempotencyKey {
        tenant,
        operation: "notifications.create",
        key,
        fingerprint: fingerprint(&value, None),
    });
    let (drafts, places) = if several { once_each(drafts) } else { (drafts, vec![0]) };
    let unique = drafts.iter().any(|d| d.envelope.unique.is_some());
    let tasks = tasks(&api, &caller, drafts).await;
    if several {
        let new = NewBatch::new(callback, idempotency);
        let stored = match tasks {
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
    let told = match tasks {
        Ok(mut tasks) => {
            let task = tasks.pop().ok_or(ApiError::Internal)?;
            api.enqueue_told(&caller, task, callback, idempotency).await?
        }
        Err(e) => {
            let first = api.first_answer(idempotency.as_ref(), e).await?;
            // Without a unique key the callback was stored with its task.
            api.task_again(&caller, &first, callback.filter(|_| unique), idempotency).await?
        }
    };
    Ok(accepted(&told))
}

/// The tasks that send these.
async fn tasks(api: &Api, caller: &Caller, drafts: Vec<Draft>) -> Result<Vec<NewTask>, ApiError> {
    let known = api.look_up(caller, &drafts.iter().collect::<Vec<_>>()).await?;
    drafts.into_iter().map(|draft| api.task_of(caller, draft, &known)).collect()
}

/// Each recipient once, and for each place of the list which of them it is.
fn once_each(drafts: Vec<Draft>) -> (Vec<Draft>, Vec<usize>) {
    let (mut known, mut once) = (HashMap::new(), Vec::with_capacity(drafts.len()));
    let mut places = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let at = *known.entry(draft.message.recipient_key()).or_insert(once.len());
        places.push(at);
        if at == once.len() {
            once.push(draft);
        }
    }
    (once, places)
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

/// The notifications of a body, and whether they were asked for as several.
fn read(value: &Value, data: Option<&RawValue>, errors: &mut Errors) -> (Vec<Draft>, bool) {
    let beside = |to| Beside { to, data };
    let Some(list) = value.get("to").and_then(Value::as_array) else {
        return (one(value, beside(value.get("to")), errors).into_iter().collect(), false);
    };
    if !check_len(list.len(), vec!["body".into(), "to".into()], errors) {
        return (Vec::new(), true);
    }
    if value.get("id").is_some_and(|v| !v.is_null()) {
        errors.push(FieldError::new(["body", "id"], "value_error", "Several recipients cannot share one id"));
    }
    let mut drafts = Vec::with_capacity(list.len());
    for (i, to) in list.iter().enumerate() {
        let mut found = Errors::default();
        drafts.extend(one(value, beside(Some(to)), &mut found));
        if !found.is_empty() {
            // What is wrong with a recipient is said with its place; what is wrong with the rest once.
            errors.absorb(found.moved(|mut e| {
                if e.loc.last() == Some(&"to".into()) {
                    e.loc.push(i.into());
                }
                e
            }));
            break;
        }
    }
    (drafts, true)
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
