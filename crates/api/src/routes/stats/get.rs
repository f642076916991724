//! `GET /v1/stats`: what happened, in steps of time.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::Timestamp;
use posthaste_core::limits::SERIES_KEPT;

use crate::auth::now;
use crate::detail::json_of;
use crate::input::query::{Query, parsed};
use crate::operations::stats::StatsView;
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, schema};

/// Longest period that one call sums up.
const MAX_PERIOD: std::time::Duration = std::time::Duration::from_secs(31 * 24 * 3600);

/// Get statistics
///
/// How many tasks were accepted, succeeded, failed and so on, and how long attempts waited and took: the last hour in steps
/// of a minute unless asked otherwise. Kept for 30 days.
#[utoipa::path(
    get, path = "/v1/stats", tag = "stats", operation_id = "get_stats",
    params(
        ("from" = Option<schema::Time>, Query, description = "From when; an hour before `until` if left out."),
        ("until" = Option<schema::Time>, Query, description = "Until before when; now if left out."),
        ("step" = Option<u64>, Query, description = "The length of a step in seconds, whole minutes; 60 if left out.", minimum = 60, maximum = 86400),
        ("queue" = Option<String>, Query, description = "Of this queue alone.", min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9._:@-]+$"),
    ),
    responses((status = 200, description = "The statistics.", body = StatsView), Common, BadHead)
)]
pub(crate) async fn handle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let mut q = Query::of(&uri);
    let until = q.one("until", parsed).unwrap_or_else(now);
    let from: Timestamp =
        q.one("from", parsed).unwrap_or_else(|| until.minus(std::time::Duration::from_secs(3600)));
    let step = q.one("step", |s| match s.parse::<u64>() {
        Ok(n) if (60..=86_400).contains(&n) && n % 60 == 0 => Ok(n),
        _ => Err(("range_error", "Input should be whole minutes, 60 to 86400 seconds".into())),
    });
    let queue = q.one("queue", parsed);
    if from > until || until.since(from) > MAX_PERIOD.max(SERIES_KEPT) {
        q.refuse("from", "range_error", "It should be before `until`, by at most 31 days");
    }
    let (from, until, step, queue) = q.finish((from, until, step.unwrap_or(60), queue))?;
    Ok(json_of(StatusCode::OK, &api.stats(from, until, step, queue).await?))
}
