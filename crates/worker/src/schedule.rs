//! Schedules: tasks that are enqueued by the clock.
//!
//! A schedule is a record with the time of its last tick. A tick is enqueued under a unique key of
//! its own and only then noted in the record, with a check of the record's version: so workers that
//! notice the same tick enqueue one task, and a crash in between loses none.

use std::str::FromStr;

use croner::Cron;
use jiff::Zoned;
use jiff::tz::TimeZone;
use posthaste_core::broker::EnqueueRequest;
use posthaste_core::limits::{MAX_MISSED_TICKS, MAX_PAGE, MAX_SCHEDULES, MAX_UNIQUE_HOLD, SCHEDULE_ON_TIME};
use posthaste_core::{
    BrokerError, Expect, Json, Kind, LaneKey, Name, NewTask, QueueName, RecordKind, RecordOrder, RetryPolicy,
    Store, Timestamp, Unique, UniqueHold,
};
use serde::{Deserialize, Serialize};

/// What happens to ticks that nobody noticed within [`SCHEDULE_ON_TIME`], because no worker ran or
/// the store was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// They are gone.
    Skip,
    /// One task makes up for all of them.
    #[default]
    RunOnce,
    /// Each is made up for, at most the latest [`MAX_MISSED_TICKS`].
    RunAll,
}

/// A task that is enqueued at every tick of a cron expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: Name,
    /// Five fields (minute to day of week), six with seconds in front.
    ///
    /// Where a clock goes forward, fixed times in the hour that does not exist run right after it.
    /// Where it goes back, fixed times run once and intervals in both hours.
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
    if times.after(now).is_none() {
        return Err(invalid("cron", "it never comes: no date fits it"));
    }
    schedule.policy.check().map_err(|(field, problem)| ScheduleError::Invalid { field, problem })?;
    let before = get_schedule(store, &schedule.name).await?;
    let (last_run, expect) = match before {
        None => (now, Expect::Absent),
        Some(old) => {
            let same = old.schedule.cron == schedule.cron
                && old.schedule.time_zone == schedule.time_zone
                && !old.schedule.paused;
            (if same { old.last_run } else { now }, Expect::Version(old.version))
        }
    };
    Ok(put(store, schedule, last_run, expect).await?)
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
        match put(store, schedule, latest, Expect::Version(stored.version)).await {
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
    let mut all: Vec<posthaste_core::Record> = Vec::new();
    while all.len() < MAX_SCHEDULES {
        let after = all.last().map(|r| r.name.clone());
        let page = store
            .list_records(RecordKind::Schedule, RecordOrder::Ascending, after.as_deref(), MAX_PAGE)
            .await?;
        let last = page.len() < MAX_PAGE;
        all.extend(page);
        if last {
            break;
        }
    }
    Ok(all)
}

async fn put(
    store: &dyn Store,
    schedule: &Schedule,
    last_run: Timestamp,
    expect: Expect,
) -> Result<u64, BrokerError> {
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
        last_run,
    };
    let body = Json::from_value(&body).map_err(|e| BrokerError::invalid(0, "payload", e.to_string()))?;
    store.put_record(RecordKind::Schedule, schedule.name.as_str(), body, expect).await
}

fn read(name: &str, version: u64, body: &Json) -> Result<StoredSchedule, ScheduleError> {
    let damaged =
        |what: String| BrokerError::Corrupt { what: format!("the record of schedule {name}: {what}") };
    let body: Body = body.parse().map_err(|e| damaged(e.to_string()))?;
    Ok(StoredSchedule {
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
        version,
    })
}

fn invalid(field: &'static str, problem: impl Into<String>) -> ScheduleError {
    ScheduleError::Invalid { field, problem: problem.into() }
}

/// Ticks that are due.
#[derive(Debug, PartialEq)]
pub(crate) struct Due {
    /// To be enqueued, oldest first.
    pub(crate) run: Vec<Timestamp>,
    /// The latest tick, enqueued or not: up to here all is taken care of.
    pub(crate) latest: Option<Timestamp>,
}

/// A cron expression in a time zone.
pub(crate) struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    pub(crate) fn new(cron: &str, zone: &str) -> Result<Self, ScheduleError> {
        Ok(Self {
            cron: Cron::from_str(cron).map_err(|e| invalid("cron", e.to_string()))?,
            zone: TimeZone::get(zone).map_err(|_| {
                invalid("time_zone", "not a time zone: use a name such as Europe/Berlin or UTC")
            })?,
        })
    }

    /// The whole second of `at`: ticks are whole seconds, and a search that starts within one may
    /// answer with the next where a clock goes back.
    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        let at = jiff::Timestamp::from_second(at.as_millis().div_euclid(1_000)).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }

    /// The first tick after `at`.
    pub(crate) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&self.zoned(at)?, false).ok()?;
        Some(Timestamp::from_millis(next.timestamp().as_millisecond())).filter(|t| *t > at)
    }

    /// The last tick before `at`, or at it.
    fn before(&self, at: Timestamp, inclusive: bool) -> Option<Timestamp> {
        let last = self.cron.find_previous_occurrence(&self.zoned(at)?, inclusive).ok()?;
        let last = Timestamp::from_millis(last.timestamp().as_millisecond());
        // Only ever back, so that a walk ends.
        (last < at || (inclusive && last == at)).then_some(last)
    }

    /// The ticks after `last_run` and up to `now`, as the policy wants them. Walks back from now, so
    /// that a long absence costs no more than a short one.
    pub(crate) fn due(&self, last_run: Timestamp, now: Timestamp, missed: MissedPolicy) -> Due {
        let mut run = Vec::new();
        let latest = self.before(now, true).filter(|t| *t > last_run);
        let mut tick = latest;
        while let Some(at) = tick.filter(|t| *t > last_run && run.len() < MAX_MISSED_TICKS) {
            let on_time = now.since(at) <= SCHEDULE_ON_TIME;
            let wanted = match missed {
                MissedPolicy::Skip => on_time,
                // A tick that is on time makes up for the missed ones too.
                MissedPolicy::RunOnce => on_time || run.is_empty(),
                MissedPolicy::RunAll => true,
            };
            if !wanted {
                break;
            }
            run.push(at);
            tick = self.before(at, false);
        }
        run.reverse();
        Due { run, latest }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn berlin(cron: &str) -> Times {
        Times::new(cron, "Europe/Berlin").expect("valid")
    }

    /// All ticks in between, walked forward.
    fn forward(times: &Times, from: Timestamp, until: Timestamp) -> Vec<String> {
        std::iter::successors(times.after(from), |t| times.after(*t))
            .take_while(|t| *t <= until)
            .map(|t| t.to_string())
            .collect()
    }

    #[test]
    fn a_fixed_time_in_the_hour_that_does_not_exist_runs_right_after_it() {
        // On 2026-03-29 the clocks of Berlin go from 02:00 to 03:00, which is 01:00 UTC.
        let times = berlin("30 2 * * *");
        let ticks = forward(&times, at("2026-03-28T00:00:00Z"), at("2026-03-30T12:00:00Z"));
        assert_eq!(
            ticks,
            ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
        );
    }

    #[test]
    fn a_fixed_time_in_the_hour_that_comes_twice_runs_once() {
        // On 2026-10-25 they go from 03:00 back to 02:00, which is 01:00 UTC.
        let times = berlin("30 2 * * *");
        let ticks = forward(&times, at("2026-10-24T12:00:00Z"), at("2026-10-26T12:00:00Z"));
        assert_eq!(ticks, ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
    }

    #[test]
    fn an_interval_runs_in_both_of_the_hours_that_come_twice_and_not_in_the_missing_one() {
        let times = berlin("*/30 * * * *");
        let autumn = forward(&times, at("2026-10-24T23:45:00Z"), at("2026-10-25T02:00:00Z"));
        assert_eq!(autumn.len(), 5, "{autumn:?}");
        let spring = forward(&times, at("2026-03-29T00:45:00Z"), at("2026-03-29T02:00:00Z"));
        assert_eq!(
            spring,
            ["2026-03-29T01:00:00.000Z", "2026-03-29T01:30:00.000Z", "2026-03-29T02:00:00.000Z"]
        );
    }

    #[test]
    fn what_is_due_is_what_a_walk_forward_finds() {
        for cron in ["30 2 * * *", "*/20 * * * *", "0 */2 * * *", "15 1,2,3 * * *", "0 0 3 25 10 *"] {
            let times = berlin(cron);
            for (from, until) in [
                ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
                ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
                ("2026-06-01T00:00:00.500Z", "2026-06-01T23:59:59.999Z"),
            ] {
                let (from, until) = (at(from), at(until));
                let due = times.due(from, until, MissedPolicy::RunAll);
                let run: Vec<String> = due.run.iter().map(Timestamp::to_string).collect();
                assert_eq!(run, forward(&times, from, until), "{cron} from {from}");
                assert_eq!(due.latest, due.run.last().copied());
            }
        }
    }

    #[test]
    fn ticks_on_time_run_under_every_policy_even_when_several_came_at_once() {
        let times = Times::new("* * * * * *", "UTC").expect("valid");
        let (from, now) = (at("2026-01-31T12:00:00Z"), at("2026-01-31T12:00:05.400Z"));
        for missed in [MissedPolicy::Skip, MissedPolicy::RunOnce, MissedPolicy::RunAll] {
            assert_eq!(times.due(from, now, missed).run.len(), 5);
        }
    }

    #[test]
    fn a_clock_that_goes_back_runs_nothing_again() {
        let times = Times::new("* * * * *", "UTC").expect("valid");
        let due = times.due(at("2026-01-31T12:10:00Z"), at("2026-01-31T11:10:00Z"), MissedPolicy::RunAll);
        assert_eq!(due, Due { run: Vec::new(), latest: None });
    }

    /// Expressions that are nearly cron.
    fn nearly() -> impl Strategy<Value = String> {
        let field = prop_oneof![
            Just("*".to_owned()),
            "[0-9]{1,2}",
            "[0-9]{1,2}-[0-9]{1,2}",
            "\\*/[0-9]{1,2}",
            "[0-9]{1,2}(,[0-9]{1,2}){1,3}",
            Just("L".to_owned()),
            Just("MON-FRI".to_owned()),
            Just("5#2".to_owned()),
            Just("15W".to_owned()),
            Just("?".to_owned()),
            Just("FEB".to_owned()),
        ];
        prop::collection::vec(field, 4..8).prop_map(|f| f.join(" "))
    }

    proptest! {
        #[test]
        fn any_expression_is_refused_or_has_ticks_that_only_go_on(
            cron in prop_oneof![3 => nearly(), 1 => ".{0,30}"],
            zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/Sao_Paulo"), Just("Australia/Lord_Howe"), Just("x/../y")],
            now in 0_i64..4_000_000_000_000,
        ) {
            let Ok(times) = Times::new(&cron, zone) else { return Ok(()) };
            let mut at = Timestamp::from_millis(now);
            for _ in 0..4 {
                let Some(next) = times.after(at) else { break };
                prop_assert!(next > at, "{} in {}: {} after {}", cron, zone, next, at);
                prop_assert_eq!(next.as_millis() % 1_000, 0);
                at = next;
            }
            let due = times.due(Timestamp::from_millis(now - 7 * 86_400_000), Timestamp::from_millis(now), MissedPolicy::RunAll);
            prop_assert!(due.run.len() <= MAX_MISSED_TICKS);
            prop_assert!(due.run.is_sorted_by(|a, b| a < b), "{} in {}: {:?}", cron, zone, due.run);
            prop_assert!(due.run.iter().all(|t| t.as_millis() <= now && t.as_millis() > now - 7 * 86_400_000));
        }
    }
}
