//! Storing a request whose tasks lie in several shards. One script call is atomic in one shard only, so the ids are
//! reserved first: whatever stops the request half-way, a repeat with its key stores the same tasks under the same ids,
//! and each of them once.
//!
//! A failover may lose the reservation and not the tasks, which lie with another server. So each part is stored together
//! with a note of its own under the same key: a repeat that finds no reservation finds what is there, shard by shard.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;
use posthaste_core::broker::{EnqueueReply, EnqueueRequest, Enqueued};
use posthaste_core::limits::MAX_SCHEDULE_AHEAD;
use posthaste_core::{BrokerError, Due, IdempotencyKey, NewTask, State, TaskId};
use rand::RngExt;

use crate::enqueue::{idem_key, too_far};
use crate::gate::Ids;
use crate::keys::{Key, mint};
use crate::open::StoreClock;
use crate::record::corrupt;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// The operation under which a shard notes the part that it has of a request; no request names it.
const IN_PART: &str = "in part";

/// Whether an idempotency key is such a note, which is worth something beside its own tasks only.
pub(crate) fn is_part(name: &str) -> bool {
    name.strip_prefix('\u{1f}')
        .and_then(|rest| rest.strip_prefix(IN_PART))
        .is_some_and(|rest| rest.starts_with('\u{1f}'))
}

/// A task of the request: where it lies and under which key.
#[derive(Clone, Copy)]
struct Placed {
    shard: u16,
    key: Key,
}

/// The name and fingerprint under which the ids are reserved, and where.
struct Reservation {
    home: u16,
    name: String,
    fingerprint: [u8; 32],
    /// Whether the caller can repeat it: its key is remembered.
    repeatable: bool,
}

impl Reservation {
    /// Under what a shard notes a part of so many tasks. A repeat that is divided otherwise is another part.
    fn part(&self, tasks: usize) -> Option<IdempotencyKey> {
        self.repeatable.then(|| IdempotencyKey {
            tenant: None,
            operation: IN_PART,
            key: format!("{}\u{1f}{tasks}", self.name),
            fingerprint: self.fingerprint,
        })
    }
}

impl Inner {
    /// Stores tasks of several shards. The answer is a success only when all of them are stored.
    pub(crate) async fn enqueue_spread(
        self: &Arc<Self>,
        request: EnqueueRequest,
    ) -> Result<EnqueueReply, BrokerError> {
        let reservation = self.reservation(&request);
        let now = self.now_ms();
        for (i, t) in request.tasks.iter().enumerate() {
            if let Due::At(at) = t.due
                && u128::try_from(at.as_millis() - now).is_ok_and(|ms| ms > MAX_SCHEDULE_AHEAD.as_millis())
            {
                return Err(too_far(i, "due_at"));
            }
        }
        let placed = self.place_all(&request, now);
        let (placed, again) = match self.reserve(&reservation, &placed).await? {
            Reserved::Now => {
                self.confirmed(reservation.home).await?;
                (placed, false)
            }
            Reserved::Before(keys) => (self.placed_before(&request, keys)?, true),
            Reserved::Stored(entries) => return self.replayed(entries).await,
        };
        if !again && let Err(e) = self.check_ids(&request).await {
            // What cannot be stored leaves its key free.
            self.complete(&reservation, &[]).await?;
            return Err(e);
        }
        let ids = if reservation.repeatable { Ids::Repeatable } else { Ids::Reserved };
        let tasks = self.store_parts(request.tasks, &placed, ids, &reservation).await?;
        let entries: Vec<u8> = tasks.iter().flat_map(entry).collect();
        let completed =
            self.complete(&reservation, if reservation.repeatable { &entries } else { &[] }).await;
        // Nobody can ask again for what has no key of its caller's, and all of it is stored.
        if reservation.repeatable {
            completed?;
            self.confirmed(reservation.home).await?;
        }
        Ok(EnqueueReply { tasks, replayed: false })
    }

    fn reservation(&self, request: &EnqueueRequest) -> Reservation {
        match &request.idempotency {
            Some(key) => Reservation {
                home: self.shards().of_idempotency(key),
                name: idem_key(key),
                fingerprint: key.fingerprint,
                repeatable: true,
            },
            None => {
                let name = format!("\u{1f}internal\u{1f}{:032x}", rand::rng().random::<u128>());
                let home = self.shards().by_text(&name);
                Reservation { home, name, fingerprint: [0; 32], repeatable: false }
            }
        }
    }

    fn now_ms(&self) -> i64 {
        match self.shards().clock() {
            StoreClock::Given(clock) => clock.wall().as_millis(),
            StoreClock::Server => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    fn place_all(&self, request: &EnqueueRequest, now: i64) -> Vec<Placed> {
        let mut rng = rand::rng();
        // Counted up, so that the tasks of a request are in its order.
        let first: u32 = rng.random_range(0..1 << 19);
        (first..)
            .zip(&request.tasks)
            .map(|(counter, t)| {
                let shard = self.shards().of_new(t, request.idempotency.as_ref());
                let rest = self.shards().rest_of(shard, rng.random::<u64>() & ((1 << 34) - 1));
                Placed { shard, key: t.id.map_or_else(|| mint(now, counter, rest), Key::of) }
            })
            .collect()
    }

    fn placed_before(&self, request: &EnqueueRequest, keys: Vec<Key>) -> Result<Vec<Placed>, BrokerError> {
        if keys.len() != request.tasks.len() {
            return Err(corrupt("a reservation of another number of tasks"));
        }
        Ok(keys.into_iter().map(|key| Placed { shard: self.shards().of(key), key }).collect())
    }

    async fn reserve(&self, r: &Reservation, placed: &[Placed]) -> Result<Reserved, BrokerError> {
        let mut entries = Vec::with_capacity(placed.len() * 13);
        for p in placed {
            entries.push(p.key.as_slice().len() as u8);
            entries.extend_from_slice(p.key.as_slice());
        }
        let mut call = self.call(&SCRIPTS.reserve, r.home);
        call.arg("reserve").arg(&r.name).arg(r.fingerprint).arg(entries);
        let answer = reply::bytes(self.run(r.home, call).await?)?;
        match answer.split_first() {
            Some((b'N', _)) => Ok(Reserved::Now),
            Some((b'M', _)) => Err(BrokerError::IdempotencyMismatch),
            Some((b'V', rest)) => Ok(Reserved::Before(read(rest, 0)?.into_iter().map(|(k, _)| k).collect())),
            Some((b'R', rest)) => Ok(Reserved::Stored(read(rest, 1)?)),
            _ => Err(corrupt("the answer to a reservation")),
        }
    }

    async fn complete(&self, r: &Reservation, entries: &[u8]) -> Result<(), BrokerError> {
        let mut call = self.call(&SCRIPTS.complete, r.home);
        call.arg("complete").arg(&r.name).arg(r.fingerprint).arg(entries);
        self.run(r.home, call).await.map(drop)
    }

    /// Refuses ids of the caller's that exist, or that it gave twice.
    async fn check_ids(&self, request: &EnqueueRequest) -> Result<(), BrokerError> {
        let own: Vec<TaskId> = request.tasks.iter().filter_map(|t| t.id).collect();
        for (i, id) in own.iter().enumerate() {
            if own[..i].contains(id) {
                return Err(BrokerError::IdExists { id: *id });
            }
            let (shard, key) = self.shards().place(*id);
            let mut cmd = redis::cmd("HEXISTS");
            cmd.arg(self.shards().key(shard, "t")).arg(key.as_slice());
            if reply::int(self.shards().link().command(&self.shards().m_key(shard), cmd).await?)? == 1 {
                return Err(BrokerError::IdExists { id: *id });
            }
        }
        Ok(())
    }

    /// What the first request was answered, with the states of now.
    async fn replayed(&self, entries: Vec<(Key, bool)>) -> Result<EnqueueReply, BrokerError> {
        let entry =
            |(key, duplicate): (Key, bool)| Enqueued { id: key.id(), state: State::Succeeded, duplicate };
        self.states_of(EnqueueReply { tasks: entries.into_iter().map(entry).collect(), replayed: true }).await
    }

    /// A reply with the states of now, wherever its tasks lie.
    pub(crate) async fn states_of(&self, mut reply: EnqueueReply) -> Result<EnqueueReply, BrokerError> {
        let ids: Vec<TaskId> = reply.tasks.iter().map(|t| t.id).collect();
        for (task, found) in reply.tasks.iter_mut().zip(self.get(&ids).await?) {
            // A task that retention removed had ended; it was stored all the same.
            task.state = found.map_or(State::Succeeded, |t| t.state);
        }
        Ok(reply)
    }

    /// Stores each shard's part, those that are there already left alone.
    async fn store_parts(
        self: &Arc<Self>,
        tasks: Vec<NewTask>,
        placed: &[Placed],
        ids: Ids,
        reservation: &Reservation,
    ) -> Result<Vec<Enqueued>, BrokerError> {
        let mut parts: Vec<(Vec<usize>, Vec<NewTask>)> =
            self.shards().all().map(|_| Default::default()).collect();
        for (i, (mut t, p)) in tasks.into_iter().zip(placed).enumerate() {
            t.id = Some(p.key.id());
            let part = &mut parts[usize::from(p.shard)];
            part.0.push(i);
            part.1.push(t);
        }
        let mut calls = Vec::new();
        for (shard, (at, tasks)) in (0u16..).zip(parts) {
            if !tasks.is_empty() {
                calls.push(async move {
                    let idempotency = reservation.part(tasks.len());
                    let request = EnqueueRequest { tasks, idempotency };
                    let reply = self.enqueue_reserved(shard, request, ids).await?;
                    Ok::<_, BrokerError>((at, reply))
                });
            }
        }
        let mut out: Vec<Option<Enqueued>> = vec![None; placed.len()];
        // Every part is tried: what is stored now, a repeat need not store.
        let mut failed = None;
        for answer in join_all(calls).await {
            match answer {
                Ok((at, reply)) => {
                    for (i, e) in at.into_iter().zip(reply.tasks) {
                        out[i] = Some(e);
                    }
                }
                Err(e) => failed = Some(e),
            }
        }
        if let Some(e) = failed {
            return Err(e);
        }
        out.into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| corrupt("a part of a request has no answer"))
    }
}

/// What a reservation found.
enum Reserved {
    Now,
    /// Reserved by an earlier try, which stored perhaps some of it.
    Before(Vec<Key>),
    /// All was stored.
    Stored(Vec<(Key, bool)>),
}

fn entry(e: &Enqueued) -> Vec<u8> {
    let key = Key::of(e.id);
    let mut b = vec![key.as_slice().len() as u8];
    b.extend_from_slice(key.as_slice());
    b.push(u8::from(e.duplicate));
    b
}

/// Reads `(len1 K …)*` with `extra` bytes behind each key; the first of them is whether it was a duplicate.
fn read(mut left: &[u8], extra: usize) -> Result<Vec<(Key, bool)>, BrokerError> {
    let mut out = Vec::new();
    while let Some((n, more)) = left.split_first() {
        let (key, more) = more.split_at_checked(usize::from(*n)).ok_or_else(|| corrupt("a reservation"))?;
        let (rest, more) = more.split_at_checked(extra).ok_or_else(|| corrupt("a reservation"))?;
        let key = Key::from_slice(key).ok_or_else(|| corrupt("a reserved key"))?;
        out.push((key, rest.first().is_some_and(|d| *d != 0)));
        left = more;
    }
    Ok(out)
}
