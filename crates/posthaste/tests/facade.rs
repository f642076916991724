//! The library over the real store and worker.

use std::time::Duration;

use posthaste::testing::TestApp;
use posthaste::trace::{Sampler, Tracer};
use posthaste::{
    Backoff, Cancelled, Client, ClientError, EndReason, FailureClass, OpenError, Posthaste, RetryPolicy,
    State, Task, TaskError, TaskKind, TaskResult, WaitError,
};
use tempfile::TempDir;

/// A wait that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open() -> (TempDir, Posthaste) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let app = Posthaste::open(format!("sqlite:{}", dir.path().display())).await.expect("opens");
    (dir, app)
}

fn at_once(max_failures: u32) -> RetryPolicy {
    RetryPolicy { max_failures, backoff: Backoff::Listed { delays_ms: vec![0] }, ..RetryPolicy::default() }
}

async fn end<R: serde::de::DeserializeOwned + std::fmt::Debug>(
    client: &Client,
    task: Task<R>,
) -> (State, posthaste::TaskEnd) {
    let sent = client.enqueue(task).await.expect("is stored");
    match client.wait(&sent, PATIENCE).await.expect("ends") {
        TaskResult::Ended { state, error } => (state, error),
        TaskResult::Succeeded(value) => panic!("succeeded with {value:?}"),
    }
}

#[tokio::test]
async fn an_address_chooses_its_store_by_scheme_and_is_never_printed() {
    let redis = [
        "valkey://:hunter2@127.0.0.1:1",
        "REDIS://:hunter2@127.0.0.1:1",
        " redis://:hunter2@127.0.0.1:1",
        "rediss+sentinel://:hunter2@127.0.0.1:1",
        "unix:///nowhere/hunter2.sock",
        "redis:hunter2@127.0.0.1",
    ];
    for url in redis {
        let error = Posthaste::open(url).await.err().expect(url);
        assert!(matches!(error, OpenError::Redis(_)), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains(":hunter2@"), "{url}: {error:?}");
    }
    for (url, says) in [
        ("postgres://u:hunter2@h", "postgres"),
        ("redis+other://:hunter2@h", "redis+other"),
        ("sqlite:", "sqlite:<directory>"),
        ("hunter2", "redis://<host>"),
        ("u:hunter2@h", "redis://<host>"),
        ("u:hunter2://h", "redis://<host>"),
        ("", "redis://<host>"),
    ] {
        let error = Posthaste::open(url).await.err().expect(url);
        assert!(matches!(error, OpenError::UnknownStore { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains(says), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter"), "{url}: {error:?}");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let app = Posthaste::open(format!("SQLite://{}", dir.path().display())).await.expect("opens");
    app.close().await;
}

#[tokio::test]
async fn the_class_of_an_error_decides() {
    let (_dir, app) = open().await;
    let kind = app
        .kind("classes", |class: FailureClass, _cx| async move { Err::<(), _>(TaskError::new(class, "no")) })
        .expect("a valid name");
    let plain =
        app.kind("plain", |text: String, _cx| async move { text.parse::<u32>() }).expect("a valid name");
    let panics =
        app.kind("panics", |(): (), _cx| async move {
            if true { panic!("boom") } else { Ok::<_, TaskError>(()) }
        })
        .expect("a valid name");
    let worker = app.worker().start().await.expect("starts");
    let client = app.client();

    let (state, error) = end(&client, kind.task(&FailureClass::Permanent).retry(at_once(5))).await;
    assert_eq!(
        (state, error.reason, error.message.as_str()),
        (State::Failed, Some(EndReason::Permanent), "no")
    );
    let (_, error) = end(&client, kind.task(&FailureClass::Transient).retry(at_once(2))).await;
    assert_eq!(error.reason, Some(EndReason::MaxFailures));
    let (_, error) = end(&client, plain.task(&"x".into()).retry(at_once(1))).await;
    assert_eq!(error.class, Some(FailureClass::Transient), "an ordinary error: {}", error.message);
    let (_, error) = end(&client, panics.task(&()).retry(at_once(1))).await;
    assert_eq!(error.class, Some(FailureClass::Transient), "{}", error.message);
    // A payload of another shape will not mend.
    let (_, error) = end(&client, Task::new("plain", &7).retry(at_once(5))).await;
    assert_eq!(error.reason, Some(EndReason::Permanent), "{}", error.message);

    worker.shutdown().await;
    app.close().await;
}

#[tokio::test]
async fn repeats_are_noticed() {
    let (_dir, app) = open().await;
    let client = app.client();
    let kind: TaskKind<u32, ()> = TaskKind::named("k").expect("a valid name");

    let first = client.enqueue(kind.task(&1).idempotency_key("order-1")).await.expect("is stored");
    let again = client.enqueue(kind.task(&1).idempotency_key("order-1")).await.expect("is replayed");
    assert_eq!((first.id, first.replayed, again.replayed), (again.id, false, true));
    let other = client.enqueue(kind.task(&2).idempotency_key("order-1")).await;
    assert!(matches!(other, Err(ClientError::Store(_))), "another request under the same key");

    let holder = client.enqueue(kind.task(&1).unique("u")).await.expect("is stored");
    let second = client.enqueue(kind.task(&1).unique("u")).await.expect("is answered");
    assert_eq!((second.id, second.duplicate), (holder.id, true));
    assert_eq!(client.cancel(holder.id).await.expect("answers"), Cancelled::Done);
    let third = client.enqueue(kind.task(&1).unique("u")).await.expect("is stored");
    assert!(!third.duplicate, "the key is free again");
    app.close().await;
}

#[tokio::test]
async fn a_wait_ends_with_its_time_and_changes_nothing() {
    let (_dir, app) = open().await;
    let client = app.client();
    let sent = client.enqueue(Task::new("nobody", &())).await.expect("is stored");
    let error = client.wait(&sent, Duration::ZERO).await.expect_err("nobody runs it");
    assert!(matches!(error, WaitError::Timeout { state: State::Queued, .. }), "{error}");

    // Cancelled while somebody waits: the wait hears of it.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.wait(&sent, PATIENCE).await }
    });
    let id = {
        let page = app.store().list(Default::default()).await.expect("lists");
        page.tasks[0].id
    };
    client.cancel(id).await.expect("answers");
    let ended = waiting.await.expect("no panic").expect("ends");
    assert!(matches!(ended, TaskResult::Ended { state: State::Cancelled, .. }));
    app.close().await;
}

#[tokio::test]
async fn many_are_stored_or_none() {
    let (_dir, app) = open().await;
    let client = app.client();
    let kind: TaskKind<u32, u32> = TaskKind::named("k").expect("a valid name");
    let sent = client.enqueue_many((0..1_000).map(|n| kind.task(&n))).await.expect("are stored");
    assert_eq!(sent.len(), 1_000);
    assert!(client.enqueue_many((0..1_025).map(|n| kind.task(&n))).await.is_err());
    assert!(client.enqueue_many([kind.task(&1), kind.task(&2).queue("not valid")]).await.is_err());
    let counts = app.store().counts().await.expect("counts");
    assert_eq!(counts.iter().map(|q| q.of(State::Queued)).sum::<u64>(), 1_000);
    assert!(client.enqueue_many(Vec::<Task<u32>>::new()).await.expect("nothing to do").is_empty());
    app.close().await;
}

#[tokio::test]
async fn a_store_is_named_by_its_address() {
    for wrong in ["postgres://localhost/tasks", "sqlite:", "./data", ""] {
        let error = Posthaste::open(wrong).await.err().expect("refused").to_string();
        assert!(error.contains("sqlite:<directory> or redis://<host>"), "{error}");
    }
    let (dir, app) = open().await;
    let second = Posthaste::open(format!("sqlite:{}", dir.path().display())).await;
    assert!(second.is_err(), "one process, one opener");
    app.close().await;
}

#[tokio::test]
async fn a_store_on_redis_needs_another_address_only() {
    let server = posthaste_testkit::RedisServer::start(&posthaste_testkit::RedisOptions::default());
    let app = Posthaste::open(server.url()).await.expect("opens");
    let double =
        app.kind("double", |n: u32, _cx| async move { Ok::<_, TaskError>(n * 2) }).expect("a valid name");
    let worker = app.worker().start().await.expect("starts");
    let sent = app.client().enqueue(double.task(&21)).await.expect("is stored");
    let result = app.client().wait(&sent, PATIENCE).await.expect("ends");
    assert_eq!(result.into_result().expect("succeeds"), 42);
    worker.shutdown().await;
    app.close().await;
}

#[tokio::test]
async fn many_are_waited_for_together() {
    let (_dir, app) = open().await;
    let even = app
        .kind("even", |n: u32, _cx| async move {
            if n.is_multiple_of(2) { Ok(n / 2) } else { Err(TaskError::permanent(format!("{n} is odd"))) }
        })
        .expect("a valid name");
    let client = app.client();
    let sent = client.enqueue_many((0..250).map(|n| even.task(&n))).await.expect("are stored");
    let error = client.wait_all(&sent, Duration::ZERO).await.expect_err("nobody runs them");
    assert!(matches!(error, WaitError::Timeout { state: State::Queued, .. }), "{error}");

    let worker = app.worker().start().await.expect("starts");
    let results = client.wait_all(&sent, PATIENCE).await.expect("all end");
    assert_eq!(results.len(), 250);
    for (n, result) in (0u32..).zip(results) {
        match result {
            TaskResult::Succeeded(half) => assert_eq!(half * 2, n),
            TaskResult::Ended { state, error } => {
                assert_eq!((state, error.message), (State::Failed, format!("{n} is odd")));
            }
        }
    }
    assert!(client.wait_all::<u32>(&[], Duration::ZERO).await.expect("nothing to wait for").is_empty());
    worker.shutdown().await;
    app.close().await;
}

#[tokio::test]
async fn a_task_may_be_put_off_and_that_counts_nothing() {
    let test = TestApp::open().await;
    let kind = test
        .app()
        .kind("patient", |(): (), cx| async move {
            match cx.task().attempt {
                1 => Err(TaskError::later(Duration::from_secs(3600))),
                n => Ok(n),
            }
        })
        .expect("a valid name")
        .retry(at_once(1));
    let sent = test.app().client().enqueue(kind.task(&())).await.expect("is stored");
    test.run_due().await;
    let task = test.app().client().get(sent.id).await.expect("answers").expect("is there");
    assert_eq!((task.state, task.failures), (State::Retrying, 0));
    test.advance(Duration::from_secs(3601)).await;
    test.run_due().await;
    let result = test.app().client().wait(&sent, Duration::ZERO).await.expect("has ended");
    assert_eq!(result, TaskResult::Succeeded(2));
    test.close().await;
}

#[tokio::test]
async fn a_trace_goes_on_with_what_a_handler_enqueues() {
    let (tracer, mut spans) = Tracer::recording(Sampler::default());
    let test = TestApp::open().await.traced(tracer);
    let second: TaskKind<u32, u32> =
        test.app().kind("second", |n: u32, _cx| async move { Ok::<_, TaskError>(n) }).expect("a valid name");
    let client = test.app().client();
    let first = test
        .app()
        .kind("first", move |n: u32, cx| {
            let (client, task) = (client.clone(), second.task(&n));
            async move {
                let here = cx.trace().expect("it is traced");
                client.enqueue(task).await.map_err(|e| TaskError::permanent(e.to_string()))?;
                Ok::<_, TaskError>(here.to_string())
            }
        })
        .expect("a valid name");
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = test.app().client().enqueue(first.task(&1).trace(caller)).await.expect("is stored");
    test.run_due().await;
    let here = test.app().client().wait(&sent, Duration::ZERO).await.expect("has ended");
    let here = here.into_result().expect("succeeds");
    assert!(here.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{here}");

    let spans = spans.drain();
    let of =
        |name: &str| spans.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let chain = ["publish first", "process first", "publish second", "process second"];
    let mut parent = 0x00f0_67aa_0ba9_02b7;
    for name in chain {
        let span = of(name);
        assert_eq!(span.parent, Some(parent), "{name}");
        assert_eq!(span.context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, "{name}");
        parent = span.context.span_id;
    }
    test.close().await;
}
