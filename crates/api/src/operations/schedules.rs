//! Schedules: tasks that are enqueued by the clock.

use posthaste_core::broker::Enqueued;
use posthaste_core::{BrokerError, IdempotencyKey, Json, Kind, Name, QueueName, RetryPolicy, Timestamp};
use posthaste_notify::Notification;
use posthaste_worker::schedule::{self, MissedPolicy, Schedule, ScheduleError, StoredSchedule};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::now;
use crate::{Api, ApiError, Caller, FieldError, schema};

/// How many of the next ticks are told.
const TICKS: usize = 5;

/// A schedule.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Schedule, example = json!({
    "name": "nightly-digest", "cron": "0 7 * * 1-5", "time_zone": "Europe/Berlin", "kind": "notify",
    "payload": { "channel": "email", "to": "team@example.com", "message": "Good morning." }, "queue": "default",
    "retry": { "max_failures": 10, "backoff": { "type": "exponential", "base_ms": 2000, "cap_ms": 3600000 },
        "max_age_ms": 259200000, "timeout_ms": 60000, "on_ambiguous": "retry" },
    "missed": "run_once", "paused": false, "last_run_at": "2026-01-30T06:00:00.000Z",
    "next_runs": ["2026-02-02T06:00:00.000Z"], "version": 1
}))]
pub struct ScheduleView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Five fields (minute to day of week), or six with seconds in front.
    pub cron: String,
    /// The IANA time zone that it is read in.
    pub time_zone: String,
    /// The kind of its tasks.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Their payload.
    #[schema(value_type = serde_json::Value)]
    pub payload: Json,
    /// Their queue.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// When they are tried again.
    #[schema(value_type = schema::RetryPolicy)]
    pub retry: RetryPolicy,
    /// What happens to ticks that nobody noticed in time.
    #[schema(value_type = schema::MissedPolicy)]
    pub missed: MissedPolicy,
    /// Whether it stands still.
    pub paused: bool,
    /// When it last made a task, by a tick or out of turn; null before the first.
    #[schema(value_type = Option<schema::Time>)]
    pub last_run_at: Option<Timestamp>,
    /// Its next ticks; none while it is paused.
    #[schema(value_type = Vec<schema::Time>)]
    pub next_runs: Vec<Timestamp>,
    /// Rises each time it is changed or runs.
    pub version: u64,
}

impl From<StoredSchedule> for ScheduleView {
    fn from(s: StoredSchedule) -> Self {
        let next_runs = schedule::next_ticks(&s.schedule, now(), TICKS);
        let Schedule { name, cron, time_zone, kind, queue, payload, policy, missed, paused, .. } = s.schedule;
        Self {
            name,
            cron,
            time_zone,
            kind,
            payload,
            queue,
            retry: policy,
            missed,
            paused,
            last_run_at: s.ran_at,
            next_runs,
            version: s.version,
        }
    }
}

impl From<ScheduleError> for ApiError {
    fn from(e: ScheduleError) -> Self {
        match e {
            ScheduleError::Invalid { field, problem } => {
                Self::Invalid(vec![FieldError::new(["body", field], "value_error", problem)])
            }
            ScheduleError::Store(BrokerError::VersionConflict { .. }) => Self::Changed,
            ScheduleError::Store(e) => e.into(),
        }
    }
}

impl Api {
    /// Every schedule, by name.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>, ApiError> {
        Ok(schedule::list_schedules(self.store().as_ref()).await?.into_iter().map(Into::into).collect())
    }

    /// One schedule.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn schedule(&self, name: &Name) -> Result<ScheduleView, ApiError> {
        let found = schedule::get_schedule(self.store().as_ref(), name).await?;
        found.map(Into::into).ok_or_else(|| none(name))
    }

    /// Stores a schedule under its name.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Changed`], [`ApiError::Unavailable`].
    pub async fn put_schedule(&self, caller: &Caller, new: &Schedule) -> Result<ScheduleView, ApiError> {
        self.check_task_sender(caller, &new.kind, &new.payload)?;
        self.check_scheduled(caller, new).await?;
        schedule::put_schedule(self.store().as_ref(), new).await?;
        self.audit(caller, "schedules.put", &new.name).await;
        self.schedule(&new.name).await
    }

    /// Refuses a notification to an endpoint, or with an attachment, that is not there, as it is refused when it is sent.
    async fn check_scheduled(&self, caller: &Caller, new: &Schedule) -> Result<(), ApiError> {
        if new.kind != Kind::notify() {
            return Ok(());
        }
        // What is none was refused when the request was read.
        let Ok(message) = new.payload.parse::<Notification>() else { return Ok(()) };
        let named = self.look_up_named(caller, &[(&message, now())]).await?;
        self.check_named(caller, &message, &named)
    }

    /// Lets a schedule stand still, or go on.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Changed`], [`ApiError::Unavailable`].
    pub async fn hold_schedule(
        &self,
        caller: &Caller,
        name: &Name,
        paused: bool,
    ) -> Result<ScheduleView, ApiError> {
        let found = schedule::get_schedule(self.store().as_ref(), name).await?.ok_or_else(|| none(name))?;
        if found.schedule.paused != paused {
            let changed = Schedule { paused, ..found.schedule };
            schedule::put_schedule(self.store().as_ref(), &changed).await?;
            self.audit(caller, if paused { "schedules.pause" } else { "schedules.resume" }, name).await;
        }
        self.schedule(name).await
    }

    /// Deletes a schedule; tasks that it enqueued stay.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn delete_schedule(&self, caller: &Caller, name: &Name) -> Result<(), ApiError> {
        if !schedule::delete_schedule(self.store().as_ref(), name).await? {
            return Err(none(name));
        }
        self.audit(caller, "schedules.delete", name).await;
        Ok(())
    }

    /// Enqueues a task of the schedule now, out of turn.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub(crate) async fn run_schedule(
        &self,
        caller: &Caller,
        name: &Name,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(Enqueued, bool), ApiError> {
        let found = schedule::get_schedule(self.store().as_ref(), name).await?.ok_or_else(|| none(name))?;
        let tasks = vec![schedule::extra_task(&found.schedule)];
        let reply = self.enqueue_many(caller, tasks, idempotency).await?;
        if !reply.replayed {
            // The task is stored, whatever becomes of this.
            if let Err(error) = schedule::note_run(self.store().as_ref(), name, now()).await {
                tracing::warn!(%error, schedule = %name, "a run out of turn was not noted");
            }
            self.audit(caller, "schedules.run", name).await;
        }
        let task = reply.tasks.first().copied().ok_or(ApiError::Internal)?;
        Ok((task, reply.replayed))
    }
}

fn none(name: &Name) -> ApiError {
    ApiError::NotFound { what: format!("there is no schedule {name}") }
}
