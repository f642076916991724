//! A held message as its recipient would see it.

use std::time::{Duration, UNIX_EPOCH};

use posthaste_core::{TaskId, Timestamp};
use posthaste_notify::HeldMessage;
use posthaste_notify::channels::email::message::{Draft, Parts, build};

use crate::view::{Fact, Message};
use crate::words;

/// What mail programs do to text that brings no style of its own: their own font, on white.
const READER_STYLE: &str = "<head><style>:root{color-scheme:light}body{margin:20px 24px;background:#fff;color:#1c2330;\
     font:15px/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;overflow-wrap:anywhere}</style>";

/// The message, seen at `now`.
pub(crate) fn message(id: TaskId, held: &HeldMessage, now: Timestamp) -> Message {
    let task_href = format!("/tasks/{id}");
    let header = |label, value: &str| Fact { label, value: value.to_owned(), long: false };
    Message {
        subject: subject(held).to_owned(),
        headers: [("From", held.from.as_str()), ("To", held.to.as_str())]
            .into_iter()
            .chain(held.reply_to.as_deref().map(|r| ("Reply-To", r)))
            .chain([("Subject", subject(held)), ("Message-ID", held.message_id.as_str())])
            .map(|(label, value)| header(label, value))
            .collect(),
        date: words::when(held.date, now),
        frame_href: format!("{task_href}/message/html"),
        size: frame_size(held),
        text: held.text.clone(),
        raw: raw_source(id, held),
        raw_href: format!("{task_href}/message/raw"),
        task_href,
    }
}

fn subject(held: &HeldMessage) -> &str {
    if held.subject.is_empty() { "(no subject)" } else { &held.subject }
}

/// The document for the frame.
pub(crate) fn frame_html(held: &HeldMessage) -> String {
    let html = held.html_part();
    if held.html.is_some() { html } else { html.replacen("<head>", READER_STYLE, 1) }
}

fn frame_size(held: &HeldMessage) -> &'static str {
    if held.html.is_some() {
        return "large";
    }
    // Lines as a reader of middle width would break them.
    let lines: usize = held.text.lines().map(|l| 1 + l.chars().count() / 80).sum();
    match lines {
        0..=6 => "small",
        7..=14 => "medium",
        _ => "large",
    }
}

/// The message as it would have gone over the wire, built again from what was held; the boundary
/// between its parts is drawn anew each time.
pub(crate) fn raw_source(id: TaskId, held: &HeldMessage) -> String {
    let built = (|| {
        let from = held.from.parse().ok()?;
        let to = held.to.parse().ok()?;
        let parts = Parts {
            subject: held.subject.clone(),
            text: held.text.clone(),
            html: held.html.clone(),
            reply_to: held.reply_to.as_ref().and_then(|r| r.parse().ok()),
            cc: held.cc.iter().filter_map(|m| m.parse().ok()).collect(),
            headers: held.headers.clone(),
            ..Parts::default()
        };
        let ms = u64::try_from(held.date.as_millis()).ok()?;
        let draft = Draft {
            task: id,
            from: &from,
            to: &to,
            parts: &parts,
            date: UNIX_EPOCH + Duration::from_millis(ms),
            eight_bit: true,
        };
        build(draft).ok()
    })();
    match built {
        Some(bytes) => String::from_utf8_lossy(&bytes).replace("\r\n", "\n"),
        // Held by a version that checked less: its fields are better than nothing.
        None => format!("From: {}\nTo: {}\nSubject: {}\n\n{}\n", held.from, held.to, held.subject, held.text),
    }
}
