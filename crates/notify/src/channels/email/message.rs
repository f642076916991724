//! Builds the MIME message of an e-mail: text and HTML, a stable `Message-ID`, nothing that a
//! caller could break a header with.

use std::collections::BTreeMap;
use std::time::SystemTime;

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox as MimeMailbox, Message, MultiPart, SinglePart};
use posthaste_core::TaskId;

use crate::address::is_control;
use crate::held::text_to_html;
use crate::{EmailAddress, Mailbox, Notification};

/// The subject of a message that has none.
pub const DEFAULT_SUBJECT: &str = "Notification";
/// The text of a message that has neither text nor HTML.
pub const DEFAULT_TEXT: &str = "You have a new notification.";

/// Why a message could not be built; it is of class `permanent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A header would hold a line break, NUL or another control character.
    #[error("The {0} holds a line break or control character.")]
    Control(&'static str),
    /// The MIME library refused it.
    #[error("The message could not be built: {0}.")]
    Mime(String),
}

/// The parts of a message, defaults filled in: what the recipient sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The HTML, if the sender gave one.
    pub html: Option<String>,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Mailbox>,
    /// Who gets copies.
    pub cc: Vec<Mailbox>,
    /// Headers of the caller's own.
    pub headers: BTreeMap<String, String>,
    /// Files that go with it.
    pub files: Vec<File>,
    /// Where its recipient unsubscribes with one click.
    pub unsubscribe: Option<String>,
}

/// A file that goes with a message.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its content type.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("name", &self.name)
            .field("size", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// The parts of `n`.
    pub fn of(n: &Notification) -> Self {
        let filled = |s: &Option<String>| s.as_deref().filter(|s| !s.trim().is_empty()).map(str::to_owned);
        let html = filled(&n.html);
        let text = filled(&n.message)
            .or_else(|| html.as_deref().map(html_to_text).filter(|t| !t.is_empty()))
            .unwrap_or_else(|| DEFAULT_TEXT.to_owned());
        Self {
            subject: filled(&n.subject).unwrap_or_else(|| DEFAULT_SUBJECT.to_owned()),
            text,
            html,
            reply_to: n.reply_to.clone(),
            cc: n.cc.clone(),
            headers: n.headers.clone(),
            files: Vec::new(),
            unsubscribe: None,
        }
    }
}

/// The headers by which a recipient unsubscribes at `link` (RFC 8058 §3.1): both, so that a mail program posts without asking
/// further.
pub(crate) fn unsubscribe_headers(link: &str) -> [(&'static str, String); 2] {
    [
        ("List-Unsubscribe", format!("<{link}>")),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
    ]
}

/// The `Message-ID` of a task's message, the same at every attempt, so that receivers can drop a
/// second copy.
pub fn message_id(task: TaskId, from: &Mailbox) -> String {
    let wire = from.address.to_wire();
    let domain = wire.rsplit('@').next().unwrap_or("localhost");
    format!("<{task}@{domain}>")
}

/// What the message is built from.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The task.
    pub task: TaskId,
    /// The sender.
    pub from: &'a Mailbox,
    /// The recipient.
    pub to: &'a EmailAddress,
    /// The parts.
    pub parts: &'a Parts,
    /// The `Date`.
    pub date: SystemTime,
}

/// The message as it goes over the wire, before dots are stuffed; lines end in CRLF.
///
/// # Errors
/// [`BuildError`].
pub fn build(draft: Draft<'_>) -> Result<Vec<u8>, BuildError> {
    let Draft { task, from, to, parts, date } = draft;
    // Addresses cannot hold control characters by type. The check is repeated for the rest, because
    // this is the last place before the wire.
    refuse_control("subject", &parts.subject)?;
    refuse_control("sender's name", from.name.as_deref().unwrap_or(""))?;
    refuse_control(
        "name to reply to",
        parts.reply_to.as_ref().and_then(|r| r.name.as_deref()).unwrap_or(""),
    )?;
    for copy in &parts.cc {
        refuse_control("name of a copy's recipient", copy.name.as_deref().unwrap_or(""))?;
    }
    for value in parts.headers.values().chain(&parts.unsubscribe) {
        refuse_control("header", value)?;
    }
    for file in &parts.files {
        refuse_control("name of an attachment", &file.name)?;
    }
    let html = parts.html.clone().unwrap_or_else(|| text_to_html(&parts.text));
    // RFC 3834: no automatic replies, please.
    let auto =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let mut builder = Message::builder();
    if let Some(reply_to) = &parts.reply_to {
        builder = builder.reply_to(MimeMailbox::new(reply_to.name.clone(), mime_address(&reply_to.address)));
    }
    for (name, value) in &parts.headers {
        let name = HeaderName::new_from_ascii(name.clone()).map_err(|e| BuildError::Mime(e.to_string()))?;
        builder = builder.raw_header(HeaderValue::new(name, value.clone()));
    }
    for copy in &parts.cc {
        builder = builder.cc(MimeMailbox::new(copy.name.clone(), mime_address(&copy.address)));
    }
    if let Some(link) = &parts.unsubscribe {
        for (name, value) in unsubscribe_headers(link) {
            builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
        }
    }
    let texts = MultiPart::alternative()
        .singlepart(SinglePart::plain(crlf(&parts.text)))
        .singlepart(SinglePart::html(crlf(&html)));
    let message = builder
        .from(MimeMailbox::new(from.name.clone(), mime_address(&from.address)))
        .to(MimeMailbox::new(None, mime_address(to)))
        .subject(parts.subject.clone())
        .message_id(Some(message_id(task, from)))
        .date(date)
        .raw_header(auto)
        .multipart(with_files(texts, &parts.files)?)
        .map_err(|e| BuildError::Mime(e.to_string()))?;
    Ok(message.formatted())
}

/// The texts alone, or with files behind them.
fn with_files(texts: MultiPart, files: &[File]) -> Result<MultiPart, BuildError> {
    if files.is_empty() {
        return Ok(texts);
    }
    let mut mixed = MultiPart::mixed().multipart(texts);
    for file in files {
        let content_type = ContentType::parse(&file.content_type)
            .map_err(|e| BuildError::Mime(format!("a content type: {e}")))?;
        mixed = mixed.singlepart(Attachment::new(file.name.clone()).body(file.bytes.clone(), content_type));
    }
    Ok(mixed)
}

fn refuse_control(what: &'static str, text: &str) -> Result<(), BuildError> {
    if text.chars().any(is_control) { Err(BuildError::Control(what)) } else { Ok(()) }
}

fn mime_address(address: &EmailAddress) -> Address {
    let wire = address.to_wire();
    let (local, domain) = wire.rsplit_once('@').expect("an address has an @");
    // Our own parser is the stricter one.
    Address::new_dangerous(local, domain)
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

/// The text of an HTML part for readers that show no HTML: tags dropped, blocks on lines of their
/// own. Plain, not pretty: who wants it pretty sends a text too.
pub fn html_to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some((before, tag_on)) = rest.split_once('<') {
        push_text(&mut out, before);
        if let Some(comment) = tag_on.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, r)| r);
            continue;
        }
        let Some((tag, after)) = tag_on.split_once('>') else {
            rest = "";
            break;
        };
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        rest = after;
        match name.as_str() {
            "script" | "style" | "head" | "title" if !tag.starts_with('/') => {
                rest = after_closing(after, &name);
            }
            "br" | "p" | "div" | "li" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "ul"
            | "ol" => break_line(&mut out),
            _ => {}
        }
    }
    push_text(&mut out, rest);
    out.trim().to_owned()
}

fn break_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
}

fn after_closing<'a>(text: &'a str, name: &str) -> &'a str {
    let closing = format!("</{name}");
    // Lower-casing ASCII keeps every byte in its place.
    let Some(at) = text.to_ascii_lowercase().find(&closing) else { return "" };
    text[at..].split_once('>').map_or("", |(_, r)| r)
}

fn push_text(out: &mut String, text: &str) {
    let decoded = text
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    for c in decoded.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_loses_its_tags() {
        let html = "<html><head><title>T</title><style>p{}</style></head><body><h1>Hi &amp; bye</h1>\
                    <p>One\n two<br>three</p><!-- no --><SCRIPT>x()</SCRIPT><ul><li>a<li>b</ul></body>";
        assert_eq!(html_to_text(html), "Hi & bye\nOne two\nthree\na\nb");
        assert_eq!(html_to_text("a < b"), "a");
        assert_eq!(html_to_text("&amp;lt;"), "&lt;");
    }

    #[test]
    fn empty_parts_are_filled() {
        let to: EmailAddress = "dev@example.com".parse().unwrap();
        let n = Notification { subject: Some("  ".into()), ..Notification::to(to.clone()) };
        assert_eq!(
            Parts::of(&n),
            Parts { subject: DEFAULT_SUBJECT.into(), text: DEFAULT_TEXT.into(), ..Parts::default() }
        );
        let n = Notification { html: Some("<p>Hi</p>".into()), ..Notification::to(to) };
        assert_eq!(Parts::of(&n).text, "Hi");
    }

    #[test]
    fn control_characters_never_reach_a_header() {
        let to: EmailAddress = "dev@example.com".parse().unwrap();
        let from: Mailbox = "post@example.com".parse().unwrap();
        let evil_name = Mailbox { name: Some("A\r\nBcc: x@example.com".into()), ..from.clone() };
        let good = Parts { subject: "Hi".into(), text: "x".into(), ..Parts::default() };
        let evil = Parts { subject: "Hi\nBcc: x@example.com".into(), ..good.clone() };
        let task = "0198f7a0-0000-7000-8000-000000000001".parse().unwrap();
        let date = SystemTime::UNIX_EPOCH;
        let draft = Draft { task, from: &from, to: &to, parts: &good, date };
        assert!(build(draft).is_ok());
        assert_eq!(build(Draft { parts: &evil, ..draft }), Err(BuildError::Control("subject")));
        let evil = Parts { headers: [("X-A".into(), "1\nBcc: x@example.com".into())].into(), ..good.clone() };
        assert_eq!(build(Draft { parts: &evil, ..draft }), Err(BuildError::Control("header")));
        let evil = Parts { reply_to: Some(evil_name.clone()), ..good.clone() };
        assert_eq!(build(Draft { parts: &evil, ..draft }), Err(BuildError::Control("name to reply to")));
        assert_eq!(build(Draft { from: &evil_name, ..draft }), Err(BuildError::Control("sender's name")));
    }
}
