//! Attachments that are uploaded before they are sent.

use posthaste_core::Timestamp;
use posthaste_notify::attachment::{self, AttachmentError, MAX_ATTACHMENT_BYTES, Stored, Upload};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::now;
use crate::{Api, ApiError, Caller, schema};

/// An uploaded file.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = UploadedAttachment, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "filename": "invoice.pdf", "content_type": "application/pdf", "size": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "created_at": "2026-01-31T09:30:00.000Z",
    "keep_until": "2026-02-07T09:30:00.000Z"
}))]
pub(crate) struct AttachmentView {
    /// Its id: the `id` of a notification's attachment.
    #[schema(value_type = schema::Id)]
    pub id: Uuid,
    /// Its name.
    pub filename: String,
    /// Its content type.
    pub content_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// When it was uploaded.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
    /// Until when it is kept; longer when a message that is sent later needs it.
    #[schema(value_type = schema::Time)]
    pub keep_until: Timestamp,
}

fn view(id: Uuid, s: Stored) -> AttachmentView {
    AttachmentView {
        id,
        filename: s.filename,
        content_type: s.content_type,
        size: s.size,
        sha256: s.sha256,
        created_at: s.created_at,
        keep_until: s.keep_until,
    }
}

fn none(id: Uuid) -> ApiError {
    ApiError::NotFound { what: format!("there is no attachment {id}") }
}

fn failed(e: AttachmentError) -> ApiError {
    match e {
        AttachmentError::Store(e) => e.into(),
        AttachmentError::TooLarge => ApiError::TooLarge { limit: MAX_ATTACHMENT_BYTES },
        AttachmentError::NotFound(id) => none(id),
        AttachmentError::Damaged(_) => super::fault("a damaged attachment")(),
    }
}

impl Api {
    /// Stores a file.
    pub(crate) async fn upload(
        &self,
        caller: &Caller,
        bytes: &[u8],
        filename: &str,
        content_type: Option<&str>,
    ) -> Result<AttachmentView, ApiError> {
        let id = Uuid::now_v7();
        let tenant = caller.tenant().map(|t| t.as_str().to_owned());
        let file = Upload { bytes, filename, content_type, tenant, now: now() };
        let stored = attachment::put(self.store().as_ref(), id, file).await.map_err(failed)?;
        Ok(view(id, stored))
    }

    /// What is known of a file.
    pub(crate) async fn uploaded(&self, caller: &Caller, id: Uuid) -> Result<AttachmentView, ApiError> {
        let found = attachment::find(self.store().as_ref(), id).await.map_err(failed)?;
        let found = found.ok_or_else(|| none(id))?;
        if caller.finds(found.tenant.as_deref())? { Ok(view(id, found)) } else { Err(none(id)) }
    }

    /// Deletes a file; messages that were to carry it fail.
    pub(crate) async fn delete_upload(&self, caller: &Caller, id: Uuid) -> Result<(), ApiError> {
        self.uploaded(caller, id).await?;
        attachment::delete(self.store().as_ref(), id).await.map_err(failed)?;
        Ok(())
    }
}
