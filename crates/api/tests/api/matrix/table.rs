//! One row for each route: whose things it is about, what it is asked, and how its effect is seen.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Value, json};

use super::world::{Answer, Thing, Whose, World};

/// Whether a request did what it is for, by its answer and by what the operator saw before and after.
pub(crate) type Seen = fn(&Answer, &Value, &Value) -> bool;
/// The like, of everything that the operator sees.
pub(crate) type Effect = Seen;
/// A request of the operator.
pub(crate) type Call = (&'static str, &'static str, fn() -> Value);
/// Bodies that name things of somebody.
pub(crate) type Bodies = fn(&World, Whose) -> Named<'_>;
type Named<'a> = Pin<Box<dyn Future<Output = Vec<Body>> + 'a>>;

/// A body, and what it names.
pub(crate) struct Body {
    pub(crate) value: Value,
    pub(crate) named: String,
    query: String,
}

impl Body {
    fn new(value: Value, named: impl Into<String>) -> Self {
        Self { value, named: named.into(), query: String::new() }
    }

    fn query(query: &str) -> Self {
        Self { value: Value::Null, named: String::new(), query: query.to_owned() }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{path}{}", self.query)
    }
}

/// What a route is about.
pub(crate) enum Case {
    /// Nobody's: the same with a key and without.
    Open,
    /// Who asks.
    Any,
    /// A thing of one owner.
    Of { thing: Thing, body: Option<fn() -> Value>, seen: Seen },
    /// Things of all owners; the parameter that asks for those of one tenant.
    Lists { thing: Thing, query: &'static str },
    /// What is known of a recipient.
    Recipient,
    /// What is stored for the caller, and what it names.
    Sends { bodies: Bodies },
    /// A file that is the caller's from then on.
    Uploads,
    /// Every task that fits.
    Bulk,
    /// Every change.
    Watches,
    /// A key.
    Key { revokes: bool },
    /// Nothing that is anybody's.
    Alone { body: fn() -> Value, reads: &'static str },
    /// The installation as a whole; `path` where the route has parameters.
    Installation { before: &'static [Call], path: &'static str, body: Option<fn() -> Value>, seen: Effect },
}

const fn of(thing: Thing, seen: Seen) -> Case {
    Case::Of { thing, body: None, seen }
}

const fn whole(seen: Effect) -> Case {
    Case::Installation { before: &[], path: "", body: None, seen }
}

const fn at(path: &'static str, before: &'static [Call], seen: Effect) -> Case {
    Case::Installation { before, path, body: None, seen }
}

const fn put(path: &'static str, body: fn() -> Value, seen: Effect) -> Case {
    Case::Installation { before: &[], path, body: Some(body), seen }
}

/// It was answered, and that is all there is to it.
fn told(said: &Answer, _: &Value, _: &Value) -> bool {
    !said.text.is_empty()
}

fn differs(_: &Answer, before: &Value, after: &Value) -> bool {
    before != after
}

fn gone(_: &Answer, before: &Value, after: &Value) -> bool {
    !before.is_null() && after.is_null()
}

fn cancelled(_: &Answer, _: &Value, after: &Value) -> bool {
    after["state"] == "cancelled"
}

fn shows_id(said: &Answer, before: &Value, _: &Value) -> bool {
    before["id"].as_str().is_some_and(|id| said.text.contains(id))
}

fn shows_name(said: &Answer, before: &Value, _: &Value) -> bool {
    before["name"].as_str().is_some_and(|name| said.text.contains(name))
}

fn nothing() -> Value {
    Value::Null
}

fn schedule() -> Value {
    json!({ "cron": "0 7 * * *", "kind": "report", "payload": 1 })
}

fn template() -> Value {
    json!({ "text": "Hello" })
}

const SCHEDULE: Call = ("PUT", "/v1/schedules/nightly", schedule);
const TEMPLATE: Call = ("PUT", "/v1/templates/welcome", template);
const LISTED: Call = ("PUT", "/v1/suppressions/zoe@example.com", nothing);
const ONE: &str = "/v1/schedules/nightly";

/// The owner's endpoint and attachment, and its name as a tenant: whatever a request can name.
fn named(w: &World, whose: Whose, wrap: fn(Value) -> Value, payload: fn(Value) -> Value) -> Named<'_> {
    Box::pin(async move {
        let endpoint = w.make(Thing::Endpoint, whose).await;
        let file = w.make(Thing::Attachment, whose).await;
        let hook = json!({ "channel": "webhook", "to": endpoint, "data": {} });
        let mail = json!({
            "channel": "email", "to": "ann@example.com", "message": "Hi.", "attachments": [{ "filename": "a.txt", "id": file }],
        });
        let mut all = vec![Body::new(wrap(payload(hook)), endpoint), Body::new(wrap(payload(mail)), file)];
        let mut plain = payload(json!({ "channel": "email", "to": "ann@example.com", "message": "Hi." }));
        match whose {
            Whose::Acme => plain["tenant"] = json!("acme"),
            Whose::Other => plain["tenant"] = json!("other"),
            Whose::Nobody => plain["tenant"] = json!("nobody"),
            Whose::Installation => {
                // What all share and nobody may bring or choose.
                for (field, value) in
                    [("provider", json!("marketing")), ("id", json!(w.absent(Thing::Queued)))]
                {
                    let mut message =
                        json!({ "channel": "email", "to": "ann@example.com", "message": "Hi." });
                    let inner = field == "provider";
                    if inner {
                        message[field] = value.clone();
                    }
                    let mut body = payload(message);
                    if !inner {
                        body[field] = value;
                    }
                    all.push(Body::new(wrap(body), ""));
                }
                return all;
            }
        }
        let tenant = plain["tenant"].as_str().unwrap_or_default().to_owned();
        all.push(Body::new(wrap(plain), tenant));
        all
    })
}

fn itself(v: Value) -> Value {
    v
}

fn as_task(payload: Value) -> Value {
    json!({ "kind": "notify", "payload": payload })
}

fn notifications(w: &World, whose: Whose) -> Named<'_> {
    named(w, whose, itself, itself)
}

fn notification_batch(w: &World, whose: Whose) -> Named<'_> {
    named(w, whose, |one| json!({ "notifications": [one] }), itself)
}

fn tasks(w: &World, whose: Whose) -> Named<'_> {
    named(w, whose, itself, as_task)
}

fn task_batch(w: &World, whose: Whose) -> Named<'_> {
    named(w, whose, |one| json!({ "tasks": [one] }), as_task)
}

/// The old form names nothing.
fn old(_: &World, whose: Whose) -> Named<'_> {
    let bodies = if whose == Whose::Acme { vec![Body::query("?email=ann@example.com")] } else { Vec::new() };
    Box::pin(async move { bodies })
}

/// Every route, as the router has it.
pub(crate) const TABLE: &[(&str, Case)] = &[
    ("post /notify", Case::Sends { bodies: old }),
    ("post /notify/", Case::Sends { bodies: old }),
    ("get /task_status/{task_id}", of(Thing::Cancelled, shows_id)),
    ("get /task_status/{task_id}/", of(Thing::Cancelled, shows_id)),
    ("get /health", Case::Open),
    ("get /health/", Case::Open),
    ("post /v1/tasks", Case::Sends { bodies: tasks }),
    ("get /v1/tasks", Case::Lists { thing: Thing::Queued, query: "tenant" }),
    ("get /v1/tasks/{task_id}", of(Thing::Queued, shows_id)),
    ("get /v1/tasks/{task_id}/attempts", of(Thing::Held, |said, _, _| said.text.contains("succeeded"))),
    ("post /v1/tasks/{task_id}/cancel", of(Thing::Queued, cancelled)),
    ("get /v1/tasks/{task_id}/events", of(Thing::Cancelled, shows_id)),
    ("get /v1/tasks/{task_id}/message", of(Thing::Held, |said, _, _| said.text.contains("Hi."))),
    ("post /v1/tasks/{task_id}/retry", of(Thing::Cancelled, |_, _, after| after["state"] == "queued")),
    ("post /v1/tasks/batch", Case::Sends { bodies: task_batch }),
    ("post /v1/tasks/bulk", Case::Bulk),
    ("post /v1/tasks/{task_id}/heartbeat", Case::Open),
    ("post /v1/tasks/{task_id}/complete", Case::Open),
    ("post /v1/tasks/{task_id}/fail", Case::Open),
    ("post /v1/notifications", Case::Sends { bodies: notifications }),
    ("get /v1/notifications", Case::Lists { thing: Thing::Held, query: "tenant" }),
    ("post /v1/notifications/batch", Case::Sends { bodies: notification_batch }),
    ("get /v1/notifications/{task_id}", of(Thing::Held, shows_id)),
    ("get /v1/batches/{batch_id}", of(Thing::Batch, shows_id)),
    ("post /v1/batches/{batch_id}/cancel", of(Thing::Batch, |_, _, after| after["counts"]["cancelled"] == 1)),
    ("get /v1/operations/{operation_id}", of(Thing::Operation, shows_id)),
    ("post /v1/operations/{operation_id}/resume", of(Thing::Operation, shows_id)),
    ("get /v1/schedules", at("", &[SCHEDULE], |said, _, _| said.text.contains("nightly"))),
    (
        "put /v1/schedules/{name}",
        put(ONE, || json!({ "cron": "0 8 * * *", "kind": "report", "payload": 1 }), differs),
    ),
    ("get /v1/schedules/{name}", at(ONE, &[], told)),
    ("delete /v1/schedules/{name}", at(ONE, &[], differs)),
    ("post /v1/schedules/{name}/pause", at("/v1/schedules/nightly/pause", &[SCHEDULE], differs)),
    ("post /v1/schedules/{name}/resume", at("/v1/schedules/nightly/resume", &[], differs)),
    ("post /v1/schedules/{name}/run", at("/v1/schedules/nightly/run", &[], differs)),
    ("get /v1/templates", at("", &[TEMPLATE], |said, _, _| said.text.contains("welcome"))),
    (
        "post /v1/templates/preview",
        Case::Alone {
            body: || json!({ "text": "Hello {{ a }}", "data": { "a": "Ann" } }),
            reads: "Hello Ann",
        },
    ),
    ("put /v1/templates/{name}", put("/v1/templates/welcome", || json!({ "text": "Good morning" }), differs)),
    ("get /v1/templates/{name}", at("/v1/templates/welcome", &[], told)),
    ("get /v1/templates/{name}/versions", at("/v1/templates/welcome/versions", &[], told)),
    (
        "post /v1/templates/{name}/preview",
        put("/v1/templates/welcome/preview", || json!({ "data": {} }), told),
    ),
    ("delete /v1/templates/{name}", at("/v1/templates/welcome", &[], differs)),
    ("get /v1/endpoints", Case::Lists { thing: Thing::Endpoint, query: "" }),
    (
        "post /v1/endpoints",
        put("", || json!({ "name": "new", "url": "https://example.com", "tenant": "acme" }), differs),
    ),
    ("get /v1/endpoints/{name}", of(Thing::Endpoint, shows_name)),
    (
        "patch /v1/endpoints/{name}",
        Case::Of {
            thing: Thing::Endpoint,
            body: Some(|| json!({ "description": "x" })),
            seen: |_, _, after| after["description"] == "x",
        },
    ),
    ("delete /v1/endpoints/{name}", of(Thing::Endpoint, gone)),
    ("post /v1/endpoints/{name}/rotate", of(Thing::Endpoint, |_, _, after| after["secrets"] == 2)),
    (
        "post /v1/endpoints/{name}/enable",
        of(Thing::Disabled, |_, before, after| before["disabled"].is_object() && after["disabled"].is_null()),
    ),
    ("post /v1/endpoints/{name}/test", of(Thing::Endpoint, |said, _, _| said.ids().len() == 1)),
    ("get /v1/endpoints/{name}/secret", of(Thing::Endpoint, |said, _, _| said.text.contains("whsec_"))),
    ("get /v1/signing-secret", whole(told)),
    ("post /v1/signing-secret/rotate", whole(told)),
    ("get /v1/providers", whole(told)),
    ("get /v1/providers/{name}", at("/v1/providers/default", &[], told)),
    ("post /v1/providers/{name}/pause", at("/v1/providers/default/pause", &[], differs)),
    ("post /v1/providers/{name}/resume", at("/v1/providers/default/resume", &[], differs)),
    ("get /v1/suppressions", at("", &[LISTED], |said, _, _| said.text.contains("zoe"))),
    ("get /v1/suppressions/{recipient}", at("/v1/suppressions/zoe@example.com", &[], told)),
    ("delete /v1/suppressions/{recipient}", at("/v1/suppressions/zoe@example.com", &[], differs)),
    ("put /v1/suppressions/{recipient}", at("/v1/suppressions/zoe@example.com", &[], differs)),
    ("get /v1/recipients/{recipient}", Case::Recipient),
    (
        "delete /v1/recipients/{recipient}",
        at(
            "/v1/recipients/ann@example.com",
            &[("POST", "/v1/notifications", || json!({ "to": "ann@example.com", "queue": "erased" }))],
            differs,
        ),
    ),
    ("get /v1/sandbox/messages", Case::Lists { thing: Thing::Held, query: "" }),
    ("delete /v1/sandbox/messages", whole(differs)),
    ("put /v1/sandbox/faults", put("", || json!({ "faults": [{ "answer": "451", "sends": 3 }] }), differs)),
    ("get /v1/sandbox/faults", whole(|said, _, _| said.text.contains("451"))),
    ("delete /v1/sandbox/faults", whole(differs)),
    ("get /v1/stats", whole(told)),
    ("post /v1/attachments", Case::Uploads),
    ("get /v1/attachments/{attachment_id}", of(Thing::Attachment, shows_id)),
    ("delete /v1/attachments/{attachment_id}", of(Thing::Attachment, gone)),
    ("get /unsubscribe/{token}", Case::Open),
    ("post /unsubscribe/{token}", Case::Open),
    ("put /v1/queues/{queue}/limits", put("/v1/queues/default/limits", || json!({ "rate": 7 }), differs)),
    (
        "put /v1/queues/{queue}/lanes/{lane}/limits",
        put("/v1/queues/default/lanes/deploys/limits", || json!({ "rate": 7 }), differs),
    ),
    ("get /v1/events", Case::Watches),
    ("get /v1/queues", whole(told)),
    ("post /v1/queues/{queue}/pause", at("/v1/queues/default/pause", &[], differs)),
    ("post /v1/queues/{queue}/resume", at("/v1/queues/default/resume", &[], differs)),
    (
        "post /v1/queues/{queue}/lanes/{lane}/pause",
        at("/v1/queues/default/lanes/email:default/pause", &[], differs),
    ),
    (
        "post /v1/queues/{queue}/lanes/{lane}/resume",
        at("/v1/queues/default/lanes/email:default/resume", &[], differs),
    ),
    ("get /v1/lanes", whole(told)),
    ("get /v1/workers", whole(told)),
    ("get /v1/audit", whole(told)),
    ("get /v1/whoami", Case::Any),
    ("get /v1/keys", whole(told)),
    ("post /v1/keys", put("", || json!({ "name": "new", "scopes": ["send"], "tenant": "acme" }), differs)),
    ("get /v1/keys/{key_id}", Case::Key { revokes: false }),
    ("delete /v1/keys/{key_id}", Case::Key { revokes: true }),
    ("get /metrics", whole(told)),
    ("get /healthz", Case::Open),
    ("get /readyz", Case::Open),
    ("get /openapi.json", Case::Open),
    ("get /docs", Case::Open),
    ("get /docs/", Case::Open),
    ("get /docs/{*file}", Case::Open),
];
