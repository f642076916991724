//! Files that go with e-mails.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;

use uuid::Uuid;

use crate::ApiError;

/// The attachment that a path names.
pub(crate) fn id(raw: &str) -> Result<Uuid, ApiError> {
    raw.parse().map_err(|_| {
        ApiError::field(["path", "attachment_id"], "uuid_parsing", "Input should be a valid UUID")
    })
}
