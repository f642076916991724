//! `POST /v1/tasks/bulk`: cancel or retry every task that fits.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_core::broker::ListFilter;
use posthaste_core::{FailureClass, State as TaskState};
use serde_json::Value;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{Errors, Object, Refusal, boolean, id, parsed, text, word};
use crate::input::simple;
use crate::operations::bulk::{Action, OperationView};
use crate::responses::{BadHead, Common, WithBody};
use crate::routes::tasks::create::{mark_replayed, once_key};
use crate::{Api, ApiError, Caller, FieldError, schema};

/// Which tasks: all given conditions hold, and at least one must be given.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = TaskFilter)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct FilterBody {
    /// In one of these states.
    #[schema(value_type = Option<Vec<schema::State>>, min_items = 1, max_items = 8)]
    state: Option<Vec<String>>,
    /// Of this kind.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    kind: Option<String>,
    /// In this queue.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    queue: Option<String>,
    /// Of this batch.
    #[schema(value_type = Option<schema::Id>)]
    batch: Option<String>,
    /// For this recipient: an e-mail address, or `channel:recipient`.
    #[schema(min_length = 1, max_length = 255)]
    recipient: Option<String>,
    /// Of this tenant.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    tenant: Option<String>,
    /// Whose last failure was of this class.
    #[schema(value_type = Option<schema::FailureClass>)]
    class: Option<String>,
}

/// A bulk action.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkRequest, example = json!({ "action": "retry", "filter": { "state": ["failed"], "class": "permanent" }, "dry_run": true }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// `cancel` or `retry`.
    #[schema(value_type = schema::BulkWord)]
    action: String,
    /// Which tasks.
    filter: FilterBody,
    /// Only count what would be changed and what left alone; `false` if left out.
    dry_run: Option<bool>,
}

/// Cancel or retry tasks in bulk
///
/// Works a slice of at most 1,000 tasks or a second, newest first, and answers with the operation; resume it until its
/// `state` is `done`. Tasks that came after it began are left alone. A process that ends in between loses nothing: the
/// next call goes on where the last one stopped.
#[utoipa::path(
    post, path = "/v1/tasks/bulk", tag = "tasks", operation_id = "start_bulk_operation",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
            description = "Makes repeats of this request safe: any text of at most 255 printable ASCII characters.")),
    request_body(content = Body, content_type = "application/json"),
    responses((status = 200, description = "The operation, after its first slice; of a repeat with the same key, how far it is.", body = OperationView, headers(("Idempotency-Replayed" = Option<String>, description = "`true` when the key was used before."))), Common, BadHead, WithBody)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let (action, filter, dry_run) = simple::body(request, |o, errors| {
        let action = o.required(errors, "action", action);
        let filter = match o.object(errors, "filter") {
            Some(f) => read(f, errors),
            None => {
                if o.value("filter").is_none() {
                    errors.push(FieldError::missing(o.loc("filter")));
                }
                None
            }
        };
        let dry_run = o.optional(errors, "dry_run", boolean).unwrap_or(false);
        Some((action?, filter?, dry_run))
    })
    .await?;
    let what = format!("{action:?} {filter:?} {dry_run}");
    let key = once_key(&headers, &caller, "tasks.bulk", what.as_bytes())?;
    let started = async {
        let operation = api.start_operation(&caller, action, filter, dry_run).await?;
        Ok(operation.id)
    };
    let (id, replayed) = api.once(key.as_ref(), started).await?;
    // Of a repeat: how far it is by now.
    let mut response = json_of(StatusCode::OK, &api.operation(&caller, id).await?);
    mark_replayed(&mut response, replayed);
    Ok(response)
}

fn action(v: &Value) -> Result<Action, Refusal> {
    word(&[Action::Cancel, Action::Retry], |a| if a == Action::Cancel { "cancel" } else { "retry" })(v)
}

fn read(mut o: Object<'_>, errors: &mut Errors) -> Option<ListFilter> {
    let filter = ListFilter {
        states: o.optional(errors, "state", states).unwrap_or_default(),
        kind: o.optional(errors, "kind", parsed),
        queue: o.optional(errors, "queue", parsed),
        batch: o.optional(errors, "batch", id),
        recipient: o.optional(errors, "recipient", |v| super::list::recipient(text(v)?)),
        tenant: o.optional(errors, "tenant", parsed),
        class: o.optional(errors, "class", word(&FailureClass::ALL, FailureClass::as_str)),
    };
    let none = filter.states.is_empty()
        && filter.kind.is_none()
        && filter.queue.is_none()
        && filter.batch.is_none()
        && filter.recipient.is_none()
        && filter.tenant.is_none()
        && filter.class.is_none();
    let loc = o.loc("state").into_iter().take(2);
    if none && errors.is_empty() {
        errors.push(FieldError::new(loc, "value_error", "Give at least one condition"));
    }
    o.finish(errors);
    Some(filter)
}

fn states(v: &Value) -> Result<Vec<TaskState>, Refusal> {
    let list = v.as_array().ok_or_else(|| ("list_type", "Input should be a valid list".to_owned()))?;
    if list.is_empty() || list.len() > TaskState::ALL.len() {
        return Err(("list_length", "List should have 1 to 8 items".into()));
    }
    list.iter().map(word(&TaskState::ALL, |s: TaskState| s.as_str())).collect()
}
