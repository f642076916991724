//! `POST /v1/tasks/batch`: enqueue up to 1,000 tasks of any kind in one request.

use axum::extract::{Request, State};
use axum::response::Response;
use posthaste_core::limits::MAX_BATCH_BYTES;
use posthaste_core::{IdempotencyKey, NewTask};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::create::{NewTaskBody, callback_url, fingerprint, idempotency_key, read_task};
use crate::input::body::object;
use crate::input::bulk;
use crate::input::fields::{Errors, Object};
use crate::input::json::JsonBody;
use crate::input::query;
use crate::operations::send::NewBatch;
use crate::operations::tenants::config_for;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::routes::notifications::batch::{Asked, BatchView, Wrong};
use crate::{Api, ApiConfig, ApiError, Caller, FieldError, Loc, schema};

/// Several tasks.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTaskBatch, example = json!({ "tasks": [
    { "kind": "report.build", "payload": { "month": "2026-01" } },
    { "kind": "report.build", "payload": { "month": "2026-02" } }
], "callback_url": "https://example.com/reports-done" }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// The tasks.
    #[schema(min_items = 1, max_items = 1000)]
    tasks: Vec<NewTaskBody>,
    /// What happens when some are not acceptable; `strict` if left out: nothing is stored.
    #[schema(value_type = Option<schema::BatchMode>)]
    mode: Option<String>,
    /// Told by a signed POST when all of them are final.
    #[schema(max_length = 2048, pattern = "^https?://[^\\s]+$")]
    callback_url: Option<String>,
}

/// Enqueue a batch of tasks
///
/// Stores up to 1,000 tasks, of at most 8 MiB together, at once and durable when it answers. `strict` and `permissive` as for
/// `/v1/notifications/batch`. A repeat with the same `Idempotency-Key` and body answers as the first did.
#[utoipa::path(
    post, path = "/v1/tasks/batch", tag = "tasks", operation_id = "create_task_batch",
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
    // Only as text: each payload is kept as it is written, and nothing is taken apart twice.
    let (value, raw) = body.object(&mut errors, Some("tasks"))?;
    let callback = callback_url(&value, vec!["body".into()], &mut errors);
    let Some(mut o) = Object::new(&value, vec!["body".into()], &mut errors) else {
        return Err(errors.into_error());
    };
    let mode = bulk::mode(&mut o, &mut errors);
    o.value("callback_url");
    o.value("tasks");
    let items = items(raw, o.loc("tasks"), &mut errors);
    o.finish(&mut errors);
    let Some(items) = errors.into_result(items)? else { return Err(ApiError::Internal) };
    let idempotency = key.map(|key| IdempotencyKey {
        tenant: caller.tenant().cloned(),
        operation: "tasks.batch",
        key,
        fingerprint: fingerprint(&value, raw),
    });
    let config = config_for(api.config(), &caller);
    let read: Vec<_> = items.into_iter().map(|item| read_one(item, config)).collect();
    let good: Vec<_> = read.iter().filter_map(|r| r.as_ref().ok()).collect();
    let asked = Asked { field: "tasks", mode, new: NewBatch::new(callback, idempotency) };
    let mut checked = match api.check_payloads(&caller, &good).await {
        Ok(checked) => checked.into_iter(),
        Err(e) => return asked.failed(&api, &caller, e, read.len()).await,
    };
    let task = |task: Result<NewTask, Errors>| -> Result<NewTask, Wrong> {
        let task = task?;
        // One for each that could be read, in order.
        checked.next().unwrap_or(Err(ApiError::Internal))?;
        api.check_task_sender(&caller, &task.kind, &task.payload)?;
        Ok(task)
    };
    asked.store(&api, &caller, read.into_iter().map(task)).await
}

/// The texts of the list.
fn items<'a>(raw: Option<&'a RawValue>, loc: Vec<Loc>, errors: &mut Errors) -> Option<Vec<&'a RawValue>> {
    let Some(raw) = raw.filter(|r| r.get() != "null") else {
        errors.push(FieldError::missing(loc));
        return None;
    };
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        errors.push(FieldError::new(loc, "list_type", "Input should be a valid list"));
        return None;
    };
    bulk::check_len(items.len(), loc, errors).then_some(items)
}

fn read_one(item: &RawValue, config: &ApiConfig) -> Result<NewTask, Errors> {
    let fields = object(item.get().as_bytes()).map_err(|e| Errors::from(vec![e]))?;
    let mut errors = Errors::default();
    let (mut map, mut payload) = (serde_json::Map::new(), None);
    for (name, text) in fields.0 {
        if name == "payload" {
            payload = Some(text);
        } else if let Ok(value) = serde_json::from_str(text.get()) {
            map.insert(name, value);
        } else {
            errors.push_with(|| crate::input::json::unreadable(["body", &name]));
        }
    }
    let value = serde_json::Value::Object(map);
    if value.get("callback_url").is_some() {
        errors.push(FieldError::new(["body", "callback_url"], "extra_forbidden", "A batch has one for all"));
    }
    let task = read_task(&value, payload, config, &mut errors);
    match task {
        Some(task) if errors.is_empty() => Ok(task),
        _ => Err(errors),
    }
}
