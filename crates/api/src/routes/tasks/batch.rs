//! `POST /v1/tasks/batch`: enqueue up to 1,000 tasks of any kind in one request.

use axum::extract::{Request, State};
use axum::response::Response;
use posthaste_core::{IdempotencyKey, NewTask};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::create::{NewTaskBody, callback_url, fingerprint, idempotency_key, read_task};
use crate::input::body::object;
use crate::input::bulk::{self, Mode, relocate};
use crate::input::fields::{Errors, Object};
use crate::input::json::JsonBody;
use crate::input::query;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::routes::notifications::batch::{BatchView, ItemErrors, answer};
use crate::{Api, ApiError, Caller, FieldError, schema};

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
/// Stores up to 1,000 tasks, together and durable when it answers. `strict` and `permissive` as for
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
    let body = JsonBody::read(&parts.headers, body).await?;
    let mut errors = Errors::default();
    let key = idempotency_key(&parts.headers, &mut errors);
    let (value, _) = body.object(&mut errors, None)?;
    let (_, raw) = body.object(&mut Errors::default(), Some("tasks"))?;
    let callback = callback_url(&value, vec!["body".into()], &mut errors);
    let Some(mut o) = Object::new(&value, vec!["body".into()], &mut errors) else {
        return Err(ApiError::Invalid(errors.0));
    };
    let mode = bulk::mode(&mut o, &mut errors);
    o.value("callback_url");
    bulk::items(&mut o, "tasks", &mut errors);
    o.finish(&mut errors);
    let raw = errors.into_result(raw)?.ok_or(ApiError::Internal)?;
    // Read once more as text, so that each payload is kept as it is written.
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| ApiError::Internal)?;
    let (mut tasks, mut places, mut wrong) = (Vec::with_capacity(items.len()), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        match read_one(item) {
            Ok(task) => {
                tasks.push(task);
                places.push(index);
            }
            Err(errors) => wrong.push(ItemErrors { index, errors: relocate(errors, "tasks", index) }),
        }
    }
    if !wrong.is_empty() && (mode == Mode::Strict || tasks.is_empty()) {
        return Err(ApiError::Invalid(wrong.into_iter().flat_map(|w| w.errors).collect()));
    }
    let idempotency = key.map(|key| IdempotencyKey {
        tenant: caller.tenant().cloned(),
        operation: "tasks.batch",
        key,
        fingerprint: fingerprint(&value, None),
    });
    let (batch, stored, replayed) = api.enqueue_batch(&caller, tasks, callback, idempotency).await?;
    Ok(answer(&BatchView::new(batch, places, stored, wrong), replayed))
}

fn read_one(item: &RawValue) -> Result<NewTask, Vec<FieldError>> {
    let fields = object(item.get().as_bytes()).map_err(|e| vec![e])?;
    let mut errors = Errors::default();
    let (mut map, mut payload) = (serde_json::Map::new(), None);
    for (name, text) in fields.0 {
        if name == "payload" {
            payload = Some(text);
        } else if let Ok(value) = serde_json::from_str(text.get()) {
            map.insert(name, value);
        } else {
            errors.push(crate::input::json::unreadable(["body", &name]));
        }
    }
    let value = serde_json::Value::Object(map);
    if value.get("callback_url").is_some() {
        errors.push(FieldError::new(["body", "callback_url"], "extra_forbidden", "A batch has one for all"));
    }
    let task = read_task(&value, payload, &mut errors);
    match task {
        Some(task) if errors.0.is_empty() => Ok(task),
        _ => Err(errors.0),
    }
}
