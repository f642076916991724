//! Builds the MIME message of an e-mail: text and HTML, a stable `Message-ID`, nothing that a
//! caller could break a header with.

use std::collections::BTreeMap;
use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType, Date, HeaderName, HeaderValue, Headers};
use lettre::message::{Attachment, Body, MultiPart, MultiPartKind, SinglePart};
use posthaste_core::TaskId;

use super::headers;
pub use super::html_text::html_to_text;
use crate::address::is_control;
use crate::attachment::is_composite;
use crate::held::text_to_html;
use crate::{Mailbox, Notification};

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
    /// A CR or LF alone: some servers take it for the end of a line, and what follows for another message.
    #[error("The message would hold a line end that is not CRLF.")]
    BareLineEnd,
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

/// The content type of what nobody should look into.
const OPAQUE: &str = "application/octet-stream";
/// Longest line of a message without its CRLF (RFC 5322 §2.1.1).
const MAX_LINE: usize = 998;

/// How a file goes into a message.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// In base64.
    Bytes,
    /// In base64, as `application/octet-stream`.
    Opaque,
    /// As it is: lines that end in CRLF.
    Lines {
        /// The lines.
        lines: Vec<u8>,
        /// Whether all of them are ASCII.
        ascii: bool,
    },
}

impl File {
    /// A message within a message is never in base64 (RFC 2046 §5.2.1; of all composite types: RFC 2045 §6.4): it goes as it
    /// is where its lines may, else as a file that no program takes apart.
    fn form(&self, eight_bit: bool) -> Form {
        if !is_composite(&self.content_type) {
            return Form::Bytes;
        }
        let essence = self.content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        // Other ones name what is elsewhere, or hold a part of something.
        if !matches!(essence.as_str(), "message/rfc822" | "message/delivery-status" | "message/global") {
            return Form::Opaque;
        }
        let ascii = self.bytes.is_ascii();
        let Some(text) = std::str::from_utf8(&self.bytes).ok().filter(|_| ascii || eight_bit) else {
            return Form::Opaque;
        };
        let lines = crlf(text);
        if lines.contains('\0') || lines.split("\r\n").any(|l| l.len() > MAX_LINE) {
            return Form::Opaque;
        }
        Form::Lines { lines: lines.into_bytes(), ascii }
    }

    /// Whether how it goes depends on the server.
    pub(super) fn wants_eight_bit(&self) -> bool {
        self.form(true) != self.form(false)
    }
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
    pub to: &'a Mailbox,
    /// The parts.
    pub parts: &'a Parts,
    /// The `Date`.
    pub date: SystemTime,
    /// Whether the server takes lines that are not ASCII (`8BITMIME`).
    pub eight_bit: bool,
}

/// The message as it goes over the wire, before dots are stuffed; lines end in CRLF, and nowhere is a CR or LF alone
/// (RFC 5321 §2.3.8).
///
/// # Errors
/// [`BuildError`].
pub fn build(draft: Draft<'_>) -> Result<Vec<u8>, BuildError> {
    let Draft { parts, .. } = draft;
    refuse_controls(&draft)?;
    let html = parts.html.clone().unwrap_or_else(|| text_to_html(&parts.text));
    let texts = MultiPart::alternative()
        .singlepart(SinglePart::plain(crlf(&parts.text)))
        .singlepart(SinglePart::html(crlf(&html)));
    let body = with_files(texts, &parts.files, draft.eight_bit)?;
    let mut message = heads(&draft)?.to_string().into_bytes();
    message.extend(body.formatted());
    if has_bare_line_end(&message) { Err(BuildError::BareLineEnd) } else { Ok(message) }
}

/// Every header but those of the body.
fn heads(draft: &Draft<'_>) -> Result<Headers, BuildError> {
    let Draft { task, from, to, parts, date, .. } = *draft;
    let mut heads = Headers::new();
    for (name, value) in &parts.headers {
        let name = HeaderName::new_from_ascii(name.clone()).map_err(|e| BuildError::Mime(e.to_string()))?;
        let encoded = headers::own(name.as_ref(), value);
        heads.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), encoded));
    }
    let mut put = |name: &'static str, value: String| {
        let name = HeaderName::new_from_ascii_str(name);
        heads.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    };
    if let Some(link) = &parts.unsubscribe {
        for (name, value) in unsubscribe_headers(link) {
            put(name, value);
        }
    }
    put("From", headers::mailboxes("From", [from]));
    put("To", headers::mailboxes("To", [to]));
    if !parts.cc.is_empty() {
        put("Cc", headers::mailboxes("Cc", &parts.cc));
    }
    if let Some(reply_to) = &parts.reply_to {
        put("Reply-To", headers::mailboxes("Reply-To", [reply_to]));
    }
    put("Subject", headers::text("Subject", &parts.subject));
    put("Message-ID", message_id(task, from));
    // RFC 3834: no automatic replies, please.
    put("Auto-Submitted", "auto-generated".into());
    put("MIME-Version", "1.0".into());
    heads.set(Date::new(date));
    Ok(heads)
}

/// The texts alone, or with files behind them.
fn with_files(texts: MultiPart, files: &[File], eight_bit: bool) -> Result<MultiPart, BuildError> {
    if files.is_empty() {
        return Ok(texts);
    }
    let sent: Vec<(&File, Form)> = files.iter().map(|file| (file, file.form(eight_bit))).collect();
    let mut mixed = MultiPart::builder().kind(MultiPartKind::Mixed);
    if sent.iter().any(|(_, form)| matches!(form, Form::Lines { ascii: false, .. })) {
        // What holds an 8bit part says so itself (RFC 2045 §6.4).
        mixed = mixed.header(ContentTransferEncoding::EightBit);
    }
    let mut mixed = mixed.multipart(texts);
    for (file, form) in sent {
        let (body, content_type) = match form {
            Form::Lines { lines, ascii: true } => {
                (Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit), &*file.content_type)
            }
            Form::Lines { lines, ascii: false } => {
                (Body::dangerous_pre_encoded(lines, ContentTransferEncoding::EightBit), &*file.content_type)
            }
            Form::Bytes => (base64_body(file)?, &*file.content_type),
            Form::Opaque => (base64_body(file)?, OPAQUE),
        };
        let content_type =
            ContentType::parse(content_type).map_err(|e| BuildError::Mime(format!("a content type: {e}")))?;
        mixed = mixed.singlepart(match headers::disposition(&file.name) {
            Some(own) => SinglePart::builder().header(own).header(content_type).body(body),
            None => Attachment::new(file.name.clone()).body(body, content_type),
        });
    }
    Ok(mixed)
}

/// Base64 whatever the bytes are: as it is a file would bring its own line ends, and with them the end of the message.
fn base64_body(file: &File) -> Result<Body, BuildError> {
    Body::new_with_encoding(file.bytes.clone(), ContentTransferEncoding::Base64)
        .map_err(|_| BuildError::Mime("a file has no base64".into()))
}

/// Whether a CR or an LF stands alone.
fn has_bare_line_end(message: &[u8]) -> bool {
    let mut before = 0;
    for (i, &byte) in message.iter().enumerate() {
        let bare = match byte {
            b'\n' => before != b'\r',
            b'\r' => message.get(i + 1) != Some(&b'\n'),
            _ => false,
        };
        if bare {
            return true;
        }
        before = byte;
    }
    false
}

/// Addresses cannot hold control characters by type. The check is repeated for the rest, because this is the last place
/// before the wire.
fn refuse_controls(draft: &Draft<'_>) -> Result<(), BuildError> {
    let Draft { from, to, parts, .. } = draft;
    let name = |m: &Mailbox| m.name.clone().unwrap_or_default();
    refuse_control("subject", &parts.subject)?;
    refuse_control("sender's name", &name(from))?;
    refuse_control("recipient's name", &name(to))?;
    refuse_control("name to reply to", &parts.reply_to.as_ref().map(name).unwrap_or_default())?;
    for copy in &parts.cc {
        refuse_control("name of a copy's recipient", &name(copy))?;
    }
    for value in parts.headers.values().chain(&parts.unsubscribe) {
        refuse_control("header", value)?;
    }
    for file in &parts.files {
        refuse_control("name of an attachment", &file.name)?;
    }
    Ok(())
}

fn refuse_control(what: &'static str, text: &str) -> Result<(), BuildError> {
    if text.chars().any(is_control) { Err(BuildError::Control(what)) } else { Ok(()) }
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_are_filled() {
        let to: crate::EmailAddress = "dev@example.com".parse().unwrap();
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
        let from: Mailbox = "post@example.com".parse().unwrap();
        let evil_name = Mailbox { name: Some("A\r\nBcc: x@example.com".into()), ..from.clone() };
        let good = Parts { subject: "Hi".into(), text: "x".into(), ..Parts::default() };
        let evil = Parts { subject: "Hi\nBcc: x@example.com".into(), ..good.clone() };
        let task = "0198f7a0-0000-7000-8000-000000000001".parse().unwrap();
        let draft = Draft {
            task,
            from: &from,
            to: &from,
            parts: &good,
            date: SystemTime::UNIX_EPOCH,
            eight_bit: false,
        };
        assert!(build(draft).is_ok());
        assert_eq!(build(Draft { parts: &evil, ..draft }), Err(BuildError::Control("subject")));
        let evil = Parts { headers: [("X-A".into(), "1\nBcc: x@example.com".into())].into(), ..good.clone() };
        assert_eq!(build(Draft { parts: &evil, ..draft }), Err(BuildError::Control("header")));
        let evil = Parts { reply_to: Some(evil_name.clone()), ..good.clone() };
        assert_eq!(build(Draft { parts: &evil, ..draft }), Err(BuildError::Control("name to reply to")));
        assert_eq!(build(Draft { from: &evil_name, ..draft }), Err(BuildError::Control("sender's name")));
        assert_eq!(build(Draft { to: &evil_name, ..draft }), Err(BuildError::Control("recipient's name")));
    }

    #[test]
    fn a_line_end_alone_is_found_wherever_it_stands() {
        for bare in ["a\nb\r\n", "a\rb\r\n", "\n", "a\r", "a\r\n\n", "a\r\r\n", "\r\n\r"] {
            assert!(has_bare_line_end(bare.as_bytes()), "{bare:?}");
        }
        for good in ["", "a", "a\r\n", "\r\n\r\nb"] {
            assert!(!has_bare_line_end(good.as_bytes()), "{good:?}");
        }
    }

    #[test]
    fn a_message_in_a_message_goes_as_lines_or_opaque() {
        let file = |content_type: &str, bytes: &[u8]| File {
            name: "a.eml".into(),
            content_type: content_type.into(),
            bytes: bytes.to_vec(),
        };
        let lines = |text: &str, ascii| Form::Lines { lines: text.as_bytes().to_vec(), ascii };
        let long = [b"a".repeat(999), b"\r\n".to_vec()].concat();
        for (content_type, bytes, with, without) in [
            (
                "message/rfc822",
                &b"A: b\n\nc\rd"[..],
                lines("A: b\r\n\r\nc\r\nd", true),
                lines("A: b\r\n\r\nc\r\nd", true),
            ),
            ("Message/RFC822; x=y", "ü\n".as_bytes(), lines("ü\r\n", false), Form::Opaque),
            ("message/rfc822", &[0xfc, b'\n'], Form::Opaque, Form::Opaque),
            ("message/rfc822", b"a\0b", Form::Opaque, Form::Opaque),
            ("message/rfc822", &long, Form::Opaque, Form::Opaque),
            ("message/external-body", b"a", Form::Opaque, Form::Opaque),
            ("multipart/mixed", b"a", Form::Opaque, Form::Opaque),
            ("text/csv", b"a\nb", Form::Bytes, Form::Bytes),
        ] {
            let file = file(content_type, bytes);
            assert_eq!((file.form(true), file.form(false)), (with, without), "{content_type} {bytes:?}");
        }
    }
}
