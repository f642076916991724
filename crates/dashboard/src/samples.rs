//! Every page with a sample context, as a snapshot: what a template is given and what it makes of it.

use axum::http::StatusCode;
use posthaste_api::view::{LaneView, LimitsView, PauseView, QueueView, StateCounts, WorkerView};
use posthaste_api::{ApiConfig, ApiError, AttemptView, TaskErrorView, TaskPage, TaskView};
use posthaste_core::{
    AttemptOutcome, EndReason, FailureClass, Json, Kind, PauseReason, Priority, QueueName, RetryPolicy,
    State, TaskId, Timestamp, WorkerId,
};
use posthaste_notify::HeldMessage;
use serde::Serialize;

use crate::pages::{ProblemPage, message::MessagePage, overview, send, sign_in, task, workers};
use crate::present::{self, Asked, Read, WorkersRead};
use crate::view::{AssetUrls, Chrome, Overview, Words, Workers};
use crate::{render, view};

const NOW: i64 = 1_795_383_000_000; // 2026-11-22T21:30:00Z

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW + seconds * 1000)
}

fn id(n: u32) -> TaskId {
    format!("019ab000-0000-7000-8000-{n:012x}").parse().unwrap()
}

fn json(value: serde_json::Value) -> Json {
    Json::from(value)
}

fn attempt(n: u32, from: i64, took_ms: i64, outcome: AttemptOutcome) -> AttemptView {
    AttemptView {
        generation: 1,
        attempt: n,
        started_at: at(from),
        ended_at: (outcome != AttemptOutcome::Running)
            .then(|| Timestamp::from_millis(at(from).as_millis() + took_ms)),
        worker: WorkerId::new("mail-1.4711.a1b2").unwrap(),
        outcome,
        class: None,
        message: None,
        code: None,
        counted: false,
    }
}

fn failed(n: u32, from: i64, class: FailureClass, message: &str, code: Option<&str>) -> AttemptView {
    AttemptView {
        class: Some(class),
        message: Some(message.into()),
        code: code.map(Into::into),
        counted: class.rule().counts,
        ..attempt(n, from, 42, AttemptOutcome::Failed)
    }
}

fn base(n: u32, state: State, to: &str, subject: &str) -> TaskView {
    TaskView {
        id: id(n),
        kind: Kind::notify(),
        queue: QueueName::default(),
        lane: Some("email:default".parse().unwrap()),
        tenant: None,
        priority: Priority::Normal,
        state,
        generation: 1,
        attempt: 0,
        failures: 0,
        created_at: at(-90),
        due_at: at(-90),
        started_at: None,
        finished_at: None,
        expires_at: None,
        worker: None,
        cancel_requested: false,
        retry: RetryPolicy::email(),
        unique_key: None,
        batch: None,
        error: None,
        payload: Some(json(serde_json::json!({
            "channel": "email", "to": to, "subject": subject,
            "message": "Hello,\n\nyour order 1042 is on its way.\n\nThe shop"
        }))),
        result: None,
        attempts: Some(vec![]),
    }
}

fn held() -> TaskView {
    let to = "dev@example.com";
    TaskView {
        attempt: 1,
        started_at: Some(at(-60)),
        finished_at: Some(at(-60)),
        result: Some(json(serde_json::json!({
            "message": format!("Notification held in the sandbox for {to}: no e-mail provider is configured"),
            "sandbox": true
        }))),
        attempts: Some(vec![attempt(1, -60, 3, AttemptOutcome::Succeeded)]),
        ..base(1, State::Succeeded, to, "Your order is on its way")
    }
}

fn sent() -> TaskView {
    TaskView {
        attempt: 2,
        failures: 1,
        finished_at: Some(at(-400)),
        result: Some(json(
            serde_json::json!({"message": "Notification sent to ann@example.org", "sandbox": false}),
        )),
        attempts: Some(vec![
            failed(1, -500, FailureClass::Transient, "451 4.3.0 mail system busy", Some("451 4.3.0")),
            attempt(2, -401, 1000, AttemptOutcome::Succeeded),
        ]),
        ..base(2, State::Succeeded, "ann@example.org", "Invoice 2026-11")
    }
}

fn refused() -> TaskView {
    let message = "550 5.1.1 <nobody@example.net>: user unknown";
    TaskView {
        attempt: 1,
        failures: 1,
        started_at: Some(at(-30)),
        finished_at: Some(at(-30)),
        error: Some(TaskErrorView {
            reason: Some(EndReason::Suppressed),
            class: Some(FailureClass::Suppress),
            message: message.into(),
            code: Some("550 5.1.1".into()),
        }),
        attempts: Some(vec![failed(1, -30, FailureClass::Suppress, message, Some("550 5.1.1"))]),
        ..base(3, State::Failed, "nobody@example.net", "Welcome")
    }
}

fn retrying() -> TaskView {
    let message = "The server greylisted the message";
    TaskView {
        attempt: 2,
        failures: 1,
        due_at: at(95),
        error: Some(TaskErrorView {
            reason: None,
            class: Some(FailureClass::Transient),
            message: message.into(),
            code: Some("451 4.7.1".into()),
        }),
        attempts: Some(vec![
            failed(1, -88, FailureClass::Unavailable, "mail.example.com:587: connection refused", None),
            failed(2, -25, FailureClass::Transient, message, Some("451 4.7.1")),
        ]),
        ..base(4, State::Retrying, "kim@example.com", "Password reset")
    }
}

fn running() -> TaskView {
    TaskView {
        attempt: 1,
        started_at: Some(at(-1)),
        worker: Some(WorkerId::new("mail-1.4711.a1b2").unwrap()),
        attempts: Some(vec![attempt(1, -1, 0, AttemptOutcome::Running)]),
        ..base(
            5,
            State::Running,
            "a.very.long.mailbox.name.that.goes.on@subdomain.of.a.long.example.com",
            "Minutes",
        )
    }
}

fn parked() -> TaskView {
    TaskView {
        attempt: 1,
        error: Some(TaskErrorView {
            reason: None,
            class: Some(FailureClass::Misconfigured),
            message: "535 5.7.8 authentication credentials invalid".into(),
            code: Some("535 5.7.8".into()),
        }),
        attempts: Some(vec![failed(
            1,
            -20,
            FailureClass::Misconfigured,
            "535 5.7.8 authentication credentials invalid",
            Some("535 5.7.8"),
        )]),
        ..base(6, State::Queued, "lee@example.com", "Weekly report")
    }
}

fn other_kind() -> TaskView {
    TaskView {
        kind: Kind::new("resize-image").unwrap(),
        lane: None,
        due_at: at(5400),
        expires_at: Some(at(90_000)),
        payload: Some(json(serde_json::json!({"url": "https://example.com/<a>.png"}))),
        ..base(7, State::Scheduled, "", "")
    }
}

fn cancelled() -> TaskView {
    TaskView {
        finished_at: Some(at(-86_400 * 3)),
        ..base(8, State::Cancelled, "pat@example.com", "Never mind")
    }
}

fn queue() -> QueueView {
    QueueView {
        queue: QueueName::default(),
        counts: StateCounts([1, 12, 3, 2, 1_204_331, 17, 1, 0]),
        held: 41,
        workers: 1,
        paused: None,
    }
}

fn lane() -> LaneView {
    LaneView {
        queue: QueueName::default(),
        lane: Some("email:default".parse().unwrap()),
        paused: Some(PauseView {
            reason: PauseReason::Misconfigured,
            until: Some(at(240)),
            since: at(-60),
            message: Some("535 5.7.8 authentication credentials invalid".into()),
        }),
        limits: LimitsView { rate: None, per_ms: 1000, concurrency: None },
        running: 0,
        waiting: true,
        waiting_since: Some(at(-60)),
    }
}

fn read(data: Vec<TaskView>, next_cursor: Option<&str>, queues: Vec<QueueView>) -> Read {
    let queues = Some(queues);
    let page = TaskPage { data, next_cursor: next_cursor.map(Into::into), searched_until: None };
    Read { page, queues, lanes: Vec::new() }
}

fn full_overview() -> Overview {
    let tasks = vec![running(), held(), refused(), retrying(), parked(), other_kind(), sent(), cancelled()];
    let read = Read { lanes: vec![lane()], ..read(tasks, Some("AbC-1"), vec![queue()]) };
    present::overview(read, &Asked::default(), at(0))
}

fn config() -> ApiConfig {
    ApiConfig { version: "0.0.0", provider_configured: true, sandbox: false, ..ApiConfig::default() }
}

/// As the page has it, with asset names that do not change with every edit of an asset.
fn chrome(config: &ApiConfig, title: &str) -> Chrome {
    let assets = AssetUrls {
        css: "/assets/app-0.css".into(),
        js: "/assets/app-0.js".into(),
        icon: "/assets/favicon-0.svg".into(),
    };
    Chrome { assets, ..present::chrome(config, title) }
}

fn index(config: &ApiConfig, form: view::Form, overview: Overview) -> overview::Index {
    overview::Index { chrome: Chrome { here: "overview", ..chrome(config, "Overview") }, form, overview }
}

fn task_page(t: &TaskView, problem: Option<&str>) -> task::TaskPage {
    let task = present::task(t, at(0));
    let chrome = Chrome { refresh: !task.is_final, ..chrome(&config(), &task.title) };
    task::TaskPage { chrome, problem: problem.map(Into::into), task }
}

fn check<C: Serialize>(name: &str, template: &str, context: &C) {
    let html = render::text(template, context).unwrap_or_else(|e| panic!("{name}: {e:#}"));
    assert!(!html.contains("style="), "{name}: the policy forbids style attributes");
    assert!(
        !html.contains("<script>") && !html.contains(" onclick="),
        "{name}: the policy forbids inline script"
    );
    insta::assert_snapshot!(name, html);
}

#[test]
fn overview_with_everything() {
    check("overview", "index.html", &index(&config(), send::empty_form(), full_overview()));
}

#[test]
fn overview_with_nothing_in_the_sandbox() {
    let sandbox = ApiConfig { provider_configured: false, sandbox: true, auth_off: true, ..config() };
    let overview = present::overview(read(vec![], None, vec![]), &Asked::default(), at(0));
    check("overview_empty", "index.html", &index(&sandbox, send::empty_form(), overview));
}

#[test]
fn overview_of_one_state() {
    let asked = Asked { state: Some(State::Expired), cursor: None };
    let overview = present::overview(read(vec![], None, vec![queue()]), &asked, at(0));
    check("overview_filtered", "_overview.html", &overview::Fragment { overview });
}

#[test]
fn overview_without_a_store_keeps_what_was_typed() {
    let error = ApiError::Unavailable { why: "disk".into() };
    let form = send::sample_refused("dev@example.com", "Hello\n<b>you</b>", &error);
    let overview = present::overview_problem(&error, &Asked::default());
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    check("overview_store_down", "index.html", &index(&config(), form, overview));
}

#[test]
fn overview_with_a_refused_form() {
    let error =
        ApiError::field(["body", "email"], "value_error", "The e-mail address must contain an @-sign.");
    let form = send::sample_refused("dev.example.com", "Hello", &error);
    check("overview_refused", "index.html", &index(&config(), form, full_overview()));
}

#[test]
fn tasks_in_every_state() {
    for (name, t) in [
        ("task_held", held()),
        ("task_sent", sent()),
        ("task_failed", refused()),
        ("task_retrying", retrying()),
        ("task_running", running()),
        ("task_parked", parked()),
        ("task_scheduled", other_kind()),
        ("task_cancelled", cancelled()),
    ] {
        check(name, "task.html", &task_page(&t, None));
    }
    let problem = "The task is succeeded; only failed, cancelled and expired tasks can be retried";
    check("task_problem", "task.html", &task_page(&sent(), Some(problem)));
}

#[test]
fn task_fragments() {
    check("card_retrying", "_card.html", &task::Fragment { task: present::task(&retrying(), at(0)) });
    check("fragment_failed", "_task.html", &task::Fragment { task: present::task(&refused(), at(0)) });
}

fn worker(host: &str, pid: u32, running: u32, seen: i64) -> WorkerView {
    WorkerView {
        id: WorkerId::new(format!("{host}:{pid}:a1b2")).unwrap(),
        host: host.into(),
        pid,
        version: "0.0.0".into(),
        queues: vec![QueueName::default(), QueueName::new("bulk").unwrap()],
        kinds: vec![Kind::notify()],
        slots: 64,
        running,
        started_at: at(-7_300),
        seen_at: at(seen),
        silent: seen < -15,
        stopping: false,
    }
}

fn workers_page(workers: Workers) -> workers::WorkersPage {
    let chrome = Chrome { here: "workers", refresh: true, ..chrome(&config(), "Workers") };
    workers::WorkersPage { chrome, workers }
}

fn workers_read(workers: Vec<WorkerView>, running: Vec<TaskView>) -> Workers {
    let unserved = QueueView {
        queue: QueueName::new("mial").unwrap(),
        counts: StateCounts([0, 3, 0, 0, 0, 0, 0, 0]),
        held: 0,
        workers: 0,
        paused: None,
    };
    let running = TaskPage { data: running, next_cursor: None, searched_until: None };
    present::workers(WorkersRead { workers, queues: vec![queue(), unserved], running }, at(0))
}

#[test]
fn workers_busy_idle_stopping_and_silent() {
    let stopping = WorkerView { stopping: true, ..worker("mail-3", 90, 2, -2) };
    let all =
        vec![worker("mail-2", 12, 0, -4), worker("mail-1", 4711, 10, -1), stopping, worker("old", 7, 1, -31)];
    let on = |n: u32| TaskView {
        worker: Some(WorkerId::new("mail-1:4711:a1b2").unwrap()),
        ..TaskView { id: id(n), ..running() }
    };
    let read = workers_read(all, (20..30).map(on).collect());
    assert_eq!(
        read.cards.iter().map(|c| c.badge.label).collect::<Vec<_>>(),
        ["Busy", "Idle", "Stopping", "Silent"]
    );
    assert_eq!((read.cards[0].tasks.len(), read.cards[0].more.as_deref()), (8, Some("and 2 more")));
    check("workers", "workers.html", &workers_page(read));
}

#[test]
fn no_workers_and_no_store() {
    check("workers_none", "_workers.html", &workers::Fragment { workers: workers_read(vec![], vec![]) });
    let workers = present::workers_problem(&ApiError::Unavailable { why: "away".into() });
    check("workers_store_down", "workers.html", &workers_page(workers));
}

#[test]
fn a_held_message() {
    let held = HeldMessage {
        channel: "email".into(),
        from: "Posthaste <posthaste@localhost>".into(),
        to: "dev@example.com".into(),
        subject: "Your order <1042> is on its way".into(),
        text: "Hello,\n\nyour order 1042 is on its way.\n\nThe shop".into(),
        html: None,
        reply_to: Some("The shop <shop@example.com>".into()),
        headers: [("X-Order".into(), "1042".into())].into(),
        date: at(-60),
        message_id: "<019ab000-0000-7000-8000-000000000001@localhost>".into(),
        reason: "no e-mail provider is configured".into(),
        ..HeldMessage::default()
    };
    let mut message = present::message(id(1), &held, at(0));
    assert!(
        ["Message-ID: <019ab000", "text/html", "Reply-To: The shop <shop@example.com>", "X-Order: 1042"]
            .iter()
            .all(|part| message.raw.contains(part)),
        "{}",
        message.raw
    );
    // Its boundary is drawn anew each time.
    message.raw = "From: Posthaste <posthaste@localhost>\nSubject: <b>".into();
    let page = MessagePage { chrome: chrome(&config(), &message.subject), message };
    check("message", "message.html", &page);
    insta::assert_snapshot!("message_frame", present::frame_html(&held));
}

#[test]
fn a_problem() {
    let problem = Words { title: "No such task".into(), text: "There is none with this id.".into() };
    check("problem", "problem.html", &ProblemPage { chrome: chrome(&config(), "No such task"), problem });
}

#[test]
fn the_sign_in_form() {
    let chrome = Chrome { nav: false, ..chrome(&config(), "Sign in") };
    let problem = Some("This key is not known, or it has been revoked or has expired.".to_owned());
    check("sign_in", "sign_in.html", &sign_in::SignInPage { chrome, problem, next: "/workers".into() });
}
