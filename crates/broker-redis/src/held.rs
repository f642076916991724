//! Records that this process claimed, until they are settled. A record does not change while its task runs, so a plain
//! success is sent back as the whole final record: the server neither reads the old one nor takes it apart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use posthaste_core::{Json, LeaseRef, State, Timestamp};

use crate::keys::Key;
use crate::record::{has, is};

/// Records kept at the most; a task whose record is not kept is settled the general way.
const MAX_KEPT: usize = 8_192;
/// Where the sections of a record begin, and where those of one that says no times.
const BODY: usize = 26;
const FRESH_BODY: usize = 14;

/// What a group of successes has in common: their claim and their lane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) token: [u8; 16],
    pub(crate) started: Timestamp,
    /// Numbers of queue, lane and target.
    pub(crate) place: [u32; 3],
}

impl Origin {
    /// As `work.lua` reads it, for `n` successes; `each` is how many arguments each has: its record, and what it keeps.
    pub(crate) fn header(&self, n: u16, each: u8) -> Vec<u8> {
        let mut b = self.token.to_vec();
        b.extend_from_slice(&self.started.as_millis().to_be_bytes()[2..]);
        for number in self.place {
            b.extend_from_slice(&number.to_be_bytes()[1..]);
        }
        b.extend_from_slice(&n.to_be_bytes());
        b.push(each);
        b
    }
}

/// A running task's record.
pub(crate) struct HeldRecord {
    pub(crate) origin: Origin,
    worker: u16,
    attempt: u32,
    record: Vec<u8>,
}

impl HeldRecord {
    /// A record as it was claimed; `None` when its end is more than plain.
    pub(crate) fn new(key: Key, record: Vec<u8>, origin: Origin, worker: u16, attempt: u32) -> Option<Self> {
        let fresh = record.get(1).is_some_and(|is| is & is::FRESH != 0);
        let plain = record.len() >= if fresh { FRESH_BODY } else { BODY }
            && record[0] & !(has::CREATED | has::EXT) == 0
            && record[1] & is::UNIQUE == 0
            && key.as_slice().len() == 12;
        plain.then_some(Self { origin, worker, attempt, record })
    }

    /// The final record as `work.lua` reads it: the key, what comes before the two times, what comes after them.
    /// `held` is [`is::HELD`] if the sandbox holds its message, else 0.
    pub(crate) fn success(&self, key: Key, result: Option<&Json>, held: u8) -> Vec<u8> {
        let r = &self.record;
        let result = result.map_or("", Json::as_str);
        let mut b = Vec::with_capacity(r.len() + result.len() + 32);
        b.extend_from_slice(key.as_slice());
        let told = if result.is_empty() { 0 } else { is::RESULT };
        b.extend_from_slice(&[r[0], r[1] & !is::FRESH | told | held, State::Succeeded.code() * 4 + r[2] % 4]);
        b.extend_from_slice(&r[3..8]);
        b.extend_from_slice(&self.attempt.to_be_bytes()[1..]);
        b.push(r[11]);
        if r[1] & is::FRESH == 0 {
            b.extend_from_slice(&r[14..20]);
        } else {
            b.extend_from_slice(&key.created_ms().unwrap_or(0).to_be_bytes()[2..]);
        }
        b.extend_from_slice(&self.worker.to_be_bytes());
        b.extend_from_slice(&self.origin.token[8..]);
        let sections = if r[1] & is::FRESH == 0 { BODY } else { FRESH_BODY };
        let payload = r.len() - self.body(sections);
        b.extend_from_slice(&(payload as u16).to_be_bytes());
        b.extend_from_slice(&r[sections..]);
        b.extend_from_slice(result.as_bytes());
        b
    }

    /// Where its payload begins.
    fn body(&self, sections: usize) -> usize {
        let r = &self.record;
        let mut at = sections;
        if r[0] & has::CREATED != 0 {
            at += 6;
        }
        if r[0] & has::EXT != 0
            && let Some([high, low]) = r.get(at..at + 2)
        {
            at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
        }
        at.min(r.len())
    }
}

/// Records by lease.
#[derive(Default)]
pub(crate) struct HeldRecords(Mutex<HashMap<LeaseRef, HeldRecord>>);

impl HeldRecords {
    // The map is whole between any two statements, so a panic elsewhere does not spoil it.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LeaseRef, HeldRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a claim handed out.
    pub(crate) fn keep(&self, records: impl Iterator<Item = (LeaseRef, HeldRecord)>) {
        let mut all = self.lock();
        for (lease, record) in records {
            if all.len() >= MAX_KEPT {
                // Leases that were lost, mostly: their owner settles them no more.
                all.clear();
            }
            all.insert(lease, record);
        }
    }

    /// Takes the records of leases that are about to be settled, in order.
    pub(crate) fn take<'l>(&self, leases: impl Iterator<Item = &'l LeaseRef>) -> Vec<Option<HeldRecord>> {
        let mut all = self.lock();
        leases.map(|l| all.remove(l)).collect()
    }
}
