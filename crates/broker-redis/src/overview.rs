//! What stands where: counters of queues, and lanes with their pauses and limits. Sums over shards.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use futures_util::future::try_join_all;
use posthaste_core::broker::{LaneInfo, QueueCounts};
use posthaste_core::limits::MAX_LANES_LISTED;
use posthaste_core::{BrokerError, LaneKey, LaneLimits, Pause, PauseReason, QueueName, State, Timestamp};
use redis::Value;
use serde::Deserialize;

use crate::link::{Oom, Script};
use crate::names::lane_key;
use crate::record::corrupt;
use crate::reply;
use crate::shards::Shards;

struct Scripts {
    counts: Script,
    lanes: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let with = |name, text| Script::with(name, Oom::Reads, &[include_str!("lua/reader.lua"), text]);
    Scripts {
        counts: with("read_counts", include_str!("lua/read_counts.lua")),
        lanes: with("read_lanes", include_str!("lua/read_lanes.lua")),
    }
});

/// A pause as the scripts write it: times in milliseconds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StoredPause {
    reason: PauseReason,
    #[serde(default)]
    until: Option<f64>,
    since: f64,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    settings: Option<String>,
}

impl StoredPause {
    pub(crate) fn pause(self) -> Pause {
        // Lua has one kind of number; whole milliseconds are exact in it.
        let time = |ms: f64| Timestamp::from_millis(ms as i64);
        Pause {
            reason: self.reason,
            until: self.until.map(time),
            since: time(self.since),
            message: self.message,
            settings: self.settings,
        }
    }
}

/// Settings of a lane as the scripts write them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct StoredSettings {
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    per: Option<f64>,
    #[serde(default)]
    conc: Option<f64>,
    #[serde(default)]
    manual: Option<StoredPause>,
    #[serde(default)]
    auto: Option<StoredPause>,
}

impl StoredSettings {
    fn parse(text: Option<Vec<u8>>) -> Result<Self, BrokerError> {
        let Some(text) = text else { return Ok(Self::default()) };
        serde_json::from_slice(&text).map_err(|e| corrupt(format!("a lane's settings cannot be read: {e}")))
    }

    fn limits(&self) -> LaneLimits {
        if (self.rate, self.per, self.conc) == (None, None, None) {
            return LaneLimits::default();
        }
        let small = |n: f64| n as u32;
        LaneLimits {
            rate: self.rate.map(small),
            per_ms: self.per.map_or(1_000, |n| n as u64),
            concurrency: self.conc.map(small),
        }
    }
}

/// Every queue with its counters.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn counts(shards: &Shards) -> Result<Vec<QueueCounts>, BrokerError> {
    let parts = try_join_all(shards.all().map(|shard| async move {
        let mut call = SCRIPTS.counts.call(&shards.m_key(shard));
        call.arg(shards.clock_arg());
        reply::list(shards.link().run(call).await?)
    }))
    .await?;
    let mut queues: BTreeMap<QueueName, QueueCounts> = BTreeMap::new();
    for part in parts {
        add_counts(&mut queues, part)?;
    }
    Ok(queues.into_values().collect())
}

fn add_counts(queues: &mut BTreeMap<QueueName, QueueCounts>, part: Vec<Value>) -> Result<(), BrokerError> {
    let [now, names, counters, pauses] =
        <[Value; 4]>::try_from(part).map_err(|_| corrupt("the answer to a look at the counters"))?;
    let now = Timestamp::from_millis(reply::int(now)?);
    let mut by_number = HashMap::new();
    for (number, name) in reply::pairs(names)? {
        let name = queue_name(&reply::text(name)?)?;
        let empty = QueueCounts { queue: name.clone(), by_state: [0; 8], held: 0, paused: None };
        queues.entry(name.clone()).or_insert(empty);
        by_number.insert(reply::text(number)?, name);
    }
    for (field, n) in reply::pairs(counters)? {
        let (field, n) = (reply::text(field)?, u64::try_from(reply::int(n)?).unwrap_or(0));
        let Some((number, what)) = field.split_once(':') else { continue };
        let Some(counts) = by_number.get(number).and_then(|name| queues.get_mut(name)) else { continue };
        match what.parse().ok().and_then(State::from_code) {
            Some(state) => counts.by_state[usize::from(state.code())] += n,
            None => counts.held += n,
        }
    }
    for (number, text) in reply::pairs(pauses)? {
        let stored: StoredPause = serde_json::from_slice(&reply::bytes(text)?)
            .map_err(|e| corrupt(format!("a queue's pause cannot be read: {e}")))?;
        let pause = Some(stored.pause()).filter(|p| p.until.is_none_or(|u| u > now));
        let Some(counts) = by_number.get(&reply::text(number)?).and_then(|name| queues.get_mut(name)) else {
            continue;
        };
        counts.paused = counts.paused.take().or(pause);
    }
    Ok(())
}

fn queue_name(text: &str) -> Result<QueueName, BrokerError> {
    QueueName::new(text).map_err(|e| corrupt(format!("the name of a queue: {e}")))
}

/// Lanes that hold work, a pause or limits.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn lanes(shards: &Shards, queue: Option<&QueueName>) -> Result<Vec<LaneInfo>, BrokerError> {
    let parts = try_join_all(shards.all().map(|shard| async move {
        let mut call = SCRIPTS.lanes.call(&shards.m_key(shard));
        call.arg(shards.clock_arg()).arg(queue.map_or("", QueueName::as_str)).int(MAX_LANES_LISTED as i64);
        let mut values = reply::list(shards.link().run(call).await?)?.into_iter();
        let now = values.next().map_or(Ok(0), reply::int)?;
        let mut lanes = Vec::new();
        while let Some(line) = values.next() {
            lanes.push(lane_info(Timestamp::from_millis(now), reply::text(line)?, &mut values)?);
        }
        Ok::<_, BrokerError>(lanes)
    }))
    .await?;
    Ok(merged(parts.into_iter().flatten()))
}

fn lane_info(
    now: Timestamp,
    line: String,
    values: &mut impl Iterator<Item = Value>,
) -> Result<LaneInfo, BrokerError> {
    let mut next = || values.next().ok_or_else(|| corrupt("the store answered too little"));
    let own = StoredSettings::parse(reply::maybe_bytes(next()?)?)?;
    let target = StoredSettings::parse(reply::maybe_bytes(next()?)?)?;
    let running = u64::try_from(reply::int(next()?)?).unwrap_or(0);
    let since = reply::text(next()?)?;
    let waiting_since = match since.as_str() {
        "" | "-" => None,
        ms => Some(Timestamp::from_millis(ms.parse().map_err(|_| corrupt("when a task became due"))?)),
    };
    let mut words = line.split(' ').skip(2);
    let queue = queue_name(words.next().unwrap_or_default())?;
    let lane = lane_key(words.next().unwrap_or_default(), words.next().unwrap_or_default())
        .ok_or_else(|| corrupt(format!("a lane cannot be read: {line:?}")))?;
    let limits = own.limits();
    // A probe, not time alone, ends what a misconfiguration or the breaker began.
    let lasting = |p: &Pause| {
        matches!(p.reason, PauseReason::Misconfigured | PauseReason::Breaker)
            || p.until.is_none_or(|u| u > now)
    };
    let paused =
        [own.manual, target.manual, target.auto].into_iter().flatten().map(StoredPause::pause).find(lasting);
    let waiting = !since.is_empty();
    Ok(LaneInfo { queue, lane, paused, limits, running, waiting, waiting_since })
}

/// One line per lane, whichever shards it lies in, in the order in which they came.
fn merged(lanes: impl Iterator<Item = LaneInfo>) -> Vec<LaneInfo> {
    let mut places: HashMap<(QueueName, Option<LaneKey>), usize> = HashMap::new();
    let mut out: Vec<LaneInfo> = Vec::new();
    for lane in lanes {
        match places.get(&(lane.queue.clone(), lane.lane.clone())) {
            Some(place) => {
                let known = &mut out[*place];
                known.running += lane.running;
                known.waiting |= lane.waiting;
                known.waiting_since = known.waiting_since.into_iter().chain(lane.waiting_since).min();
                known.paused = known.paused.take().or(lane.paused);
                if known.limits == LaneLimits::default() {
                    known.limits = lane.limits;
                }
            }
            None if out.len() < MAX_LANES_LISTED => {
                places.insert((lane.queue.clone(), lane.lane.clone()), out.len());
                out.push(lane);
            }
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn list(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|t| bytes(t)).collect())
    }

    #[test]
    fn counters_of_one_queue_are_summed_over_shards_whatever_its_numbers() {
        let mut queues = BTreeMap::new();
        let paused = r#"{"reason":"manual","since":1.7e12,"until":2000}"#;
        for (number, now) in [("1", "1000"), ("7", "3000")] {
            let counters = [format!("{number}:1"), format!("{number}:h"), "99:1".into()];
            let part = vec![
                bytes(now),
                list(&[number, "mail"]),
                list(&[&counters[0], "3", &counters[1], "2", &counters[2], "5"]),
                list(&[number, paused]),
            ];
            add_counts(&mut queues, part).expect("it reads");
        }
        let mail = &queues[&queue_name("mail").expect("valid")];
        assert_eq!((mail.of(State::Queued), mail.held), (6, 4));
        assert_eq!(mail.paused.as_ref().map(|p| p.since.as_millis()), Some(1_700_000_000_000));
    }

    #[test]
    fn a_lane_shows_the_pause_of_its_target_while_it_lasts() {
        let own = r#"{"rate":5,"per":60000,"manual":{"reason":"manual","since":0,"until":10}}"#;
        let with = |auto: &str, since: &str| {
            let mut values = vec![bytes(own), bytes(auto), Value::Int(3), bytes(since)].into_iter();
            lane_info(Timestamp::from_millis(20), "1 10001 mail smtp:a acme".into(), &mut values)
                .expect("it reads")
        };
        let info = |auto: &str| with(auto, "7");
        let lane = info(r#"{"auto":{"reason":"breaker","since":0,"until":15},"strikes":7}"#);
        assert_eq!(lane.lane.as_ref().map(LaneKey::to_string).as_deref(), Some("smtp:a/acme"));
        assert_eq!(lane.paused.map(|p| p.reason), Some(PauseReason::Breaker));
        assert_eq!((lane.limits.rate, lane.limits.per_ms, lane.limits.concurrency), (Some(5), 60_000, None));
        assert_eq!(
            (lane.running, lane.waiting, lane.waiting_since),
            (3, true, Some(Timestamp::from_millis(7)))
        );
        for (since, waiting) in [("", false), ("-", true)] {
            let lane = with("{}", since);
            assert_eq!((lane.waiting, lane.waiting_since), (waiting, None), "{since}");
        }
        assert_eq!(info(r#"{"auto":{"reason":"throttled","since":0,"until":15}}"#).paused, None);
    }
}
