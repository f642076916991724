//! Neighbours: what tasks of one tenant reach, remember and are signed with is apart from another's and the installation's.

use std::sync::Arc;

use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::EnqueueRequest;
use posthaste_core::{
    BatchId, Broker, Claimed, FailureClass as C, Json, LeaseRef, NewTask, Outcome, Records, Store, TaskId,
    Tenant, Timestamp,
};
use posthaste_notify::callback::{Callback, CallbackHandler};
use posthaste_notify::http_task::HttpTaskHandler;
use posthaste_notify::net::{Guard, HttpClient};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::Signing;
use posthaste_notify::{NotifyConfig, NotifyHandler, Sandbox, Service, ServiceKind, unsubscribe};
use posthaste_testkit::HttpSink;
use posthaste_testkit::smtp::{Action, SmtpSink, Stage};
use posthaste_worker::{Context, Handler, Marker};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::common::*;

const NOBODY: Option<&str> = None;
const ACME: Option<&str> = Some("acme");
const OTHER: Option<&str> = Some("other");

struct Rig {
    smtp: SmtpSink,
    http: HttpSink,
    store: Arc<SqliteStore>,
    notify: NotifyHandler,
    request: HttpTaskHandler,
    callback: CallbackHandler,
    secret: SigningSecret,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.unwrap();
        let (smtp, http, secret) =
            (SmtpSink::start().await, HttpSink::start().await, SigningSecret::random());
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        let kind = ServiceKind::Ntfy { url: http.url(""), token: None, topic: Some("ops".into()) };
        // Everybody's, so that a tenant's messages go through it at all.
        let service = Service { name: name("default"), kind };
        let config = NotifyConfig {
            allow: allow.clone(),
            signing: Some(secret.clone()),
            public_url: Some("https://post.example".into()),
            services: [(service.name.clone(), service)].into(),
            ..config([provider("default", &smtp), provider("marketing", &smtp)])
        };
        let records = Arc::clone(&store) as Arc<dyn Records>;
        let signing = Signing::new(Arc::clone(&records), Some(secret.clone()));
        let client = HttpClient::new(Guard::new(allow));
        Self {
            notify: NotifyHandler::new(config).with_records(records),
            request: HttpTaskHandler::new(client.clone(), signing.clone()),
            callback: CallbackHandler::new(Arc::clone(&store) as Arc<dyn Store>, client, signing),
            smtp,
            http,
            store,
            secret,
            _dir: dir,
        }
    }

    /// One attempt at a task of its own.
    async fn run(&self, handler: &dyn Handler, payload: Value, tenant: Option<&str>) -> Outcome {
        let task = posthaste_testkit::claimed("any", payload);
        let lease = LeaseRef { task: TaskId::from_uuid(Uuid::now_v7()), ..task.lease };
        let tenant = tenant.map(|t| t.parse().unwrap());
        let task = Claimed { lease, tenant, ..task };
        let marker = Arc::new(Marks::default()) as Arc<dyn Marker>;
        handler.run(Context::new(Arc::new(task), CancellationToken::new(), marker)).await
    }

    /// An e-mail with these fields.
    async fn mail(&self, fields: Value, tenant: Option<&str>) -> Outcome {
        let mut wire = json!({"channel": "email", "to": "dev@example.com", "message": "Text"});
        wire.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.run(&self.notify, wire, tenant).await
    }

    async fn is_sent(&self, fields: Value, tenant: Option<&str>) -> bool {
        let before = self.smtp.messages().len();
        let outcome = self.mail(fields, tenant).await;
        let sent = matches!(outcome, Outcome::Success { .. });
        assert_eq!(self.smtp.messages().len(), before + usize::from(sent), "{outcome:?}");
        sent
    }
}

#[tokio::test]
async fn what_the_installation_is_allowed_to_call_no_tenant_calls() {
    let rig = Rig::new().await;
    let url = rig.http.url("/x");
    let done = Callback {
        url: url.clone(),
        batch: Some(BatchId::from_uuid(Uuid::now_v7())),
        size: Some(0),
        task: None,
    };
    let done: Value = done.into_task().payload.parse().unwrap();
    let file = json!({"filename": "a.txt", "url": url});
    let cases: [(&str, &dyn Handler, Value); 5] = [
        ("http", &rig.request, json!({"url": url})),
        ("callback", &rig.callback, done),
        ("webhook", &rig.notify, json!({"channel": "webhook", "to": url, "data": {}})),
        ("chat", &rig.notify, json!({"channel": "ntfy", "message": "Hi."})),
        (
            "attachment",
            &rig.notify,
            json!({"channel": "email", "to": "a@example.com", "message": "Hi.", "attachments": [file]}),
        ),
    ];
    for (what, handler, payload) in cases {
        for tenant in [ACME, NOBODY, OTHER] {
            let before = rig.http.requests().len();
            let outcome = rig.run(handler, payload.clone(), tenant).await;
            let asked = rig.http.requests().len() - before;
            if tenant.is_none() {
                assert!(matches!(outcome, Outcome::Success { .. }), "{what}: {outcome:?}");
                assert_eq!(asked, 1, "{what}");
                continue;
            }
            let Outcome::Failure(failure) = outcome else { panic!("{what} of a tenant: {outcome:?}") };
            assert_eq!((failure.class, asked), (C::Permanent, 0), "{what} of a tenant: {failure:?}");
            assert!(failure.message.contains("tenant") && !failure.message.contains("ALLOW"), "{failure:?}");
            assert!(!failure.message.contains("127.0.0.1"), "it tells no address: {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_bounce_of_one_tenants_message_stops_nobody_elses() {
    let rig = Rig::new().await;
    rig.smtp.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
    let Outcome::Failure(first) = rig.mail(json!({}), ACME).await else { panic!("it bounced") };
    assert_eq!(first.class, C::Suppress);
    assert!(!rig.is_sent(json!({}), ACME).await, "the tenant's own is stopped");
    assert!(rig.is_sent(json!({}), OTHER).await);
    assert!(rig.is_sent(json!({}), NOBODY).await);
    // Nor does one of the installation's stop a tenant's, or name a task to it.
    rig.smtp.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
    let to = json!({"to": "bob@example.com"});
    assert!(!rig.is_sent(to.clone(), NOBODY).await);
    assert!(!rig.is_sent(to.clone(), NOBODY).await);
    assert!(rig.is_sent(to, ACME).await);
}

#[tokio::test]
async fn who_unsubscribes_from_one_tenant_hears_from_another() {
    let rig = Rig::new().await;
    let news = json!({"unsubscribe": "news"});
    let leave = |tenant: Option<&'static str>| {
        let (rig, news) = (&rig, news.clone());
        async move {
            assert!(rig.is_sent(news, tenant).await);
            let sunk = rig.smtp.messages().pop().unwrap();
            let link = sunk.header("List-Unsubscribe").unwrap();
            let token = link.trim().strip_prefix("<https://post.example/unsubscribe/").unwrap();
            let request =
                unsubscribe::open(std::slice::from_ref(&rig.secret), token.strip_suffix('>').unwrap());
            let at = Timestamp::from_millis(1);
            unsubscribe::apply(rig.store.as_ref(), &request.unwrap(), at).await.unwrap();
        }
    };
    leave(ACME).await;
    assert!(!rig.is_sent(news.clone(), ACME).await);
    assert!(rig.is_sent(json!({"unsubscribe": "invoices"}), ACME).await);
    assert!(rig.is_sent(json!({}), ACME).await);
    assert!(rig.is_sent(news.clone(), OTHER).await);
    assert!(rig.is_sent(news.clone(), NOBODY).await);
    leave(OTHER).await;
    assert!(!rig.is_sent(news.clone(), OTHER).await);
    assert!(rig.is_sent(news.clone(), NOBODY).await);
    // A link of the installation's, as all were once, is about everybody's.
    leave(NOBODY).await;
    assert!(!rig.is_sent(news.clone(), NOBODY).await);
    assert!(!rig.is_sent(news, Some("third")).await);
}

#[tokio::test]
async fn a_callback_tells_of_its_own_tenants_alone() {
    let rig = Rig::new().await;
    let batch = BatchId::from_uuid(Uuid::now_v7());
    let task = |tenant: Option<&str>| {
        let kind = "work".parse().unwrap();
        let tenant = tenant.map(|t| t.parse().unwrap());
        NewTask { tenant, batch: Some(batch), ..NewTask::new(kind, Json::from(json!(1))) }
    };
    let new = EnqueueRequest { tasks: vec![task(OTHER)], idempotency: None };
    let id = rig.store.enqueue(new).await.unwrap().tasks[0].id;
    rig.store.cancel(&[id]).await.unwrap();
    let url = rig.http.url("/done");
    for (about, own) in
        [(json!({"url": url, "task": id}), OTHER), (json!({"url": url, "batch": batch, "size": 1}), OTHER)]
    {
        let young = |tenant| rig.at(about.clone(), tenant);
        // What is there and final is told; a tenant's own cannot be told to this machine.
        assert!(matches!(young(NOBODY).await, Outcome::Success { .. }), "{about}");
        assert!(matches!(young(own).await, Outcome::Failure(f) if f.message.contains("tenant")), "{about}");
        // What is another's is as what is not there yet: it is looked for later.
        assert!(matches!(young(ACME).await, Outcome::Snooze { .. }), "{about}");
    }
    assert_eq!(rig.http.requests().len(), 2);
}

impl Rig {
    /// A callback that was enqueued a moment ago.
    async fn at(&self, payload: Value, tenant: Option<&str>) -> Outcome {
        let task = posthaste_testkit::claimed("callback", payload);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let created_at = Timestamp::from_millis(i64::try_from(now).unwrap());
        let task = Claimed { created_at, tenant: tenant.map(|t| t.parse().unwrap()), ..task };
        let marker = Arc::new(Marks::default()) as Arc<dyn Marker>;
        self.callback.run(Context::new(Arc::new(task), CancellationToken::new(), marker)).await
    }
}

#[tokio::test]
async fn what_one_tenants_tasks_are_signed_with_fools_nobody_else() {
    let rig = Rig::new().await;
    let signing = Signing::new(Arc::clone(&rig.store) as Arc<dyn Records>, Some(rig.secret.clone()));
    let now = Timestamp::from_millis(0);
    let of = |tenant: Option<&str>| {
        let (signing, tenant) = (signing.clone(), tenant.map(|t| t.parse::<Tenant>().unwrap()));
        async move { signing.of(tenant.as_ref(), now).await.unwrap().to_vec() }
    };
    let (own, other, whole) = (of(ACME).await, of(OTHER).await, of(NOBODY).await);
    assert_eq!(whole, std::slice::from_ref(&rig.secret));
    assert!(own != whole && own != other && other != whole);
    assert_eq!(own, of(ACME).await, "the same each time");
}

#[tokio::test]
async fn no_name_of_a_provider_is_told_to_a_tenant() {
    let rig = Rig::new().await;
    let Outcome::Failure(own) = rig.mail(json!({"provider": "acme"}), ACME).await else {
        panic!("there is none")
    };
    assert!(!own.message.contains("marketing"), "{own:?}");
    let Outcome::Failure(all) = rig.mail(json!({"provider": "acme"}), NOBODY).await else {
        panic!("there is none")
    };
    assert!(all.message.contains("marketing"), "{all:?}");
}

#[tokio::test]
async fn a_tenants_message_goes_through_no_provider_of_somebody_elses() {
    let http = HttpSink::start().await;
    let smtp = SmtpSink::start().await;
    let config = |named: &[&str]| {
        let kind = ServiceKind::Ntfy { url: http.url(""), token: None, topic: Some("ops".into()) };
        let services =
            named.iter().map(|n| (name(n), Service { name: name(n), kind: kind.clone() })).collect();
        let providers = [provider("default", &smtp), provider("globex", &smtp)];
        NotifyConfig { allow: vec!["127.0.0.0/8".parse().unwrap()], services, ..config(providers) }
    };
    let run = async |config: NotifyConfig, payload: Value, tenant: Option<&str>| {
        let tenant = tenant.map(|t| t.parse().unwrap());
        let task = Claimed { tenant, ..posthaste_testkit::claimed("notify", payload) };
        let marker = Arc::new(Marks::default()) as Arc<dyn Marker>;
        NotifyHandler::new(config).run(Context::new(Arc::new(task), CancellationToken::new(), marker)).await
    };
    let chat = json!({"channel": "ntfy", "message": "Hi."});
    let named = json!({"channel": "ntfy", "message": "Hi.", "provider": "globex"});
    let mail = json!({"channel": "email", "to": "a@example.com", "message": "Hi.", "provider": "globex"});
    // The only one is meant without a name, too.
    for (services, payload) in [(&["globex"][..], &chat)] {
        for sandbox in [Sandbox::Off, Sandbox::On] {
            let config = NotifyConfig { sandbox, ..config(services) };
            let Outcome::Failure(failure) = run(config, payload.clone(), ACME).await else {
                panic!("{payload} goes through globex's")
            };
            assert_eq!(failure.class, C::Permanent, "it pauses nobody: {failure:?}");
            assert!(
                failure.message.contains("operator") && !failure.message.contains("globex"),
                "{failure:?}"
            );
        }
    }
    assert_eq!((http.requests().len(), smtp.messages().len()), (0, 0));
    // Whose it is, and whoever is no tenant, sends through it; the sandbox stands for sending.
    for (services, payload, tenant) in [
        (&["globex"][..], &chat, Some("globex")),
        (&["globex"][..], &chat, NOBODY),
        (&["globex", "default"][..], &chat, ACME),
        (&["globex", "default"][..], &named, Some("globex")),
        // The door lets an operator name it, and nobody else.
        (&["globex", "default"][..], &named, ACME),
        (&["globex"][..], &mail, ACME),
        (&["globex"][..], &mail, Some("globex")),
        (&["globex"][..], &mail, NOBODY),
    ] {
        let config = NotifyConfig { sandbox: Sandbox::On, ..config(services) };
        let outcome = run(config, payload.clone(), tenant).await;
        assert!(matches!(outcome, Outcome::Success { .. }), "{payload} of {tenant:?}: {outcome:?}");
    }
}
