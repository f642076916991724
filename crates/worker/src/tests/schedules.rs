//! Schedules against the real store, with the time given.

use posthaste_core::broker::ListRequest;
use posthaste_core::limits::MAX_MISSED_TICKS;
use posthaste_core::{
    Broker, Expect, Json, Name, QueueName, RecordKind, Records, RetryPolicy, Store, Timestamp,
};
use posthaste_testkit::{Fault, Method, kind};
use serde_json::json;

use super::Rig;
use crate::schedule::{
    MissedPolicy, Schedule, ScheduleError, delete_schedule, get_schedule, list_schedules, note_run,
    put_schedule_at, run_due,
};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn schedule(cron: &str, missed: MissedPolicy) -> Schedule {
    Schedule {
        name: Name::new("nightly").expect("a name"),
        cron: cron.to_owned(),
        time_zone: "UTC".to_owned(),
        kind: kind("report"),
        queue: QueueName::default(),
        payload: Json::from(json!({"for": "all"})),
        lane: None,
        recipient: None,
        policy: RetryPolicy::default(),
        missed,
        paused: false,
    }
}

async fn enqueued(rig: &Rig) -> Vec<String> {
    let page = rig.store.list(ListRequest { limit: 200, ..ListRequest::default() }).await.expect("answers");
    let mut keys: Vec<String> = page.tasks.into_iter().filter_map(|t| t.unique).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_tick_is_enqueued_once_under_a_key_of_its_own() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    put_schedule_at(store, &schedule("0 3 * * *", MissedPolicy::Skip), at("2026-01-31T12:00:00Z"))
        .await
        .expect("stored");
    let early = run_due(store, at("2026-02-01T02:59:59Z")).await.expect("runs");
    assert_eq!((early.enqueued, early.next), (0, Some(at("2026-02-01T03:00:00Z"))));
    let due = run_due(store, at("2026-02-01T03:00:00Z")).await.expect("runs");
    assert_eq!((due.enqueued, due.next), (1, Some(at("2026-02-02T03:00:00Z"))));
    let again = run_due(store, at("2026-02-01T03:00:05Z")).await.expect("runs");
    assert_eq!(again.enqueued, 0);
    assert_eq!(enqueued(&rig).await, ["schedule:nightly:2026-02-01T03:00:00.000Z"]);
    let kept = get_schedule(store, &Name::new("nightly").expect("a name")).await.expect("answers");
    let kept = kept.expect("is there");
    assert_eq!((kept.last_run, kept.ran_at), (at("2026-02-01T03:00:00Z"), Some(at("2026-02-01T03:00:00Z"))));
}

async fn ran_at(store: &dyn Store) -> Option<Timestamp> {
    let name = Name::new("nightly").expect("a name");
    get_schedule(store, &name).await.expect("answers").expect("is there").ran_at
}

#[tokio::test]
async fn the_last_run_is_none_before_the_first_and_a_run_out_of_turn_counts() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    let hourly = schedule("0 * * * *", MissedPolicy::Skip);
    put_schedule_at(store, &hourly, at("2026-01-31T12:30:00Z")).await.expect("stored");
    assert_eq!(ran_at(store).await, None);
    // A tick that is passed over is no run.
    run_due(store, at("2026-01-31T13:30:00Z")).await.expect("runs");
    assert_eq!(ran_at(store).await, None);
    note_run(store, &hourly.name, at("2026-01-31T13:40:00Z")).await.expect("noted");
    assert_eq!(ran_at(store).await, Some(at("2026-01-31T13:40:00Z")));
    assert_eq!(run_due(store, at("2026-01-31T14:00:10Z")).await.expect("runs").enqueued, 1, "the ticks stay");
    assert_eq!(ran_at(store).await, Some(at("2026-01-31T14:00:00Z")));
    let changed = Schedule { cron: "15 * * * *".to_owned(), ..hourly.clone() };
    put_schedule_at(store, &changed, at("2026-01-31T14:20:00Z")).await.expect("stored");
    assert_eq!(ran_at(store).await, Some(at("2026-01-31T14:00:00Z")));
    note_run(store, &Name::new("none").expect("a name"), at("2026-01-31T14:30:00Z"))
        .await
        .expect("none is none");
}

#[tokio::test]
async fn a_record_of_an_earlier_program_tells_its_last_tick_and_not_when_it_was_put() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    for (last_run, told) in
        [("2026-01-31T13:00:00Z", Some(at("2026-01-31T13:00:00Z"))), ("2026-01-31T12:30:21.417Z", None)]
    {
        let put = put_schedule_at(store, &schedule("0 * * * *", MissedPolicy::Skip), at(last_run)).await;
        put.expect("stored");
        let record = store.get_record(RecordKind::Schedule, "nightly").await.expect("read").expect("there");
        let mut body: serde_json::Value = record.body.parse().expect("JSON");
        body.as_object_mut().expect("an object").remove("ran_at").expect("a new one says it");
        store
            .put_record(RecordKind::Schedule, "nightly", Json::from_value(&body).expect("JSON"), Expect::Any)
            .await
            .expect("stored");
        assert_eq!(ran_at(store).await, told, "{last_run}");
        assert!(delete_schedule(store, &Name::new("nightly").expect("a name")).await.expect("deleted"));
    }
}

#[tokio::test]
async fn two_workers_that_notice_the_same_tick_enqueue_one_task() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    put_schedule_at(store, &schedule("* * * * *", MissedPolicy::RunAll), at("2026-01-31T12:00:00Z"))
        .await
        .expect("stored");
    let now = at("2026-01-31T12:10:00Z");
    let (a, b) = tokio::join!(run_due(store, now), run_due(store, now));
    assert_eq!(a.expect("runs").enqueued + b.expect("runs").enqueued, 10);
    assert_eq!(enqueued(&rig).await.len(), 10);
}

#[tokio::test]
async fn a_crash_between_the_task_and_its_note_enqueues_it_once() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    put_schedule_at(store, &schedule("0 * * * *", MissedPolicy::RunOnce), at("2026-01-31T12:30:00Z"))
        .await
        .expect("stored");
    rig.store.at(Method::PutRecord, 1, Fault::Fail);
    let now = at("2026-01-31T13:00:01Z");
    run_due(store, now).await.expect_err("the note fails");
    assert_eq!(run_due(store, now).await.expect("runs").enqueued, 0);
    assert_eq!(enqueued(&rig).await, ["schedule:nightly:2026-01-31T13:00:00.000Z"]);
}

#[tokio::test]
async fn missed_ticks_follow_their_policy() {
    for (missed, expected) in [(MissedPolicy::Skip, 0), (MissedPolicy::RunOnce, 1), (MissedPolicy::RunAll, 5)]
    {
        let rig = Rig::new().await;
        let store = rig.store.as_ref();
        put_schedule_at(store, &schedule("0 * * * *", missed), at("2026-01-31T12:30:00Z"))
            .await
            .expect("stored");
        let late = at("2026-01-31T17:45:00Z");
        assert_eq!(run_due(store, late).await.expect("runs").enqueued, expected, "{missed:?}");
        assert_eq!(run_due(store, late).await.expect("runs").enqueued, 0, "{missed:?}");
        // The next one is on time under every policy.
        assert_eq!(run_due(store, at("2026-01-31T18:00:03Z")).await.expect("runs").enqueued, 1);
    }
}

#[tokio::test]
async fn a_long_absence_is_made_up_for_within_bounds() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    put_schedule_at(store, &schedule("* * * * * *", MissedPolicy::RunAll), at("2025-01-31T12:00:00Z"))
        .await
        .expect("stored");
    let report = run_due(store, at("2026-01-31T12:00:00Z")).await.expect("runs");
    assert_eq!(report.enqueued, MAX_MISSED_TICKS);
    let keys = enqueued(&rig).await;
    assert_eq!(keys.last().map(String::as_str), Some("schedule:nightly:2026-01-31T12:00:00.000Z"));
}

#[tokio::test]
async fn a_changed_schedule_goes_on_where_it_was_unless_its_times_change() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    let hourly = schedule("0 * * * *", MissedPolicy::RunOnce);
    put_schedule_at(store, &hourly, at("2026-01-31T12:30:00Z")).await.expect("stored");
    let renamed = Schedule { kind: kind("other"), ..hourly.clone() };
    put_schedule_at(store, &renamed, at("2026-01-31T13:30:00Z")).await.expect("stored");
    assert_eq!(run_due(store, at("2026-01-31T13:31:00Z")).await.expect("runs").enqueued, 1);
    let moved = Schedule { cron: "15 * * * *".to_owned(), ..hourly };
    put_schedule_at(store, &moved, at("2026-01-31T14:30:00Z")).await.expect("stored");
    assert_eq!(run_due(store, at("2026-01-31T14:31:00Z")).await.expect("runs").enqueued, 0);
    assert_eq!(list_schedules(store).await.expect("answers").len(), 1);
    assert!(delete_schedule(store, &moved.name).await.expect("answers"));
    assert!(!delete_schedule(store, &moved.name).await.expect("answers"));
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused_by_field() {
    let rig = Rig::new().await;
    let good = schedule("0 3 * * *", MissedPolicy::Skip);
    let policy = RetryPolicy { max_failures: 0, ..RetryPolicy::default() };
    for (bad, field) in [
        (Schedule { cron: "every day".to_owned(), ..good.clone() }, "cron"),
        (Schedule { cron: "0 0 30 2 *".to_owned(), ..good.clone() }, "cron"),
        (Schedule { cron: "0 0 3 * * * 2030".to_owned(), ..good.clone() }, "cron"),
        (Schedule { cron: "5,,6 * * * *".to_owned(), ..good.clone() }, "cron"),
        (Schedule { time_zone: "Mars/Olympus".to_owned(), ..good.clone() }, "time_zone"),
        (Schedule { policy, ..good.clone() }, "max_failures"),
    ] {
        match put_schedule_at(rig.store.as_ref(), &bad, at("2026-01-31T12:00:00Z")).await {
            Err(ScheduleError::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_year_that_an_earlier_program_took_goes_on_and_can_be_paused() {
    let rig = Rig::new().await;
    let store = rig.store.as_ref();
    let hourly = schedule("0 0 * * * *", MissedPolicy::Skip);
    put_schedule_at(store, &hourly, at("2026-01-31T12:30:00Z")).await.expect("stored");
    let record = store.get_record(RecordKind::Schedule, "nightly").await.expect("read").expect("there");
    let mut body: serde_json::Value = record.body.parse().expect("JSON");
    body["cron"] = json!("0 0 * * * * 2026");
    let body = Json::from_value(&body).expect("JSON");
    store.put_record(RecordKind::Schedule, "nightly", body, Expect::Any).await.expect("stored");
    let due = run_due(store, at("2026-01-31T13:00:00Z")).await.expect("runs");
    assert_eq!((due.enqueued, due.problems.len()), (1, 0));
    let kept = get_schedule(store, &hourly.name).await.expect("answers").expect("is there").schedule;
    let paused = Schedule { paused: true, ..kept.clone() };
    put_schedule_at(store, &paused, at("2026-01-31T13:10:00Z")).await.expect("paused");
    put_schedule_at(store, &kept, at("2026-01-31T13:20:00Z")).await.expect("resumed");
    assert_eq!(run_due(store, at("2026-01-31T14:00:00Z")).await.expect("runs").enqueued, 1);
    let changed = Schedule { cron: "0 30 * * * * 2026".to_owned(), ..kept };
    let refused = put_schedule_at(store, &changed, at("2026-01-31T14:10:00Z")).await;
    assert!(matches!(refused, Err(ScheduleError::Invalid { field: "cron", .. })), "{refused:?}");
}
