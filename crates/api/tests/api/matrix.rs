//! What a key that is bound to a tenant does on every route, and to whom: made from the table of routes, so that a new route
//! without its row here fails.
//!
//! Own: it is answered and does what it says. Another tenant's: answered as what is not there, and nothing is done. The
//! installation's: 403.

mod table;
mod world;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use posthaste_api::{Access, KeyScope, ROUTES};
use serde_json::{Value, json};

use table::{Case, TABLE};
use world::{Answer, Whose, World};

/// The row of a route: its place in both tables.
fn rows() -> Vec<(&'static str, Access, &'static Case)> {
    let of = |row: &posthaste_api::AccessRow| format!("{} {}", row.method, row.path);
    let served: BTreeSet<String> = ROUTES.iter().map(of).collect();
    let told: BTreeSet<String> = TABLE.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(served, told, "every route has a row that says what a tenant's key does there");
    let access = |route: &str| ROUTES.iter().find(|r| of(r) == route).map(|r| r.access).expect("served");
    TABLE.iter().map(|(route, case)| (*route, access(route), case)).collect()
}

#[tokio::test]
async fn every_route_tells_whose_things_apart() {
    let rows = rows();
    let w = World::start().await;
    let mut wrong = Vec::new();
    for (route, access, case) in rows {
        // Every row is told of, not the first alone.
        if let Err(e) = AssertUnwindSafe(judge(&w, route, access, case)).catch_unwind().await {
            let said = e.downcast_ref::<String>().cloned();
            wrong.push(format!("{route}: {}", said.unwrap_or_else(|| "it panicked".into())));
        }
    }
    assert!(wrong.is_empty(), "{} routes:\n{}", wrong.len(), wrong.join("\n"));
}

async fn judge(w: &World, route: &str, access: Access, case: &Case) {
    let (method, path) = route.split_once(' ').unwrap();
    let method = method.to_uppercase();
    scopes(w, &method, path, access).await;
    match case {
        Case::Open => open(w, &method, path).await,
        Case::Any => {
            assert_eq!(w.ask("GET", path, &w.keys.acme, &Value::Null).await.json()["tenant"], "acme")
        }
        Case::Of { thing, body, seen } => {
            let body = body.map_or(Value::Null, |b| b());
            one(w, &method, path, *thing, &body, *seen).await;
        }
        Case::Lists { thing, query } => lists(w, path, *thing, query).await,
        Case::Sends { bodies } => sends(w, path, *bodies).await,
        Case::Watches => watches(w, path).await,
        Case::Recipient => recipient(w, path).await,
        Case::Uploads => uploads(w, path).await,
        Case::Bulk => bulk(w, path).await,
        Case::Key { revokes } => key(w, &method, path, *revokes).await,
        Case::Alone { body, reads } => alone(w, &method, path, &body(), reads).await,
        Case::Installation { before, path: at, body, seen } => {
            let body = body.map_or(Value::Null, |b| b());
            installation(w, &method, (path, at), access, before, &body, *seen).await;
        }
    }
}

/// A key without the scope is told so, whatever is asked for; no key at all is asked for one.
async fn scopes(w: &World, method: &str, path: &str, access: Access) {
    let path = world::filled(path, "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58");
    let (none, needs) = match access {
        Access::Open | Access::Signed => return,
        Access::Any => (401, None),
        Access::Send | Access::SendAll => (401, Some(KeyScope::Send)),
        Access::Read | Access::ReadAll => (401, Some(KeyScope::Read)),
        Access::Admin => (401, Some(KeyScope::Admin)),
    };
    assert_eq!(w.ask(method, &path, "", &Value::Null).await.status, none, "{method} {path} without a key");
    for (token, has) in [(&w.send, KeyScope::Send), (&w.read, KeyScope::Read)] {
        if needs.is_none_or(|needs| needs == has) {
            continue;
        }
        let said = w.ask(method, &path, token, &Value::Null).await;
        assert!(said.is(403, "forbidden-scope") || said.is_old(403), "{method} {path} with {has}: {said:?}");
    }
}

/// What is the same for everybody asks nobody who it is.
async fn open(w: &World, method: &str, path: &str) {
    let path = world::filled(path, "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58");
    let body =
        if path.starts_with("/v1/tasks/") { json!({ "lease_token": "0".repeat(32) }) } else { Value::Null };
    let (with, without) =
        (w.ask(method, &path, &w.keys.acme, &body).await, w.ask(method, &path, "", &body).await);
    assert_eq!(with.status, without.status, "{method} {path}");
    assert!(with.status < 500, "{method} {path}: {with:?}");
    if path != "/readyz" {
        assert_eq!(with.text, without.text, "{method} {path}");
    }
}

/// One thing that has an owner.
async fn one(w: &World, method: &str, path: &str, thing: world::Thing, body: &Value, seen: table::Seen) {
    let absent = w.absent(thing);
    let none = w.ask(method, &world::filled(path, &absent), &w.keys.acme, body).await.without(&absent);
    assert!(none.status == 404, "{method} {path} of what is not there: {none:?}");

    let id = w.make(thing, Whose::Acme).await;
    let before = w.known(thing, &id).await;
    let said = w.ask(method, &world::filled(path, &id), &w.keys.acme, body).await;
    assert!((200..300).contains(&said.status), "{method} {path} of its own: {said:?}");
    let after = w.known(thing, &id).await;
    assert!(seen(&said, &before, &after), "{method} {path} did nothing: {said:?} {before} {after}");

    for (whose, token) in [(Whose::Other, &w.keys.acme), (Whose::Acme, &w.keys.other)] {
        let id = w.make(thing, whose).await;
        let before = w.known(thing, &id).await;
        let said = w.ask(method, &world::filled(path, &id), token, body).await.without(&id);
        assert_eq!(said, none, "{method} {path} of another tenant");
        assert_eq!(w.known(thing, &id).await, before, "{method} {path} changed another tenant's");
    }

    let id = w.make(thing, Whose::Installation).await;
    let before = w.known(thing, &id).await;
    let said = w.ask(method, &world::filled(path, &id), &w.keys.acme, body).await;
    assert!(said.is(403, "forbidden") || said.is_old(403), "{method} {path} of the installation: {said:?}");
    assert_eq!(w.known(thing, &id).await, before, "{method} {path} changed the installation's");

    for whose in [Whose::Acme, Whose::Installation] {
        let id = w.make(thing, whose).await;
        let before = w.known(thing, &id).await;
        let said = w.ask(method, &world::filled(path, &id), &w.keys.admin, body).await;
        assert!((200..300).contains(&said.status), "{method} {path} by the operator: {said:?}");
        let after = w.known(thing, &id).await;
        assert!(seen(&said, &before, &after), "{method} {path} by the operator did nothing: {said:?}");
    }
}

/// A list holds what is the tenant's own; what it is asked about others is answered as about nobody.
async fn lists(w: &World, path: &str, thing: world::Thing, query: &str) {
    let own = w.make(thing, Whose::Acme).await;
    let others = [w.make(thing, Whose::Other).await, w.make(thing, Whose::Installation).await];
    let said = w.ask("GET", path, &w.keys.acme, &Value::Null).await;
    assert_eq!(said.status, 200, "{path}: {said:?}");
    assert!(said.text.contains(&own), "{path} has its own: {said:?}");
    for id in &others {
        assert!(!said.text.contains(id), "{path} has another's: {said:?}");
        let seen = w.ask("GET", path, &w.keys.admin, &Value::Null).await;
        assert!(seen.text.contains(id), "{path} has all for the operator: {seen:?}");
    }
    for limit in 1..4 {
        let said = w.ask("GET", &format!("{path}?limit={limit}"), &w.keys.acme, &Value::Null).await;
        assert!(others.iter().all(|id| !said.text.contains(id)), "{path} by {limit}: {said:?}");
    }
    if query.is_empty() {
        return;
    }
    let about = |name: &str| format!("{path}?{query}={name}");
    let of = |name: &'static str| async move {
        w.ask("GET", &about(name), &w.keys.acme, &Value::Null).await.without(name)
    };
    assert_eq!(of("other").await, of("nobody").await, "{path} about another tenant");
    assert!(of("acme").await.text.contains(&own));
}

/// What a request names is the tenant's own, or the request is refused and stores nothing.
async fn sends(w: &World, path: &str, bodies: table::Bodies) {
    for body in bodies(w, Whose::Acme).await {
        let said = w.ask("POST", &body.at(path), &w.keys.acme, &body.value).await;
        assert!((200..300).contains(&said.status), "{path} {}: {said:?}", body.value);
        for id in said.ids() {
            assert_eq!(w.known(world::Thing::Queued, &id).await["tenant"], "acme", "{path} {}", body.value);
        }
        assert!(!said.ids().is_empty(), "{path}: {said:?}");
    }
    let count = w.tasks().await;
    let (others, absent) = (bodies(w, Whose::Other).await, bodies(w, Whose::Nobody).await);
    assert_eq!(others.len(), absent.len());
    for (other, none) in others.into_iter().zip(absent) {
        let said = w.ask("POST", &other.at(path), &w.keys.acme, &other.value).await.without(&other.named);
        let none = w.ask("POST", &none.at(path), &w.keys.acme, &none.value).await.without(&none.named);
        assert_eq!(said, none, "{path} {}", other.value);
        assert!(said.status >= 400, "{path} {}: {said:?}", other.value);
    }
    for body in bodies(w, Whose::Installation).await {
        let said = w.ask("POST", &body.at(path), &w.keys.acme, &body.value).await;
        assert!(said.is(403, "forbidden"), "{path} {}: {said:?}", body.value);
        assert!(
            said.text.contains("operator") || said.text.contains("leave"),
            "it says what to do: {said:?}"
        );
    }
    assert_eq!(w.tasks().await, count, "{path} stored what it refused");
}

/// A stream tells the tenant's own.
async fn watches(w: &World, path: &str) {
    let mut stream = w.s.call("GET", path, &w.keys.acme, Value::Null).await;
    assert_eq!(stream.status(), 200);
    let others = [
        w.make(world::Thing::Queued, Whose::Other).await,
        w.make(world::Thing::Queued, Whose::Installation).await,
    ];
    let own = w.make(world::Thing::Queued, Whose::Acme).await;
    let mut text = String::new();
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !text.contains(&own) {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    });
    found.await.expect("its own is told");
    assert!(others.iter().all(|id| !text.contains(id)), "{text}");
}

/// What touches nothing that is anybody's: the answer is the same whatever others have.
async fn alone(w: &World, method: &str, path: &str, body: &Value, reads: &str) {
    let said = w.ask(method, path, &w.keys.acme, body).await;
    assert!((200..300).contains(&said.status), "{method} {path}: {said:?}");
    assert!(said.text.contains(reads), "{method} {path}: {said:?}");
}

/// What belongs to the installation as a whole is refused to a tenant, and does what it says for the operator.
async fn installation(
    w: &World,
    method: &str,
    (path, at): (&str, &str),
    access: Access,
    before: &[table::Call],
    body: &Value,
    seen: table::Effect,
) {
    for (method, path, body) in before {
        let said = w.ask(method, path, &w.keys.admin, &body()).await;
        assert!((200..300).contains(&said.status), "before {at}: {method} {path}: {said:?}");
    }
    let at = if at.is_empty() { path } else { at };
    let known = w.settings().await;
    let said = w.ask(method, at, &w.keys.acme, body).await;
    let slug = if access == Access::Admin { "forbidden-scope" } else { "forbidden" };
    assert!(said.is(403, slug), "{method} {at}: {said:?}");
    if slug == "forbidden" {
        assert!(said.text.contains("ask its operator"), "{method} {at}: {said:?}");
    }
    assert_eq!(w.settings().await, known, "{method} {at} changed something");
    let said: Answer = w.ask(method, at, &w.keys.admin, body).await;
    assert!((200..300).contains(&said.status), "{method} {at} by the operator: {said:?}");
    let after = w.settings().await;
    assert!(
        seen(&said, &known, &after),
        "{method} {at} by the operator did nothing: {said:?} {known} {after}"
    );
}

/// What is known of a recipient is what the tenant sent: nothing of what others sent.
async fn recipient(w: &World, path: &str) {
    let thing = world::Thing::Recipient;
    let absent = "nobody@example.com";
    let none = w.ask("GET", &world::filled(path, absent), &w.keys.acme, &Value::Null).await.without(absent);
    let own = w.make(thing, Whose::Acme).await;
    let said = w.ask("GET", &world::filled(path, &own), &w.keys.acme, &Value::Null).await;
    assert_eq!(said.json()["counts"], json!({ "queued": 1 }), "{said:?}");
    for whose in [Whose::Other, Whose::Installation] {
        let id = w.make(thing, whose).await;
        let said = w.ask("GET", &world::filled(path, &id), &w.keys.acme, &Value::Null).await.without(&id);
        assert_eq!(said, none, "{path}");
        let all = w.ask("GET", &world::filled(path, &id), &w.keys.admin, &Value::Null).await;
        assert_eq!(all.json()["counts"], json!({ "queued": 1 }), "{all:?}");
    }
}

/// A file is of the tenant whose key brought it.
async fn uploads(w: &World, path: &str) {
    let said = w.ask("POST", &format!("{path}?filename=new.txt"), &w.keys.acme, &Value::Null).await;
    assert_eq!(said.status, 201, "{said:?}");
    let own = format!("{path}/{}", said.json()["id"].as_str().unwrap());
    assert_eq!(w.ask("GET", &own, &w.keys.acme, &Value::Null).await.status, 200);
    assert_eq!(w.ask("GET", &own, &w.keys.other, &Value::Null).await.status, 404);
}

/// What is done to every task that fits is done to the tenant's own.
async fn bulk(w: &World, path: &str) {
    let thing = world::Thing::Queued;
    let own = w.make(thing, Whose::Acme).await;
    let others = [w.make(thing, Whose::Other).await, w.make(thing, Whose::Installation).await];
    let all = json!({ "action": "cancel", "filter": { "state": ["queued"] } });
    let said = w.ask("POST", path, &w.keys.acme, &all).await;
    assert!((200..300).contains(&said.status), "{said:?}");
    assert_eq!(w.known(thing, &own).await["state"], "cancelled");
    for id in &others {
        assert_eq!(w.known(thing, id).await["state"], "queued", "{path} reached another's");
    }
    let of = |name: &'static str| async move {
        let filter = json!({ "action": "cancel", "filter": { "tenant": name } });
        w.ask("POST", path, &w.keys.acme, &filter).await.without(name)
    };
    let other = of("other").await;
    assert_eq!(other, of("nobody").await, "{path} about another tenant");
    assert!(other.is(403, "forbidden"), "{other:?}");
}

/// Keys are the operator's.
async fn key(w: &World, method: &str, path: &str, revokes: bool) {
    let new = json!({ "name": "x", "scopes": ["send"], "tenant": "acme" });
    let (id, token) = w.s.key(&w.keys.admin, new).await;
    let at = world::filled(path, &id);
    assert!(w.ask(method, &at, &w.keys.acme, &Value::Null).await.is(403, "forbidden-scope"));
    let works = || async { w.ask("GET", "/v1/whoami", &token, &Value::Null).await.status };
    assert_eq!(works().await, 200);
    assert_eq!(w.ask(method, &at, &w.keys.admin, &Value::Null).await.status, 200);
    assert_eq!(works().await, if revokes { 401 } else { 200 });
}
