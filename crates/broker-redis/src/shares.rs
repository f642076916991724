//! Limits hold for all shards of a store together, so each shard has a share of them: what it runs, and of the rest a part
//! that goes where work waits. The shares of a limit never add up to more than the limit.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use posthaste_core::BrokerError;
use redis::Value;

use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// What one shard has of a limited lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Demand {
    running: u64,
    waiting: u64,
}

/// A limited lane over all shards.
#[derive(Debug, Default)]
struct Limited {
    rate: Option<u64>,
    per_ms: u64,
    concurrency: Option<u64>,
    demand: Vec<Demand>,
}

/// One shard's share of a lane's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    /// Starts per period.
    rate: Option<(u64, u64)>,
    concurrency: Option<u64>,
}

impl Limited {
    /// Shares the limits out. `turn` goes round, so that a limit smaller than the number of shards serves each in turn.
    fn shares(&self, turn: usize) -> Vec<Share> {
        let n = self.demand.len();
        let mut shares = vec![Share::default(); n];
        let mut wanting: Vec<usize> = (0..n).filter(|i| self.demand[*i].waiting > 0).collect();
        if !wanting.is_empty() {
            let by = turn % wanting.len();
            wanting.rotate_left(by);
        }
        if let Some(total) = self.concurrency {
            let running: u64 = self.demand.iter().map(|d| d.running).sum();
            let left = total.saturating_sub(running);
            for (share, d) in shares.iter_mut().zip(&self.demand) {
                share.concurrency = Some(d.running);
            }
            for (i, extra) in even(left, &wanting) {
                shares[i].concurrency = Some(self.demand[i].running + extra);
            }
        }
        if let Some(rate) = self.rate {
            for share in &mut shares {
                share.rate = Some((0, self.per_ms));
            }
            let k = wanting.len() as u64;
            for i in &wanting {
                // A rate too small to be divided is kept by making the period longer.
                let part =
                    if rate >= k { (rate / k, self.per_ms) } else { (1, self.per_ms * k / rate.max(1)) };
                shares[*i].rate = Some(part);
            }
        }
        shares
    }
}

/// Divides `total` among `places`, the remainder to the first of them.
fn even(total: u64, places: &[usize]) -> impl Iterator<Item = (usize, u64)> + '_ {
    let n = places.len().max(1) as u64;
    places.iter().enumerate().map(move |(at, place)| (*place, total / n + u64::from((at as u64) < total % n)))
}

impl Inner {
    /// Shares limits out anew, by what each shard runs and what waits there.
    pub(crate) async fn share_limits(&self) -> Result<(), BrokerError> {
        let shards = self.found().await?;
        if shards.count() == 1 {
            return Ok(());
        }
        let looks = try_join_all(shards.all().map(|shard| async move {
            let mut call = self.call(&SCRIPTS.share, shard);
            call.arg("look");
            reply::list(self.run(shard, call).await?)
        }));
        let mut lanes: BTreeMap<String, Limited> = BTreeMap::new();
        for (shard, values) in looks.await?.into_iter().enumerate() {
            for row in values.chunks_exact(6) {
                let number = |v: &Value| reply::text(v.clone()).ok().and_then(|t| t.parse::<u64>().ok());
                let count = |v: &Value| reply::int(v.clone()).ok().and_then(|n| u64::try_from(n).ok());
                let lane = lanes.entry(reply::text(row[0].clone())?).or_default();
                lane.demand.resize(usize::from(shards.count()), Demand::default());
                // A number comes as a number, its absence as an empty text.
                let either = |v: &Value| if let Value::Int(_) = v { count(v) } else { number(v) };
                lane.rate = either(&row[1]);
                lane.per_ms = either(&row[2]).unwrap_or(1_000).max(1);
                lane.concurrency = either(&row[3]);
                lane.demand[shard] =
                    Demand { running: count(&row[4]).unwrap_or(0), waiting: count(&row[5]).unwrap_or(0) };
            }
        }
        if lanes.is_empty() {
            return Ok(());
        }
        let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let shares: Vec<(String, Vec<Share>)> =
            lanes.into_iter().map(|(text, lane)| (text, lane.shares(turn))).collect();
        let sets = shards.all().map(|shard| {
            let mut call = self.call(&SCRIPTS.share, shard);
            call.arg("set");
            for (text, of) in &shares {
                let share = of[usize::from(shard)];
                let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
                call.arg(text)
                    .arg(number(share.rate.map(|r| r.0)))
                    .arg(number(share.rate.map(|r| r.1)))
                    .arg(number(share.concurrency));
            }
            async move { reply::int(self.run(shard, call).await?).map(|woke| (shard, woke != 0)) }
        });
        for (shard, woke) in try_join_all(sets).await? {
            if woke {
                self.set_busy(shard);
                self.live.announce(shard);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limited(rate: Option<u64>, concurrency: Option<u64>, demand: Vec<(u64, u64)>) -> Limited {
        let demand = demand.into_iter().map(|(running, waiting)| Demand { running, waiting }).collect();
        Limited { rate, per_ms: 1_000, concurrency, demand }
    }

    #[test]
    fn what_runs_keeps_its_places_and_the_rest_goes_where_work_waits() {
        let lane = limited(None, Some(10), vec![(3, 0), (1, 5), (0, 5), (0, 0)]);
        let places: Vec<_> = lane.shares(0).iter().map(|s| s.concurrency).collect();
        assert_eq!(places, [Some(3), Some(4), Some(3), Some(0)]);
    }

    #[test]
    fn a_small_limit_serves_each_shard_in_turn() {
        let lane = limited(Some(1), Some(1), vec![(0, 9), (0, 9), (0, 9)]);
        let with_place = |turn| lane.shares(turn).iter().position(|s| s.concurrency == Some(1));
        assert_eq!([with_place(0), with_place(1), with_place(2)], [Some(0), Some(1), Some(2)]);
        assert!(lane.shares(0).iter().all(|s| s.rate == Some((1, 3_000))));
    }

    proptest! {
        #[test]
        fn the_shares_never_add_up_to_more_than_the_limit(
            total in 1u64..100, demand in prop::collection::vec((0u64..20, 0u64..20), 1..64), turn in 0usize..100,
        ) {
            let lane = limited(Some(total), Some(total), demand.clone());
            let shares = lane.shares(turn);
            let running: u64 = demand.iter().map(|d| d.0).sum();
            let places: u64 = shares.iter().filter_map(|s| s.concurrency).sum();
            prop_assert!(places <= total.max(running));
            let per_ms: f64 = shares.iter().filter_map(|s| s.rate).map(|(n, per)| n as f64 / per as f64).sum();
            prop_assert!(per_ms <= total as f64 / 1_000.0 * 1.001 + 1e-9);
        }
    }
}
