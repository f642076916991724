//! What time moves, shard by shard.

use std::time::Duration;

use futures_util::StreamExt as _;
use posthaste_core::BrokerError;
use posthaste_core::broker::TickReport;
use posthaste_core::limits::TICK_BATCH;
use rand::RngExt;
use redis::Value;

use crate::record::corrupt;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// Draws for the jitter of lost leases that go with a tick; beyond them they are used again.
const DRAWS: usize = 16;
/// Shards that are swept at the same time.
const AT_ONCE: usize = 64;
/// How soon to ask again whose turn it is to sweep: one whose process died in the middle of it is made good before it looks as
/// if the store had stood still.
const ASK_AGAIN: Duration = Duration::from_millis(300);

impl Inner {
    pub(crate) async fn tick(&self) -> Result<TickReport, BrokerError> {
        let shards = self.found().await?;
        // Whatever ring was lost, the next claim looks everywhere.
        shards.all().for_each(|shard| self.set_busy(shard));
        // One process sweeps many shards for all of them; where a test tells the time, each does as it is told, and where
        // nobody can say whose turn it is, everybody does.
        if shards.count() > 1 && !shards.time_is_given() && matches!(self.has_turn("ticker").await, Ok(false))
        {
            return Ok(TickReport { next: Some(ASK_AGAIN), ..TickReport::default() });
        }
        let short = self.memory.is_short(shards).await;
        let mut sum = TickReport::default();
        let mut failed = None;
        // Side by side: a shard that does not answer keeps no other from its sweep, nor late for it.
        let sweeps: Vec<_> = shards.all().map(|shard| self.tick_shard(shard, short)).collect();
        let mut sweeps = futures_util::stream::iter(sweeps).buffer_unordered(AT_ONCE);
        while let Some(one) = sweeps.next().await {
            let one = match one {
                Ok(one) => one,
                Err(e) => {
                    failed.get_or_insert(e);
                    continue;
                }
            };
            sum.due += one.due;
            sum.rescued += one.rescued;
            sum.expired += one.expired;
            sum.pruned += one.pruned;
            sum.more |= one.more;
            sum.next = sum.next.into_iter().chain(one.next).min();
        }
        if let Some(e) = failed {
            return Err(e);
        }
        if let Err(e) = self.share_limits().await {
            // The shares stay as they are until the next sweep.
            tracing::debug!(error = %e, "limits were not shared out anew");
        }
        Ok(sum)
    }

    async fn tick_shard(&self, shard: u16, short: bool) -> Result<TickReport, BrokerError> {
        let r = self.retention;
        let mut call = self.call(&SCRIPTS.tick, shard);
        call.int(TICK_BATCH as i64)
            .int(ms(r.succeeded_age))
            .int(i64::try_from(r.succeeded_count).unwrap_or(i64::MAX))
            .int(ms(r.failed_age))
            .int(i64::try_from(r.failed_count).unwrap_or(i64::MAX))
            .arg(if short { "1" } else { "0" });
        for _ in 0..DRAWS {
            call.arg(rand::rng().random::<f64>().to_string());
        }
        let values = reply::list(self.run_aside(shard, call).await?)?;
        let [due, rescued, expired, pruned, next, woke] =
            <[Value; 6]>::try_from(values).map_err(|_| corrupt("the answer to a tick"))?;
        let n = |v: Value| reply::int(v).map(|n| usize::try_from(n).unwrap_or(0));
        let (due, rescued, expired, pruned) = (n(due)?, n(rescued)?, n(expired)?, n(pruned)?);
        let more = [due, rescued, expired, pruned].iter().any(|n| *n >= TICK_BATCH);
        let next = u64::try_from(reply::int(next)?).ok().map(Duration::from_millis);
        let woke = reply::int(woke)? != 0;
        if woke {
            self.live.announce(shard);
        }
        Ok(TickReport { due, rescued, expired, pruned, more, next })
    }
}

fn ms(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}
