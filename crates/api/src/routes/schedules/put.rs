//! `PUT /v1/schedules/{name}`: make or change a schedule.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_core::limits::MAX_PAYLOAD_BYTES;
use posthaste_core::{Json, Kind, NewTask, QueueName};
use posthaste_notify::{Notification, http_task, kinds};
use posthaste_worker::schedule::{MissedPolicy, Schedule};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::detail::json_of;
use crate::input::fields::{Errors, Object, parsed, text, word};
use crate::input::json::written;
use crate::input::notification::Beside;
use crate::input::simple::{self, Named};
use crate::input::{fields, notification, retry};
use crate::operations::schedules::ScheduleView;
use crate::responses::{BadHead, Common, Conflicting, WithBody};
use crate::routes::tasks::create::{RetryBody, read_http};
use crate::{Api, ApiConfig, ApiError, Caller, FieldError, schema};

/// A schedule to be stored.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSchedule, example = json!({
    "cron": "0 7 * * 1-5", "time_zone": "Europe/Berlin", "kind": "notify",
    "payload": { "channel": "email", "to": "team@example.com", "message": "Good morning." }
}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct Body {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
    #[schema(min_length = 1, max_length = 255)]
    cron: String,
    /// The IANA time zone that it is read in; `UTC` if left out.
    #[schema(min_length = 1, max_length = 64)]
    time_zone: Option<String>,
    /// The kind of its tasks.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    kind: String,
    /// Their payload; of kind `notify` a notification as in `/v1/tasks`.
    payload: Value,
    /// Their queue; `default` if left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    queue: Option<String>,
    /// When they are tried again; what is left out is as the kind's default.
    retry: Option<RetryBody>,
    /// What happens to ticks that nobody noticed in time; `run_once` if left out.
    #[schema(value_type = Option<schema::MissedPolicy>)]
    missed: Option<String>,
    /// Whether it stands still; it does not if left out.
    paused: Option<bool>,
}

/// Put a schedule
///
/// Stores a schedule under its name. Its first tick is the first one after now; one that was stored before goes on where
/// it was, unless its times change. Where a clock goes forward, fixed times in the hour that does not exist run right
/// after it; where it goes back, fixed times run once.
#[utoipa::path(
    put, path = "/v1/schedules/{name}", tag = "schedules", operation_id = "put_schedule",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9._-]+$")),
    request_body(content = Body, content_type = "application/json"),
    responses((status = 200, description = "Stored.", body = ScheduleView), Common, BadHead, WithBody, Conflicting)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    request: Request,
) -> Result<Response, ApiError> {
    let schedule = simple::body_with(request, "payload", |o, written, errors| {
        let cron = o.required(errors, "cron", |v| text(v).map(str::to_owned));
        let time_zone = o.optional(errors, "time_zone", |v| text(v).map(str::to_owned));
        let kind: Option<Kind> = o.required(errors, "kind", parsed);
        let payload = o.value("payload");
        if payload.is_none() {
            errors.push(FieldError::missing(o.loc("payload")));
        }
        let payload = payload.zip(written);
        let base =
            kind.clone().zip(payload).and_then(|(kind, payload)| base(&kind, payload, api.config(), errors));
        let queue = o.optional(errors, "queue", parsed).unwrap_or_else(QueueName::default);
        let retry = o.object(errors, "retry");
        let missed = o.optional(errors, "missed", missed).unwrap_or_default();
        let paused = o.optional(errors, "paused", fields::boolean).unwrap_or(false);
        let NewTask { payload, lane, recipient, policy, .. } = base?;
        let policy = match retry {
            Some(r) => retry::override_policy(policy, r, errors),
            None => policy,
        };
        let (cron, kind) = (cron?, kind?);
        let time_zone = time_zone.unwrap_or_else(|| "UTC".to_owned());
        Some(Schedule {
            name,
            cron,
            time_zone,
            kind,
            queue,
            payload,
            lane,
            recipient,
            policy,
            missed,
            paused,
        })
    })
    .await?;
    Ok(json_of(StatusCode::OK, &api.put_schedule(&caller, &schedule).await?))
}

/// A task of the kind with its payload and every default of the kind.
fn base(
    kind: &Kind,
    (payload, text): (&Value, &RawValue),
    config: &ApiConfig,
    errors: &mut Errors,
) -> Option<NewTask> {
    let stored = Json::from_trusted(text.get().to_owned());
    if stored.as_str().len() > MAX_PAYLOAD_BYTES {
        let msg = format!("The payload should be at most {MAX_PAYLOAD_BYTES} bytes of JSON");
        errors.push(FieldError::new(["body", "payload"], "too_large", msg));
        return None;
    }
    if let Some(why) = kinds::refusal(kind) {
        errors.push(FieldError::new(["body", "kind"], "value_error", why));
        return None;
    }
    if kind.as_str() == http_task::KIND {
        return read_http(kind.clone(), stored, errors);
    }
    if *kind != Kind::notify() {
        return Some(NewTask::new(kind.clone(), stored));
    }
    let loc: Vec<crate::Loc> = vec!["body".into(), "payload".into()];
    let before = errors.len();
    let mut o = Object::new(payload, loc.clone(), errors)?;
    let beside = Beside { to: o.value("to"), data: written(text.get().as_bytes(), "data") };
    let message: Option<Notification> = notification::message(&mut o, beside, errors);
    o.finish(errors);
    let message = message?;
    notification::check(&message, &loc, config, errors);
    if errors.len() > before {
        return None;
    }
    Some(message.into_task())
}

fn missed(v: &Value) -> Result<MissedPolicy, fields::Refusal> {
    word(&[MissedPolicy::Skip, MissedPolicy::RunOnce, MissedPolicy::RunAll], |m| match m {
        MissedPolicy::Skip => "skip",
        MissedPolicy::RunOnce => "run_once",
        MissedPolicy::RunAll => "run_all",
    })(v)
}
