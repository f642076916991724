//! Limits hold for all shards of a store together, so each shard has a share of them: what it runs, and of the rest a part
//! that goes where work waits. The shares of a limit never add up to more than the limit.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use futures_util::future::try_join_all;
use posthaste_core::BrokerError;
use redis::Value;

use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// How long a process that has a turn keeps others from it, in milliseconds: less than the second between two turns, so
/// that one that stopped is missed once at the most.
const TURN_MS: i64 = 900;

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
    /// By shard; `None` where the shard did not tell.
    demand: Vec<Option<Demand>>,
}

/// One shard's share of a lane's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    /// Starts per period.
    rate: Option<(u64, u64)>,
    concurrency: Option<u64>,
}

impl Limited {
    fn at(&self, shard: usize) -> Demand {
        self.demand[shard].unwrap_or_default()
    }

    /// The shares as far as what runs by now leaves room for them.
    fn within(&self, shares: &[Share], running: &[u64]) -> Vec<Share> {
        let mut out = shares.to_vec();
        let Some(total) = self.concurrency else { return out };
        let mut left = total.saturating_sub(running.iter().sum());
        for (share, running) in out.iter_mut().zip(running) {
            let extra = share.concurrency.unwrap_or(0).saturating_sub(*running).min(left);
            left -= extra;
            share.concurrency = Some(running + extra);
        }
        out
    }

    /// Shares the limits out. `turn` goes round, so that a limit smaller than the number of shards serves each in turn.
    fn shares(&self, turn: usize) -> Vec<Share> {
        let n = self.demand.len();
        let mut shares = vec![Share::default(); n];
        let mut wanting: Vec<usize> = (0..n).filter(|i| self.at(*i).waiting > 0).collect();
        if !wanting.is_empty() {
            let by = turn % wanting.len();
            wanting.rotate_left(by);
        }
        if let Some(total) = self.concurrency {
            let running: u64 = (0..n).map(|i| self.at(i).running).sum();
            let left = total.saturating_sub(running);
            for (i, share) in shares.iter_mut().enumerate() {
                share.concurrency = Some(self.at(i).running);
            }
            for (i, extra) in even(left, &wanting) {
                shares[i].concurrency = Some(self.at(i).running + extra);
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
    /// Shares limits out anew, by what each shard runs and what waits there. For whoever has the turn to sweep.
    pub(crate) async fn share_limits(&self) -> Result<(), BrokerError> {
        let shards = self.found().await?;
        if shards.count() == 1 {
            return Ok(());
        }
        let lanes = self.limited_lanes().await?;
        if lanes.is_empty() {
            return Ok(());
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let wanted: Vec<(&String, &Limited, Vec<Share>)> =
            lanes.iter().map(|(text, lane)| (text, lane, lane.shares(turn))).collect();
        // First all that fall, then what that leaves goes up: at no moment do the shares add up to more.
        let lowered = self.send_shares("lower", &wanted).await?;
        let mut raised = Vec::with_capacity(wanted.len());
        for (i, (text, lane, shares)) in wanted.iter().enumerate() {
            let running: Vec<u64> = lowered.iter().map(|of| of[i]).collect();
            raised.push((*text, *lane, lane.within(shares, &running)));
        }
        self.send_shares("set", &raised).await.map(drop)
    }

    /// Whether nobody else has this turn at the moment; if so it is this process's for a while.
    pub(crate) async fn has_turn(&self, what: &str) -> Result<bool, BrokerError> {
        let mut call = self.call(&SCRIPTS.share, 0);
        call.arg("turn").arg(what).arg(self.shards().origin()).int(TURN_MS);
        Ok(reply::int(self.run_aside(0, call).await?)? == 1)
    }

    /// Every limited lane with what each shard has of it.
    async fn limited_lanes(&self) -> Result<BTreeMap<String, Limited>, BrokerError> {
        let shards = self.shards();
        let looks = try_join_all(shards.all().map(|shard| async move {
            let mut call = self.call(&SCRIPTS.share, shard);
            call.arg("look");
            reply::list(self.run_aside(shard, call).await?)
        }));
        let mut lanes: BTreeMap<String, Limited> = BTreeMap::new();
        for (shard, values) in looks.await?.into_iter().enumerate() {
            for row in values.chunks_exact(6) {
                let lane = lanes.entry(reply::text(row[0].clone())?).or_default();
                lane.demand.resize(usize::from(shards.count()), None);
                lane.rate = number(&row[1]);
                lane.per_ms = number(&row[2]).unwrap_or(1_000).max(1);
                lane.concurrency = number(&row[3]);
                lane.demand[shard] = Some(Demand {
                    running: number(&row[4]).unwrap_or(0),
                    waiting: number(&row[5]).unwrap_or(0),
                });
            }
        }
        Ok(lanes)
    }

    /// Sends shares to the shards that have the lane; what runs there, by shard and lane.
    async fn send_shares(
        &self,
        what: &str,
        lanes: &[(&String, &Limited, Vec<Share>)],
    ) -> Result<Vec<Vec<u64>>, BrokerError> {
        let calls = self.shards().all().map(|shard| {
            let mut call = self.call(&SCRIPTS.share, shard);
            call.arg(what);
            for (text, lane, of) in lanes {
                let at = usize::from(shard);
                // A lane that a shard did not report keeps the share it has there.
                let known = lane.demand[at].is_some();
                let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
                call.arg(if known { text.as_str() } else { "" })
                    .arg(number(of[at].rate.map(|r| r.0)))
                    .arg(number(of[at].rate.map(|r| r.1)))
                    .arg(number(of[at].concurrency));
            }
            async move { Ok::<_, BrokerError>((shard, reply::list(self.run_aside(shard, call).await?)?)) }
        });
        let mut running = Vec::new();
        for (shard, mut values) in try_join_all(calls).await? {
            if values.pop().as_ref().and_then(number) == Some(1) {
                self.set_busy(shard);
                self.live.announce(shard);
            }
            let mut of: Vec<u64> = values.iter().map(|v| number(v).unwrap_or(0)).collect();
            of.resize(lanes.len(), 0);
            running.push(of);
        }
        Ok(running)
    }
}

/// A number, as one or as a text; an empty text is none.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        other => reply::text(other.clone()).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limited(rate: Option<u64>, concurrency: Option<u64>, demand: Vec<(u64, u64)>) -> Limited {
        let demand = demand.into_iter().map(|(running, waiting)| Some(Demand { running, waiting })).collect();
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
            let more: Vec<u64> = demand.iter().map(|d| d.1).collect();
            let later: u64 = lane.within(&shares, &more).iter().filter_map(|s| s.concurrency).sum();
            prop_assert!(later <= total.max(more.iter().sum()));
            let per_ms: f64 = shares.iter().filter_map(|s| s.rate).map(|(n, per)| n as f64 / per as f64).sum();
            prop_assert!(per_ms <= total as f64 / 1_000.0 * 1.001 + 1e-9);
        }
    }
}
