//! Statistics: what happened per minute, summed up.

use std::collections::BTreeMap;

use posthaste_core::broker::{SERIES_BUCKETS, SeriesPoint, SeriesRequest};
use posthaste_core::{QueueName, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Api, ApiError, schema};

/// A step of time, for the description.
fn point_example() -> serde_json::Value {
    serde_json::json!({
        "at": "2026-01-31T09:30:00.000Z", "enqueued": 120, "claimed": 121, "succeeded": 118, "held": 0, "failed": 2, "retried": 1, "cancelled": 0, "expired": 0,
            "wait_p50_ms": 4, "wait_p95_ms": 16, "run_p50_ms": 128, "run_p95_ms": 512
    })
}

/// One step of time.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = StatsPoint, example = json!(point_example()))]
pub struct PointView {
    /// Its beginning.
    #[schema(value_type = schema::Time)]
    pub at: Timestamp,
    /// Tasks accepted.
    pub enqueued: u64,
    /// Attempts begun.
    pub claimed: u64,
    /// Tasks succeeded, those held by the sandbox included.
    pub succeeded: u64,
    /// Of those, held by the sandbox.
    pub held: u64,
    /// Tasks failed.
    pub failed: u64,
    /// Attempts that failed and are tried again.
    pub retried: u64,
    /// Tasks cancelled.
    pub cancelled: u64,
    /// Tasks expired.
    pub expired: u64,
    /// Half of the attempts waited at most this long, in milliseconds; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub wait_p50_ms: Option<u64>,
    /// 95 of 100 waited at most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub wait_p95_ms: Option<u64>,
    /// Half of the attempts took at most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub run_p50_ms: Option<u64>,
    /// 95 of 100 took at most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub run_p95_ms: Option<u64>,
}

/// Statistics of a period.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Stats, example = json!({
    "from": "2026-01-31T09:30:00.000Z", "until": "2026-01-31T09:31:00.000Z", "step": 60, "total": point_example(), "data": [point_example()]
}))]
pub struct StatsView {
    /// From when.
    #[schema(value_type = schema::Time)]
    pub from: Timestamp,
    /// Until before when.
    #[schema(value_type = schema::Time)]
    pub until: Timestamp,
    /// The length of a step in seconds.
    pub step: u64,
    /// All of it.
    pub total: PointView,
    /// The steps in which something happened, oldest first.
    pub data: Vec<PointView>,
}

#[derive(Default)]
struct Sum {
    point: PointView,
    wait: [u64; SERIES_BUCKETS],
    run: [u64; SERIES_BUCKETS],
}

impl Sum {
    fn add(&mut self, p: &SeriesPoint) {
        let v = &mut self.point;
        v.enqueued += p.enqueued;
        v.claimed += p.claimed;
        v.succeeded += p.succeeded;
        v.held += p.held;
        v.failed += p.failed;
        v.retried += p.retried;
        v.cancelled += p.cancelled;
        v.expired += p.expired;
        for (sum, more) in self.wait.iter_mut().zip(p.wait_ms).chain(self.run.iter_mut().zip(p.run_ms)) {
            *sum += more;
        }
    }

    fn view(self, at: Timestamp) -> PointView {
        PointView {
            at,
            wait_p50_ms: quantile(&self.wait, 0.5),
            wait_p95_ms: quantile(&self.wait, 0.95),
            run_p50_ms: quantile(&self.run, 0.5),
            run_p95_ms: quantile(&self.run, 0.95),
            ..self.point
        }
    }
}

/// The upper bound of the bucket in which the share is reached.
fn quantile(buckets: &[u64; SERIES_BUCKETS], share: f64) -> Option<u64> {
    let all: u64 = buckets.iter().sum();
    if all == 0 {
        return None;
    }
    let wanted = (all as f64 * share).ceil() as u64;
    let mut seen = 0;
    for (i, n) in buckets.iter().enumerate() {
        seen += n;
        if seen >= wanted {
            return Some(1 << i);
        }
    }
    None
}

impl Api {
    /// Statistics of a period, in steps of whole minutes.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn stats(
        &self,
        from: Timestamp,
        until: Timestamp,
        step: u64,
        queue: Option<QueueName>,
    ) -> Result<StatsView, ApiError> {
        let points = self.store().series(SeriesRequest { from, until, queue }).await?;
        let (mut total, mut steps) = (Sum::default(), BTreeMap::<i64, Sum>::new());
        let step_ms = i64::try_from(step * 1_000).unwrap_or(i64::MAX);
        for p in &points {
            total.add(p);
            steps.entry(p.at.as_millis().div_euclid(step_ms) * step_ms).or_default().add(p);
        }
        let data = steps.into_iter().map(|(at, s)| s.view(Timestamp::from_millis(at))).collect();
        Ok(StatsView { from, until, step, total: total.view(from), data })
    }
}
