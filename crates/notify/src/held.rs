//! A message that the sandbox held: what its recipient would have seen.

use std::collections::BTreeMap;

use posthaste_core::{Json, Timestamp};
use serde::{Deserialize, Serialize};

/// The body of a [`SandboxMessage`](posthaste_core::RecordKind::SandboxMessage), kept beside the
/// task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMessage {
    /// The channel.
    pub channel: String,
    /// The sender, as `Name <address>`; of another channel than e-mail, its provider.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The subject; empty when there is none.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part when the sender gave one; otherwise it is made from the text
    /// ([`HeldMessage::html_part`]), and keeping it would only double the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What a webhook would have said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
    /// The event of a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Who would have got copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<String>,
    /// Who would have got copies that nobody else sees; not of the message, so that it is shown to operators alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bcc: Vec<String>,
    /// The names of the files that would have gone with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// Where answers would have gone, if not to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Headers of the caller's own, and those of one-click unsubscribe.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// When it would have been sent.
    pub date: Timestamp,
    /// Its `Message-ID`, with angle brackets; of another channel than e-mail, the task's id.
    pub message_id: String,
    /// Why it was held, as the end of a sentence.
    pub reason: String,
}

impl HeldMessage {
    /// The HTML part: what the sender gave, or the text as simple HTML.
    pub fn html_part(&self) -> String {
        self.html.clone().unwrap_or_else(|| text_to_html(&self.text))
    }
}

/// Text as a simple HTML document: escaped, paragraphs at blank lines, line breaks kept.
pub fn text_to_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 200);
    out.push_str("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n<p>");
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.trim_end().split('\n').peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            // Several blank lines are one gap.
            while lines.next_if(|l| l.trim().is_empty()).is_some() {}
            out.push_str("</p>\n<p>");
            continue;
        }
        escape_into(&mut out, line);
        if lines.peek().is_some_and(|next| !next.trim().is_empty()) {
            out.push_str("<br>\n");
        }
    }
    out.push_str("</p>\n</body></html>\n");
    out
}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_escaped_paragraphs() {
        let html = text_to_html("Hi <b>\r\nthere & \"you\"\n\n\nBye\n");
        assert!(html.contains("<p>Hi &lt;b&gt;<br>\nthere &amp; &quot;you&quot;</p>\n<p>Bye</p>"), "{html}");
    }
}
