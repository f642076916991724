//! Settling outcomes and handing out work.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use posthaste_core::broker::{
    ClaimRequest, Held, LaneNews, ReleaseReason, SettleReply, SettleRequest, Settled, Settlement,
};
use posthaste_core::limits::{MAX_CLAIM, MAX_SNOOZE};
use posthaste_core::task::stored::cut;
use posthaste_core::{
    BrokerError, Claimed, Failure, FailureClass, Kept, LeaseRef, LeaseToken, Outcome, RecordKind, State,
    TaskId, Timestamp,
};
use rand::RngExt;
use redis::Value;
use tokio::time::{Instant, timeout};

use crate::held::{HeldRecord, Origin};
use crate::keys::Key;
use crate::link::Call;
use crate::names::Route;
use crate::overview::StoredPause;
use crate::pack::INLINE;
use crate::record::{Record, Run, corrupt, is, run_flag};
use crate::records::kind_code;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// Rounds that one claim goes when what it looked at was held up or stale.
const LOOKS: usize = 8;

/// What a call to one shard answers.
struct Worked {
    letters: Vec<u8>,
    claimed: Vec<Claimed>,
    more: More,
    /// What the outcomes did to pauses; `at` counts in the order in which they were packed.
    lanes: Vec<LaneNews>,
}

/// What is left when a claim brought less than it asked for.
#[derive(Clone, Copy, Default)]
struct More {
    /// There is more to hand out.
    certainly: bool,
    /// So many looks go once round what is held up; what is behind it may be ready.
    looks: i64,
}

impl More {
    /// Whether another look may bring something after `empty` looks that did not.
    fn after(self, empty: i64) -> bool {
        self.certainly || empty < self.looks
    }

    fn and(self, other: Self) -> Self {
        Self { certainly: self.certainly || other.certainly, looks: self.looks.max(other.looks) }
    }
}

/// Plain successes of one claim and lane, either all with something kept or none.
struct Group {
    origin: Origin,
    keeps: bool,
    members: Vec<Plain>,
}

/// A plain success: where it stands in the request, its final record, and what it keeps beside that.
struct Plain {
    at: usize,
    record: Vec<u8>,
    kept: Option<Vec<u8>>,
}

/// What one shard has of a settle.
#[derive(Default)]
struct Part<'a> {
    settlements: Vec<&'a Settlement>,
    /// Where each of them stands in the request.
    at: Vec<usize>,
    started: Vec<LeaseRef>,
}

impl Inner {
    /// Stores outcomes, then claims.
    pub(crate) async fn settle(self: &Arc<Self>, request: SettleRequest) -> Result<SettleReply, BrokerError> {
        let shards = self.found().await?;
        let mut parts: Vec<Option<Part<'_>>> = shards.all().map(|_| None).collect();
        for (i, s) in request.settlements.iter().enumerate() {
            let (shard, _) = shards.place(s.lease.task);
            let part = parts[usize::from(shard)].get_or_insert_default();
            part.settlements.push(s);
            part.at.push(i);
        }
        for lease in &request.started {
            let (shard, _) = shards.place(lease.task);
            parts[usize::from(shard)].get_or_insert_default().started.push(*lease);
        }
        let mut reply = SettleReply {
            settled: vec![Settled::LeaseLost; request.settlements.len()],
            ..SettleReply::default()
        };
        // On one shard, settling and claiming is one call; on several, a claim looks where work is.
        let one = shards.count() == 1;
        let claim = request.claim.as_ref().filter(|_| one);
        let mut calls = Vec::new();
        for (shard, part) in (0u16..).zip(&mut parts) {
            if part.is_some() || (one && claim.is_some()) {
                let call = self.pack_work(shard, part.get_or_insert_default(), claim);
                calls.push(async move { (shard, self.work(shard, call, claim.filter(|_| one)).await) });
            }
        }
        let (mut failed, mut answered) = (None, false);
        for (shard, worked) in join_all(calls).await {
            let at = parts[usize::from(shard)].as_ref().map_or(&[][..], |part| &part.at);
            let worked = match worked {
                Ok(worked) => worked,
                // What other shards stored stands, and they may have work.
                Err(e) => {
                    at.iter().for_each(|at| reply.settled[*at] = Settled::Unanswered);
                    failed = Some(e);
                    continue;
                }
            };
            answered = true;
            for (letter, at) in worked.letters.iter().zip(at) {
                reply.settled[*at] = settled(*letter, request.settlements[*at].lease.task)?;
            }
            reply.lanes.extend(
                worked.lanes.into_iter().filter_map(|news| Some(LaneNews { at: *at.get(news.at)?, ..news })),
            );
            // The look that found no more has been made.
            if let Some(claim) =
                claim.filter(|c| worked.more.after(1) && worked.claimed.len() < c.max.min(MAX_CLAIM))
            {
                let rest = ClaimRequest {
                    max: claim.max.min(MAX_CLAIM) - worked.claimed.len(),
                    start: claim.start.saturating_sub(worked.claimed.len()),
                    held: held_with(claim, &worked.claimed),
                    ..claim.clone()
                };
                reply.claimed.extend(worked.claimed);
                // What was settled stands, whatever becomes of this.
                reply.claimed.extend(self.claim(rest).await.unwrap_or_default());
                continue;
            }
            reply.claimed.extend(worked.claimed);
        }
        if let Some(claim) = request.claim.filter(|_| !one) {
            match self.claim(claim).await {
                Ok(claimed) => {
                    answered |= !claimed.is_empty();
                    reply.claimed = claimed;
                }
                Err(e) => failed = Some(e),
            }
        }
        match failed {
            Some(e) if !answered => Err(e),
            _ => Ok(reply),
        }
    }

    /// Hands out ready tasks, from the shards in which there may be some, each time beginning with another.
    pub(crate) async fn claim(self: &Arc<Self>, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let mut out: Vec<Claimed> = Vec::new();
        let want = request.max.min(MAX_CLAIM);
        let (mut empty, mut more) = (0, More::default());
        for _ in 0..LOOKS {
            let part = ClaimRequest {
                max: want - out.len(),
                start: request.start.saturating_sub(out.len()),
                held: held_with(&request, &out),
                ..request.clone()
            };
            let claimed;
            (claimed, more) = match self.claim_once(part).await {
                Ok(found) => found,
                Err(e) if out.is_empty() => return Err(e),
                Err(_) => break,
            };
            // Also where something was handed out, the last look of the call found nothing more.
            empty = if claimed.is_empty() { empty + 1 } else { 1 };
            out.extend(claimed);
            if !more.after(empty) || out.len() >= want {
                return Ok(out);
            }
        }
        // There is more than one claim may look at, and the next begins where this one ended. Where all of it may be held
        // up there is no hurry: that comes by itself.
        if more.certainly {
            self.live.announce_all();
        }
        Ok(out)
    }

    /// One round over the shards, and whether there was more to look at.
    async fn claim_once(
        self: &Arc<Self>,
        request: ClaimRequest,
    ) -> Result<(Vec<Claimed>, More), BrokerError> {
        let (mut failed, mut answered, mut more) = (None, false, More::default());
        let shards = self.found().await?;
        let n = shards.count();
        let mut out: Vec<Claimed> = Vec::new();
        let want = request.max.min(MAX_CLAIM);
        for shard in self.live.take_hints() {
            self.set_busy(shard);
        }
        let first = if n == 1 { 0 } else { rand::rng().random_range(0..n) };
        for i in 0..n {
            let shard = (first + i) % n;
            if out.len() >= want {
                break;
            }
            let part = ClaimRequest {
                max: want - out.len(),
                start: request.start.saturating_sub(out.len()),
                held: held_with(&request, &out),
                ..request.clone()
            };
            // Begun before the call, so that who rings in its course is heard.
            let busy = self.busy(shard).filter(|_| n > 1);
            let look = busy.and_then(|b| b.look(&part));
            if busy.is_some() && look.is_none() {
                continue;
            }
            let worked = match self.look_into(shard, &part).await {
                Ok(worked) => {
                    answered = true;
                    worked
                }
                // A shard that does not answer takes nothing from what others handed out.
                Err(e) => {
                    failed = Some(e);
                    continue;
                }
            };
            // What one call may look at was held up or stale; what is behind it is next.
            if worked.claimed.len() < part.max {
                more = more.and(worked.more);
            }
            if let (Some(busy), Some(look)) = (busy, look)
                && !worked.more.certainly
                && worked.more.looks <= 1
                && worked.claimed.len() < part.max
            {
                busy.found_no_more(look);
            }
            out.extend(worked.claimed);
        }
        match failed {
            Some(e) if !answered => Err(e),
            _ => Ok((out, more)),
        }
    }

    /// Looks for work in one shard. A server of a Cluster that stands still is not waited for: what it hands out when it
    /// goes on is given back at once, and the next look waits longer.
    async fn look_into(self: &Arc<Self>, shard: u16, request: &ClaimRequest) -> Result<Worked, BrokerError> {
        let call = self.pack_work(shard, &mut Part::default(), Some(request));
        let link = self.shards().link();
        if !link.is_cluster() {
            return self.work(shard, call, Some(request)).await;
        }
        link.stands_still(call.slot)?;
        let (inner, own) = (Arc::clone(self), request.clone());
        let mut look = Box::pin(async move { inner.work(shard, call, Some(&own)).await });
        let (began, given) = (Instant::now(), self.patience(shard).now());
        if let Ok(worked) = timeout(given, &mut look).await {
            if worked.is_ok() {
                self.patience(shard).in_time(began.elapsed());
            }
            return worked;
        }
        let inner = Arc::clone(self);
        let _late_handle = tokio::spawn(async move {
            let Ok(worked) = look.await else { return };
            inner.patience(shard).late(given);
            let leases: Vec<LeaseRef> = worked.claimed.iter().map(|c| c.lease).collect();
            if !leases.is_empty()
                && let Err(e) = inner.release(&leases, ReleaseReason::Shutdown).await
            {
                tracing::debug!(error = %e, "what was handed out late waits until its leases end");
            }
        });
        let why = "a node of the Redis Cluster does not answer in time".to_owned();
        Err(BrokerError::Unavailable { why })
    }

    /// Packs a part. The answers come in the order in which its outcomes are packed: `part.at` is put into that order.
    fn pack_work(&self, shard: u16, part: &mut Part<'_>, claim: Option<&ClaimRequest>) -> Call {
        let mut call = self.call(&SCRIPTS.work, shard);
        let held = self.held.take(part.settlements.iter().map(|s| &s.lease));
        let mut groups: Vec<Group> = Vec::new();
        let mut others = Vec::new();
        for ((s, held), at) in part.settlements.iter().zip(held).zip(&part.at) {
            match held.and_then(|held| Some((held.origin, plain(s, &held, *at)?))) {
                Some((origin, member)) => {
                    let keeps = member.kept.is_some();
                    match groups.iter_mut().find(|g| g.origin == origin && g.keeps == keeps) {
                        Some(group) => group.members.push(member),
                        None => groups.push(Group { origin, keeps, members: vec![member] }),
                    }
                }
                None => others.push((*at, *s)),
            }
        }
        part.at.clear();
        call.int(groups.len() as i64);
        for group in &groups {
            call.arg(group.origin.header(group.members.len() as u16, 1 + u8::from(group.keeps)));
            for member in &group.members {
                part.at.push(member.at);
                call.arg(&member.record);
                if let Some(kept) = &member.kept {
                    call.arg(kept);
                }
            }
        }
        call.int(others.len() as i64);
        let mut blob = Vec::new();
        let mut rng = rand::rng();
        for (at, s) in others {
            part.at.push(at);
            blob.clear();
            put_settlement(&mut blob, s, rng.random());
            call.arg(&blob);
        }
        call.int(part.started.len() as i64);
        for lease in &part.started {
            let mut b = Key::of(lease.task).as_slice().to_vec();
            b.extend_from_slice(&lease.token.to_bytes());
            call.arg(b);
        }
        if let Some(c) = claim {
            let nonce: u64 = rng.random();
            call.arg(c.worker.as_str())
                .arg(nonce.to_be_bytes())
                .int(c.max.min(MAX_CLAIM) as i64)
                .int(c.start.min(MAX_CLAIM) as i64)
                .int(i64::try_from(c.lease.as_millis()).unwrap_or(i64::MAX))
                .arg(self.time.latest(self.shards(), shard));
            match c.per_target {
                Some(n) => call.int(i64::from(n)),
                None => call.arg(""),
            };
            call.int(c.held.len() as i64);
            for h in &c.held {
                call.arg(format!("{} {} ", h.queue, h.target)).int(i64::from(h.count));
            }
            call.int(c.queues.len() as i64);
            for q in &c.queues {
                call.arg(q.as_str());
            }
        }
        call
    }

    async fn work(
        &self,
        shard: u16,
        call: Call,
        claim: Option<&ClaimRequest>,
    ) -> Result<Worked, BrokerError> {
        // A claim waits for its answer, which may hand out work; outcomes can be sent again.
        let answer = match claim {
            Some(_) => self.run(shard, call).await?,
            None => self.run_aside(shard, call).await?,
        };
        let values = reply::list(answer)?;
        let [letters, now, epoch, nonce, more, rows, worker, names, lanes] =
            <[Value; 9]>::try_from(values).map_err(|_| corrupt("the answer to work"))?;
        let letters = reply::bytes(letters)?;
        let now = reply::int(now)?;
        self.time.learn(shard, now);
        let more = reply::int(more)?;
        let rows = reply::list(rows)?;
        let more_left = More { certainly: more & 1 != 0, looks: more >> 3 };
        let lanes = lane_news(lanes)?;
        let mut worked = Worked { letters, claimed: Vec::new(), more: more_left, lanes };
        if more & 6 != 0 {
            self.set_busy(shard);
            self.live.announce(shard);
        }
        let Some(claim) = claim.filter(|_| !rows.is_empty()) else { return Ok(worked) };
        let nonce = reply::bytes(nonce)?;
        let nonce = <[u8; 8]>::try_from(nonce.as_slice()).map_err(|_| corrupt("a nonce"))?;
        let token = LeaseToken { epoch: reply::int(epoch)? as u64, nonce: u64::from_be_bytes(nonce) };
        let at = Started {
            token,
            now: Timestamp::from_millis(now),
            start: claim.start,
            worker: reply::int(worker)? as u16,
        };
        for (n, text) in reply::pairs(names)? {
            let n = u32::try_from(reply::int(n)?).map_err(|_| corrupt("a route's number"))?;
            self.names.confirm(shard, n, &reply::text(text)?)?;
        }
        let handed = self.claimed(shard, rows, claim, &at).await?;
        worked.claimed = handed.claimed;
        if !handed.unreadable.is_empty() {
            Box::pin(self.fail_unreadable(shard, handed.unreadable)).await;
        }
        Ok(worked)
    }

    /// Reads what a claim handed out. A record that cannot be read takes none of the others along.
    async fn claimed(
        &self,
        shard: u16,
        rows: Vec<Value>,
        claim: &ClaimRequest,
        at: &Started,
    ) -> Result<HandedOut, BrokerError> {
        let mut read = Vec::with_capacity(rows.len() / 2);
        for (name, rec) in reply::pairs(Value::Array(rows))? {
            read.push((reply::bytes(name)?, reply::bytes(rec)?));
        }
        let mut records = Vec::with_capacity(read.len());
        for (name, rec) in &read {
            let (key, apart) = if matches!(name.len(), 12 | 16) {
                (name.as_slice(), None)
            } else {
                let n = usize::from(name[0]);
                name[1..].split_at_checked(n).map(|(k, p)| (k, Some(p))).ok_or_else(|| corrupt("a key"))?
            };
            let key = Key::from_slice(key).ok_or_else(|| corrupt("a key"))?;
            records.push((key, Record::parse(key, rec), apart));
        }
        let numbers = records.iter().filter_map(|r| Some(r.1.as_ref().ok()?.route));
        let routes = self.names.routes(self.shards(), shard, numbers).await?;
        let mut out = Vec::with_capacity(records.len());
        let mut origins = Vec::with_capacity(records.len());
        let mut unreadable = Vec::new();
        for (i, (key, rec, apart)) in records.iter().enumerate() {
            match handed_out(*key, rec, *apart, &routes, i, claim, at) {
                Ok((claimed, origin)) => {
                    out.push(claimed);
                    origins.push(Some((*key, origin)));
                }
                Err(why) => {
                    unreadable.push((LeaseRef { task: key.id(), token: at.token }, why));
                    origins.push(None);
                }
            }
        }
        let told: Vec<(LeaseRef, u32)> = out.iter().map(|c| (c.lease, c.attempt)).collect();
        drop(records);
        let fine = read.into_iter().zip(origins).filter_map(|((_, rec), origin)| Some((rec, origin?)));
        self.held.keep(fine.zip(told).filter_map(|((rec, (key, origin)), (lease, attempt))| {
            Some((lease, HeldRecord::new(key, rec, origin, at.worker, attempt)?))
        }));
        Ok(HandedOut { claimed: out, unreadable })
    }

    /// Fails tasks that were handed out and cannot be read: nobody can run them, and each claim would meet them again.
    async fn fail_unreadable(&self, shard: u16, unreadable: Vec<(LeaseRef, String)>) {
        let settlements: Vec<Settlement> = unreadable
            .into_iter()
            .map(|(lease, why)| {
                tracing::error!(task_id = %lease.task, cause = why, "the record of a task cannot be read: the task fails");
                let failure = Failure::new(FailureClass::Permanent, why).with_code("unreadable");
                Settlement { lease, outcome: Outcome::Failure(failure) }
            })
            .collect();
        let mut part = Part { settlements: settlements.iter().collect(), ..Part::default() };
        part.at = (0..settlements.len()).collect();
        let call = self.pack_work(shard, &mut part, None);
        // Unanswered, their leases run out, and the next claim comes here again.
        if let Err(e) = self.work(shard, call, None).await {
            tracing::debug!(error = %e, "tasks that cannot be read wait until their leases end");
        }
    }
}

/// What a claim handed out.
struct HandedOut {
    claimed: Vec<Claimed>,
    /// The leases of tasks whose records cannot be read, and why.
    unreadable: Vec<(LeaseRef, String)>,
}

/// The task of row `i`, or why it cannot be read.
fn handed_out(
    key: Key,
    record: &Result<Record<'_>, BrokerError>,
    apart: Option<&[u8]>,
    routes: &HashMap<u32, Arc<Route>>,
    i: usize,
    claim: &ClaimRequest,
    at: &Started,
) -> Result<(Claimed, Origin), String> {
    let record = record.as_ref().map_err(ToString::to_string)?;
    let route = routes.get(&record.route).ok_or_else(|| format!("route {} is missing", record.route))?;
    let run = Run {
        token: at.token,
        flags: if i < at.start { run_flag::STARTED } else { 0 },
        attempt: record.attempt + 1,
        started: at.now,
        worker: at.worker,
        lease_ms: u32::try_from(claim.lease.as_millis()).unwrap_or(u32::MAX),
        place: [route.queue_no, route.lane_no, route.target_no],
        priority: record.priority,
        generation: record.generation,
    };
    let claimed = record.claimed(key, route, &run, apart).map_err(|e| e.to_string())?;
    Ok((claimed, Origin { token: at.token.to_bytes(), started: at.now, place: run.place }))
}

/// What a worker holds of each target once it has `claimed`, too.
fn held_with(request: &ClaimRequest, claimed: &[Claimed]) -> Vec<Held> {
    let mut held = request.held.clone();
    for c in claimed {
        let Some(lane) = &c.lane else { continue };
        match held.iter_mut().find(|h| h.queue == c.queue && h.target == lane.target) {
            Some(h) => h.count += 1,
            None => held.push(Held { queue: c.queue.clone(), target: lane.target.clone(), count: 1 }),
        }
    }
    held
}

/// What is common to the tasks of one claim.
struct Started {
    token: LeaseToken,
    now: Timestamp,
    start: usize,
    /// The worker's number in the shard.
    worker: u16,
}

/// A success whose final record this process can write by itself.
fn plain(s: &Settlement, held: &HeldRecord, at: usize) -> Option<Plain> {
    let Outcome::Success { result, kept } = &s.outcome else { return None };
    if result.as_ref().is_some_and(|r| r.len() > INLINE) {
        return None;
    }
    let message = kept.as_ref().is_some_and(|k| k.kind == RecordKind::SandboxMessage);
    Some(Plain {
        at,
        record: held.success(Key::of(s.lease.task), result.as_ref(), if message { is::HELD } else { 0 }),
        kept: kept.as_ref().map(|k| kept_text(s.lease.task, k)),
    })
}

/// What outcomes did to pauses: of each its number from 1, the pause in force (nothing when it ended), why it was paused before.
fn lane_news(values: Value) -> Result<Vec<LaneNews>, BrokerError> {
    let unreadable = |e: serde_json::Error| corrupt(format!("a lane's pause cannot be read: {e}"));
    let mut values = reply::list(values)?.into_iter();
    let mut out = Vec::new();
    while let (Some(at), Some(paused), Some(before)) = (values.next(), values.next(), values.next()) {
        let at = usize::try_from(reply::int(at)?.saturating_sub(1)).map_err(|_| corrupt("an outcome"))?;
        let (paused, before) = (reply::text(paused)?, reply::text(before)?);
        let paused = match paused.as_str() {
            "" => None,
            text => Some(serde_json::from_str::<StoredPause>(text).map_err(unreadable)?.pause()),
        };
        let before = match before.as_str() {
            "" => None,
            word => Some(serde_json::from_value(word.into()).map_err(unreadable)?),
        };
        out.push(LaneNews { at, paused, before });
    }
    Ok(out)
}

/// What a task keeps, as `work.lua` reads it. Its name is the task's id.
fn kept_text(task: TaskId, kept: &Kept) -> Vec<u8> {
    let name = task.to_string();
    let mut b = vec![kind_code(kept.kind), name.len() as u8];
    b.extend_from_slice(name.as_bytes());
    put_long(&mut b, kept.body.as_str());
    b
}

/// One outcome as `work.lua` reads it.
fn put_settlement(b: &mut Vec<u8>, s: &Settlement, jitter: u32) {
    let key = Key::of(s.lease.task);
    b.push(key.as_slice().len() as u8);
    b.extend_from_slice(key.as_slice());
    b.extend_from_slice(&s.lease.token.to_bytes());
    match &s.outcome {
        Outcome::Success { result, kept: None } => {
            b.push(b'S');
            b.extend_from_slice(result.as_ref().map_or("", |r| r.as_str()).as_bytes());
        }
        Outcome::Success { result, kept: Some(kept) } => {
            b.push(b'K');
            let k = kept_text(s.lease.task, kept);
            b.extend_from_slice(&(k.len() as u32).to_be_bytes());
            b.extend_from_slice(&k);
            put_long(b, result.as_ref().map_or("", |r| r.as_str()));
        }
        Outcome::Failure(f) => {
            b.push(b'0' + f.class.code());
            let asked = f
                .retry_after
                .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX).min(1 << 47) + 1);
            b.extend_from_slice(&asked.to_be_bytes()[2..]);
            b.extend_from_slice(&jitter.to_be_bytes());
            put_short(b, &cut(&f.message));
            put_short(b, &f.code.as_ref().map(|c| format!("={}", cut(c))).unwrap_or_default());
            b.push(f.lane.map_or(0, |fault| fault.class().code()));
            put_short(b, &f.settings.as_ref().map(|s| cut(s)).unwrap_or_default());
        }
        // Refused before it came here; an operation that no script knows is lost alone.
        Outcome::Detached => b.push(b'?'),
        Outcome::Snooze { delay } => {
            b.push(b'Z');
            let ms = u32::try_from((*delay).min(MAX_SNOOZE).as_millis()).unwrap_or(u32::MAX);
            b.extend_from_slice(&ms.to_be_bytes());
        }
    }
}

fn put_short(b: &mut Vec<u8>, text: &str) {
    b.extend_from_slice(&(text.len() as u16).to_be_bytes());
    b.extend_from_slice(text.as_bytes());
}

fn put_long(b: &mut Vec<u8>, text: &str) {
    b.extend_from_slice(&(text.len() as u32).to_be_bytes());
    b.extend_from_slice(text.as_bytes());
}

fn settled(letter: u8, task: TaskId) -> Result<Settled, BrokerError> {
    match letter {
        b'A' => Ok(Settled::AlreadySettled),
        b'L' => Ok(Settled::LeaseLost),
        b'X' => {
            // It alone stays as it is: an error would have its whole batch sent again, for ever.
            tracing::error!(task_id = %task, "the outcome of a task is lost: its record in Redis cannot be read");
            Ok(Settled::LeaseLost)
        }
        code => State::from_code(code.wrapping_sub(b'0'))
            .map(Settled::Settled)
            .ok_or_else(|| corrupt("the answer to an outcome")),
    }
}
