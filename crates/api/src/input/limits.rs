//! The limits of a queue or lane.

use axum::extract::Request;
use posthaste_core::LaneLimits;
use utoipa::ToSchema;

use super::fields::integer;
use super::simple;
use crate::ApiError;

/// Longest period of a rate, in milliseconds.
const MAX_PER_MS: u64 = 24 * 3600 * 1_000;
/// Largest rate and concurrency.
const MAX: u64 = 1_000_000;

/// Limits over all workers; what is left out is unlimited.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = Limits, example = json!({ "rate": 100, "per_ms": 1000, "concurrency": 20 }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct LimitsBody {
    /// At most this many start per `per_ms`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate: Option<u32>,
    /// The period of `rate` in milliseconds; a second if left out.
    #[schema(minimum = 1, maximum = 86_400_000)]
    per_ms: Option<u64>,
    /// At most this many run at once.
    #[schema(minimum = 1, maximum = 1_000_000)]
    concurrency: Option<u32>,
}

/// Reads them.
pub(crate) async fn read(request: Request) -> Result<LaneLimits, ApiError> {
    simple::body(request, |o, errors| {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let rate = o.optional(errors, "rate", integer(1, MAX)).map(number);
        let per_ms = o.optional(errors, "per_ms", integer(1, MAX_PER_MS)).unwrap_or(1_000);
        let concurrency = o.optional(errors, "concurrency", integer(1, MAX)).map(number);
        Some(LaneLimits { rate, per_ms, concurrency })
    })
    .await
}
