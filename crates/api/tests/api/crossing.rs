//! What one tenant does and another must not feel: the second table beside the one of routes.

use std::time::Duration;

use posthaste_api::{ApiConfig, ConfiguredProvider};
use posthaste_core::{Failure, FailureClass, Name, Outcome};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::{SETTING, Secrets};
use posthaste_notify::unsubscribe::mint_for;
use posthaste_notify::{ChannelKind, NotifyConfig};
use posthaste_testkit::http::{HttpReply, HttpSink};
use serde_json::{Value, json};

use super::harness::{Keys, Server, json as body, locs, problem};

const TASKS: &str = "/v1/tasks";
const SEND: &str = "/v1/notifications";

async fn start() -> (Server, Keys) {
    let s = Server::start().await;
    let keys = s.keys().await;
    (s, keys)
}

impl Server {
    /// Stores a task or notification with a key; its id.
    async fn stored(&self, path: &str, token: &str, new: Value) -> String {
        let said = self.call("POST", path, token, new.clone()).await;
        assert_eq!(said.status(), 202, "{new}");
        body(said).await["id"].as_str().unwrap().to_owned()
    }

    /// The next task of the queue `default`, if one may run.
    async fn claimed(&self) -> Option<posthaste_core::Claimed> {
        self.store.claim(posthaste_testkit::claim_of(1)).await.unwrap().into_iter().next()
    }

    /// What a key sees of a task.
    async fn task_of(&self, id: &str, token: &str) -> Value {
        body(self.call("GET", &format!("{TASKS}/{id}"), token, Value::Null).await).await
    }

    /// What a key sees of a task once it is final.
    async fn end_of(&self, id: &str, token: &str) -> Value {
        body(self.call("GET", &format!("{TASKS}/{id}?wait=60s"), token, Value::Null).await).await
    }
}

#[tokio::test]
async fn no_door_takes_a_kind_that_is_the_servers_own() {
    let (s, keys) = start().await;
    let victim = s.stored(TASKS, &keys.other, json!({ "kind": "work", "payload": 1 })).await;
    let payload = json!({ "url": "https://example.com/x", "task": victim });
    let task = json!({ "kind": "callback", "payload": payload });
    let schedule = json!({ "cron": "0 7 * * *", "kind": "callback", "payload": payload });
    let good = json!({ "kind": "work", "payload": 1 });
    let doors = [
        ("POST", TASKS, task.clone(), "body.kind"),
        ("POST", "/v1/tasks/batch", json!({ "tasks": [task.clone()] }), "body.tasks.0.kind"),
        ("POST", "/v1/tasks/batch", json!({ "tasks": [good, task] }), "body.tasks.1.kind"),
        ("PUT", "/v1/schedules/spy", schedule, "body.kind"),
    ];
    for (method, path, new, place) in doors {
        for token in [&keys.acme, &keys.send, &keys.admin] {
            if method == "PUT" && *token != keys.admin {
                continue;
            }
            let said = problem(s.call(method, path, token, new.clone()).await, 422, "invalid-request").await;
            assert_eq!(locs(&said), [place], "{said}");
            assert!(said.to_string().contains("callback_url"), "it says what to do: {said}");
        }
    }
    // In permissive mode the others are stored, and this is not.
    let tasks = json!([{ "kind": "work", "payload": 1 }, { "kind": "callback", "payload": payload }]);
    let mixed = json!({ "tasks": tasks, "mode": "permissive" });
    let said = body(s.call("POST", "/v1/tasks/batch", &keys.acme, mixed).await).await;
    assert_eq!(
        (said["data"].as_array().map(Vec::len), said["errors"].as_array().map(Vec::len)),
        (Some(1), Some(1))
    );
}

/// Asks with a key, perhaps under an idempotency key.
async fn batch(s: &Server, path: &str, token: &str, key: Option<&str>, new: &Value) -> reqwest::Response {
    let mut request = s.request("POST", path).bearer_auth(token);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.json(new).send().await.unwrap()
}

/// A batch of messages, as each of the two doors takes them.
fn batches(mode: &str, messages: &[Value]) -> [(&'static str, &'static str, Value); 2] {
    let tasks: Vec<_> = messages.iter().map(|m| json!({ "kind": "notify", "payload": m })).collect();
    [
        ("/v1/notifications/batch", "notifications", json!({ "mode": mode, "notifications": messages })),
        ("/v1/tasks/batch", "tasks", json!({ "mode": mode, "tasks": tasks })),
    ]
}

#[tokio::test]
async fn what_a_tenant_may_not_send_is_wrong_with_that_item() {
    let (s, keys) = start().await;
    let endpoint = json!({ "name": "shop", "url": "https://x.example.com" });
    assert_eq!(s.call("POST", "/v1/endpoints", &keys.admin, endpoint).await.status(), 201);
    let mail = |provider: Value| json!({ "channel": "email", "to": "ann@example.com", "message": "Hi.", "provider": provider });
    let hook = |to: &str| json!({ "channel": "webhook", "to": to, "data": {} });
    let absent = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
    let file = json!({ "channel": "email", "to": "ann@example.com", "message": "Hi.",
        "attachments": [{ "filename": "a.txt", "id": absent }] });
    let good = mail(Value::Null);
    // The provider of another, the endpoint of the installation, what is not there, and a good one on either side.
    let all = [good.clone(), mail(json!("globex")), hook("shop"), hook("nowhere"), file, good];
    for (path, field, new) in batches("permissive", &all) {
        let reply = batch(&s, path, &keys.acme, None, &new).await;
        let status = reply.status();
        let said = body(reply).await;
        assert_eq!(status, 202, "{path}: {said}");
        let places = |list: &str| -> Vec<u64> {
            said[list].as_array().unwrap().iter().map(|i| i["index"].as_u64().unwrap()).collect()
        };
        assert_eq!((places("data"), places("errors")), (vec![0, 5], vec![1, 2, 3, 4]), "{path}");
        let kinds: Vec<_> = (0..4).map(|i| said["errors"][i]["errors"][0]["type"].clone()).collect();
        assert_eq!(kinds, ["forbidden", "forbidden", "value_error", "value_error"], "{path}: {said}");
        for i in 0..4 {
            let loc = &said["errors"][i]["errors"][0]["loc"];
            assert_eq!((&loc[1], &loc[2]), (&json!(field), &json!(i + 1)), "{path}: {said}");
        }
    }
    // Where all or none is asked for, what is forbidden is so for all, and what is not there has its place.
    for (path, _, new) in batches("strict", &all) {
        problem(batch(&s, path, &keys.acme, None, &new).await, 403, "forbidden").await;
    }
    for (path, field, new) in batches("strict", &[all[0].clone(), all[3].clone()]) {
        let said = problem(batch(&s, path, &keys.acme, None, &new).await, 422, "invalid-request").await;
        let inner = if field == "tasks" { ".payload" } else { "" };
        assert_eq!(locs(&said), [format!("body.{field}.1{inner}.to")]);
    }
}

#[tokio::test]
async fn what_many_tasks_name_is_looked_up_once() {
    use posthaste_testkit::fault::Method;
    let (s, keys) = start().await;
    let endpoint = json!({ "name": "shop", "url": "https://x.example.com", "tenant": "acme" });
    assert_eq!(s.call("POST", "/v1/endpoints", &keys.admin, endpoint).await.status(), 201);
    let hook = json!({ "channel": "webhook", "to": "shop", "data": {} });
    for (path, _, new) in batches("strict", &vec![hook; 100]) {
        let before = s.faults.begun(Method::GetRecord);
        assert_eq!(batch(&s, path, &keys.acme, None, &new).await.status(), 202, "{path}");
        let read = s.faults.begun(Method::GetRecord) - before;
        assert!(read < 20, "{path} read {read} records");
    }
}

#[tokio::test]
async fn a_tenants_batch_is_answered_again_though_what_it_names_is_gone() {
    let (s, keys) = start().await;
    let endpoint = json!({ "name": "shop", "url": "https://x.example.com", "tenant": "acme" });
    assert_eq!(s.call("POST", "/v1/endpoints", &keys.admin, endpoint).await.status(), 201);
    let hook = json!({ "channel": "webhook", "to": "shop", "data": {} });
    let mut first = Vec::new();
    for (path, _, new) in batches("strict", std::slice::from_ref(&hook)) {
        let reply = batch(&s, path, &keys.acme, Some("k"), &new).await;
        assert_eq!(reply.status(), 202, "{path}");
        first.push(body(reply).await);
    }
    assert_eq!(s.call("DELETE", "/v1/endpoints/shop", &keys.admin, Value::Null).await.status(), 204);
    for ((path, _, new), first) in batches("strict", &[hook]).into_iter().zip(first) {
        let again = batch(&s, path, &keys.acme, Some("k"), &new).await;
        assert_eq!(
            (again.status().as_u16(), again.headers().contains_key("idempotency-replayed")),
            (202, true)
        );
        assert_eq!(body(again).await, first, "{path}");
        problem(batch(&s, path, &keys.acme, Some("other"), &new).await, 422, "invalid-request").await;
    }
}

/// Where tasks of acme's may wait, whatever acme says.
fn lanes() -> Vec<Value> {
    let http = |lane: Option<&str>| {
        let mut task = json!({ "kind": "http", "payload": { "url": "https://shared.example.com/acme" } });
        if let Some(lane) = lane {
            task["lane"] = json!(lane);
        }
        task
    };
    let mut all = vec![
        http(None),
        json!({ "kind": "notify", "payload": { "channel": "webhook", "to": "https://shared.example.com/acme" } }),
    ];
    for lane in [
        "email:default",
        "email:default/acme",
        "http:shared.example.com",
        "http:shared.example.com:443",
        "webhook:@shared.example.com",
        "webhook:shop",
        "slack:default",
        "web_push:default",
        "deploys",
        "deploys/acme",
        "x:deploys",
        "x:@other:deploys",
        "x:email:default",
        "http:@other:shared.example.com",
    ] {
        all.push(http(Some(lane)));
    }
    all
}

#[tokio::test]
async fn no_tenant_pauses_what_is_everybodys_or_anothers() {
    for outcome in [FailureClass::Throttled, FailureClass::Misconfigured, FailureClass::Unavailable] {
        let (s, keys) = start().await;
        // So often that a breaker would open.
        for _ in 0..5 {
            for task in lanes() {
                s.stored(TASKS, &keys.acme, task).await;
            }
        }
        for _ in 0..5 * lanes().len() {
            let Some(task) = s.claimed().await else { break };
            let failure =
                Failure::new(outcome, "Leave me alone.").with_retry_after(Duration::from_secs(86_400));
            s.settle(&task, Outcome::Failure(failure)).await;
        }
        let theirs = [
            (SEND, json!({ "to": "ann@example.com", "message": "Hi." })),
            (TASKS, json!({ "kind": "http", "payload": { "url": "https://shared.example.com/other" } })),
            (SEND, json!({ "channel": "webhook", "to": "https://shared.example.com/other", "data": {} })),
            (TASKS, json!({ "kind": "work", "payload": 1, "lane": "deploys" })),
            (TASKS, json!({ "kind": "work", "payload": 1, "lane": "email:default" })),
        ];
        for (path, new) in theirs {
            for token in [&keys.other, &keys.admin] {
                let id = s.stored(path, token, new.clone()).await;
                let claimed = s.claimed().await;
                let claimed = claimed.unwrap_or_else(|| panic!("{outcome:?} of acme's holds up {new}"));
                assert_eq!(claimed.lease.task.to_string(), id, "{new}");
                s.settle(&claimed, Outcome::done()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_pause_and_a_limit_are_set_by_the_name_that_is_shown() {
    let (s, keys) = start().await;
    for (new, shown) in [
        (json!({ "kind": "work", "payload": 1, "lane": "deploys" }), "x:deploys/acme"),
        (json!({ "kind": "http", "payload": { "url": "https://a.example.com/x" } }), ""),
        (json!({ "kind": "work", "payload": 1, "lane": "email:default" }), "x:email:default/acme"),
    ] {
        let id = s.stored(TASKS, &keys.acme, new.clone()).await;
        let seen = s.task_of(&id, &keys.acme).await["lane"].as_str().unwrap().to_owned();
        assert!(shown.is_empty() || seen == shown, "{seen}");
        assert!(seen.ends_with("/acme"), "{seen}");
        let path = format!("/v1/queues/default/lanes/{}", seen.replace('/', "%2F"));
        let paused = s.call("POST", &format!("{path}/pause"), &keys.admin, Value::Null).await;
        assert!(paused.status().is_success());
        assert!(s.claimed().await.is_none(), "{seen} is paused");
        let resumed = s.call("POST", &format!("{path}/resume"), &keys.admin, Value::Null).await;
        assert!(resumed.status().is_success());
        let task = s.claimed().await.unwrap_or_else(|| panic!("{seen} goes on"));
        assert_eq!(task.lease.task.to_string(), id);
        s.settle(&task, Outcome::done()).await;
    }
}

#[tokio::test]
async fn who_leaves_one_tenants_list_stays_on_anothers() {
    let (s, keys) = start().await;
    let secret = SigningSecret::random();
    let mut secrets = Secrets::default();
    secrets.rotate(posthaste_core::Timestamp::from_millis(0), Duration::ZERO, Some(secret.clone()));
    let kept = posthaste_core::Json::from_value(&secrets).unwrap();
    let kind = posthaste_core::RecordKind::Setting;
    s.store.put_record(kind, SETTING, kept, posthaste_core::Expect::Any).await.unwrap();
    let tenant = "acme".parse().unwrap();
    let token = mint_for(&secret, "email:ann@example.com", "news", Some(&tenant));
    assert_eq!(s.post(&format!("/unsubscribe/{token}")).await.status(), 200);
    let worker = s.hold_all().await;
    let news = json!({ "to": "ann@example.com", "message": "Hi.", "unsubscribe": "news" });
    for (token, state) in [(&keys.acme, "failed"), (&keys.other, "succeeded"), (&keys.send, "succeeded")] {
        let id = s.stored(SEND, token, news.clone()).await;
        let end = s.end_of(&id, &keys.admin).await;
        assert_eq!(end["state"], state, "{end}");
    }
    // Whom it concerns is told; to others it is as if nothing had been.
    let seen = async |token: &str| {
        let path = "/v1/recipients/ann@example.com";
        body(s.call("GET", path, token, Value::Null).await).await["suppressions"].as_array().unwrap().clone()
    };
    let own = seen(&keys.acme).await;
    assert_eq!((own.len(), &own[0]["recipient"]), (1, &json!("news/ann@example.com")), "{own:?}");
    assert_eq!(seen(&keys.other).await, Vec::<Value>::new());
    // The operator finds it in the list and lets it go by the name that stands there.
    let listed = body(s.call("GET", "/v1/suppressions", &keys.admin, Value::Null).await).await;
    let name = listed["data"][0]["recipient"].as_str().unwrap().replace('/', "%2F");
    assert!(name.contains("[acme]"), "{name}");
    let gone = s.call("DELETE", &format!("/v1/suppressions/{name}"), &keys.admin, Value::Null).await;
    assert_eq!(gone.status(), 204, "{name}");
    let id = s.stored(SEND, &keys.acme, news).await;
    assert_eq!(s.end_of(&id, &keys.acme).await["state"], "succeeded");
    worker.shutdown().await;
}

#[tokio::test]
async fn no_tenant_reaches_what_is_opened_for_the_installation() {
    let (s, keys) = start().await;
    let sink = HttpSink::start().await;
    sink.always(HttpReply::status(200));
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let worker = s.work(NotifyConfig { allow, ..NotifyConfig::default() }).await;
    let url = sink.url("/inside");
    for (path, new) in [
        (TASKS, json!({ "kind": "http", "payload": { "url": url } })),
        (SEND, json!({ "channel": "webhook", "to": url, "data": {} })),
        (TASKS, json!({ "kind": "notify", "payload": { "channel": "webhook", "to": url } })),
    ] {
        let before = sink.requests().len();
        for token in [&keys.acme, &keys.other] {
            let id = s.stored(path, token, new.clone()).await;
            let end = s.end_of(&id, token).await;
            assert_eq!(
                (&end["state"], &end["error"]["class"]),
                (&json!("failed"), &json!("permanent")),
                "{end}"
            );
        }
        // A task that the operator makes for a tenant is that tenant's, too.
        let mut named = new.clone();
        named["tenant"] = json!("acme");
        let id = s.stored(path, &keys.send, named).await;
        assert_eq!(s.end_of(&id, &keys.admin).await["state"], "failed");
        assert_eq!(sink.requests().len(), before, "{new}");
        let id = s.stored(path, &keys.send, new).await;
        assert_eq!(s.end_of(&id, &keys.admin).await["state"], "succeeded");
        assert_eq!(sink.requests().len(), before + 1);
    }
    worker.shutdown().await;
}

#[tokio::test]
async fn one_key_of_two_tenants_is_two_keys() {
    let (s, keys) = start().await;
    let new = json!({ "kind": "work", "payload": 1, "unique": { "key": "order-42" } });
    let mut ids = Vec::new();
    for token in [&keys.acme, &keys.other, &keys.send] {
        let request =
            || s.request("POST", TASKS).bearer_auth(token).header("Idempotency-Key", "k1").json(&new);
        let first = request().send().await.unwrap();
        assert!(first.headers().get("idempotency-replayed").is_none());
        let first = body(first).await;
        assert_eq!(first["duplicate"], false, "{first}");
        ids.push(first["id"].clone());
        assert_eq!(body(request().send().await.unwrap()).await["id"], first["id"]);
        let again = body(s.call("POST", TASKS, token, new.clone()).await).await;
        assert_eq!((&again["duplicate"], &again["id"]), (&json!(true), &first["id"]), "its own");
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_tenant_brings_no_id_and_learns_of_none() {
    let (s, keys) = start().await;
    let theirs = s.stored(TASKS, &keys.other, json!({ "kind": "work", "payload": 1 })).await;
    let free = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
    let of = |id: &str| json!({ "kind": "work", "payload": 1, "id": id });
    let (taken, none) = (
        s.call("POST", TASKS, &keys.acme, of(&theirs)).await,
        s.call("POST", TASKS, &keys.acme, of(free)).await,
    );
    let (taken, none) = (problem(taken, 403, "forbidden").await, problem(none, 403, "forbidden").await);
    assert_eq!(taken, none);
    assert_eq!(s.call("POST", TASKS, &keys.send, of(free)).await.status(), 202);
}

#[tokio::test]
async fn no_tenant_sends_through_the_only_provider_of_another() {
    let provider = |name: &str, channel| ConfiguredProvider {
        name: Name::new(name).unwrap(),
        channel,
        kind: "x",
        senders: Vec::new(),
    };
    let providers = vec![
        provider("default", ChannelKind::Email),
        provider("other", ChannelKind::Slack),
        provider("acme", ChannelKind::Discord),
    ];
    let s = Server::with(ApiConfig { providers, provider_configured: true, ..ApiConfig::default() }).await;
    let keys = s.keys().await;
    for channel in ["slack", "discord"] {
        let message = json!({ "channel": channel, "message": "Hi." });
        let task = json!({ "kind": "notify", "payload": message });
        for (path, new) in [
            (SEND, message.clone()),
            ("/v1/notifications/batch", json!({ "notifications": [message] })),
            (TASKS, task.clone()),
            ("/v1/tasks/batch", json!({ "tasks": [task] })),
        ] {
            let whose = if channel == "slack" { &keys.other } else { &keys.acme };
            for token in [&keys.acme, &keys.other, &keys.send] {
                let said = s.call("POST", path, token, new.clone()).await;
                if token == whose || *token == keys.send {
                    assert!(said.status().is_success(), "{path} {new}: {}", said.status());
                    continue;
                }
                let said = problem(said, 403, "forbidden").await;
                let why = said["detail"].as_str().unwrap();
                assert!(why.contains("ask the operator"), "{why}");
            }
        }
    }
}
