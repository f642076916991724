//! Files that go with an e-mail: within the request, uploaded before, or fetched when the message is sent.
//!
//! An uploaded file is a record that says what it is ([`RecordKind::Attachment`]) and records with its bytes in
//! base64 ([`RecordKind::AttachmentPart`]), because records are JSON and at most 1 MiB each.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste_core::{BrokerError, Expect, Json, RecordKind, RecordOrder, Records, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::address::is_control;
use crate::digest::sha256_hex;
use crate::net::read_url;

/// Most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 10;
/// Largest attachment, and largest sum of one message's, in bytes.
pub const MAX_ATTACHMENT_BYTES: usize = 10 * 1024 * 1024;
/// How long an uploaded file is kept; a message that is sent later keeps it longer.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest file name, in bytes.
const MAX_FILENAME: usize = 200;
/// Longest content type, in bytes.
const MAX_CONTENT_TYPE: usize = 100;
/// Bytes of a file in one record: a multiple of three, so that pieces of base64 put together are base64.
const PART: usize = 600 * 1024;
/// Files that one sweep looks at.
const SWEEP: usize = 200;

/// A file of a message; exactly one of `content`, `id` and `url` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its name as the recipient sees it.
    pub filename: String,
    /// Its content type; by the name's ending unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The id of an uploaded file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Where it is fetched from when the message is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Attachment {
    /// Its content type: as given, else by the ending of its name.
    pub fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or_else(|| guess(&self.filename))
    }
}

fn guess(filename: &str) -> &'static str {
    match filename.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).as_deref() {
        Some("pdf") => "application/pdf",
        Some("txt" | "log") => "text/plain",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        Some("zip") => "application/zip",
        Some("ics") => "text/calendar",
        Some("xml") => "application/xml",
        _ => "application/octet-stream",
    }
}

/// Checks the attachments of a message as far as the message itself tells.
///
/// # Errors
/// A sentence about the first that is not acceptable.
pub(crate) fn check_attachments(list: &[Attachment]) -> Result<(), String> {
    if list.len() > MAX_ATTACHMENTS {
        return Err(format!("There must be at most {MAX_ATTACHMENTS} attachments."));
    }
    for a in list {
        check_filename(&a.filename)?;
        if let Some(content_type) = &a.content_type {
            check_content_type(content_type)?;
        }
        let given = [a.content.is_some(), a.id.is_some(), a.url.is_some()].into_iter().filter(|g| *g).count();
        if given != 1 {
            return Err("Each attachment needs one of content, id and url.".into());
        }
        if let Some(content) = &a.content {
            STANDARD
                .decode(content)
                .map_err(|_| "The content of an attachment must be base64.".to_owned())?;
        }
        if let Some(url) = &a.url {
            read_url(url).map_err(|e| format!("Of an attachment: {e}"))?;
        }
    }
    Ok(())
}

/// Checks a file's name: it goes into a header, and programs save files under it.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_filename(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_FILENAME {
        return Err(format!("The name of an attachment must be 1 to {MAX_FILENAME} bytes long."));
    }
    if name.chars().any(|c| is_control(c) || matches!(c, '/' | '\\' | '"')) || matches!(name, "." | "..") {
        return Err("The name of an attachment must not hold control characters, quotes or slashes.".into());
    }
    Ok(())
}

/// Checks a content type: `type/subtype`, perhaps with parameters.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_content_type(text: &str) -> Result<(), String> {
    let wrong = || "A content type is written as type/subtype, for example application/pdf.".to_owned();
    if text.len() > MAX_CONTENT_TYPE || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(wrong());
    }
    text.parse::<lettre::message::header::ContentType>().map_err(|_| wrong())?;
    if kind_of(text).eq_ignore_ascii_case("multipart") {
        return Err(
            "A file cannot be multipart/…: it is no part of a message. Send it as application/octet-stream."
                .into(),
        );
    }
    Ok(())
}

/// What stands before the slash of a content type.
fn kind_of(content_type: &str) -> &str {
    content_type.split('/').next().unwrap_or("").trim()
}

/// Whether a content type holds parts or messages of its own, which may not be in base64 (RFC 2045 §6.4).
pub(crate) fn is_composite(content_type: &str) -> bool {
    ["multipart", "message"].iter().any(|kind| kind_of(content_type).eq_ignore_ascii_case(kind))
}

/// What is known of an uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its size in bytes.
    pub size: u64,
    /// Its content type.
    pub content_type: String,
    /// Its name.
    pub filename: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many records hold its bytes.
    pub parts: u32,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// Until when it is kept.
    pub keep_until: Timestamp,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// Why a file was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// Larger than what is taken.
    #[error("An attachment is at most {MAX_ATTACHMENT_BYTES} bytes large.")]
    TooLarge,
    /// There is none of that id any more.
    #[error("There is no attachment {0}: it was never uploaded, or is not kept any more.")]
    NotFound(Uuid),
    /// Its pieces do not make what was uploaded.
    #[error("The attachment {0} is damaged.")]
    Damaged(Uuid),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] BrokerError),
}

fn part_name(id: Uuid, n: u32) -> String {
    format!("{id}/{n:03}")
}

/// A file to be stored.
#[derive(Debug)]
pub struct Upload<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its name.
    pub filename: &'a str,
    /// Its content type; by the name's ending unless given.
    pub content_type: Option<&'a str>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// Now.
    pub now: Timestamp,
}

/// Stores a file under an id. What is known of it is stored first, so that [`sweep`] finds what a crash left half
/// stored; half a file does not load, and nobody knows its id before this returns.
///
/// # Errors
/// [`AttachmentError`].
pub async fn put(records: &dyn Records, id: Uuid, file: Upload<'_>) -> Result<Stored, AttachmentError> {
    if file.bytes.len() > MAX_ATTACHMENT_BYTES {
        return Err(AttachmentError::TooLarge);
    }
    let stored = Stored {
        size: file.bytes.len() as u64,
        content_type: file.content_type.unwrap_or_else(|| guess(file.filename)).to_owned(),
        filename: file.filename.to_owned(),
        sha256: sha256_hex(file.bytes),
        parts: u32::try_from(file.bytes.chunks(PART).len()).unwrap_or(u32::MAX),
        created_at: file.now,
        keep_until: file.now.plus(KEPT),
        tenant: file.tenant,
    };
    let body = Json::from_value(&stored).expect("strings and numbers are JSON");
    records.put_record(RecordKind::Attachment, &id.to_string(), body, Expect::Any).await?;
    for (n, chunk) in (0..).zip(file.bytes.chunks(PART)) {
        let text = Json::from_value(&STANDARD.encode(chunk)).expect("text is JSON");
        records.put_record(RecordKind::AttachmentPart, &part_name(id, n), text, Expect::Any).await?;
    }
    Ok(stored)
}

/// What is known of a file; `None` when there is none.
///
/// # Errors
/// [`AttachmentError::Store`], [`AttachmentError::Damaged`].
pub async fn find(records: &dyn Records, id: Uuid) -> Result<Option<Stored>, AttachmentError> {
    let Some(record) = records.get_record(RecordKind::Attachment, &id.to_string()).await? else {
        return Ok(None);
    };
    record.body.parse().map(Some).map_err(|_| AttachmentError::Damaged(id))
}

/// Keeps a file, as it was [found](find), until at least `until`.
///
/// # Errors
/// [`AttachmentError::Store`].
pub async fn keep(
    records: &dyn Records,
    id: Uuid,
    mut stored: Stored,
    until: Timestamp,
) -> Result<(), AttachmentError> {
    if stored.keep_until < until {
        stored.keep_until = until;
        let body = Json::from_value(&stored).expect("strings and numbers are JSON");
        records.put_record(RecordKind::Attachment, &id.to_string(), body, Expect::Any).await?;
    }
    Ok(())
}

/// A file with its bytes.
///
/// # Errors
/// [`AttachmentError`].
pub async fn load(records: &dyn Records, id: Uuid) -> Result<(Stored, Vec<u8>), AttachmentError> {
    let stored = find(records, id).await?.ok_or(AttachmentError::NotFound(id))?;
    let mut bytes = Vec::with_capacity(usize::try_from(stored.size).unwrap_or(0).min(MAX_ATTACHMENT_BYTES));
    for n in 0..stored.parts {
        let part = records.get_record(RecordKind::AttachmentPart, &part_name(id, n)).await?;
        let part = part.ok_or(AttachmentError::Damaged(id))?;
        let text: String = part.body.parse().map_err(|_| AttachmentError::Damaged(id))?;
        bytes.extend(STANDARD.decode(text).map_err(|_| AttachmentError::Damaged(id))?);
    }
    if sha256_hex(&bytes) != stored.sha256 {
        return Err(AttachmentError::Damaged(id));
    }
    Ok((stored, bytes))
}

/// Deletes a file; `false` when there was none.
///
/// # Errors
/// [`AttachmentError::Store`].
pub async fn delete(records: &dyn Records, id: Uuid) -> Result<bool, AttachmentError> {
    let found = find(records, id).await?;
    // Last what says that there is a file: a deletion that was cut short is found again. What is half gone does not
    // load.
    for n in 0..found.map_or(0, |f| f.parts) {
        records.delete_record(RecordKind::AttachmentPart, &part_name(id, n), Expect::Any).await?;
    }
    Ok(records.delete_record(RecordKind::Attachment, &id.to_string(), Expect::Any).await?)
}

/// Deletes the files that are not kept any more; how many.
///
/// # Errors
/// [`AttachmentError::Store`].
pub async fn sweep(records: &Arc<dyn Records>, now: Timestamp) -> Result<usize, AttachmentError> {
    let mut after: Option<String> = None;
    let mut gone = 0;
    loop {
        let page = records
            .list_records(RecordKind::Attachment, RecordOrder::Ascending, after.as_deref(), SWEEP)
            .await?;
        let Some(last) = page.last() else { return Ok(gone) };
        after = Some(last.name.clone());
        for record in &page {
            let over = record.body.parse::<Stored>().is_ok_and(|s| s.keep_until < now);
            if let (true, Ok(id)) = (over, record.name.parse()) {
                delete(records.as_ref(), id).await?;
                gone += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(filename: &str) -> Attachment {
        Attachment {
            filename: filename.into(),
            content_type: None,
            content: Some("eA==".into()),
            id: None,
            url: None,
        }
    }

    #[test]
    fn names_types_and_sources_are_checked() {
        assert_eq!(check_attachments(&[one("Größe.pdf")]), Ok(()));
        for bad in ["", "a\r\nb", "../x", "a\"b", "a\\b", ".."] {
            assert!(check_attachments(&[one(bad)]).is_err(), "{bad:?}");
        }
        assert!(check_attachments(&[Attachment { content: Some("?".into()), ..one("a") }]).is_err());
        assert!(check_attachments(&[Attachment { content: None, ..one("a") }]).is_err());
        assert!(check_attachments(&[Attachment { id: Some(Uuid::nil()), ..one("a") }]).is_err());
        assert!(
            check_attachments(&[Attachment { content_type: Some("text/plain\r\nX: y".into()), ..one("a") }])
                .is_err()
        );
        for bad in ["pdf", "multipart/mixed", "Multipart/Mixed; boundary=x", "multipart/x"] {
            let file = Attachment { content_type: Some(bad.into()), ..one("a") };
            assert!(check_attachments(&[file]).is_err(), "{bad}");
        }
        let eml = Attachment { content_type: Some("message/rfc822".into()), ..one("a.eml") };
        assert!(check_attachments(&[eml]).is_ok());
        assert!(check_attachments(&vec![one("a"); MAX_ATTACHMENTS + 1]).is_err());
        assert_eq!(one("a.PDF").content_type(), "application/pdf");
    }
}
