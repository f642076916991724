//! The files of a message, gathered when it is sent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste_core::{Failure, FailureClass, Tenant};

use super::message::File;
use crate::attachment::{Attachment, AttachmentError, MAX_ATTACHMENT_BYTES, load as load_stored};
use crate::channels::{Means, webhook};
use crate::net::header::HeaderMap;
use crate::net::{Ask, HttpClient, Read};

/// How long a file may take to be fetched.
const FETCH: Duration = Duration::from_secs(60);

/// Every file, or why one cannot be had. Nothing was sent by then.
///
/// An uploaded file of a tenant goes only with messages of that tenant.
pub(super) async fn load(
    list: &[Attachment],
    means: &Means,
    tenant: Option<&Tenant>,
) -> Result<Vec<File>, Failure> {
    let mut files = Vec::with_capacity(list.len());
    let mut left = MAX_ATTACHMENT_BYTES;
    for attachment in list {
        let file = one(attachment, means, tenant, left).await?;
        left = left.checked_sub(file.bytes.len()).ok_or_else(too_large)?;
        files.push(file);
    }
    Ok(files)
}

fn too_large() -> Failure {
    let why = format!("The attachments are larger than {MAX_ATTACHMENT_BYTES} bytes together.");
    Failure::new(FailureClass::Permanent, why)
}

async fn one(a: &Attachment, means: &Means, tenant: Option<&Tenant>, most: usize) -> Result<File, Failure> {
    let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
    let mut content_type = a.content_type().to_owned();
    let bytes = if let Some(content) = &a.content {
        STANDARD
            .decode(content)
            .map_err(|_| permanent("The content of an attachment is not base64.".into()))?
    } else if let Some(id) = a.id {
        let (records, _) =
            means.stored.as_ref().ok_or_else(|| permanent("There is no store of attachments.".into()))?;
        let (stored, bytes) = load_stored(records.as_ref(), id).await.map_err(|e| match e {
            AttachmentError::Store(e) => {
                Failure::new(FailureClass::Unavailable, format!("Nothing was sent: {e}."))
            }
            e => permanent(e.to_string()),
        })?;
        if stored.tenant.is_some() && stored.tenant.as_deref() != tenant.map(Tenant::as_str) {
            return Err(permanent(AttachmentError::NotFound(id).to_string()));
        }
        if a.content_type.is_none() {
            content_type = stored.content_type;
        }
        bytes
    } else if let Some(url) = &a.url {
        fetch(url, means.http.of(tenant), most).await?
    } else {
        return Err(permanent("An attachment has no content.".into()));
    };
    Ok(File { name: a.filename.clone(), content_type, bytes })
}

async fn fetch(url: &str, http: &HttpClient, most: usize) -> Result<Vec<u8>, Failure> {
    let ask = |url| Ask {
        method: reqwest::Method::GET,
        url,
        headers: HeaderMap::new(),
        body: Vec::new(),
        within: FETCH,
        read: Read::Whole(most),
    };
    let answer = match http.guard().check_url(url) {
        Ok(url) => http.ask(ask(url)).await,
        Err(e) => Err(e.into()),
    };
    let answer = answer.map_err(|e| {
        let failure = webhook::failure_without(&e);
        // Fetching sends nobody anything: what was lost may be asked for again. And a host of files that cannot be
        // reached says nothing about the mail server, whose breaker must not open for it.
        let class = match failure.class {
            FailureClass::Ambiguous | FailureClass::Unavailable => FailureClass::Transient,
            class => class,
        };
        Failure {
            class,
            message: format!("An attachment could not be fetched. {}", failure.message),
            ..failure
        }
    })?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let class = match answer.status {
        408 | 425 | 429 | 500..=599 => FailureClass::Transient,
        _ => FailureClass::Permanent,
    };
    Err(Failure::new(
        class,
        format!("An attachment could not be fetched: its server answered {}.", answer.status),
    ))
}
