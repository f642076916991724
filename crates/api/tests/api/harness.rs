//! A server of its own for each test.

use std::sync::Arc;

use posthaste_api::{Api, ApiConfig, guard, serve};
use posthaste_core::broker::{SettleRequest, Settled, Settlement};
use posthaste_core::{Claimed, Failure, FailureClass, Json, Kept, Outcome, RecordKind, Store};
use posthaste_notify::{NotifyConfig, Sandbox};
use posthaste_testkit::fault::FaultStore;
use posthaste_worker::{Worker, WorkerConfig};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json as object};
use tokio::task::JoinHandle;

use crate::stores::{self, Place};

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) api: Api,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) faults: Arc<FaultStore>,
    pub(crate) client: Client,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    pub(crate) place: Place,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.api.closing().cancel();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(ApiConfig::default()).await
    }

    pub(crate) async fn with(config: ApiConfig) -> Self {
        let (store, place) = stores::open(module_path!()).await;
        let faults = FaultStore::new(store.clone());
        let api = Api::new(faults.clone(), config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = guard(api.router(), &api);
        let serving = tokio::spawn(serve(listener, router, api.closing().clone()));
        let client = Client::builder()
            .tls_backend_preconfigured(posthaste_notify::net::tls(None))
            .no_proxy()
            .build()
            .unwrap();
        Self { url, api, store, faults, client, serving, place }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str) -> Response {
        self.request("POST", path).send().await.unwrap()
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> Response {
        self.request("POST", path).json(&body).send().await.unwrap()
    }

    /// Enqueues a task of kind `work` and returns its id.
    pub(crate) async fn task(&self) -> String {
        let reply = self.post_json("/v1/tasks", serde_json::json!({ "kind": "work", "payload": {} })).await;
        assert_eq!(reply.status(), 202);
        json(reply).await["id"].as_str().unwrap().to_owned()
    }

    /// Claims the next task as a worker would.
    pub(crate) async fn claim(&self) -> Claimed {
        self.try_claim().await.expect("a task is queued")
    }

    /// The same, if there is one.
    pub(crate) async fn try_claim(&self) -> Option<Claimed> {
        self.store.claim(posthaste_testkit::claim_of(1)).await.unwrap().into_iter().next()
    }

    pub(crate) async fn settle(&self, task: &Claimed, outcome: Outcome) {
        let settlements = vec![Settlement { lease: task.lease, outcome }];
        let reply = self.store.settle(SettleRequest { settlements, ..Default::default() }).await.unwrap();
        assert!(matches!(reply.settled[0], Settled::Settled(_)), "{reply:?}");
    }

    /// Runs the next task to success.
    pub(crate) async fn succeed(&self, result: Value) {
        let task = self.claim().await;
        self.settle(&task, Outcome::result(Json::from(result))).await;
    }

    /// Runs the next task to a final failure.
    pub(crate) async fn fail(&self, message: &str) {
        let task = self.claim().await;
        let failure = Failure::new(FailureClass::Permanent, message).with_code("550 5.7.1");
        self.settle(&task, Outcome::Failure(failure)).await;
    }

    /// Runs the next task to a message held by the sandbox.
    pub(crate) async fn hold(&self, message: Value) {
        let task = self.claim().await;
        let kept = Kept { kind: RecordKind::SandboxMessage, body: Json::from(message) };
        let result = Json::from(serde_json::json!({ "message": "Notification held", "sandbox": true }));
        self.settle(&task, Outcome::Success { result: Some(result), kept: Some(kept) }).await;
    }
}

/// Of a request that goes to the router without a connection: it comes from this machine.
pub(crate) fn from_here() -> axum::extract::ConnectInfo<std::net::SocketAddr> {
    axum::extract::ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 1)))
}

/// A key of every sort.
pub(crate) struct Keys {
    pub(crate) admin: String,
    /// `send` alone, of no tenant.
    pub(crate) send: String,
    /// `read` alone, of no tenant.
    pub(crate) read: String,
    /// `send` and `read`, of the tenant `acme`.
    pub(crate) acme: String,
    /// `send` and `read`, of the tenant `other`.
    pub(crate) other: String,
}

impl Server {
    /// Makes a key of every sort.
    pub(crate) async fn keys(&self) -> Keys {
        let admin = self.admin().await;
        let plain = |scope: &str| object!({ "name": scope, "scopes": [scope] });
        let of = |tenant: &str| object!({ "name": tenant, "scopes": ["send", "read"], "tenant": tenant });
        Keys {
            send: self.key(&admin, plain("send")).await.1,
            read: self.key(&admin, plain("read")).await.1,
            acme: self.key(&admin, of("acme")).await.1,
            other: self.key(&admin, of("other")).await.1,
            admin,
        }
    }

    /// A request with a key, or with none where it is empty; `null` is no body.
    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Response {
        let request = self.request(method, path);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let request = if body.is_null() { request } else { request.json(&body) };
        request.send().await.unwrap()
    }

    /// The JSON that a request without a key is answered with; `null` where it has no body.
    pub(crate) async fn got(&self, method: &str, path: &str, body: Value, status: u16) -> Value {
        let reply = self.call(method, path, "", body).await;
        let (found, text) = (reply.status(), reply.text().await.unwrap());
        assert_eq!(found, status, "{method} {path}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Each of these is refused to every key that has not the scope, and to no key at all.
    pub(crate) async fn needs(&self, keys: &Keys, scope: &str, calls: &[(&str, &str)]) {
        for (method, path) in calls {
            for (token, has) in [(&keys.send, "send"), (&keys.read, "read")] {
                let reply = self.call(method, path, token, Value::Null).await;
                if has == scope {
                    assert!(!matches!(reply.status().as_u16(), 401 | 403), "{method} {path} with {has}");
                } else {
                    let refused = problem(reply, 403, "forbidden-scope").await;
                    assert!(
                        refused["detail"].as_str().unwrap().contains(scope),
                        "{method} {path}: {refused}"
                    );
                }
            }
            problem(self.call(method, path, "", Value::Null).await, 401, "unauthorized").await;
        }
    }

    /// Each of these is refused to a key that is bound to a tenant: it is about everybody's.
    pub(crate) async fn not_for_tenants(&self, keys: &Keys, calls: &[(&str, &str)]) {
        for (method, path) in calls {
            problem(self.call(method, path, &keys.acme, Value::Null).await, 403, "forbidden").await;
        }
    }

    /// Stores a notification and returns its id.
    pub(crate) async fn notification(&self, body: Value) -> String {
        self.got("POST", "/v1/notifications", body, 202).await["id"].as_str().unwrap().to_owned()
    }

    /// A worker that runs notifications, requests and callbacks.
    pub(crate) async fn work(&self, config: NotifyConfig) -> Worker {
        let kinds = posthaste_notify::kinds(config, self.store.clone());
        Worker::start(self.store.clone(), kinds, WorkerConfig::default()).await.unwrap()
    }

    /// A worker that holds every message.
    pub(crate) async fn hold_all(&self) -> Worker {
        self.work(NotifyConfig { sandbox: Sandbox::On, ..NotifyConfig::default() }).await
    }

    /// A task once it is final.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let task = self.got("GET", &format!("/v1/tasks/{id}?wait=60s"), Value::Null, 200).await;
        assert!(task["finished_at"].is_string(), "{task}");
        task
    }
}

pub(crate) async fn json(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("not JSON ({e}): {text}"))
}

/// The problem of a response under `/v1`, after checking its form.
pub(crate) async fn problem(response: Response, status: u16, slug: &str) -> Value {
    let found = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = json(response).await;
    assert_eq!(found, status, "{body}");
    assert_eq!(kind, "application/problem+json");
    assert_eq!(body["type"], format!("urn:posthaste:error:{slug}"), "{body}");
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["detail"].is_string());
    body
}

/// Where the errors of a problem or of FastAPI's form are, dotted.
pub(crate) fn locs(body: &Value) -> Vec<String> {
    let list = body["errors"].as_array().or_else(|| body["detail"].as_array()).cloned().unwrap_or_default();
    list.iter()
        .map(|e| {
            assert!(e["msg"].is_string() && e["type"].is_string(), "{e}");
            let loc = e["loc"].as_array().unwrap();
            loc.iter()
                .map(|l| l.as_str().map_or_else(|| l.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(".")
        })
        .collect()
}
