//! Schedules: tasks that are enqueued by the clock.
//!
//! A schedule is a record with the time of its last tick. A tick is enqueued under a unique key of
//! its own and only then noted in the record, with a check of the record's version: so workers that
//! notice the same tick enqueue one task, and a crash in between loses none.

use posthaste_core::broker::EnqueueRequest;
use posthaste_core::limits::{MAX_SCHEDULES, MAX_UNIQUE_HOLD};
use posthaste_core::{
    BrokerError, Expect, Json, Kind, LaneKey, Name, NewTask, QueueName, RecordKind, RecordOrder, RetryPolicy,
    Store, Timestamp, Unique, UniqueHold,
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::expression;
use crate::times::Times;

/// What happens to ticks that nobody noticed within [`posthaste_core::limits::SCHEDULE_ON_TIME`], because no worker ran or
/// the store was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// They are gone.
    Skip,
    /// One task makes up for all of them.
    #[default]
    RunOnce,
    /// Each is made up for, at most the latest [`posthaste_core::limits::MAX_MISSED_TICKS`].
    RunAll,
}

/// How often a run out of turn is noted anew when somebody else changed the record.
const NOTE_TRIES: usize = 8;

/// A task that is enqueued at every tick of a cron expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: Name,
    /// Five fields (minute to day of week), six with seconds in front.
    ///
    /// Where a clock goes forward, fixed times in the hour that does not exist run right after it, several of them as one.
    /// Where it goes back, fixed times run once and intervals in both hours. An interval has `*` in minute or hour.
    pub cron: String,
    /// The IANA time zone that the expression is read in, for example `Europe/Berlin` or `UTC`.
    pub time_zone: String,
    /// The kind of the tasks.
    pub kind: Kind,
    /// Their queue.
    pub queue: QueueName,
    /// Their payload.
    pub payload: Json,
    /// Their lane; `None` is the queue's default lane.
    pub lane: Option<LaneKey>,
    /// For whom they are, so that they are found and erased with whatever else was sent to that recipient.
    pub recipient: Option<String>,
    /// Their policy.
    pub policy: RetryPolicy,
    /// What happens to missed ticks.
    pub missed: MissedPolicy,
    /// Whether it stands still. Ticks that pass meanwhile are not missed: they are gone.
    pub paused: bool,
}

/// A schedule as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSchedule {
    /// The schedule.
    pub schedule: Schedule,
    /// Its last tick that was taken care of, or when it was put.
    pub last_run: Timestamp,
    /// When it last made a task, by a tick or out of turn; `None` before the first.
    pub ran_at: Option<Timestamp>,
    /// The version of its record.
    pub version: u64,
}

/// Why a schedule was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// A field is not acceptable.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] BrokerError),
}

/// What one look at the schedules did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DueReport {
    /// Tasks enqueued; ticks that another worker had enqueued are not counted.
    pub enqueued: usize,
    /// When the next tick is.
    pub next: Option<Timestamp>,
    /// Schedules that cannot run: name and what is wrong.
    pub problems: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    cron: String,
    time_zone: String,
    kind: Kind,
    queue: QueueName,
    payload: Json,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<LaneKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    policy: RetryPolicy,
    missed: MissedPolicy,
    #[serde(default)]
    paused: bool,
    last_run: Timestamp,
    /// Absent in records of earlier programs, `null` before the first run.
    #[serde(default, deserialize_with = "present")]
    ran_at: Option<Option<Timestamp>>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Stores a schedule under its name and returns the version of its record. Its first tick is the
/// first one after now; one that was stored before goes on where it was, unless its times change.
///
/// # Errors
/// [`ScheduleError::Invalid`] names the field; [`ScheduleError::Store`], with
/// [`BrokerError::VersionConflict`] when somebody changed it at the same moment.
pub async fn put_schedule(store: &dyn Store, schedule: &Schedule) -> Result<u64, ScheduleError> {
    put_schedule_at(store, schedule, Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())).await
}

/// As [`put_schedule`], at a given time.
///
/// # Errors
/// As [`put_schedule`].
pub async fn put_schedule_at(
    store: &dyn Store,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<u64, ScheduleError> {
    let times = Times::new(&schedule.cron, &schedule.time_zone)?;
    let before = get_schedule(store, &schedule.name).await?;
    // What an earlier program took can be paused and changed for as long as its times stay.
    if before.as_ref().is_none_or(|old| old.schedule.cron != schedule.cron) {
        expression::check(&schedule.cron).map_err(|problem| invalid("cron", problem))?;
    }
    if times.after(now).is_none() {
        return Err(invalid("cron", "it never comes: no date fits it"));
    }
    schedule.policy.check().map_err(|(field, problem)| ScheduleError::Invalid { field, problem })?;
    let ran_at = before.as_ref().and_then(|old| old.ran_at);
    let (last_run, expect) = match before {
        None => (now, Expect::Absent),
        Some(old) => {
            let same = old.schedule.cron == schedule.cron
                && old.schedule.time_zone == schedule.time_zone
                && !old.schedule.paused;
            (if same { old.last_run } else { now }, Expect::Version(old.version))
        }
    };
    Ok(put(store, schedule, Ran { last_run, ran_at }, expect).await?)
}

/// The schedule of this name.
///
/// # Errors
/// [`ScheduleError::Store`].
pub async fn get_schedule(store: &dyn Store, name: &Name) -> Result<Option<StoredSchedule>, ScheduleError> {
    match store.get_record(RecordKind::Schedule, name.as_str()).await? {
        None => Ok(None),
        Some(record) => Ok(Some(read(&record.name, record.version, &record.body)?)),
    }
}

/// At most [`MAX_SCHEDULES`] schedules by name. One that cannot be read is an error.
///
/// # Errors
/// [`ScheduleError::Store`].
pub async fn list_schedules(store: &dyn Store) -> Result<Vec<StoredSchedule>, ScheduleError> {
    let mut all = Vec::new();
    for record in records(store).await? {
        all.push(read(&record.name, record.version, &record.body)?);
    }
    Ok(all)
}

/// Deletes a schedule; `false` when there was none. Tasks that it enqueued stay.
///
/// # Errors
/// [`ScheduleError::Store`].
pub async fn delete_schedule(store: &dyn Store, name: &Name) -> Result<bool, ScheduleError> {
    Ok(store.delete_record(RecordKind::Schedule, name.as_str(), Expect::Any).await?)
}

/// The next ticks after `now`, at most `n`; none while the schedule is paused.
pub fn next_ticks(schedule: &Schedule, now: Timestamp, n: usize) -> Vec<Timestamp> {
    let mut ticks = Vec::new();
    if let (false, Ok(times)) = (schedule.paused, Times::new(&schedule.cron, &schedule.time_zone)) {
        let mut at = now;
        while let (true, Some(next)) = (ticks.len() < n, times.after(at)) {
            ticks.push(next);
            at = next;
        }
    }
    ticks
}

/// The task of a tick out of turn, due now; ticks by the clock are as they were.
pub fn extra_task(schedule: &Schedule) -> NewTask {
    NewTask {
        queue: schedule.queue.clone(),
        lane: schedule.lane.clone(),
        recipient: schedule.recipient.clone(),
        policy: schedule.policy.clone(),
        ..NewTask::new(schedule.kind.clone(), schedule.payload.clone())
    }
}

/// Notes a run out of turn. The ticks stay as they are.
///
/// # Errors
/// [`ScheduleError::Store`]; the task of that run is not touched.
pub async fn note_run(store: &dyn Store, name: &Name, at: Timestamp) -> Result<(), ScheduleError> {
    for _ in 0..NOTE_TRIES {
        let Some(stored) = get_schedule(store, name).await? else { return Ok(()) };
        let ran = Ran { last_run: stored.last_run, ran_at: stored.ran_at.max(Some(at)) };
        match put(store, &stored.schedule, ran, Expect::Version(stored.version)).await {
            // A tick or a person came in between.
            Err(BrokerError::VersionConflict { .. }) => {}
            other => return other.map(|_| ()).map_err(Into::into),
        }
    }
    Ok(())
}

/// Enqueues what is due at `now`. Safe from any number of workers at once, and after a crash at any
/// point: a tick that was enqueued answers as a duplicate.
///
/// # Errors
/// [`BrokerError::Unavailable`]; ticks not reached are due at the next call.
pub async fn run_due(store: &dyn Store, now: Timestamp) -> Result<DueReport, BrokerError> {
    let mut report = DueReport::default();
    for record in records(store).await? {
        let ran = match read(&record.name, record.version, &record.body) {
            Ok(stored) => run_one(store, &stored, now).await,
            Err(e) => Err(e),
        };
        match ran {
            Ok((enqueued, next)) => {
                report.enqueued += enqueued;
                report.next = report.next.into_iter().chain(next).min();
            }
            Err(ScheduleError::Store(e @ (BrokerError::Unavailable { .. } | BrokerError::Full { .. }))) => {
                return Err(e);
            }
            Err(e) => report.problems.push((record.name, e.to_string())),
        }
    }
    Ok(report)
}

async fn run_one(
    store: &dyn Store,
    stored: &StoredSchedule,
    now: Timestamp,
) -> Result<(usize, Option<Timestamp>), ScheduleError> {
    let schedule = &stored.schedule;
    if schedule.paused {
        return Ok((0, None));
    }
    let times = Times::new(&schedule.cron, &schedule.time_zone)?;
    let due = times.due(stored.last_run, now, schedule.missed);
    let mut enqueued = 0;
    if !due.run.is_empty() {
        let tasks = due.run.iter().map(|tick| task_of(schedule, *tick)).collect();
        let reply = store.enqueue(EnqueueRequest { tasks, idempotency: None }).await?;
        enqueued = reply.tasks.iter().filter(|t| !t.duplicate).count();
    }
    if let Some(latest) = due.latest {
        let ran_at = due.run.last().copied().max(stored.ran_at);
        match put(store, schedule, Ran { last_run: latest, ran_at }, Expect::Version(stored.version)).await {
            // Another worker noted the tick, or a person changed the schedule: the next look sees it.
            Ok(_) | Err(BrokerError::VersionConflict { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok((enqueued, times.after(now)))
}

fn task_of(schedule: &Schedule, tick: Timestamp) -> NewTask {
    NewTask {
        // Held for as long as it can be, not until the task is final: a worker that notices the tick
        // late must not enqueue it again.
        unique: Some(Unique {
            key: format!("schedule:{}:{tick}", schedule.name),
            hold: UniqueHold::For(MAX_UNIQUE_HOLD),
        }),
        ..extra_task(schedule)
    }
}

async fn records(store: &dyn Store) -> Result<Vec<posthaste_core::Record>, BrokerError> {
    store.list_many(RecordKind::Schedule, RecordOrder::Ascending, None, MAX_SCHEDULES).await
}

/// How far a schedule is.
struct Ran {
    last_run: Timestamp,
    ran_at: Option<Timestamp>,
}

async fn put(store: &dyn Store, schedule: &Schedule, ran: Ran, expect: Expect) -> Result<u64, BrokerError> {
    let body = Body {
        cron: schedule.cron.clone(),
        time_zone: schedule.time_zone.clone(),
        kind: schedule.kind.clone(),
        queue: schedule.queue.clone(),
        payload: schedule.payload.clone(),
        lane: schedule.lane.clone(),
        recipient: schedule.recipient.clone(),
        policy: schedule.policy.clone(),
        missed: schedule.missed,
        paused: schedule.paused,
        last_run: ran.last_run,
        ran_at: Some(ran.ran_at),
    };
    let body = Json::from_value(&body).map_err(|e| BrokerError::invalid(0, "payload", e.to_string()))?;
    store.put_record(RecordKind::Schedule, schedule.name.as_str(), body, expect).await
}

fn read(name: &str, version: u64, body: &Json) -> Result<StoredSchedule, ScheduleError> {
    let damaged =
        |what: String| BrokerError::Corrupt { what: format!("the record of schedule {name}: {what}") };
    let body: Body = body.parse().map_err(|e| damaged(e.to_string()))?;
    let mut stored = StoredSchedule {
        schedule: Schedule {
            name: Name::new(name).map_err(|e| damaged(e.to_string()))?,
            cron: body.cron,
            time_zone: body.time_zone,
            kind: body.kind,
            queue: body.queue,
            payload: body.payload,
            lane: body.lane,
            recipient: body.recipient,
            policy: body.policy,
            missed: body.missed,
            paused: body.paused,
        },
        last_run: body.last_run,
        ran_at: None,
        version,
    };
    stored.ran_at = body.ran_at.unwrap_or_else(|| ran_before(&stored));
    Ok(stored)
}

/// What a record of an earlier program tells of its last run: it holds a tick, or when it was put.
fn ran_before(stored: &StoredSchedule) -> Option<Timestamp> {
    let times = Times::new(&stored.schedule.cron, &stored.schedule.time_zone).ok()?;
    times.before(stored.last_run, true).filter(|tick| *tick == stored.last_run)
}

pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> ScheduleError {
    ScheduleError::Invalid { field, problem: problem.into() }
}
