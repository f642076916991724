//! Two tenants and an installation, and things of each.

use std::sync::atomic::{AtomicUsize, Ordering};

use posthaste_api::{ApiConfig, ConfiguredProvider};
use posthaste_core::broker::{ClaimRequest, SettleRequest, Settlement};
use posthaste_core::{Json, Kept, Name, Outcome, QueueName, RecordKind};
use posthaste_notify::ChannelKind;
use serde_json::{Value, json};

use super::super::harness::{Keys, Server};

/// Who a thing belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Acme,
    Other,
    Installation,
    /// There is no such thing.
    Nobody,
}

/// What has an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A task that waits.
    Queued,
    /// A task that was cancelled.
    Cancelled,
    /// A task whose message the sandbox held.
    Held,
    Batch,
    Operation,
    Endpoint,
    /// An endpoint that gets nothing.
    Disabled,
    Attachment,
    /// A recipient by the tasks for them.
    Recipient,
}

/// An answer, apart from what differs between two of the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Whether it is this problem.
    pub(crate) fn is(&self, status: u16, slug: &str) -> bool {
        self.status == status && self.json()["type"] == format!("urn:posthaste:error:{slug}")
    }

    /// Whether it is an error of an old route.
    pub(crate) fn is_old(&self, status: u16) -> bool {
        self.status == status && self.json()["detail"].is_string() && self.json().get("type").is_none()
    }

    /// Without what the request itself said.
    pub(crate) fn without(mut self, said: &str) -> Self {
        self.text = words(&self.text, said);
        // What counts bytes is no difference where the names are not of one length.
        self.headers.retain(|(name, _)| name != "content-length");
        self
    }

    /// The tasks that it names.
    pub(crate) fn ids(&self) -> Vec<String> {
        let body = self.json();
        let one = body["id"].as_str().or_else(|| body["task_id"].as_str()).map(str::to_owned);
        let many = body["data"].as_array().cloned().unwrap_or_default();
        one.into_iter().chain(many.iter().filter_map(|i| i["id"].as_str().map(str::to_owned))).collect()
    }
}

pub(crate) struct World {
    pub(crate) s: Server,
    pub(crate) keys: Keys,
    /// Keys of acme with one scope each.
    pub(crate) send: String,
    pub(crate) read: String,
    count: AtomicUsize,
}

/// A path with what it is about in the place of its parameter.
pub(crate) fn filled(path: &str, id: &str) -> String {
    let Some((before, rest)) = path.split_once('{') else { return path.to_owned() };
    let after = rest.split_once('}').map_or("", |r| r.1);
    // Only paths of the installation have two, and those are given whole.
    format!("{before}{id}{}", filled(after, id))
}

/// A text without a word that the request said.
fn words(text: &str, said: &str) -> String {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(said).filter(|_| !said.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + said.len()..]);
        let whole =
            !letter(before.chars().next_back().or(out.chars().next_back())) && !letter(after.chars().next());
        out.push_str(before);
        out.push_str(if whole { "…" } else { said });
        rest = after;
    }
    out + rest
}

impl World {
    pub(crate) async fn start() -> Self {
        let name = Name::new("default").unwrap();
        let providers =
            vec![ConfiguredProvider { name, channel: ChannelKind::Email, kind: "smtp", senders: Vec::new() }];
        let config = ApiConfig { providers, provider_configured: true, ..ApiConfig::default() };
        let s = Server::with(config).await;
        let keys = s.keys().await;
        let key = |scope: &str| json!({ "name": scope, "scopes": [scope], "tenant": "acme" });
        let send = s.key(&keys.admin, key("send")).await.1;
        let read = s.key(&keys.admin, key("read")).await.1;
        Self { s, keys, send, read, count: AtomicUsize::new(0) }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let reply = if path.starts_with("/v1/attachments?") {
            self.s.request(method, path).bearer_auth(token).body("x").send().await.unwrap()
        } else {
            self.s.call(method, path, token, body.clone()).await
        };
        let differs = ["date", "x-request-id"];
        let headers = reply.headers().iter().filter(|(name, _)| !differs.contains(&name.as_str()));
        let mut headers: Vec<_> = headers
            .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        Answer { status: reply.status().as_u16(), headers, text: reply.text().await.unwrap() }
    }

    fn next(&self) -> usize {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn token(&self, whose: Whose) -> &str {
        match whose {
            Whose::Acme => &self.keys.acme,
            Whose::Other => &self.keys.other,
            Whose::Installation | Whose::Nobody => &self.keys.admin,
        }
    }

    async fn made(&self, path: &str, whose: Whose, body: Value, field: &str) -> String {
        let said = self.ask("POST", path, self.token(whose), &body).await;
        assert!((200..300).contains(&said.status), "{path} {body}: {said:?}");
        said.json()[field].as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned()
    }

    /// What is not there.
    pub(crate) fn absent(&self, thing: Thing) -> String {
        match thing {
            Thing::Endpoint | Thing::Disabled => "absent".into(),
            _ => "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58".into(),
        }
    }

    /// Makes a thing of somebody; its id or name.
    pub(crate) async fn make(&self, thing: Thing, whose: Whose) -> String {
        if whose == Whose::Nobody {
            return self.absent(thing);
        }
        let n = self.next();
        let queue = format!("q{}", n % 50);
        let work = json!({ "kind": "work", "payload": { "n": n } });
        match thing {
            Thing::Queued => self.made("/v1/tasks", whose, work, "id").await,
            Thing::Cancelled => {
                let id = self.made("/v1/tasks", whose, work, "id").await;
                self.ask("POST", &format!("/v1/tasks/{id}/cancel"), self.token(whose), &Value::Null).await;
                id
            }
            Thing::Held => {
                let message = json!({ "to": format!("ann{n}@example.com"), "queue": queue });
                let id = self.made("/v1/notifications", whose, message, "id").await;
                self.hold(&queue).await;
                id
            }
            Thing::Batch => self.made("/v1/tasks/batch", whose, json!({ "tasks": [work] }), "batch_id").await,
            Thing::Operation => {
                let all = json!({ "action": "cancel", "filter": { "kind": "none" }, "dry_run": true });
                self.made("/v1/tasks/bulk", whose, all, "id").await
            }
            Thing::Endpoint | Thing::Disabled => {
                let mut new = json!({ "name": format!("e{n}"), "url": "https://example.com/hooks" });
                if whose != Whose::Installation {
                    new["tenant"] = json!(if whose == Whose::Acme { "acme" } else { "other" });
                }
                let name = self.made("/v1/endpoints", Whose::Installation, new, "name").await;
                if thing == Thing::Disabled {
                    let off = json!({ "disabled": true });
                    self.ask("PATCH", &format!("/v1/endpoints/{name}"), &self.keys.admin, &off).await;
                }
                name
            }
            Thing::Attachment => {
                self.made(&format!("/v1/attachments?filename=f{n}.txt"), whose, Value::Null, "id").await
            }
            Thing::Recipient => {
                let to = format!("bob{n}@example.com");
                self.made("/v1/notifications", whose, json!({ "to": to, "queue": queue }), "id").await;
                to
            }
        }
    }

    /// Lets the sandbox hold the one message that waits in a queue.
    async fn hold(&self, queue: &str) {
        let queues = vec![QueueName::new(queue).unwrap()];
        let request = ClaimRequest { queues, ..posthaste_testkit::claim_of(1) };
        let task = self.s.store.claim(request).await.unwrap().remove(0);
        let held = json!({
            "channel": "email", "from": "shop@example.com", "to": "ann@example.com", "subject": "", "text": "Hi.",
            "date": "2026-01-31T09:30:00.000Z", "message_id": "<1@example.com>", "reason": "the sandbox is on",
        });
        let kept = Kept { kind: RecordKind::SandboxMessage, body: Json::from(held) };
        let result = Json::from(json!({ "message": "Notification held", "sandbox": true }));
        let outcome = Outcome::Success { result: Some(result), kept: Some(kept) };
        let settlements = vec![Settlement { lease: task.lease, outcome }];
        self.s.store.settle(SettleRequest { settlements, ..Default::default() }).await.unwrap();
    }

    /// What the operator sees of a thing; `null` where it is gone.
    pub(crate) async fn known(&self, thing: Thing, id: &str) -> Value {
        let path = match thing {
            Thing::Queued | Thing::Cancelled | Thing::Held => format!("/v1/tasks/{id}"),
            Thing::Batch => format!("/v1/batches/{id}"),
            Thing::Operation => format!("/v1/operations/{id}"),
            Thing::Endpoint | Thing::Disabled => format!("/v1/endpoints/{id}"),
            Thing::Attachment => format!("/v1/attachments/{id}"),
            Thing::Recipient => format!("/v1/recipients/{id}"),
        };
        let said = self.ask("GET", &path, &self.keys.admin, &Value::Null).await;
        if said.status == 404 { Value::Null } else { said.json() }
    }

    /// How many tasks there are.
    pub(crate) async fn tasks(&self) -> u64 {
        let queues = self.ask("GET", "/v1/queues", &self.keys.admin, &Value::Null).await.json();
        let counts = queues["data"].as_array().cloned().unwrap_or_default();
        counts
            .iter()
            .flat_map(|q| q["counts"].as_object().cloned().unwrap_or_default())
            .filter_map(|c| c.1.as_u64())
            .sum()
    }

    /// What the operator sees of the installation.
    pub(crate) async fn settings(&self) -> Value {
        let mut all = serde_json::Map::new();
        for path in [
            "/v1/schedules",
            "/v1/templates",
            "/v1/providers",
            "/v1/suppressions",
            "/v1/queues",
            "/v1/lanes",
            "/v1/endpoints",
            "/v1/sandbox/faults",
            "/v1/sandbox/messages",
        ] {
            all.insert(path.into(), self.ask("GET", path, &self.keys.admin, &Value::Null).await.json());
        }
        // Of keys what is not written by being used.
        let keys = self.ask("GET", "/v1/keys", &self.keys.admin, &Value::Null).await.json();
        let ids = keys["data"].as_array().cloned().unwrap_or_default();
        let ids: Vec<Value> = ids.iter().map(|k| json!([k["id"], k["revoked_at"]])).collect();
        all.insert("keys".into(), json!(ids));
        Value::Object(all)
    }
}
