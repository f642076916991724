//! What a notification's success says.

use posthaste_core::Json;
use serde::{Deserialize, Serialize};

/// The result of a task of kind `notify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyResult {
    /// A sentence for people.
    pub message: String,
    /// Whether the message was held instead of sent.
    pub sandbox: bool,
    /// Which provider took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The server's answer code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The text of the server's answer; often its queue id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
}

/// The sentence in a task's result, if it has one: `message` of an object, or a string.
pub fn result_sentence(result: &Json) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Object { message: String },
        Text(String),
    }
    match result.parse().ok()? {
        Shape::Object { message } | Shape::Text(message) => Some(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_is_found_where_there_is_one() {
        let sentence = |text: &str| result_sentence(&Json::from_text(text.into()).unwrap());
        assert_eq!(sentence(r#"{"message":"Sent.","sandbox":false}"#).as_deref(), Some("Sent."));
        assert_eq!(sentence(r#""done""#).as_deref(), Some("done"));
        assert_eq!(sentence("[1]"), None);
        assert_eq!(sentence("null"), None);
    }
}
