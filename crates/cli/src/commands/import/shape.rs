//! What a row must look like: fields of a request, by the API's names.

use posthaste_core::Kind;
use posthaste_notify::Notification;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// Fields of a notification that say what is sent.
const MESSAGE: &[&str] = &[
    "channel",
    "to",
    "subject",
    "message",
    "html",
    "data",
    "event",
    "provider",
    "reply_to",
    "cc",
    "headers",
    "attachments",
    "unsubscribe",
    "options",
];
/// Fields of a notification that say how.
const DELIVERY: &[&str] = &[
    "template",
    "send_at",
    "delay_ms",
    "expires_at",
    "priority",
    "queue",
    "tenant",
    "unique",
    "retry",
    "id",
];
/// Fields of a task.
const TASK: &[&str] = &[
    "kind",
    "payload",
    "queue",
    "lane",
    "tenant",
    "priority",
    "due_at",
    "delay_ms",
    "expires_at",
    "unique",
    "retry",
    "id",
    "recipient",
];
/// Fields that are no text, and cells that are read as JSON therefore.
const JSON: &[&str] =
    &["payload", "delay_ms", "data", "options", "headers", "attachments", "cc", "unique", "retry"];
/// Inner fields that are numbers.
const NUMBERS: &[&str] = &["version", "hold_ms", "max_failures", "max_age_ms", "timeout_ms"];

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    /// Requests of POST /v1/notifications
    Notifications,
    /// Requests of POST /v1/tasks
    Tasks,
}

impl What {
    /// Its name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Notifications => "notifications",
            Self::Tasks => "tasks",
        }
    }
}

/// Where a cell goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The field, and inner ones.
    pub(super) path: Vec<String>,
    json: bool,
}

impl Field {
    /// The value of a cell.
    ///
    /// # Errors
    /// A cell that must be JSON and is not.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        if !self.json {
            return Ok(Value::String(text.to_owned()));
        }
        serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))
    }
}

/// What every row is made into.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    what: What,
    /// Fields for rows that have them not.
    set: Vec<(String, Value)>,
}

impl Shape {
    pub(super) fn new(what: What, set: Vec<(String, Value)>) -> Self {
        Self { what, set }
    }

    fn known(&self, name: &str) -> bool {
        match self.what {
            What::Notifications => MESSAGE.contains(&name) || DELIVERY.contains(&name),
            What::Tasks => TASK.contains(&name),
        }
    }

    /// The field that a column goes to by its own name: one of a request, or else part of the data.
    pub(super) fn column(&self, name: &str) -> Field {
        let first = name.split('.').next().unwrap_or_default();
        match (self.what, name) {
            // The name that the old route has for it.
            (What::Notifications, "email") => self.field("to"),
            _ if self.known(first) => self.field(name),
            (What::Notifications, _) => self.text(vec!["data".to_owned(), name.to_owned()]),
            (What::Tasks, _) => self.text(vec!["payload".to_owned(), name.to_owned()]),
        }
    }

    fn text(&self, path: Vec<String>) -> Field {
        Field { path, json: false }
    }

    /// The field of a name with dots, or `name:json` for a cell that is JSON.
    pub(super) fn field(&self, name: &str) -> Field {
        let (name, json) = name.strip_suffix(":json").map_or((name, false), |name| (name, true));
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let json = json
            || (path.len() == 1 && JSON.contains(&name))
            || (path.len() > 1
                && !matches!(path[0].as_str(), "data" | "payload" | "headers")
                && NUMBERS.contains(&path[path.len() - 1].as_str()));
        Field { path, json }
    }

    /// The request, or what is wrong with it.
    pub(super) fn make(&self, mut object: Map<String, Value>) -> Result<Box<RawValue>, (Value, Vec<String>)> {
        for (name, value) in &self.set {
            let path: Vec<String> = name.split('.').map(str::to_owned).collect();
            put(&mut object, &path, value.clone());
        }
        let mut reasons: Vec<String> = object
            .keys()
            .filter(|name| !self.known(name))
            .map(|name| format!("{name}: no field of a request; what a template needs goes into data"))
            .collect();
        match self.what {
            What::Notifications => check_notification(&object, &mut reasons),
            What::Tasks => check_task(&object, &mut reasons),
        }
        check_times(&object, &mut reasons);
        if !reasons.is_empty() {
            return Err((Value::Object(object), reasons));
        }
        to_raw_value(&object).map_err(|e| (Value::Null, vec![e.to_string()]))
    }
}

/// Sets an inner field unless it is there; whether it fits what is.
pub(super) fn put(object: &mut Map<String, Value>, path: &[String], value: Value) -> bool {
    match path {
        [] => false,
        [name] => {
            object.entry(name.clone()).or_insert(value);
            true
        }
        [name, rest @ ..] => {
            let inner = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            inner.as_object_mut().is_some_and(|inner| put(inner, rest, value))
        }
    }
}

/// `--set field=value`: JSON where it can be, else text.
pub(super) fn set_arg(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a field, = and a value")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.trim().to_owned(), value))
}

/// What we know without the server: the message by itself, as the server checks it.
fn check_notification(object: &Map<String, Value>, reasons: &mut Vec<String>) {
    let to = object.get("to").and_then(Value::as_str);
    // Of Web Push, a subscription is an object.
    if object.get("to").is_some_and(|t| !t.is_string() && !t.is_object()) {
        reasons.push("to: one recipient, as text".to_owned());
        return;
    }
    if object.get("channel").is_none() && to.is_none_or(|to| !to.contains('@')) {
        let what =
            if to.is_none() { "to: missing" } else { "to: no e-mail address, and there is no channel" };
        reasons.push(what.to_owned());
        return;
    }
    let mut message: Map<String, Value> = object
        .iter()
        .filter(|(name, _)| MESSAGE.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    message.entry("channel").or_insert_with(|| Value::String("email".to_owned()));
    if let Some(to) = message.get_mut("to").filter(|to| to.is_object()) {
        *to = Value::String(to.to_string());
    }
    if object.contains_key("template") {
        // Its data is not what the message says; the template makes that.
        message.remove("data");
    }
    match serde_json::from_value::<Notification>(Value::Object(message)) {
        Ok(notification) => {
            if let Err(problems) = notification.check() {
                reasons.extend(problems.into_iter().map(|p| format!("{}: {}", p.field, p.problem)));
            }
        }
        Err(e) => reasons.push(e.to_string()),
    }
}

fn check_task(object: &Map<String, Value>, reasons: &mut Vec<String>) {
    match object.get("kind") {
        Some(Value::String(kind)) => {
            if let Err(e) = kind.parse::<Kind>() {
                reasons.push(format!("kind: {e}"));
            }
        }
        Some(_) => reasons.push("kind: a name, as text".to_owned()),
        None => reasons.push("kind: missing".to_owned()),
    }
    if !object.contains_key("payload") {
        reasons.push("payload: missing".to_owned());
    }
}

fn check_times(object: &Map<String, Value>, reasons: &mut Vec<String>) {
    for name in ["send_at", "due_at", "expires_at"] {
        let Some(value) = object.get(name) else { continue };
        let time = value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok());
        if !time {
            reasons.push(format!("{name}: a time with its zone, for example 2026-01-31T09:30:00Z"));
        }
    }
    if object.get("delay_ms").is_some_and(|v| !v.is_u64()) {
        reasons.push("delay_ms: a whole number".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(what: What, set: &[&str], row: Value) -> Result<Value, Vec<String>> {
        let set = set.iter().map(|s| set_arg(s).expect("valid")).collect();
        let Value::Object(row) = row else { panic!("rows are objects") };
        let made = Shape::new(what, set).make(row);
        made.map(|raw| serde_json::from_str(raw.get()).expect("JSON")).map_err(|(_, reasons)| reasons)
    }

    #[test]
    fn what_a_row_lacks_is_set_and_what_it_has_stays() {
        let row = json!({"to": "a@example.com", "template": {"name": "own"}});
        let got =
            made(What::Notifications, &["template.name=all", "template.version=2", "priority=low"], row);
        let want =
            json!({"to": "a@example.com", "template": {"name": "own", "version": 2}, "priority": "low"});
        assert_eq!(got, Ok(want));
    }

    #[test]
    fn every_reason_is_told() {
        let of = |row| made(What::Notifications, &[], row).expect_err("refused").join(" | ");
        assert!(of(json!({})).contains("to: missing"));
        assert!(of(json!({"to": "a@"})).len() > 3);
        assert!(of(json!({"to": "12345"})).contains("no channel"));
        let two = of(json!({"to": "a@example.com", "first_name": "Ada", "send_at": "tomorrow"}));
        assert!(two.contains("first_name: no field") && two.contains("send_at: a time"), "{two}");
        let subject = of(json!({"to": "a@example.com", "subject": "a\nb"}));
        assert!(subject.contains("subject:"), "{subject}");
        let of = |row| made(What::Tasks, &[], row).expect_err("refused").join(" | ");
        assert_eq!(of(json!({"payload": 1})), "kind: missing");
        assert_eq!(of(json!({"kind": "x", "payload": 1, "delay_ms": "1"})), "delay_ms: a whole number");
    }

    #[test]
    fn columns_find_their_fields() {
        let n = Shape::new(What::Notifications, vec![]);
        let path = |f: Field| f.path.join("/");
        assert_eq!(path(n.column("email")), "to");
        assert_eq!(path(n.column("template.name")), "template/name");
        assert_eq!(path(n.column("First name")), "data/First name");
        assert_eq!(n.column("template.version").read("2"), Ok(json!(2)));
        assert_eq!(n.column("data.version").read("2"), Ok(json!("2")));
        assert_eq!(n.field("data.list:json").read("[1]"), Ok(json!([1])));
        let t = Shape::new(What::Tasks, vec![]);
        assert_eq!(
            (path(t.column("month")), path(t.column("queue"))),
            ("payload/month".into(), "queue".into())
        );
        assert!(t.column("payload").read("{").is_err());
    }
}
