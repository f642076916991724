//! Ids and row numbers. A UUIDv7 minted here carries its row number in its first 60 free bits, so a
//! task is found in one step and rows, ids and creation order are one order.

use posthaste_core::TaskId;
use rand::RngExt;
use uuid::Uuid;

/// Bits of the counter inside a millisecond.
const COUNTER_BITS: u32 = 12;
/// The random rest of an id: 62 bits.
const RAND_MASK: u64 = (1 << 62) - 1;

/// The row number inside a UUIDv7: 48 bits of milliseconds, 12 bits of counter.
pub(crate) fn seq_of(id: TaskId) -> i64 {
    let b = id.as_bytes();
    let high = u64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    let ms = high >> 16;
    ((ms << COUNTER_BITS) | (high & 0xFFF)) as i64
}

/// The random rest of an id; never negative.
pub(crate) fn rand_of(id: TaskId) -> i64 {
    let b = id.as_bytes();
    let low = u64::from_be_bytes([b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]);
    (low & RAND_MASK) as i64
}

/// The id of a row.
pub(crate) fn id_of(seq: i64, rand: i64) -> TaskId {
    let seq = seq as u64;
    let high = ((seq >> COUNTER_BITS) << 16) | 0x7000 | (seq & 0xFFF);
    let low = (rand as u64 & RAND_MASK) | (1 << 63);
    TaskId::from_uuid(Uuid::from_u64_pair(high, low))
}

/// Milliseconds of a row number: never goes back, whatever the wall clock does.
pub(crate) fn millis_of(seq: i64) -> i64 {
    seq >> COUNTER_BITS
}

/// Hands out row numbers that only rise.
#[derive(Debug)]
pub(crate) struct Minter {
    last: i64,
}

impl Minter {
    /// Goes on after `last`.
    pub(crate) fn after(last: i64) -> Self {
        Self { last }
    }

    /// Hands out nothing up to `seq` any more.
    pub(crate) fn beyond(&mut self, seq: i64) {
        self.last = self.last.max(seq);
    }

    /// The next row number at wall time `now_ms`, and a random rest.
    pub(crate) fn mint(&mut self, now_ms: i64) -> (i64, i64) {
        self.last = (self.last + 1).max(now_ms.max(0) << COUNTER_BITS);
        let rest = rand::rng().random::<u64>() & RAND_MASK;
        (self.last, rest as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_v7_and_gives_its_row_back() {
        let mut m = Minter::after(0);
        let (seq, rand) = m.mint(1_700_000_000_000);
        let id = id_of(seq, rand);
        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert_eq!(id.as_uuid().get_variant(), uuid::Variant::RFC4122);
        assert_eq!((seq_of(id), rand_of(id)), (seq, rand));
        assert_eq!(millis_of(seq), 1_700_000_000_000);
    }

    #[test]
    fn rows_rise_when_the_clock_goes_back_and_when_a_millisecond_is_full() {
        let mut m = Minter::after(0);
        let (mut last, _) = m.mint(5_000);
        for now in (0..10_000).map(|i| if i % 2 == 0 { 4_000 } else { 5_000 }) {
            let (next, _) = m.mint(now);
            assert!(next > last);
            last = next;
        }
    }
}
