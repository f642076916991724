//! The operations of the OpenAPI document, and what their descriptions owe a reader.

use std::collections::BTreeSet;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

const ID: &str = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";

pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) about: Value,
    document: std::rc::Rc<Value>,
}

pub(crate) fn operations() -> Vec<Operation> {
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

pub(crate) fn under_v1() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|o| o.path.starts_with("/v1/"))
}

impl Operation {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its address, of things that are not there.
    pub(crate) fn address(&self) -> String {
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

    /// The answer, if its status is one that the description has.
    pub(crate) async fn documented(&self, request: RequestBuilder) -> Response {
        let reply = request.send().await.unwrap();
        let status = reply.status().as_str().to_owned();
        assert!(self.about["responses"].get(&status).is_some(), "{} does not say {status}", self.name());
        reply
    }

    pub(crate) fn needs_key(&self) -> bool {
        self.about["security"].as_array().is_none_or(|list| !list.is_empty())
    }

    pub(crate) fn scope(&self) -> Option<&str> {
        self.about["security"][0]["api_key"][0].as_str()
    }

    pub(crate) fn takes_json(&self) -> bool {
        self.about["requestBody"]["content"].get("application/json").is_some()
    }

    fn resolved<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        while let Some(place) = schema["$ref"].as_str() {
            schema = self.document.pointer(place.trim_start_matches('#')).unwrap();
        }
        schema
    }

    /// The example of what is sent or answered: its own, or that of its schema.
    pub(crate) fn example(&self, content: &Value) -> Option<Value> {
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
