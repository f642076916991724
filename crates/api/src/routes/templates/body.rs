//! A template in a request.

use posthaste_core::Timestamp;
use posthaste_notify::template::Template;
use serde_json::Value;
use utoipa::ToSchema;

use crate::input::fields::{Errors, Object, text};

/// A template to be stored: a subject, a text, HTML, or some of them.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTemplate, example = json!({
    "subject": "Welcome, {{ name }}", "text": "Hello {{ name }}!\n{% for item in items %}- {{ item }}\n{% endfor %}",
    "html": "<p>Hello {{ name }}!</p>", "sample": { "name": "Ann", "items": ["tea", "milk"] }
}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct TemplateBody {
    /// The subject or title; one line.
    #[schema(max_length = 65_536)]
    subject: Option<String>,
    /// The text.
    #[schema(max_length = 65_536)]
    text: Option<String>,
    /// The HTML of an e-mail; data is escaped in it.
    #[schema(max_length = 65_536)]
    html: Option<String>,
    /// What it is for, for people.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Data for a preview, an object.
    #[schema(value_type = Option<Object>)]
    sample: Option<Value>,
}

/// Reads the fields; the version and the time are the store's.
pub(crate) fn read(o: &mut Object<'_>, errors: &mut Errors) -> Template {
    let string = |v: &Value| text(v).map(str::to_owned);
    Template {
        version: 1,
        subject: o.optional(errors, "subject", string),
        text: o.optional(errors, "text", string),
        html: o.optional(errors, "html", string),
        description: o.optional(errors, "description", string),
        sample: o.value("sample").cloned(),
        created_at: Timestamp::from_millis(0),
    }
}
