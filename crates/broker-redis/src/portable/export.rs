//! Reading everything there is, part by part: a scan of each hash, shard by shard.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::broker::SeriesRequest;
use posthaste_core::limits::{MAX_EXPORT_BYTES, MAX_PORTABLE, SERIES_KEPT};
use posthaste_core::portable::{
    Exported, PortableIdempotency, PortableItem, PortableLane, PortableQueue, PortableRecord, PortableRun,
    PortableTask, PortableUnique,
};
use posthaste_core::{
    BrokerError, LaneLimits, Pause, QueueName, RecordKind, RecordOrder, State, TaskId, Timestamp,
};
use redis::Value;
use serde::Deserialize;

use super::READ;
use crate::keys::Key;
use crate::names::{Route, lane_key};
use crate::reads::Told;
use crate::record::{Phase, Record, Run, corrupt, damaged, is, run_flag};
use crate::reply;
use crate::spread::is_part;
use crate::store::Inner;
use crate::{records, series};

/// Tasks that one look reads: each may come with half a megabyte of bodies.
const TASKS: usize = 50;
/// Records that one look reads: each may be a megabyte.
const RECORDS: usize = 8;
/// The series of so long are read at once.
const SERIES_AT_ONCE: Duration = Duration::from_secs(3600);

/// The parts of an export, in their order: what others refer to comes first.
const SECTIONS: [&str; 7] = ["task", "unique", "idem", "record", "lane", "queue", "series"];

/// Where an export stands.
struct Place {
    section: usize,
    /// Shard, kind of record, or nothing.
    part: u16,
    /// The scan's cursor, the last name, the hour.
    at: String,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let name = parts.next()?;
        let section = SECTIONS.iter().position(|s| *s == name)?;
        let part = parts.next()?.parse().ok()?;
        Some(Self { section, part, at: parts.next()?.to_owned() })
    }

    fn text(&self) -> String {
        format!("{}:{}:{}", SECTIONS[self.section], self.part, self.at)
    }
}

/// Items, how many bytes of bodies they have, and where their part goes on, if it does.
struct Part {
    items: Vec<PortableItem>,
    bytes: usize,
    more: Option<String>,
}

impl Inner {
    /// The items behind `cursor`.
    pub(crate) async fn export(&self, cursor: Option<&str>, limit: usize) -> Result<Exported, BrokerError> {
        let shards = self.found().await?;
        let limit = limit.clamp(1, MAX_PORTABLE);
        let mut place = match cursor {
            None => Place { section: 0, part: 0, at: String::new() },
            Some(text) => Place::parse(text).ok_or(BrokerError::BadCursor)?,
        };
        let (mut out, mut bytes) = (Exported::default(), 0);
        loop {
            let name = SECTIONS[place.section];
            let parts = match name {
                "record" => RecordKind::ALL.len() as u16,
                // Of each shard the keys of three days.
                "idem" => shards.count() * 3,
                "series" => 1,
                _ => shards.count(),
            };
            if place.part >= parts {
                return Err(BrokerError::BadCursor);
            }
            let part = match name {
                "record" => self.export_records(&place).await?,
                "series" => self.export_series(&place).await?,
                _ => self.export_scan(&place, limit - out.items.len()).await?,
            };
            out.items.extend(part.items);
            bytes += part.bytes;
            match part.more {
                Some(at) => place.at = at,
                None => {
                    place = Place { part: place.part + 1, at: String::new(), ..place };
                    if place.part >= parts {
                        place = Place { section: place.section + 1, part: 0, at: String::new() };
                    }
                }
            }
            if place.section >= SECTIONS.len() {
                return Ok(out);
            }
            if out.items.len() >= limit || bytes >= MAX_EXPORT_BYTES {
                out.next_cursor = Some(place.text());
                return Ok(out);
            }
        }
    }

    /// A look at a hash of a shard.
    async fn export_scan(&self, place: &Place, limit: usize) -> Result<Part, BrokerError> {
        let shards = self.shards();
        let name = SECTIONS[place.section];
        let shard = if name == "idem" { place.part / 3 } else { place.part };
        let count = if name == "task" { limit.min(TASKS) } else { limit };
        let mut call = READ.call(&shards.m_key(shard));
        call.arg(shards.clock_arg()).arg(name);
        let at = if place.at.is_empty() { "0" } else { &place.at };
        if !at.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BrokerError::BadCursor);
        }
        // Tomorrow, too: the clock may have been set back over midnight.
        call.arg(at).int(count as i64).int(i64::from(place.part % 3) - 1);
        let mut values = reply::list(shards.link().run(call).await?)?.into_iter();
        let next = reply::text(values.next().ok_or_else(|| corrupt("the store answered too little"))?)?;
        let more = (next != "0").then_some(next);
        if name == "task" {
            let (items, bytes) = self.portable_tasks(shard, values).await?;
            return Ok(Part { items, bytes, more });
        }
        let mut items = Vec::new();
        let mut bytes = 0;
        for (name_value, value) in reply::pairs(Value::Array(values.collect()))? {
            let (of, value) = (reply::text(name_value)?, reply::bytes(value)?);
            bytes += value.len();
            items.extend(match name {
                "unique" => Some(PortableItem::Unique(unique(of, &value)?)),
                "idem" if is_part(&of) => None,
                "idem" => Some(PortableItem::Idempotency(idempotency(of, &value)?)),
                "lane" => lane(&of, &value)?.map(PortableItem::Lane),
                _ => queue(&of, &value)?.map(PortableItem::Queue),
            });
        }
        Ok(Part { items, bytes, more })
    }

    async fn portable_tasks(
        &self,
        shard: u16,
        mut values: impl Iterator<Item = Value>,
    ) -> Result<(Vec<PortableItem>, usize), BrokerError> {
        let mut told = Vec::new();
        while let Some(key) = values.next() {
            let key = reply::bytes(key)?;
            let Some(key) = Key::from_slice(&key) else { return Err(corrupt("a key")) };
            told.extend(Told::take(key, &mut values)?);
        }
        let numbers = told.iter().map(Told::route_number).collect::<Result<Vec<_>, _>>()?;
        let routes = self.names.routes(self.shards(), shard, numbers.iter().copied()).await?;
        let (mut items, mut bytes) = (Vec::with_capacity(told.len()), 0);
        for (t, n) in told.into_iter().zip(numbers) {
            let route = routes.get(&n).ok_or_else(|| corrupt(format!("route {n} is missing")))?;
            let task = portable(t, route)?;
            bytes += task.payload.len() + task.result.as_ref().map_or(0, posthaste_core::Json::len) + 512;
            items.push(PortableItem::Task(Box::new(task)));
        }
        Ok((items, bytes))
    }

    async fn export_records(&self, place: &Place) -> Result<Part, BrokerError> {
        let kind = RecordKind::ALL[usize::from(place.part)];
        let after = (!place.at.is_empty()).then_some(place.at.as_str());
        let found = records::list(self.shards(), kind, RecordOrder::Ascending, after, RECORDS).await?;
        let more = (found.len() >= RECORDS).then(|| found[found.len() - 1].name.clone());
        let bytes = found.iter().map(|r| r.body.len() + 200).sum();
        let items = found
            .into_iter()
            .map(|r| {
                PortableItem::Record(PortableRecord {
                    kind,
                    name: r.name,
                    version: r.version,
                    updated_at: r.updated_at,
                    body: r.body,
                })
            })
            .collect();
        Ok(Part { items, bytes, more })
    }

    /// An hour of the series, from the oldest that is kept; the cursor is where that begins.
    async fn export_series(&self, place: &Place) -> Result<Part, BrokerError> {
        let from = if place.at.is_empty() {
            match series::first_hour(self.shards()).await? {
                Some(first) => first,
                None => return Ok(Part { items: Vec::new(), bytes: 0, more: None }),
            }
        } else {
            Timestamp::from_millis(place.at.parse().map_err(|_| BrokerError::BadCursor)?)
        };
        let until = from.plus(SERIES_AT_ONCE);
        let points = series::series(self.shards(), &SeriesRequest { from, until, queue: None }).await?;
        let next = series::next_hour(self.shards(), until).await?;
        let more = next.filter(|n| n.since(from) <= SERIES_KEPT * 2).map(|n| n.as_millis().to_string());
        let bytes = points.len() * 600;
        Ok(Part { items: points.into_iter().map(PortableItem::Series).collect(), bytes, more })
    }
}

/// A task, taken out of its record.
fn portable(told: Told, route: &Route) -> Result<PortableTask, BrokerError> {
    let key = told.key;
    let record = Record::parse(key, &told.record)?;
    let run = told.run.as_deref().map(Run::parse).transpose()?;
    let ext = record.ext(key)?;
    let (waiting, finished_at) = match record.phase {
        Phase::Waiting(w) => (Some(w), None),
        Phase::Finished(f) => (None, Some(f.at)),
    };
    let unnamed = || posthaste_core::WorkerId::new("unknown").expect("a fixed, valid name");
    let policy = crate::record::presets()
        .policy(record.is & is::POLICY, &ext)
        .ok_or_else(|| damaged(key, "its policy is missing"))?;
    let error = record.error.map(serde_json::from_str).transpose();
    Ok(PortableTask {
        id: key.id(),
        kind: route.kind.clone(),
        queue: route.queue.clone(),
        lane: route.lane.clone(),
        priority: record.priority,
        state: told.state,
        generation: record.generation,
        attempt: record.attempt,
        failures: record.failures,
        ended: waiting.map_or(0, |w| w.ended),
        rescues: waiting.map_or(0, |w| w.rescues),
        created_at: record.created_at(key),
        due_at: record.due,
        first_due_at: waiting.map_or(record.due, |w| w.first_due),
        finished_at,
        expires_at: record.expires,
        parked_until: record.parked.filter(|_| told.state == State::Queued),
        policy,
        unique_until_final: record.is & is::UNIQUE != 0,
        held: record.is & is::HELD != 0 && told.state.is_final(),
        run: run.as_ref().map(|r| PortableRun {
            attempt: r.attempt,
            started_at: r.started,
            worker: told.worker.clone().unwrap_or_else(unnamed),
            started: r.flags & run_flag::STARTED != 0,
            marked: r.flags & run_flag::MARKED != 0,
            cancel_requested: r.flags & run_flag::CANCEL != 0,
        }),
        attempts: record.attempts(key, None, told.worker.clone())?,
        payload: record.payload(key, told.payload.as_deref())?,
        result: record.result(key, told.result.as_deref())?,
        error: error.map_err(|e| damaged(key, &format!("its error cannot be read: {e}")))?,
        tenant: ext.tenant,
        unique: ext.unique,
        batch: ext.batch,
        recipient: ext.recipient,
        trace: ext.trace,
    })
}

fn number(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |n, b| (n << 8) | i64::from(*b))
}

fn unique(key: String, value: &[u8]) -> Result<PortableUnique, BrokerError> {
    let (ends, task) = value.split_at_checked(6).ok_or_else(|| corrupt("a unique key"))?;
    let task = Key::from_slice(task).ok_or_else(|| corrupt("the holder of a unique key"))?.id();
    let ends = number(ends);
    Ok(PortableUnique { key, task, until: (ends > 0).then(|| Timestamp::from_millis(ends)) })
}

fn idempotency(key: String, value: &[u8]) -> Result<PortableIdempotency, BrokerError> {
    let broken = || corrupt("an idempotency key");
    let (at, rest) = value.split_at_checked(6).ok_or_else(broken)?;
    let (fingerprint, mut rest) = rest.split_first_chunk::<32>().ok_or_else(broken)?;
    let mut tasks: Vec<(TaskId, bool)> = Vec::new();
    while let Some((n, more)) = rest.split_first() {
        let (id, more) = more.split_at_checked(usize::from(*n)).ok_or_else(broken)?;
        let (duplicate, more) = more.split_first().ok_or_else(broken)?;
        tasks.push((Key::from_slice(id).ok_or_else(broken)?.id(), *duplicate != 0));
        rest = more;
    }
    Ok(PortableIdempotency { key, fingerprint: *fingerprint, at: Timestamp::from_millis(number(at)), tasks })
}

/// A pause as scripts write it: times in ms.
#[derive(Deserialize)]
struct Paused {
    reason: posthaste_core::PauseReason,
    until: Option<f64>,
    since: f64,
    message: Option<String>,
    #[serde(default)]
    settings: Option<String>,
}

impl From<Paused> for Pause {
    fn from(p: Paused) -> Self {
        Self {
            reason: p.reason,
            until: p.until.map(|ms| Timestamp::from_millis(ms as i64)),
            since: Timestamp::from_millis(p.since as i64),
            message: p.message,
            settings: p.settings,
        }
    }
}

#[derive(Deserialize)]
struct Settings {
    rate: Option<f64>,
    per: Option<f64>,
    conc: Option<f64>,
    manual: Option<Paused>,
    auto: Option<Paused>,
    #[serde(default)]
    strikes: f64,
    #[serde(default)]
    opens: f64,
}

/// `text` is `"<queue#> <target#> <queue> <target> <tenant>"`.
fn lane(text: &str, value: &[u8]) -> Result<Option<PortableLane>, BrokerError> {
    let names: HashMap<usize, &str> = text.split(' ').enumerate().collect();
    let name = |i| names.get(&i).copied().unwrap_or_default();
    let (Ok(queue), Some(lane)) = (QueueName::new(name(2)), lane_key(name(3), name(4))) else {
        return Ok(None);
    };
    let s: Settings =
        serde_json::from_slice(value).map_err(|e| corrupt(format!("a lane's settings: {e}")))?;
    let limits = LaneLimits {
        rate: s.rate.map(|n| n as u32),
        per_ms: s.per.map_or(1_000, |n| n as u64),
        concurrency: s.conc.map(|n| n as u32),
    };
    let item = PortableLane {
        queue,
        lane,
        limits,
        manual: s.manual.map(Into::into),
        auto: s.auto.map(Into::into),
        strikes: s.strikes as u32,
        opens: s.opens as u32,
    };
    Ok(Some(item))
}

fn queue(name: &str, value: &[u8]) -> Result<Option<PortableQueue>, BrokerError> {
    let Ok(queue) = QueueName::new(name) else { return Ok(None) };
    let paused: Paused =
        serde_json::from_slice(value).map_err(|e| corrupt(format!("a queue's pause: {e}")))?;
    Ok(Some(PortableQueue { queue, paused: paused.into() }))
}
