//! Series: one hash per hour of a shard, read hour by hour, oldest first, and summed over shards.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::try_join_all;
use posthaste_core::broker::{SERIES_BUCKETS, SeriesPoint, SeriesRequest};
use posthaste_core::limits::{MAX_SERIES_POINTS, SERIES_STEP};
use posthaste_core::{BrokerError, QueueName, Timestamp};
use redis::Value;

use crate::record::corrupt;
use crate::reply;
use crate::shards::Shards;

const MINUTE_MS: i64 = SERIES_STEP.as_millis() as i64;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Hours that are asked for at once.
const AT_ONCE: usize = 8;

/// Points by minute and queue.
type Points = BTreeMap<(Timestamp, QueueName), SeriesPoint>;

/// Names of a shard's queues by number.
type Queues = HashMap<String, QueueName>;

/// Points of the series, oldest first.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn series(
    shards: &Shards,
    request: &SeriesRequest,
) -> Result<Vec<SeriesPoint>, BrokerError> {
    if request.from >= request.until {
        return Ok(Vec::new());
    }
    let queues = try_join_all(shards.all().map(|shard| queues(shards, shard))).await?;
    let hours: BTreeSet<i64> = try_join_all(shards.all().map(|shard| hours(shards, shard, request)))
        .await?
        .into_iter()
        .flatten()
        .collect();
    let hours: Vec<i64> = hours.into_iter().collect();
    let mut points = Points::new();
    for some in hours.chunks(AT_ONCE) {
        let reads = some.iter().flat_map(|hour| shards.all().map(|shard| read(shards, shard, *hour)));
        for (shard, hour, fields) in try_join_all(reads).await? {
            for (field, n) in fields {
                let n = u64::try_from(reply::int(n)?).unwrap_or(0);
                add(&mut points, request, &queues[usize::from(shard)], hour, &reply::text(field)?, n);
            }
        }
        // Later hours only add later points.
        if points.len() >= MAX_SERIES_POINTS {
            break;
        }
    }
    Ok(points.into_values().take(MAX_SERIES_POINTS).collect())
}

/// The oldest hour that has points.
///
/// # Errors
/// Those of the link.
pub(crate) async fn first_hour(shards: &Shards) -> Result<Option<Timestamp>, BrokerError> {
    next_hour(shards, Timestamp::from_millis(0)).await
}

/// The first hour that has points and does not begin before `from`.
///
/// # Errors
/// Those of the link.
pub(crate) async fn next_hour(shards: &Shards, from: Timestamp) -> Result<Option<Timestamp>, BrokerError> {
    let first = try_join_all(shards.all().map(|shard| {
        let mut cmd = redis::cmd("ZRANGEBYSCORE");
        cmd.arg(shards.key(shard, "sh")).arg(from.as_millis().div_euclid(HOUR_MS)).arg("+inf");
        cmd.arg("LIMIT").arg(0).arg(1);
        async move { reply::list(shards.link().command(&shards.m_key(shard), cmd).await?) }
    }))
    .await?;
    let hours = first.into_iter().flatten().map(reply::int).collect::<Result<Vec<_>, _>>()?;
    Ok(hours.into_iter().min().map(|hour| Timestamp::from_millis(hour * HOUR_MS)))
}

async fn queues(shards: &Shards, shard: u16) -> Result<Queues, BrokerError> {
    let mut cmd = redis::cmd("HGETALL");
    cmd.arg(shards.key(shard, "qn"));
    let pairs = reply::pairs(shards.link().command(&shards.m_key(shard), cmd).await?)?;
    pairs
        .into_iter()
        .map(|(number, name)| {
            let name = QueueName::new(reply::text(name)?)
                .map_err(|e| corrupt(format!("the name of a queue: {e}")))?;
            Ok((reply::text(number)?, name))
        })
        .collect()
}

async fn hours(shards: &Shards, shard: u16, request: &SeriesRequest) -> Result<Vec<i64>, BrokerError> {
    let hour = |t: Timestamp| t.as_millis().div_euclid(HOUR_MS);
    let mut cmd = redis::cmd("ZRANGEBYSCORE");
    cmd.arg(shards.key(shard, "sh")).arg(hour(request.from)).arg(hour(request.until));
    let hours = reply::list(shards.link().command(&shards.m_key(shard), cmd).await?)?;
    hours.into_iter().map(reply::int).collect()
}

async fn read(
    shards: &Shards,
    shard: u16,
    hour: i64,
) -> Result<(u16, i64, Vec<(Value, Value)>), BrokerError> {
    let mut cmd = redis::cmd("HGETALL");
    cmd.arg(shards.key(shard, &format!("s:{hour}")));
    let fields = reply::pairs(shards.link().command(&shards.m_key(shard), cmd).await?)?;
    Ok((shard, hour, fields))
}

/// Adds a field `<minute>:<queue#>:<name>`; one that says nothing to this program is left out.
fn add(points: &mut Points, request: &SeriesRequest, queues: &Queues, hour: i64, field: &str, n: u64) {
    let mut parts = field.splitn(3, ':');
    let (Some(minute), Some(number), Some(name)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Ok(minute) = minute.parse::<i64>() else { return };
    let at = Timestamp::from_millis(hour * HOUR_MS + minute * MINUTE_MS);
    let Some(queue) = queues.get(number) else { return };
    let wanted =
        at >= request.from && at < request.until && request.queue.as_ref().is_none_or(|q| q == queue);
    if !wanted {
        return;
    }
    let point = points.entry((at, queue.clone())).or_insert_with(|| empty(at, queue.clone()));
    let value = match name {
        "enq" => &mut point.enqueued,
        "clm" => &mut point.claimed,
        "suc" => &mut point.succeeded,
        "hld" => &mut point.held,
        "fld" => &mut point.failed,
        "rty" => &mut point.retried,
        "can" => &mut point.cancelled,
        "exp" => &mut point.expired,
        _ => {
            let buckets = match name.as_bytes().first() {
                Some(b'w') => &mut point.wait_ms,
                Some(b'r') => &mut point.run_ms,
                _ => return,
            };
            let Some(bucket) = name[1..].parse().ok().and_then(|i: usize| buckets.get_mut(i)) else { return };
            bucket
        }
    };
    *value += n;
}

fn empty(at: Timestamp, queue: QueueName) -> SeriesPoint {
    SeriesPoint {
        at,
        queue,
        enqueued: 0,
        claimed: 0,
        succeeded: 0,
        held: 0,
        failed: 0,
        retried: 0,
        cancelled: 0,
        expired: 0,
        wait_ms: [0; SERIES_BUCKETS],
        run_ms: [0; SERIES_BUCKETS],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_points_and_shards_are_summed() {
        let queue = QueueName::default();
        let queues = Queues::from([("4".to_owned(), queue.clone())]);
        let hour = 500_000;
        let at = |minute: i64| Timestamp::from_millis(hour * HOUR_MS + minute * MINUTE_MS);
        let request = SeriesRequest { from: at(5), until: at(7), queue: None };
        let mut points = Points::new();
        for (field, n) in [
            ("5:4:enq", 2),
            ("5:4:enq", 3),
            ("5:4:rty", 1),
            ("5:4:w23", 1),
            ("5:4:r0", 7),
            ("5:4:r24", 1),
            ("5:4:new", 1),
            ("5:9:enq", 1),
            ("4:4:enq", 1),
            ("7:4:enq", 1),
            ("nothing", 1),
        ] {
            add(&mut points, &request, &queues, hour, field, n);
        }
        let points: Vec<_> = points.into_values().collect();
        assert_eq!(points.len(), 1);
        let p = &points[0];
        assert_eq!((p.at, &p.queue), (at(5), &queue));
        assert_eq!((p.enqueued, p.retried, p.wait_ms[23], p.run_ms[0]), (5, 1, 1, 7));
    }
}
