//! Bulk operations.

pub(crate) mod get;
pub(crate) mod resume;

use uuid::Uuid;

use crate::ApiError;

/// The operation that a path names.
pub(crate) fn id(raw: &str) -> Result<Uuid, ApiError> {
    raw.parse().map_err(|_| {
        ApiError::field(["path", "operation_id"], "uuid_parsing", "Input should be a valid UUID")
    })
}
