//! Parameters in the path.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use posthaste_core::{LaneKey, QueueName, Scope, TaskId};
use posthaste_notify::suppression::is_category;

use crate::ApiError;

/// The task that the path names.
pub(crate) struct TaskPath(pub(crate) TaskId);

impl<S: Send + Sync> FromRequestParts<S> for TaskPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw =
            Path::<String>::from_request_parts(parts, state).await.map_err(|e| undecodable("task_id", &e))?.0;
        let id = raw.parse().map_err(|_| {
            ApiError::field(["path", "task_id"], "uuid_parsing", "Input should be a valid UUID")
        })?;
        Ok(Self(id))
    }
}

/// The queue that the path names.
pub(crate) struct QueuePath(pub(crate) QueueName);

impl<S: Send + Sync> FromRequestParts<S> for QueuePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw =
            Path::<String>::from_request_parts(parts, state).await.map_err(|e| undecodable("queue", &e))?.0;
        queue(&raw).map(Self)
    }
}

/// The lane that the path names; its `/` is written `%2F`.
pub(crate) struct LanePath(pub(crate) Scope);

impl<S: Send + Sync> FromRequestParts<S> for LanePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (q, lane) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|e| undecodable("lane", &e))?
            .0;
        let lane: LaneKey = lane
            .parse()
            .map_err(|e| ApiError::field(["path", "lane"], "value_error", format!("A lane key {e}")))?;
        Ok(Self(Scope::Lane(queue(&q)?, posthaste_notify::lanes::meant(lane))))
    }
}

/// The API key that the path names.
pub(crate) struct KeyPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw =
            Path::<String>::from_request_parts(parts, state).await.map_err(|e| undecodable("key_id", &e))?.0;
        if raw.len() == 12 && raw.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Self(raw))
        } else {
            Err(ApiError::field(["path", "key_id"], "value_error", "A key's id is 12 letters and digits"))
        }
    }
}

/// The recipient that the path names: as it is written, and as tasks are found by it.
pub(crate) struct RecipientPath {
    pub(crate) raw: String,
    pub(crate) key: String,
}

impl RecipientPath {
    /// The recipient and the category of messages that the path is about: `news/ann@example.com` is how the list names the
    /// category of a recipient. An address that looks like it is meant with its channel in front.
    pub(crate) fn category(&self) -> Option<(String, &str)> {
        let (category, of) = self.raw.split_once('/')?;
        let key = crate::routes::tasks::list::recipient(of).ok()?;
        // Without a channel it is no recipient, but a part of something else with a slash in it.
        (is_category(category) && key.contains(':')).then_some((key, category))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RecipientPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|e| undecodable("recipient", &e))?
            .0;
        let key = crate::routes::tasks::list::recipient(&raw)
            .map_err(|(kind, msg)| ApiError::field(["path", "recipient"], kind, msg))?;
        Ok(Self { raw, key })
    }
}

fn queue(raw: &str) -> Result<QueueName, ApiError> {
    raw.parse().map_err(|e| ApiError::field(["path", "queue"], "value_error", format!("A queue name {e}")))
}

fn undecodable(field: &'static str, _: &PathRejection) -> ApiError {
    ApiError::field(["path", field], "string_unicode", "It should be percent-encoded UTF-8")
}
