//! The clock of the schedules: enqueues what is due.

use std::sync::Arc;

use posthaste_core::Timestamp;
use posthaste_core::limits::SCHEDULE_EVERY;
use tracing::{debug, warn};

use crate::schedule::run_due;
use crate::shared::Shared;

/// Runs due schedules until the worker stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let ran = tokio::select! {
            ran = run_due(shared.store.as_ref(), now) => ran,
            () = shared.stop.cancelled() => return,
        };
        let pause = match ran {
            Ok(report) => {
                if report.enqueued > 0 {
                    debug!(enqueued = report.enqueued, "schedules were due");
                }
                for (name, problem) in &report.problems {
                    warn!(schedule = %name, %problem, "a schedule cannot run");
                }
                report.next.map_or(SCHEDULE_EVERY, |next| next.since(now).min(SCHEDULE_EVERY))
            }
            Err(error) => {
                debug!(%error, "the schedules were not read");
                SCHEDULE_EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause.max(std::time::Duration::from_millis(1))) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}
