//! How a task that runs elsewhere says how it goes: by the token of its lease, without a key.

pub(crate) mod complete;
pub(crate) mod fail;
pub(crate) mod heartbeat;

use posthaste_core::LeaseToken;
use posthaste_notify::http_task::read_token;
use serde_json::Value;

use crate::input::fields::{Refusal, text};

/// A lease token of a body.
pub(crate) fn token(v: &Value) -> Result<LeaseToken, Refusal> {
    read_token(text(v)?).ok_or_else(|| {
        ("value_error", "It should be the Posthaste-Lease-Token that came with the task".into())
    })
}
