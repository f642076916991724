//! Packing new tasks for `enqueue.lua`.

use std::collections::HashMap;
use std::sync::Arc;

use posthaste_core::task::stored::{Ext, unique_key};
use posthaste_core::{BatchId, Due, NewTask, State, UniqueHold};
use rand::RngExt;

use crate::enqueue::idem_key;
use crate::gate::{Ids, Waiting};
use crate::keys::Key;
use crate::link::Call;
use crate::names::Route;
use crate::recipients;
use crate::record::{has, is, presets};
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// Largest payload that is kept inside its record.
pub(crate) const INLINE: usize = 4096;
/// Random bits of a minted key.
const REST: u64 = (1 << 34) - 1;

impl Inner {
    /// Packs a call, and tells the last six bytes of each task's key.
    pub(crate) fn pack(&self, shard: u16, group: &[Waiting], routes: &[Arc<Route>]) -> (Call, Vec<u8>) {
        let mut call = self.call(&SCRIPTS.enqueue, shard);
        call.arg(self.time.latest(self.shards(), shard));
        let places = Places::of(group.iter().flat_map(|w| &w.tasks).zip(routes));
        places.put(&mut call);
        let mut rng = rand::rng();
        let mut lows = Vec::with_capacity(routes.len() * 6);
        for index in 0..routes.len() as u64 {
            let rest = self.shards().rest_of(shard, rng.random::<u64>() & REST);
            put_u48(&mut lows, (index << 34) | rest);
        }
        call.arg(&lows);
        // One group for all of a request is said once, in its header.
        let mut of_request = Vec::with_capacity(group.len());
        let mut left = places.of_task.as_slice();
        for waiting in group {
            let (own, rest) = left.split_at(waiting.tasks.len());
            left = rest;
            let first = own.first().copied().unwrap_or(0);
            of_request.push(if own.iter().all(|g| *g == first) { first } else { 0 });
        }
        if of_request.contains(&0) {
            call.arg(places.of_task.iter().flat_map(|g| g.to_be_bytes()).collect::<Vec<u8>>());
        } else {
            call.arg("");
        }
        call.arg(recipients::of(group.iter().flat_map(|w| &w.tasks)));
        call.int(group.len() as i64);
        let mut blob = Vec::new();
        let mut next = routes.iter();
        for (waiting, of) in group.iter().zip(of_request) {
            let batch = one_batch(&waiting.tasks);
            let special = waiting.tasks.iter().any(|t| !plain(t, batch));
            let flags = u8::from(special)
                | (u8::from(batch.is_some()) << 4)
                | (u8::from(waiting.idempotency.is_some()) << 1)
                | match waiting.ids {
                    Ids::New => 0,
                    Ids::Reserved => 4,
                    Ids::Repeatable => 4 | 8,
                };
            let [n1, n2] = (waiting.tasks.len() as u16).to_be_bytes();
            let [g1, g2] = of.to_be_bytes();
            call.arg([n1, n2, flags, g1, g2]);
            if let Some(batch) = batch {
                call.arg(batch.to_string());
            }
            if let Some(key) = &waiting.idempotency {
                call.arg(idem_key(key)).arg(key.fingerprint);
            }
            for (t, route) in waiting.tasks.iter().zip(next.by_ref()) {
                blob.clear();
                put_task(&mut blob, t, route, special, batch);
                call.arg(&blob);
            }
        }
        (call, lows)
    }
}

/// The distinct places of a call's tasks: route and priority.
struct Places<'r> {
    routes: Vec<&'r Arc<Route>>,
    places: Vec<(&'r Arc<Route>, u8)>,
    /// Of each task, from one.
    of_task: Vec<u16>,
}

impl<'r> Places<'r> {
    fn of<'t>(tasks: impl Iterator<Item = (&'t NewTask, &'r Arc<Route>)>) -> Self {
        let mut all = Self { routes: Vec::new(), places: Vec::new(), of_task: Vec::new() };
        let mut index: HashMap<(u32, u8), u16> = HashMap::new();
        let mut last = ((0, 0), 0);
        for (t, route) in tasks {
            let place = (route.number, t.priority.code());
            if last.0 != place || last.1 == 0 {
                let at = *index.entry(place).or_insert_with(|| {
                    if !all.routes.iter().any(|r| r.number == route.number) {
                        all.routes.push(route);
                    }
                    all.places.push((route, place.1));
                    all.places.len() as u16
                });
                last = (place, at);
            }
            all.of_task.push(last.1);
        }
        all
    }

    fn put(&self, call: &mut Call) {
        call.int(self.routes.len() as i64);
        for r in &self.routes {
            call.int(i64::from(r.number)).arg(r.text());
        }
        call.int(self.places.len() as i64);
        for (r, prio) in &self.places {
            let mut b = Vec::with_capacity(13);
            put_u24(&mut b, r.number);
            b.push(*prio);
            for number in [r.queue_no, r.lane_no, r.target_no] {
                put_u24(&mut b, number);
            }
            call.arg(b);
        }
    }
}

/// The batch of all of a request's tasks: said once, and its index written by one call.
fn one_batch(tasks: &[NewTask]) -> Option<BatchId> {
    let batch = tasks.first()?.batch?;
    tasks.iter().all(|t| t.batch == Some(batch)).then_some(batch)
}

/// Whether a task of a request whose tasks are all of `batch` needs nothing looked at but its place.
fn plain(t: &NewTask, batch: Option<BatchId>) -> bool {
    t.id.is_none()
        && t.due == Due::Now
        && t.expires_at.is_none()
        && t.unique.is_none()
        && t.batch == batch
        && t.payload.len() <= INLINE
}

pub(crate) fn put_u24(b: &mut Vec<u8>, n: u32) {
    b.extend_from_slice(&n.to_be_bytes()[1..]);
}

pub(crate) fn put_u48(b: &mut Vec<u8>, n: u64) {
    b.extend_from_slice(&n.to_be_bytes()[2..]);
}

/// One task as `enqueue.lua` reads it: its record; in a request that has any with more to it (`tagged`), a byte before it that
/// says whether this is one, and then the first fourteen bytes of its record and what else there is.
fn put_task(b: &mut Vec<u8>, t: &NewTask, route: &Route, tagged: bool, batch: Option<BatchId>) {
    let code = presets().code(&t.policy);
    let ext = Ext::of(t, code).text().expect("plain data always serializes");
    let is_plain = plain(t, batch);
    if tagged {
        b.push(u8::from(!is_plain));
    }
    let apart = t.payload.len() > INLINE;
    let mut flags = 0;
    for (set, bit) in [
        (t.expires_at.is_some(), has::EXPIRES),
        (t.id.is_some(), has::CREATED),
        (ext.is_some(), has::EXT),
        (apart, has::PAYLOAD_APART),
    ] {
        flags |= if set { bit } else { 0 };
    }
    let mut kind = code;
    for (set, bit) in [
        (t.unique.as_ref().is_some_and(|u| u.hold == UniqueHold::UntilFinal), is::UNIQUE),
        (t.batch.is_some(), is::BATCH),
        (is_plain, is::FRESH),
    ] {
        kind |= if set { bit } else { 0 };
    }
    b.extend_from_slice(&[flags, kind, State::Queued.code() * 4 + t.priority.code()]);
    put_u24(b, route.number);
    // Generation 1; no attempt, no failure, none ended, none rescued.
    b.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    if is_plain {
        put_sections(b, ext.as_deref(), t.payload.as_str());
        return;
    }
    let (mode, at) = match t.due {
        Due::Now => (0, 0),
        Due::At(at) => (1, u64::try_from(at.as_millis()).unwrap_or(0)),
        Due::After(d) => (2, u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
    };
    b.push(mode);
    put_u48(b, at);
    let key = t.id.map(Key::of);
    let key = key.as_ref().map_or(&[][..], Key::as_slice);
    b.push(key.len() as u8);
    b.extend_from_slice(key);
    let unique = t.unique.as_ref().map(|u| unique_key(t.tenant.as_ref(), t.kind.as_str(), &u.key));
    let unique = unique.unwrap_or_default();
    b.extend_from_slice(&(unique.len() as u16).to_be_bytes());
    b.extend_from_slice(unique.as_bytes());
    let hold = t.unique.as_ref().map_or(0, |u| match u.hold {
        UniqueHold::UntilFinal => 0,
        UniqueHold::For(d) => u64::try_from(d.as_millis()).unwrap_or(u64::MAX).max(1),
    });
    put_u48(b, hold);
    let own = t.batch.filter(|_| batch.is_none());
    let batch = own.map(|x| x.to_string()).unwrap_or_default();
    b.push(batch.len() as u8);
    b.extend_from_slice(batch.as_bytes());
    put_u48(b, t.expires_at.map_or(0, |e| u64::try_from(e.as_millis()).unwrap_or(0).max(1)));
    let mut sections = Vec::new();
    put_sections(&mut sections, ext.as_deref(), if apart { "" } else { t.payload.as_str() });
    put_u24(b, sections.len() as u32);
    b.extend_from_slice(&sections);
    let big = if apart { t.payload.as_str() } else { "" };
    b.extend_from_slice(&(big.len() as u32).to_be_bytes());
    b.extend_from_slice(big.as_bytes());
}

fn put_sections(b: &mut Vec<u8>, ext: Option<&str>, payload: &str) {
    if let Some(ext) = ext {
        b.extend_from_slice(&(ext.len() as u16).to_be_bytes());
        b.extend_from_slice(ext.as_bytes());
    }
    b.extend_from_slice(payload.as_bytes());
}
