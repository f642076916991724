//! The whole way: the embedded store, the worker, the handler, a real SMTP server. Time moves only
//! when a test moves it.

use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::{EnqueueRequest, ListRequest};
use posthaste_core::{
    Broker, EndReason, FailureClass as C, Kind, NewTask, OffsetClock, OnAmbiguous, PauseReason, RecordKind,
    Records, RetryPolicy, State, Store, Task, TaskId,
};
use posthaste_notify::{
    HeldMessage, Notification, NotifyConfig, NotifyHandler, Recipient, Sandbox, Suppression, result_sentence,
};
use posthaste_testkit::frozen_clock;
use posthaste_testkit::smtp::{Action, SmtpSink, Stage};
use posthaste_worker::{Registry, Worker, WorkerConfig};
use tempfile::TempDir;

/// The first delay of the e-mail policy.
const FIRST_RETRY: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) store: Arc<SqliteStore>,
    clock: OffsetClock,
    worker: Worker,
    _dir: TempDir,
}

impl Rig {
    pub(crate) async fn new(config: NotifyConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = frozen_clock();
        let sqlite = SqliteConfig { clock: Arc::new(clock.clone()), ..SqliteConfig::new(dir.path()) };
        let store = SqliteStore::open(sqlite).await.unwrap();
        let handler = NotifyHandler::new(config).with_records(Arc::clone(&store) as Arc<dyn Records>);
        let registry = Registry::new().with(Kind::notify(), Arc::new(handler));
        let worker_config = WorkerConfig { shutdown_grace: Duration::ZERO, ..WorkerConfig::default() };
        let worker =
            Worker::start(Arc::clone(&store) as Arc<dyn Store>, registry, worker_config).await.unwrap();
        Self { store, clock, worker, _dir: dir }
    }

    pub(crate) async fn enqueue(&self, tasks: Vec<NewTask>) -> Vec<TaskId> {
        let reply = self.store.enqueue(EnqueueRequest { tasks, idempotency: None }).await.unwrap();
        reply.tasks.iter().map(|t| t.id).collect()
    }

    pub(crate) async fn send(&self, n: Notification) -> TaskId {
        self.enqueue(vec![n.into_task()]).await[0]
    }

    pub(crate) async fn until(&self, id: TaskId, met: impl Fn(&Task) -> bool) -> Task {
        let mut events = self.store.subscribe(Some(id));
        loop {
            let task = self.store.get(&[id]).await.unwrap().remove(0).unwrap();
            if met(&task) {
                return task;
            }
            events.next().await.unwrap();
        }
    }

    pub(crate) async fn until_state(&self, id: TaskId, state: State) -> Task {
        self.until(id, |t| t.state == state).await
    }

    /// Every task, the newest first.
    pub(crate) async fn ids(&self) -> Vec<TaskId> {
        let page = self.store.list(ListRequest::default()).await.unwrap();
        page.tasks.iter().map(|t| t.id).collect()
    }

    /// Lets `time` pass and the store act on it.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.store.tick().await.unwrap();
    }

    pub(crate) async fn pause_of(&self, lane: &str) -> Option<PauseReason> {
        let lanes = self.store.lanes(None).await.unwrap();
        let found = lanes.into_iter().find(|l| l.lane.as_ref().is_some_and(|k| k.to_string() == lane));
        found.and_then(|l| l.paused).map(|p| p.reason)
    }
}

fn via(provider: &str) -> Notification {
    Notification { provider: Some(name(provider)), ..note() }
}

#[tokio::test]
async fn later_twice_then_taken_is_one_message_after_three_attempts() {
    let sink = SmtpSink::start().await;
    sink.then_times(2, Stage::Rcpt, &Action::reply("451 4.3.0 later"));
    let rig = Rig::new(config([provider("default", &sink)])).await;
    let id = rig.send(note()).await;
    let task = rig.until_state(id, State::Retrying).await;
    assert_eq!((task.attempt, task.failures), (1, 1));
    rig.pass(FIRST_RETRY).await;
    rig.until(id, |t| t.state == State::Retrying && t.attempt == 2).await;
    rig.pass(Duration::from_secs(120)).await;
    let task = rig.until_state(id, State::Succeeded).await;
    assert_eq!((task.attempt, task.failures), (3, 2));
    let sentence = result_sentence(&task.result.unwrap());
    assert_eq!(sentence.as_deref(), Some("Notification sent to dev@example.com"));
    let attempts = rig.store.attempts(id).await.unwrap().unwrap();
    let classes: Vec<_> = attempts.iter().map(|a| a.class).collect();
    assert_eq!(classes, [Some(C::Transient), Some(C::Transient), None]);
    let messages = sink.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].header("Message-ID"), Some(format!("<{id}@sender.example>")));
}

#[tokio::test]
async fn refused_credentials_pause_their_lane_and_no_other() {
    let (bad, good) = (SmtpSink::start().await, SmtpSink::start().await);
    bad.always(Stage::Mail, Action::reply("535 5.7.8 not you"));
    let rig = Rig::new(config([provider("bad", &bad), provider("good", &good)])).await;
    let parked = rig.send(via("bad")).await;
    let tried = |t: &Task| t.state == State::Queued && t.attempt == 1;
    let task = rig.until(parked, tried).await;
    assert_eq!(task.failures, 0);
    assert_eq!(task.error.unwrap().class, Some(C::Misconfigured));
    assert_eq!(rig.pause_of("email:bad").await, Some(PauseReason::Misconfigured));

    let behind = rig.send(via("bad")).await;
    for id in rig.enqueue((0..20).map(|_| via("good").into_task()).collect()).await {
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(good.messages().len(), 20);
    assert_eq!(rig.pause_of("email:good").await, None);
    assert_eq!(bad.reached(Stage::Mail), 1, "nothing more was tried");

    // Somebody mends it; the next probe gets through and the rest follows.
    bad.always(Stage::Mail, Action::Accept);
    rig.pass(Duration::from_secs(300)).await;
    rig.until_state(parked, State::Succeeded).await;
    rig.until_state(behind, State::Succeeded).await;
    assert_eq!(rig.pause_of("email:bad").await, None);
    assert_eq!(bad.messages().len(), 2);
}

#[tokio::test]
async fn five_times_421_open_the_breaker_and_a_probe_closes_it() {
    let (down, up) = (SmtpSink::start().await, SmtpSink::start().await);
    down.always(Stage::Greeting, Action::reply("421 4.3.2 down for maintenance"));
    let rig = Rig::new(config([provider("down", &down), provider("up", &up)])).await;
    let ids = rig.enqueue((0..5).map(|_| via("down").into_task()).collect()).await;
    for id in &ids {
        let task = rig.until_state(*id, State::Retrying).await;
        assert_eq!((task.failures, task.error.unwrap().class), (0, Some(C::Unavailable)));
    }
    assert_eq!(rig.pause_of("email:down").await, Some(PauseReason::Breaker));
    // Each is tried again at most once, while it seemed that another one had a connection.
    let tried = down.connections();
    assert!((5..=10).contains(&tried), "{tried}");
    let late = rig.send(via("down")).await;
    let other = rig.send(via("up")).await;
    rig.until_state(other, State::Succeeded).await;
    assert_eq!(down.connections(), tried, "an open breaker lets nobody through");

    down.always(Stage::Greeting, Action::Accept);
    rig.pass(FIRST_RETRY).await;
    for id in ids.iter().chain([&late]) {
        rig.until_state(*id, State::Succeeded).await;
    }
    assert_eq!(rig.pause_of("email:down").await, None);
    assert_eq!(down.messages().len(), 6);
}

#[tokio::test]
async fn a_throttled_lane_waits_as_long_as_the_server_asked() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Rcpt, Action::reply("454 Throttling failure: try again in 90 seconds"));
    let rig = Rig::new(config([provider("default", &sink)])).await;
    let id = rig.send(note()).await;
    let task = rig.until(id, |t| t.state == State::Queued && t.attempt == 1).await;
    assert_eq!((task.failures, task.error.unwrap().class), (0, Some(C::Throttled)));
    assert_eq!(rig.pause_of("email:default").await, Some(PauseReason::Throttled));
    rig.pass(Duration::from_secs(89)).await;
    assert_eq!(rig.pause_of("email:default").await, Some(PauseReason::Throttled));
    rig.pass(Duration::from_secs(1)).await;
    rig.until_state(id, State::Succeeded).await;
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_remembered() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
    let rig = Rig::new(config([provider("default", &sink)])).await;
    let id = rig.send(note()).await;
    let task = rig.until_state(id, State::Failed).await;
    let error = task.error.unwrap();
    assert_eq!((error.reason, error.class), (Some(EndReason::Suppressed), Some(C::Suppress)));
    assert_eq!(error.code.as_deref(), Some("550 5.1.1"));
    let record = rig.store.get_record(RecordKind::Suppression, "dev@example.com").await.unwrap().unwrap();
    assert_eq!(record.body.parse::<Suppression>().unwrap().task, Some(id));

    let again = Notification { to: Recipient::Email("Dev@Example.com".parse().unwrap()), ..note() };
    let second = rig.send(again.clone()).await;
    let error = rig.until_state(second, State::Failed).await.error.unwrap();
    assert_eq!((error.reason, error.code.as_deref()), (Some(EndReason::Suppressed), Some("550 5.1.1")));
    assert!(error.message.contains("no such user") && error.message.contains(&id.to_string()));
    assert_eq!((sink.connections(), sink.reached(Stage::Rcpt)), (1, 1), "nobody was asked again");

    // A person retries the task that found out, and the mailbox is there now.
    rig.store.retry(&[id], None).await.unwrap();
    rig.until_state(id, State::Succeeded).await;
    assert_eq!(rig.store.get_record(RecordKind::Suppression, "dev@example.com").await.unwrap(), None);
    let third = rig.send(again).await;
    rig.until_state(third, State::Succeeded).await;
}

#[tokio::test]
async fn a_permanent_refusal_fails_at_once() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::FinalDot, Action::reply("554 5.6.0 not this content"));
    let rig = Rig::new(config([provider("default", &sink)])).await;
    let id = rig.send(note()).await;
    let error = rig.until_state(id, State::Failed).await.error.unwrap();
    assert_eq!((error.reason, error.code.as_deref()), (Some(EndReason::Permanent), Some("554 5.6.0")));
}

#[tokio::test]
async fn a_cut_after_the_final_dot_sends_again_under_the_same_message_id() {
    let sink = SmtpSink::start().await;
    sink.then(Stage::FinalDot, Action::Cut);
    let rig = Rig::new(config([provider("default", &sink)])).await;
    let id = rig.send(note()).await;
    let task = rig.until_state(id, State::Retrying).await;
    assert_eq!((task.failures, task.error.unwrap().class), (1, Some(C::Ambiguous)));
    rig.pass(FIRST_RETRY).await;
    rig.until_state(id, State::Succeeded).await;
    // The server had taken the first one too: the receiver sees that it is the same message.
    let ids: Vec<_> = sink.messages().iter().map(|m| m.header("Message-ID").unwrap()).collect();
    assert_eq!(ids, vec![format!("<{id}@sender.example>"); 2]);
}

#[tokio::test]
async fn a_cut_is_held_where_the_policy_says_so() {
    for stage in [Stage::Content, Stage::FinalDot] {
        let sink = SmtpSink::start().await;
        sink.then(stage, Action::Cut);
        let rig = Rig::new(config([provider("default", &sink)])).await;
        let policy = RetryPolicy { on_ambiguous: OnAmbiguous::Hold, ..RetryPolicy::email() };
        let id = rig.enqueue(vec![NewTask { policy, ..note().into_task() }]).await[0];
        let error = rig.until_state(id, State::Failed).await.error.unwrap();
        assert_eq!(
            (error.reason, error.class),
            (Some(EndReason::Ambiguous), Some(C::Ambiguous)),
            "{stage:?}"
        );
        assert_eq!(sink.reached(Stage::Data), 1);
    }
}

#[tokio::test]
async fn mail_flows_past_a_provider_that_hangs() {
    let (dead, alive) = (SmtpSink::start().await, SmtpSink::start().await);
    dead.always(Stage::Rcpt, Action::Hang);
    let rig = Rig::new(config([provider("dead", &dead), provider("alive", &alive)])).await;
    let stuck = rig.enqueue((0..200).map(|_| via("dead").into_task()).collect()).await;
    dead.wait_reached(Stage::Rcpt, 10).await;
    let ids = rig.enqueue((0..50).map(|_| via("alive").into_task()).collect()).await;
    for id in ids {
        rig.until_state(id, State::Succeeded).await;
    }
    assert_eq!(alive.messages().len(), 50);
    // What hangs was never marked, so stopping gives it back as if it had not been tried.
    rig.worker.shutdown().await;
    for task in rig.store.get(&stuck).await.unwrap() {
        let task = task.unwrap();
        assert_eq!((task.state, task.failures), (State::Queued, 0));
    }
    assert!(dead.messages().is_empty());
}

#[tokio::test]
async fn a_message_without_a_provider_waits_or_is_held() {
    let rig = Rig::new(NotifyConfig::default()).await;
    let id = rig.send(note()).await;
    let task = rig.until(id, |t| t.state == State::Queued && t.attempt == 1).await;
    assert_eq!(task.error.unwrap().class, Some(C::Misconfigured));
    assert_eq!(rig.pause_of("email:default").await, Some(PauseReason::Misconfigured));

    let rig = Rig::new(NotifyConfig { sandbox: Sandbox::On, ..NotifyConfig::default() }).await;
    let id = rig.send(note()).await;
    let task = rig.until_state(id, State::Succeeded).await;
    let sentence = result_sentence(&task.result.unwrap()).unwrap();
    assert!(sentence.starts_with("Notification held in the sandbox for dev@example.com"), "{sentence}");
    let record = rig.store.get_record(RecordKind::SandboxMessage, &id.to_string()).await.unwrap().unwrap();
    let held: HeldMessage = record.body.parse().unwrap();
    assert_eq!((held.to.as_str(), held.subject.as_str()), ("dev@example.com", "Hello"));
    assert_eq!(rig.store.counts().await.unwrap()[0].held, 1);
}
