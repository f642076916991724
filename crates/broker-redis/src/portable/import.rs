//! Taking over what another store held: each item goes to the shard in which this store looks for it.

use std::collections::HashMap;
use std::sync::Arc;

use posthaste_core::broker::SeriesPoint;
use posthaste_core::limits::{MAX_LANES, MAX_UNIQUE_HOLD};
use posthaste_core::portable::{
    Imported, PortableIdempotency, PortableItem, PortableLane, PortableQueue, PortableRecord, PortableTask,
    PortableUnique,
};
use posthaste_core::task::stored::{Ext, log_append};
use posthaste_core::{BrokerError, Json, NewTask, Pause, RecordKind, TaskId, Timestamp};
use redis::Value;
use serde_json::json;

use crate::enqueue::target_text;
use crate::keys::Key;
use crate::link::Call;
use crate::names::{Route, lane_texts};
use crate::pack::{INLINE, put_u24, put_u48};
use crate::recipients;
use crate::record::{corrupt, has, is, presets};
use crate::records::kind_code;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::shards::Shards;
use crate::store::Inner;

/// The run time of a task whose log tells it.
const TOLD_BY_ITS_LOG: u32 = u32::MAX;
/// Most bytes of bodies in one call of a script.
const MAX_CALL: usize = 1024 * 1024;

impl Inner {
    /// Stores what is not there yet.
    pub(crate) async fn import(self: &Arc<Self>, items: Vec<PortableItem>) -> Result<Imported, BrokerError> {
        let shards = self.found().await?;
        let now = self.now().await?;
        let items: Vec<PortableItem> = items
            .into_iter()
            .map(|item| match item {
                PortableItem::Task(task) => PortableItem::Task(Box::new(task.at_rest(now))),
                other => other,
            })
            .collect();
        let mut parts: Vec<Vec<usize>> = shards.all().map(|_| Vec::new()).collect();
        for (at, item) in items.iter().enumerate() {
            for shard in shards_of(shards, item) {
                parts[usize::from(shard)].push(at);
            }
        }
        // A pause lies in every shard; it is new if it is new in one of them.
        let mut stored = vec![false; items.len()];
        for (shard, part) in (0u16..).zip(&parts) {
            let own: Vec<&PortableItem> = part.iter().map(|at| &items[*at]).collect();
            let mut places = part.iter();
            for chunk in chunks(&own) {
                for (new, at) in self.import_at(shard, chunk, now).await?.into_iter().zip(places.by_ref()) {
                    stored[*at] |= new;
                }
            }
        }
        self.ring_all();
        let new = stored.iter().filter(|new| **new).count();
        Ok(Imported { stored: new, left: items.len() - new })
    }

    /// The store's time, or near it: what decides what becomes of a running task.
    async fn now(&self) -> Result<Timestamp, BrokerError> {
        if let crate::StoreClock::Given(clock) = self.shards().clock() {
            return Ok(clock.wall());
        }
        let time = self.shards().link().command(&self.shards().m_key(0), redis::cmd("TIME")).await?;
        let mut parts = reply::list(time)?.into_iter();
        let mut next = || parts.next().ok_or_else(|| corrupt("the answer to TIME")).and_then(reply::int);
        Ok(Timestamp::from_millis(next()? * 1_000 + next()? / 1_000))
    }

    async fn import_at(
        &self,
        shard: u16,
        items: &[&PortableItem],
        now: Timestamp,
    ) -> Result<Vec<bool>, BrokerError> {
        // Once more when the store turned out to be another than its names were read from.
        for _ in 0..3 {
            let call = self.pack_import(shard, items, now).await?;
            match self.run(shard, call).await? {
                Value::BulkString(letters) if letters.len() == items.len() => {
                    self.confirmed(shard).await?;
                    return Ok(letters.iter().map(|l| *l == b'D').collect());
                }
                Value::Array(words) => match words.as_slice() {
                    [Value::BulkString(word)] if word == b"STALE" => self.names.forget(shard),
                    [Value::BulkString(word)] if word == b"FULL" => {
                        let problem = format!("this store knows {MAX_LANES} lanes already; use fewer");
                        return Err(BrokerError::invalid(0, "lane", problem));
                    }
                    _ => return Err(corrupt("the answer to an import")),
                },
                _ => return Err(corrupt("the answer to an import")),
            }
        }
        Err(BrokerError::Unavailable { why: "the store's names keep changing".into() })
    }

    async fn pack_import(
        &self,
        shard: u16,
        items: &[&PortableItem],
        now: Timestamp,
    ) -> Result<Call, BrokerError> {
        let likes: Vec<NewTask> = items
            .iter()
            .filter_map(|item| match item {
                PortableItem::Task(task) => Some(like(task)),
                _ => None,
            })
            .collect();
        let routes = self.routes_of(shard, likes.iter()).await?;
        let mut call = self.call(&SCRIPTS.import, shard);
        let distinct: HashMap<u32, &Arc<Route>> = routes.iter().map(|r| (r.number, r)).collect();
        call.int(distinct.len() as i64);
        for route in distinct.values() {
            call.int(i64::from(route.number)).arg(route.text());
        }
        let mut tasks = likes.iter().zip(&routes);
        for item in items {
            match item {
                PortableItem::Task(task) => {
                    let (like, route) = tasks.next().ok_or_else(|| corrupt("a route is missing"))?;
                    put_task(&mut call, task, like, route)?;
                }
                PortableItem::Unique(u) => put_unique(&mut call, self.shards(), u, now),
                PortableItem::Idempotency(i) => put_idempotency(&mut call, i),
                PortableItem::Record(r) => put_record(&mut call, r),
                PortableItem::Lane(l) => put_lane(&mut call, self.shards(), shard, l),
                PortableItem::Queue(q) => put_queue(&mut call, q),
                PortableItem::Series(p) => put_series(&mut call, p),
            }
        }
        Ok(call)
    }
}

/// Where a store looks for an item.
fn shards_of(shards: &Shards, item: &PortableItem) -> std::ops::Range<u16> {
    let one = |shard: u16| shard..shard + 1;
    match item {
        PortableItem::Task(task) => one(shards.place(task.id).0),
        PortableItem::Unique(u) => one(shards.by_text(&u.key)),
        PortableItem::Idempotency(i) => one(shards.by_text(&i.key)),
        PortableItem::Record(r) => one(crate::records::shard_of(shards, r.kind, &r.name)),
        PortableItem::Lane(_) | PortableItem::Queue(_) => shards.all(),
        PortableItem::Series(_) => one(0),
    }
}

/// Parts of about a megabyte.
fn chunks<'a, 'i>(items: &'a [&'i PortableItem]) -> Vec<&'a [&'i PortableItem]> {
    let mut out = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (i, item) in items.iter().enumerate() {
        bytes += 1024
            + match item {
                PortableItem::Task(t) => t.payload.len() + t.result.as_ref().map_or(0, Json::len),
                PortableItem::Record(r) => r.body.len(),
                _ => 0,
            };
        if bytes >= MAX_CALL {
            out.push(&items[from..=i]);
            (from, bytes) = (i + 1, 0);
        }
    }
    if from < items.len() {
        out.push(&items[from..]);
    }
    out
}

/// A new task of the same place and with the same rare fields.
fn like(task: &PortableTask) -> NewTask {
    NewTask {
        queue: task.queue.clone(),
        lane: task.lane.clone(),
        tenant: task.tenant.clone(),
        batch: task.batch,
        recipient: task.recipient.clone(),
        trace: task.trace.clone(),
        policy: task.policy.clone(),
        ..NewTask::new(task.kind.clone(), Json::from_trusted(String::new()))
    }
}

fn ms(t: Timestamp) -> u64 {
    u64::try_from(t.as_millis()).unwrap_or(0)
}

fn put_task(call: &mut Call, t: &PortableTask, like: &NewTask, route: &Route) -> Result<(), BrokerError> {
    let key = Key::of(t.id);
    let state = t.state.code();
    let is_final = t.state.is_final();
    let mut head = vec![key.as_slice().len() as u8];
    head.extend_from_slice(key.as_slice());
    let flags = u8::from(t.is_in_front()) | (u8::from(t.held) << 1);
    head.extend_from_slice(&[state, t.priority.code(), flags]);
    let time = |t: Option<Timestamp>| t.map_or(0, ms);
    put_u48(&mut head, ms(t.created_at));
    put_u48(&mut head, time(t.expires_at.filter(|_| !is_final)));
    put_u48(&mut head, time(t.parked_until.filter(|_| !is_final)));
    put_u48(&mut head, ms(t.due_at));
    put_u48(&mut head, time(t.finished_at));
    head.extend_from_slice(&generation(t).to_be_bytes());
    for n in [route.number, route.queue_no, route.lane_no, route.target_no] {
        put_u24(&mut head, n);
    }
    let payload_apart = t.payload.len() > INLINE;
    let result_apart = t.result.as_ref().filter(|r| r.len() > INLINE);
    call.arg("T").arg(head).arg(record_of(t, like, route)?);
    call.arg(if payload_apart { t.payload.as_str() } else { "" });
    call.arg(result_apart.map_or("", Json::as_str));
    call.arg(t.batch.map(|b| b.to_string()).unwrap_or_default());
    match &t.recipient {
        Some(r) => call.arg(recipients::hash(r)),
        None => call.arg(""),
    };
    Ok(())
}

/// Two bytes have to do, as after a retry.
fn generation(t: &PortableTask) -> u16 {
    ((t.generation.max(1) - 1) % 65_535 + 1) as u16
}

/// The record of a task, as `docs/adr/0005-redis-layout.md` has it.
fn record_of(t: &PortableTask, like: &NewTask, route: &Route) -> Result<Vec<u8>, BrokerError> {
    let key = Key::of(t.id);
    let is_final = t.state.is_final();
    let text = |e: serde_json::Error| BrokerError::invalid(0, "task", e.to_string());
    let policy = presets().code(&t.policy);
    let ext = Ext { unique: t.unique.clone(), ..Ext::of(like, policy) }.text().map_err(text)?;
    let mut log = None;
    for a in &t.attempts {
        log = Some(log_append(log.as_deref(), a).map_err(text)?);
    }
    let error = t.error.as_ref().map(serde_json::to_string).transpose().map_err(text)?;
    let created = key.created_ms() != Some(t.created_at.as_millis());
    let parked = t.parked_until.filter(|_| !is_final);
    let payload_apart = t.payload.len() > INLINE;
    let result_apart = t.result.as_ref().is_some_and(|r| r.len() > INLINE);
    let bits = |of: &[(bool, u8)]| of.iter().fold(0, |b, (set, bit)| if *set { b | bit } else { b });
    let sections = bits(&[
        (t.expires_at.is_some(), has::EXPIRES),
        (created, has::CREATED),
        (parked.is_some(), has::PARKED),
        (ext.is_some(), has::EXT),
        (log.is_some(), has::LOG),
        (error.is_some(), has::ERROR),
        (payload_apart, has::PAYLOAD_APART),
    ]);
    let kind = policy
        | bits(&[
            (t.unique.is_some() && t.unique_until_final, is::UNIQUE),
            (t.batch.is_some(), is::BATCH),
            (t.held && is_final, is::HELD),
            (t.result.is_some() && is_final, is::RESULT),
            (result_apart && is_final, is::RESULT_APART),
        ]);
    let mut b = vec![sections, kind, t.state.code() * 4 + t.priority.code()];
    put_u24(&mut b, route.number);
    b.extend_from_slice(&generation(t).to_be_bytes());
    put_u24(&mut b, t.attempt.min(0xff_ffff));
    let small = |n: u32| n.min(255) as u8;
    b.push(small(t.failures));
    if is_final {
        put_u48(&mut b, ms(t.due_at));
        put_u48(&mut b, t.finished_at.map_or(0, ms));
        b.extend_from_slice(&TOLD_BY_ITS_LOG.to_be_bytes());
        // No worker, no token: whoever had one has lost it.
        b.extend_from_slice(&[0; 10]);
        let inline = if payload_apart { 0 } else { t.payload.len() };
        b.extend_from_slice(&(inline as u16).to_be_bytes());
    } else {
        b.extend_from_slice(&[small(t.ended), small(t.rescues)]);
        put_u48(&mut b, ms(t.due_at));
        put_u48(&mut b, ms(t.first_due_at));
    }
    for time in [t.expires_at, created.then_some(t.created_at), parked].into_iter().flatten() {
        put_u48(&mut b, ms(time));
    }
    if let Some(ext) = &ext {
        b.extend_from_slice(&(ext.len() as u16).to_be_bytes());
        b.extend_from_slice(ext.as_bytes());
    }
    if let Some(log) = &log {
        put_u24(&mut b, log.len() as u32);
        b.extend_from_slice(log.as_bytes());
    }
    if let Some(error) = &error {
        b.extend_from_slice(&(error.len() as u16).to_be_bytes());
        b.extend_from_slice(error.as_bytes());
    }
    if !payload_apart {
        b.extend_from_slice(t.payload.as_str().as_bytes());
    }
    if is_final && !result_apart {
        b.extend_from_slice(t.result.as_ref().map_or("", Json::as_str).as_bytes());
    }
    Ok(b)
}

/// A key that is held until its task is final is freed by that task, which must lie in the same shard. Where it does not, the
/// key is held for as long as a period may be.
fn put_unique(call: &mut Call, shards: &Shards, u: &PortableUnique, now: Timestamp) {
    let (shard, key) = shards.place(u.task);
    let apart = shard != shards.by_text(&u.key);
    let until = u.until.or(apart.then(|| now.plus(MAX_UNIQUE_HOLD)));
    call.arg("U").arg(&u.key).arg(key.as_slice()).int(until.map_or(0, Timestamp::as_millis));
}

fn put_idempotency(call: &mut Call, i: &PortableIdempotency) {
    let mut value = Vec::with_capacity(38 + i.tasks.len() * 18);
    put_u48(&mut value, ms(i.at));
    value.extend_from_slice(&i.fingerprint);
    for (id, duplicate) in &i.tasks {
        let key = Key::of(*id);
        value.push(key.as_slice().len() as u8);
        value.extend_from_slice(key.as_slice());
        value.push(u8::from(*duplicate));
    }
    call.arg("I").arg(&i.key).int(i.at.as_millis()).arg(value);
}

fn put_record(call: &mut Call, r: &PortableRecord) {
    let mut value = Vec::with_capacity(12 + r.body.len());
    put_u48(&mut value, r.version);
    put_u48(&mut value, ms(r.updated_at));
    value.extend_from_slice(r.body.as_str().as_bytes());
    call.arg("R").int(kind_code(r.kind).into()).arg(&r.name).arg(value);
    match r.name.parse::<TaskId>() {
        Ok(id) if r.kind == RecordKind::SandboxMessage => call.arg(Key::of(id).as_slice()),
        _ => call.arg(""),
    };
}

/// A pause as scripts write it: times in ms.
fn pause(p: &Pause) -> serde_json::Value {
    let mut v = json!({ "reason": p.reason, "since": p.since.as_millis() });
    if let Some(until) = p.until {
        v["until"] = until.as_millis().into();
    }
    if let Some(message) = &p.message {
        v["message"] = message.as_str().into();
    }
    if let Some(settings) = &p.settings {
        v["settings"] = settings.as_str().into();
    }
    v
}

fn put_lane(call: &mut Call, shards: &Shards, shard: u16, l: &PortableLane) {
    let mut s = json!({});
    if let Some(rate) = l.limits.rate {
        s["rate"] = rate.into();
        s["per"] = l.limits.per_ms.into();
    }
    if let Some(concurrency) = l.limits.concurrency {
        s["conc"] = concurrency.into();
    }
    for (slot, p) in [("manual", &l.manual), ("auto", &l.auto)] {
        if let Some(p) = p {
            s[slot] = pause(p);
        }
    }
    for (slot, n) in [("strikes", l.strikes), ("opens", l.opens)] {
        if n > 0 {
            s[slot] = n.into();
        }
    }
    let (target, tenant) = lane_texts(l.lane.as_ref());
    let own = shards.by_text(&target_text(l.queue.as_str(), l.lane.as_ref()));
    call.arg("N").arg(l.queue.as_str()).arg(target).arg(tenant).arg(s.to_string());
    call.arg(match shards.count() {
        1 => "",
        _ if shard == own => "1",
        _ => "0",
    });
}

fn put_queue(call: &mut Call, q: &PortableQueue) {
    call.arg("Q").arg(q.queue.as_str()).arg(pause(&q.paused).to_string());
}

fn put_series(call: &mut Call, p: &SeriesPoint) {
    let plain = [
        ("enq", p.enqueued),
        ("clm", p.claimed),
        ("suc", p.succeeded),
        ("hld", p.held),
        ("fld", p.failed),
        ("rty", p.retried),
        ("can", p.cancelled),
        ("exp", p.expired),
    ];
    let mut values: Vec<(String, u64)> = plain.map(|(name, n)| (name.to_owned(), n)).to_vec();
    for (letter, buckets) in [('w', &p.wait_ms), ('r', &p.run_ms)] {
        values.extend(buckets.iter().enumerate().map(|(i, n)| (format!("{letter}{i}"), *n)));
    }
    values.retain(|(_, n)| *n > 0);
    call.arg("S").arg(p.queue.as_str()).int(p.at.as_millis() / 60_000).int(values.len() as i64);
    for (name, n) in values {
        call.arg(name).int(i64::try_from(n).unwrap_or(i64::MAX));
    }
}
