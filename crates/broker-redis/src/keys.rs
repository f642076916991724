//! The key of a task: 12 bytes when the broker minted it, else the caller's 16. Each form gives the
//! other, so a task is found by its id in one step and no id is stored beside its key.
//!
//! A key is 42 bits of milliseconds, a 20-bit counter of its shard and 34 random bits. Its UUIDv7 has
//! the milliseconds as its own, then the other 54 bits by position, then a check of 20 bits over the
//! 96, by which an id that was minted here is told from the caller's.

use posthaste_core::TaskId;
use uuid::Uuid;

pub(crate) use crate::link::crc16;

/// Bytes of a minted key.
const MINTED: usize = 12;
/// Bits of the part of a key that decides its shard.
const SLOT: u16 = 0x3fff;
/// Bits of the check that follows the key inside an id.
const CHECK_BITS: u32 = 20;
/// Version 7 and the variant of RFC 9562, where an id has them.
const MARKS: u128 = (7 << 76) | (0b10 << 62);
/// The bits that [`MARKS`] occupies, and the six that a time of 42 bits leaves empty.
const FIXED: u128 = (0xf << 76) | (0b11 << 62) | (0x3f << 122);

/// The key of a task, as the store has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    bytes: [u8; 16],
    len: u8,
}

impl Key {
    /// The key of an id.
    pub(crate) fn of(id: TaskId) -> Self {
        let n = u128::from_be_bytes(*id.as_bytes());
        match minted(n) {
            Some(key) => Self::short(key),
            None => Self { bytes: n.to_be_bytes(), len: 16 },
        }
    }

    /// A key of the store; `None` when it is none.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        if let Ok(short) = <[u8; MINTED]>::try_from(bytes) {
            let mut wide = [0; 16];
            wide[4..].copy_from_slice(&short);
            return Some(Self::short(u128::from_be_bytes(wide)));
        }
        let long = <[u8; 16]>::try_from(bytes).ok()?;
        // One task has one key: the long form of a minted id does not occur.
        minted(u128::from_be_bytes(long)).is_none().then_some(Self { bytes: long, len: 16 })
    }

    /// From the 96 bits of a minted key.
    fn short(key: u128) -> Self {
        let mut bytes = [0; 16];
        bytes[..MINTED].copy_from_slice(&key.to_be_bytes()[4..]);
        Self { bytes, len: MINTED as u8 }
    }

    /// Its bytes in the store.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Its 96 bits, if it was minted.
    fn bits(&self) -> Option<u128> {
        (usize::from(self.len) == MINTED).then(|| u128::from_be_bytes(self.bytes) >> 32)
    }

    /// The id of its task.
    pub(crate) fn id(&self) -> TaskId {
        let n = self.bits().map_or(u128::from_be_bytes(self.bytes), id_bits);
        TaskId::from_uuid(Uuid::from_u128(n))
    }

    /// Decides its shard: `slot mod shards`.
    pub(crate) fn slot(&self) -> u16 {
        match self.bits() {
            Some(key) => key as u16 & SLOT,
            None => crc16(&self.bytes) & SLOT,
        }
    }

    /// When it was minted; a caller's id tells no time.
    pub(crate) fn created_ms(&self) -> Option<i64> {
        self.bits().map(|key| (key >> 54) as i64)
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.id(), f)
    }
}

/// A key of this millisecond: the bits of `counter` (20) and `rest` (34) beyond theirs are dropped.
pub(crate) fn mint(now_ms: i64, counter: u32, rest: u64) -> Key {
    let ms = now_ms.clamp(0, (1 << 42) - 1) as u128;
    let counter = u128::from(counter & 0xf_ffff);
    Key::short((ms << 54) | (counter << 34) | u128::from(rest & 0x3_ffff_ffff))
}

/// The id of a minted key.
fn id_bits(key: u128) -> u128 {
    let time = key >> 54;
    let high = (key >> 42) & 0xfff;
    let low = key & ((1 << 42) - 1);
    (time << 80) | (high << 64) | (low << CHECK_BITS) | u128::from(check(key)) | MARKS
}

/// The 96 bits of the key inside an id, if it was minted here.
fn minted(id: u128) -> Option<u128> {
    if id & FIXED != MARKS {
        return None;
    }
    let (time, high) = (id >> 80, (id >> 64) & 0xfff);
    let low = (id >> CHECK_BITS) & ((1 << 42) - 1);
    let key = (time << 54) | (high << 42) | low;
    (u128::from(check(key)) == id & ((1 << CHECK_BITS) - 1)).then_some(key)
}

/// Twenty bits that depend on all 96: two rounds of multiply and shift.
fn check(key: u128) -> u32 {
    let mut x = (key as u64) ^ ((key >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (x >> (64 - CHECK_BITS)) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::{Variant, Version};

    use super::*;

    fn id(n: u128) -> TaskId {
        TaskId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn keys_of_one_shard_sort_by_time_then_counter() {
        let keys = [mint(5, 0, u64::MAX), mint(5, 1, 0), mint(5, 0xf_ffff, 0), mint(6, 0, 0)];
        assert!(keys.is_sorted());
        assert!(keys.map(|k| k.id()).is_sorted());
    }

    #[test]
    fn bytes_of_another_length_are_no_key() {
        for n in [0, 11, 13, 15, 17] {
            assert_eq!(Key::from_slice(&vec![7; n]), None);
        }
    }

    proptest! {
        #[test]
        fn a_minted_key_and_its_id_give_each_other(ms in 0i64..1 << 42, counter in 0u32..1 << 20, rest in 0u64..1 << 34) {
            let key = mint(ms, counter, rest);
            let bytes = key.as_slice();
            prop_assert_eq!(bytes.len(), 12);
            // The same bits as the scripts write them.
            let head = ms as u64 * 64 + u64::from(counter >> 14);
            let tail = (u64::from(counter & 16383) << 34) | rest;
            prop_assert_eq!(&head.to_be_bytes()[2..], &bytes[..6]);
            prop_assert_eq!(&tail.to_be_bytes()[2..], &bytes[6..]);
            let id = key.id();
            prop_assert_eq!(id.as_uuid().get_version(), Some(Version::SortRand));
            prop_assert_eq!(id.as_uuid().get_variant(), Variant::RFC4122);
            prop_assert_eq!(Key::of(id), key);
            prop_assert_eq!(Key::from_slice(bytes), Some(key));
            prop_assert_eq!(key.created_ms(), Some(ms));
            prop_assert_eq!(u64::from(key.slot()), rest & 16383);
        }

        #[test]
        fn a_callers_id_is_its_own_key(n: u128, v7: bool) {
            // An id of the caller's may well be a UUIDv7 of the same time.
            let n = if v7 { (n & !FIXED) | MARKS } else { n };
            let key = Key::of(id(n));
            prop_assert_eq!(key.id(), id(n));
            prop_assert_eq!(Key::from_slice(key.as_slice()), Some(key));
            prop_assert!(key.slot() < 16384);
        }

        #[test]
        fn an_id_whose_check_matches_is_twelve_bytes_whoever_made_it(key in 0u128..1 << 96, bit in 0u32..CHECK_BITS) {
            let n = id_bits(key);
            let short = Key::of(id(n));
            prop_assert_eq!(short.as_slice(), &key.to_be_bytes()[4..]);
            prop_assert_eq!(short.id(), id(n));
            // Its sixteen bytes are not a second key of the same task.
            prop_assert_eq!(Key::from_slice(&n.to_be_bytes()), None);
            let other = Key::of(id(n ^ (1 << bit)));
            prop_assert_eq!((other.as_slice().len(), other.id()), (16, id(n ^ (1 << bit))));
        }
    }
}
