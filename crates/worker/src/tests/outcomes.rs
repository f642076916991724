//! How a try ends and what is stored of it.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::Cancelled;
use posthaste_core::task::class::TaskEffect;
use posthaste_core::{
    AttemptOutcome, Broker, EndReason, Failure, FailureClass, Json, LeaseRef, LeaseToken, NewTask, Outcome,
    RetryPolicy, State, TaskId,
};
use posthaste_testkit::{Fault, Method, task, task_in_lane};
use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use super::{Rig, at_once, eager, gated, handler, until_stats};
use crate::mark::{MarkRequest, serve};
use crate::{MarkError, Registry, Timed, WorkerConfig};

#[tokio::test]
async fn a_success_is_stored_with_its_result() {
    let rig = Rig::new().await;
    let registry = handler(|cx| async move { Outcome::result(cx.task().payload.clone()) });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let id = rig.enqueue(task("t", json!({"n": 7}))).await;
    let done = rig.until_state(id, State::Succeeded).await;
    assert_eq!(done.result.as_ref().map(Json::as_str), Some(r#"{"n":7}"#));
    assert_eq!((done.attempt, done.failures), (1, 0));
    worker.shutdown().await;
}

#[tokio::test]
async fn each_class_leads_where_its_row_says() {
    let rig = Rig::new().await;
    let registry = handler(|cx| async move {
        let class: FailureClass = cx.task().payload.parse().expect("the payload is a class");
        Outcome::Failure(Failure::new(class, "as told").with_code("X1"))
    });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    for class in FailureClass::ALL {
        let id = rig.enqueue(task_in_lane("t", &format!("of-{class}"), json!(class))).await;
        let tried = rig.until_tried(id).await;
        let expected = match class.rule().task {
            TaskEffect::Retry | TaskEffect::ByPolicy => State::Retrying,
            TaskEffect::Park => State::Queued,
            TaskEffect::Fail => State::Failed,
        };
        assert_eq!(tried.state, expected, "{class}");
        assert_eq!(tried.failures, u32::from(class.rule().counts), "{class}");
        let attempts = rig.store.attempts(id).await.expect("answers").expect("is there");
        assert_eq!(attempts[0].class, Some(class));
        assert_eq!(attempts[0].code.as_deref(), Some("X1"));
    }
    worker.shutdown().await;
}

/// Runs one task whose handler ends badly and returns class and message of its try.
async fn bad_end(policy: RetryPolicy, registry: crate::Registry) -> (FailureClass, String) {
    let rig = Rig::new().await;
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let id = rig.enqueue(NewTask { policy, ..task("t", json!(null)) }).await;
    rig.until_tried(id).await;
    let attempt = rig.store.attempts(id).await.expect("answers").expect("is there").remove(0);
    assert_eq!(attempt.outcome, AttemptOutcome::Failed);
    worker.shutdown().await;
    (attempt.class.expect("a class"), attempt.message.expect("a message"))
}

#[tokio::test]
async fn a_panic_is_transient_before_the_mark_and_ambiguous_after_it() {
    let policy = RetryPolicy::default;
    let (class, message) = bad_end(policy(), handler(|_| async { panic!("at once") })).await;
    assert_eq!((class, message.as_str()), (FailureClass::Transient, "the handler panicked: at once"));

    let later = handler(|_| async {
        tokio::task::yield_now().await;
        panic!("after {}", "waiting")
    });
    let (class, message) = bad_end(policy(), later).await;
    assert_eq!((class, message.as_str()), (FailureClass::Transient, "the handler panicked: after waiting"));

    let marked = handler(|cx| async move {
        cx.mark().await.expect("granted");
        panic!("too late")
    });
    let (class, message) = bad_end(policy(), marked).await;
    assert_eq!(class, FailureClass::Ambiguous);
    assert_eq!(message, "the handler panicked: too late, after the point of no return");
}

#[tokio::test]
async fn a_timeout_is_transient_before_the_mark_and_ambiguous_after_it() {
    let policy = RetryPolicy { timeout: Duration::from_millis(20), ..RetryPolicy::default() };
    let (class, message) = bad_end(policy.clone(), handler(|_| std::future::pending())).await;
    assert_eq!(class, FailureClass::Transient);
    assert_eq!(message, "the attempt took longer than its timeout of 20ms");

    let marked = handler(|cx| async move {
        cx.mark().await.expect("granted");
        std::future::pending().await
    });
    let (class, _) = bad_end(policy, marked).await;
    assert_eq!(class, FailureClass::Ambiguous);
}

#[tokio::test]
async fn a_result_that_is_too_large_fails_alone_and_for_good() {
    let rig = Rig::new().await;
    let registry = handler(|cx| async move {
        let size: usize = cx.task().payload.parse().expect("a size");
        Outcome::result(Json::from(json!("x".repeat(size))))
    });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let ids =
        rig.enqueue_all(vec![task("t", json!(10)), task("t", json!(300_000)), task("t", json!(20))]).await;
    let failed = rig.until_state(ids[1], State::Failed).await;
    assert_eq!(failed.error.and_then(|e| e.reason), Some(EndReason::Permanent));
    rig.until_state(ids[0], State::Succeeded).await;
    rig.until_state(ids[2], State::Succeeded).await;
    worker.shutdown().await;
}

#[tokio::test]
async fn a_cancel_reaches_the_handler_and_its_failure_becomes_cancelled() {
    let rig = Rig::new().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let registry = handler(move |cx| {
        let started = started.clone();
        async move {
            started.send(()).expect("the test listens");
            cx.cancellation().cancelled().await;
            Outcome::Failure(Failure::new(FailureClass::Transient, "told to stop"))
        }
    });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    starts.recv().await.expect("it starts");
    assert_eq!(rig.store.cancel(&[id]).await.expect("answers"), [Cancelled::Requested]);
    worker.keep_now();
    let task = rig.until_state(id, State::Cancelled).await;
    assert_eq!(task.error.and_then(|e| e.reason), Some(EndReason::Cancelled));
    until_stats(&worker, |s| s.cancelled == 1).await;
    worker.shutdown().await;
}

#[tokio::test]
async fn a_task_that_is_cancelled_while_it_waits_for_its_slot_never_starts() {
    let rig = Rig::new().await;
    let (registry, mut starts, go) = gated();
    let ids = rig.enqueue_all(vec![task("t", json!(1)), task("t", json!(2))]).await;
    let worker = rig.worker(registry, eager(1, 1)).await;
    assert_eq!(starts.recv().await, Some(ids[0]));
    assert_eq!(rig.store.cancel(&[ids[1]]).await.expect("answers"), [Cancelled::Requested]);
    let asked = rig.store.ended(Method::CancelFlags);
    worker.keep_now();
    rig.store.wait_ended(Method::CancelFlags, asked + 1).await;
    go.notify_one();
    rig.until_state(ids[0], State::Succeeded).await;
    rig.until_state(ids[1], State::Cancelled).await;
    assert!(starts.try_recv().is_err());
    worker.shutdown().await;
}

#[tokio::test]
async fn a_success_after_a_cancel_stands() {
    let rig = Rig::new().await;
    let registry = handler(|cx| async move {
        cx.cancellation().cancelled().await;
        Outcome::done()
    });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    rig.until_state(id, State::Running).await;
    rig.store.cancel(&[id]).await.expect("answers");
    worker.keep_now();
    rig.until_state(id, State::Succeeded).await;
    worker.shutdown().await;
}

#[tokio::test]
async fn a_late_mark_is_refused_when_the_lease_was_lost() {
    let rig = Rig::new().await;
    let (late, mut answers) = mpsc::unbounded_channel();
    let (started, mut starts) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let registry = handler(move |cx| {
        let (late, started, wait) = (late.clone(), started.clone(), wait.clone());
        async move {
            if cx.task().attempt > 1 {
                return Outcome::done();
            }
            started.send(()).expect("the test listens");
            wait.notified().await;
            late.send(cx.mark().await).expect("the test listens");
            Outcome::Failure(Failure::new(FailureClass::Permanent, "must not be stored"))
        }
    });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    rig.store.always(Method::Extend, Fault::Fail);
    let id = rig.enqueue(NewTask { policy: at_once(), ..task("t", json!(null)) }).await;
    starts.recv().await.expect("it starts");
    let rescued = rig.pass(Duration::from_secs(60)).await;
    assert_eq!(rescued, 1);
    go.notify_one();
    assert_eq!(answers.recv().await, Some(Err(MarkError::LeaseLost)));
    let done = rig.until_state(id, State::Succeeded).await;
    assert_eq!(done.failures, 0);
    let report = worker.shutdown().await;
    assert_eq!(report.left, 0);
}

#[tokio::test]
async fn a_mark_is_asked_for_again_when_the_store_is_back() {
    let rig = Rig::new().await;
    rig.store.at(Method::Mark, 1, Fault::LoseReply);
    rig.store.at(Method::Mark, 2, Fault::Fail);
    let registry = handler(|cx| async move {
        match cx.mark().await {
            Err(e) => Outcome::Failure(Failure::new(FailureClass::Unavailable, e.to_string())),
            Ok(()) => Outcome::done(),
        }
    });
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    let id = rig.enqueue(task("t", json!(null))).await;
    let done = rig.until_state(id, State::Succeeded).await;
    assert_eq!(done.attempt, 1, "an outage ended an attempt that had sent nothing");
    assert_eq!(rig.store.begun(Method::Mark), 3);
    worker.shutdown().await;
}

#[tokio::test]
async fn a_mark_that_the_store_does_not_confirm_in_time_is_refused() {
    let rig = Rig::new().await;
    rig.store.always(Method::Mark, Fault::LoseReply);
    let (tx, rx) = mpsc::unbounded_channel();
    let timings = Arc::new(crate::timings::Timings::new(&WorkerConfig::default(), &Registry::new()));
    let served = tokio::spawn(serve(rig.store.clone(), timings, rx, Duration::from_secs(60), Duration::ZERO));
    let (answer, refused) = oneshot::channel();
    let lease = LeaseRef { task: TaskId::from_uuid(Uuid::nil()), token: LeaseToken { epoch: 1, nonce: 1 } };
    tx.send(MarkRequest { lease, answer }).expect("it is served");
    assert_eq!(refused.await.expect("it is answered"), Err(MarkError::StoreUnavailable));
    drop(tx);
    served.await.expect("it ends with its senders");
}

#[tokio::test]
async fn marks_of_concurrent_handlers_share_calls() {
    let rig = Rig::new().await;
    let registry = handler(|cx| async move {
        cx.mark().await.expect("granted");
        assert!(cx.is_marked());
        Outcome::done()
    });
    let ids = rig.enqueue_all((0..60).map(|n| task("t", json!(n))).collect()).await;
    let worker = rig.worker(registry, WorkerConfig::default()).await;
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert!(rig.store.begun(Method::Mark) < 60, "{} calls", rig.store.begun(Method::Mark));
    worker.shutdown().await;
}

#[tokio::test]
async fn failures_are_counted_by_class_and_what_takes_time_is_timed() {
    let rig = Rig::new().await;
    let registry = handler(|cx| async move {
        match cx.task().payload.as_str() {
            "1" => Outcome::done(),
            _ => Outcome::Failure(Failure::new(FailureClass::Permanent, "no")),
        }
    });
    let worker = rig.worker(registry, eager(1, 0)).await;
    let ids = rig.enqueue_all(vec![task("t", json!(1)), task("t", json!(2))]).await;
    rig.until_state(ids[1], State::Failed).await;
    let stats = until_stats(&worker, |s| s.failed + s.succeeded == 2).await;
    let mut expected = [0; FailureClass::ALL.len()];
    expected[usize::from(FailureClass::Permanent.code())] = 1;
    assert_eq!(stats.by_class, expected);
    let timings = worker.timings();
    let count = |what, of: &str| {
        let found = timings.iter().find(|t| t.what == what && t.of == of);
        found.unwrap_or_else(|| panic!("{what:?} {of}")).counted.count
    };
    assert_eq!((count(Timed::Run, "t"), count(Timed::Wait, "default")), (2, 2));
    assert!(count(Timed::Store, "settle") >= 1 && count(Timed::Store, "claim") >= 1, "{timings:?}");
}
