//! Which shard a task goes to.
//!
//! By its own id, if it has one; else by its unique key; else by the target of its lane, if that has a key; else by its
//! batch, the request's idempotency key, its queue. So whoever looks for a unique key finds it in one step, and the lanes
//! of a target keep their order and its limits in one shard.

use posthaste_core::broker::EnqueueRequest;
use posthaste_core::task::stored::unique_key;
use posthaste_core::{IdempotencyKey, NewTask, Tenant};

use crate::enqueue::{idem_key, target_text};
use crate::keys::Key;
use crate::link::crc16;
use crate::shards::Shards;

impl Shards {
    /// The shard of a text.
    pub(crate) fn by_text(&self, text: &str) -> u16 {
        (crc16(text.as_bytes()) & 0x3fff) % self.count()
    }

    /// The shard in which an idempotency key is remembered.
    pub(crate) fn of_idempotency(&self, key: &IdempotencyKey) -> u16 {
        self.by_text(&idem_key(key))
    }

    /// The shard that counts what a tenant's tasks name.
    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> u16 {
        self.by_text(&format!("\u{1f}tenant\u{1f}{tenant}"))
    }

    /// The shard of a new task.
    pub(crate) fn of_new(&self, t: &NewTask, idempotency: Option<&IdempotencyKey>) -> u16 {
        if let Some(id) = t.id {
            return self.of(Key::of(id));
        }
        if let Some(u) = &t.unique {
            return self.by_text(&unique_key(t.tenant.as_ref(), t.kind.as_str(), &u.key));
        }
        // A lane with a key has limits that matter: its tasks stay together, at the price of a reservation.
        match (&t.lane, &t.batch, idempotency) {
            (Some(_), ..) | (None, None, None) => {
                self.by_text(&target_text(t.queue.as_str(), t.lane.as_ref()))
            }
            (None, Some(batch), _) => self.by_text(&batch.to_string()),
            (None, None, Some(key)) => self.of_idempotency(key),
        }
    }

    /// Random bits of a key that lies in `shard`: their last fourteen are its slot.
    pub(crate) fn rest_of(&self, shard: u16, random: u64) -> u64 {
        let n = u64::from(self.count());
        if n == 1 {
            return random;
        }
        let slot = random & 0x3fff;
        let there = slot - slot % n + u64::from(shard);
        (random & !0x3fff) | if there > 0x3fff { there - n } else { there }
    }

    /// The one shard that holds all of a request, if there is one.
    pub(crate) fn only(&self, request: &EnqueueRequest) -> Option<u16> {
        if self.count() == 1 {
            return Some(0);
        }
        let key = request.idempotency.as_ref();
        let mut shards = request.tasks.iter().map(|t| self.of_new(t, key));
        let first = key.map(|k| self.of_idempotency(k)).or_else(|| shards.next()).unwrap_or(0);
        shards.all(|s| s == first).then_some(first)
    }
}
