//! Every operation under `/v1` against its own description in the OpenAPI document.

use std::collections::BTreeSet;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::harness::{Keys, Server, json as body, locs, problem};

const ID: &str = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";

struct Operation {
    method: String,
    path: String,
    about: Value,
    document: std::rc::Rc<Value>,
}

fn operations() -> Vec<Operation> {
    let document = std::rc::Rc::new(serde_json::to_value(posthaste_api::openapi()).unwrap());
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, about) in methods.as_object().unwrap() {
            let (method, path) = (method.to_uppercase(), path.clone());
            all.push(Operation { method, path, about: about.clone(), document: document.clone() });
        }
    }
    assert!(all.len() > 80, "the document has its operations: {}", all.len());
    all
}

fn under_v1() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|o| o.path.starts_with("/v1/"))
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its address, of things that are not there.
    fn address(&self) -> String {
        [
            ("{task_id}", ID),
            ("{batch_id}", ID),
            ("{operation_id}", ID),
            ("{attachment_id}", ID),
            ("{key_id}", "AAAAAAAAAAAA"),
            ("{recipient}", "ann@example.com"),
            ("{queue}", "default"),
            ("{lane}", "shop"),
            ("{name}", "nothing"),
        ]
        .iter()
        .fold(self.path.clone(), |path, (name, value)| path.replace(name, value))
    }

    fn request(&self, s: &Server, token: &str, tail: &str) -> RequestBuilder {
        let request = s.request(&self.method, &format!("{}{tail}", self.address()));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    /// The answer, if its status is one that the description has.
    async fn documented(&self, request: RequestBuilder) -> Response {
        let reply = request.send().await.unwrap();
        let status = reply.status().as_str().to_owned();
        assert!(self.about["responses"].get(&status).is_some(), "{} does not say {status}", self.name());
        reply
    }

    fn needs_key(&self) -> bool {
        self.about["security"].as_array().is_none_or(|list| !list.is_empty())
    }

    fn scope(&self) -> Option<&str> {
        self.about["security"][0]["api_key"][0].as_str()
    }

    fn takes_json(&self) -> bool {
        self.about["requestBody"]["content"].get("application/json").is_some()
    }

    fn resolved<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        while let Some(place) = schema["$ref"].as_str() {
            schema = self.document.pointer(place.trim_start_matches('#')).unwrap();
        }
        schema
    }

    /// The example of what is sent or answered: its own, or that of its schema.
    fn example(&self, content: &Value) -> Option<Value> {
        let own =
            content.get("example").or_else(|| content["examples"].as_object()?.values().next()?.get("value"));
        own.cloned().or_else(|| self.schema_example(&content["schema"]))
    }

    fn schema_example(&self, schema: &Value) -> Option<Value> {
        let schema = self.resolved(schema);
        let listed = schema["examples"].as_array().and_then(|list| list.first());
        if let Some(own) = schema.get("example").or(listed) {
            return Some(own.clone());
        }
        // One of several, or all of them together.
        let of = |key: &str| {
            schema[key]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|s| self.schema_example(s))
                .collect::<Vec<_>>()
        };
        if let Some(one) = of("oneOf").into_iter().next() {
            return Some(one);
        }
        let mut all = of("allOf").into_iter();
        let first = all.next()?;
        Some(all.fold(first, |mut sum, more| {
            sum.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            sum
        }))
    }

    /// Names of fields of `example` that its schema does not know, and of those that it lacks.
    fn misfits(&self, schema: &Value, example: &Value, place: &str, out: &mut Vec<String>) {
        let schema = self.resolved(schema);
        for option in schema["oneOf"].as_array().into_iter().flatten() {
            let mut found = Vec::new();
            if option["type"] == "null" && !example.is_null() {
                continue;
            }
            self.misfits(option, example, place, &mut found);
            if found.is_empty() {
                return;
            }
        }
        if schema.get("oneOf").is_some() {
            out.push(format!("{place} is none of what it may be"));
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        let Some(fields) = example.as_object() else {
            out.push(format!("{place} is no object"));
            return;
        };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                out.push(format!("{place}.{name} is missing"));
            }
        }
        for (name, value) in fields {
            let at = format!("{place}.{name}");
            let Some(property) = properties.get(name) else {
                out.push(format!("{at} is not known"));
                continue;
            };
            self.misfits(property, value, &at, out);
            for item in value.as_array().into_iter().flatten() {
                self.misfits(&property["items"], item, &at, out);
            }
        }
    }
}

#[test]
fn every_operation_explains_itself_and_shows_an_example() {
    let mut wrong = Vec::new();
    for o in operations() {
        for text in ["summary", "description"] {
            if o.about[text].as_str().is_none_or(str::is_empty) {
                wrong.push(format!("{} has no {text}", o.name()));
            }
        }
        let asked = o.about["requestBody"]["content"].as_object().into_iter().flatten();
        let answers =
            o.about["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'));
        let answered = answers.flat_map(|(_, r)| r["content"].as_object().into_iter().flatten());
        for (kind, content) in asked.chain(answered) {
            match o.example(content) {
                None => wrong.push(format!("{} shows no example of {kind}", o.name())),
                Some(example) => o.misfits(&content["schema"], &example, &o.name(), &mut wrong),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_operation_says_how_it_refuses() {
    for o in under_v1() {
        let said: BTreeSet<&str> =
            o.about["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut wanted = vec!["401", "403", "414", "422", "429", "431", "500", "503"];
        if o.about.get("requestBody").is_some() {
            wanted.extend(["400", "408", "413"]);
        }
        if o.takes_json() {
            wanted.push("415");
        }
        for status in wanted {
            assert!(said.contains(status), "{} does not say {status}", o.name());
        }
        for (status, response) in o.about["responses"].as_object().unwrap() {
            if status.starts_with(['4', '5']) && !matches!(status.as_str(), "414" | "431") {
                let content = &response["content"]["application/problem+json"];
                assert_eq!(
                    content["schema"]["$ref"],
                    "#/components/schemas/Problem",
                    "{} {status}",
                    o.name()
                );
            }
        }
    }
}

fn token_with<'a>(keys: &'a Keys, scope: &str) -> (&'a str, &'a str) {
    match scope {
        "read" => (&keys.read, &keys.send),
        "send" => (&keys.send, &keys.read),
        _ => (&keys.admin, &keys.send),
    }
}

#[tokio::test]
async fn every_operation_asks_for_its_key_and_scope() {
    let s = Server::start().await;
    let keys = s.keys().await;
    for o in under_v1().filter(Operation::needs_key) {
        problem(o.documented(o.request(&s, "", "")).await, 401, "unauthorized").await;
        let Some(scope) = o.scope() else { continue };
        let (has, lacks) = token_with(&keys, scope);
        problem(o.documented(o.request(&s, lacks, "")).await, 403, "forbidden-scope").await;
        let allowed = o.documented(o.request(&s, has, "?nothing=1")).await;
        let refused = problem(allowed, 422, "invalid-request").await;
        assert!(locs(&refused).contains(&"query.nothing".to_owned()), "{}: {refused}", o.name());
    }
}

#[tokio::test]
async fn every_operation_with_a_body_refuses_what_it_cannot_read() {
    let s = Server::start().await;
    for o in under_v1().filter(Operation::takes_json) {
        let send = |kind: &str, text: String| {
            o.documented(o.request(&s, "", "").header("content-type", kind).body(text))
        };
        problem(send("application/json", "{".into()).await, 400, "malformed-body").await;
        problem(send("text/plain", "{}".into()).await, 415, "unsupported-media-type").await;
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024));
        problem(send("application/json", large).await, 413, "too-large").await;
        let refused =
            problem(send("application/json", "{\"nothing\":1}".into()).await, 422, "invalid-request").await;
        assert!(locs(&refused).contains(&"body.nothing".to_owned()), "{}: {refused}", o.name());
    }
}

/// A server on which the examples find what they name; its admin's token.
async fn prepared() -> (Server, String) {
    let s = Server::start().await;
    let admin = s.admin().await;
    let template = json!({ "text": "Hello {{ name }}" });
    assert_eq!(s.call("PUT", "/v1/templates/welcome", &admin, template).await.status(), 200);
    (s, admin)
}

#[tokio::test]
async fn every_example_of_a_body_is_one_that_is_taken() {
    for o in under_v1().filter(Operation::takes_json) {
        let (s, admin) = prepared().await;
        let example = o.example(&o.about["requestBody"]["content"]["application/json"]).unwrap();
        let reply = o.documented(o.request(&s, &admin, "").json(&example)).await;
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        // Of things that are not there it is not found, or not running any more.
        let expected = match o.path.as_str() {
            p if p.ends_with("/heartbeat") || p.ends_with("/complete") || p.ends_with("/fail") => vec![409],
            _ if o.about["responses"].get("404").is_some() && o.path.contains('{') => vec![404],
            _ => vec![200, 201, 202, 204],
        };
        assert!(expected.contains(&status), "{}: {status} {text}\n{example}", o.name());
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let s = Server::start().await;
    for o in under_v1().filter(|o| o.about["responses"].get("404").is_some() && o.path.contains('{')) {
        let example = o.about["requestBody"]["content"].get("application/json").and_then(|c| o.example(c));
        let request = o.request(&s, "", "");
        let request = match example {
            Some(example) => request.json(&example),
            None => request,
        };
        problem(o.documented(request).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn while_the_store_is_away_every_operation_that_needs_it_says_so() {
    let (s, admin) = prepared().await;
    s.faults.everything(posthaste_testkit::Fault::Fail);
    for o in under_v1() {
        // These ask the store nothing.
        if matches!(o.path.as_str(), "/v1/whoami" | "/v1/events" | "/v1/templates/preview") {
            continue;
        }
        let example = o.about["requestBody"]["content"].get("application/json").and_then(|c| o.example(c));
        let request = o.request(&s, &admin, if o.path == "/v1/attachments" { "?filename=a.txt" } else { "" });
        let request = match example {
            Some(example) => request.json(&example),
            None if o.about.get("requestBody").is_some() => request.body("x"),
            None => request,
        };
        let reply = o.documented(request).await;
        assert_eq!(
            reply.headers().get("retry-after").map(|v| v.to_str().unwrap()),
            Some("1"),
            "{}",
            o.name()
        );
        let refused = body(reply).await;
        assert_eq!(refused["type"], "urn:posthaste:error:store-unavailable", "{}: {refused}", o.name());
    }
}
