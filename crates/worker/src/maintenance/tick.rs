//! The ticker: lets the store move what time has moved (due tasks, lost leases, expiries, retention).

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::limits::TICK_EVERY;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::shared::Shared;

/// Wake-ups come with every enqueue. They may mean that something is due sooner than the last tick
/// knew, so the ticker follows them, but this much later: the claim that they call for goes first.
const AFTER_WAKE_UP: Duration = Duration::from_millis(100);

/// Ticks until the worker stops: again at once while there is more, else when the next thing is
/// due, when somebody rings, and at the latest after a second.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut wakeups = shared.store.wakeups();
    loop {
        let began = Instant::now();
        let ticked = tokio::select! {
            ticked = shared.store.tick() => ticked,
            () = shared.stop.cancelled() => return,
        };
        let next = match ticked {
            Ok(report) => {
                if report.due + report.rescued > 0 {
                    shared.work.notify_one();
                }
                if report.more {
                    // Between two of them others get at the store.
                    tokio::task::yield_now().await;
                    continue;
                }
                report.next.unwrap_or(TICK_EVERY).min(TICK_EVERY)
            }
            Err(error) => {
                debug!(%error, "the tick failed");
                TICK_EVERY
            }
        };
        let next = began + next.max(Duration::from_millis(1));
        tokio::select! {
            () = sleep_until(next) => {}
            () = wakeups.wait() => sleep_until(next.min(Instant::now() + AFTER_WAKE_UP)).await,
            () = shared.tick.notified() => sleep_until(next.min(Instant::now() + AFTER_WAKE_UP)).await,
            () = shared.stop.cancelled() => return,
        }
    }
}
