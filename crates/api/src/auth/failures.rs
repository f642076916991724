//! Failed attempts per client address: who guesses keys is stopped after a few.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::rate::Bucket;

/// Most addresses that are remembered.
const MAX_ADDRESSES: usize = 10_000;

/// Attempts that failed, by address. An attempt that succeeds is not counted.
pub(crate) struct Failures {
    per_minute: u32,
    buckets: Mutex<HashMap<Option<IpAddr>, Bucket>>,
}

impl Failures {
    /// At most `per_minute` from one address; 0 is no limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    fn rate(&self) -> (f64, f64) {
        (f64::from(self.per_minute) / 60.0, f64::from(self.per_minute))
    }

    /// How long this address has to wait before it may try again.
    pub(crate) fn blocked(&self, ip: Option<IpAddr>, now_ms: u64) -> Option<Duration> {
        if self.per_minute == 0 {
            return None;
        }
        let (rate, burst) = self.rate();
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = *buckets.get(&network(ip))?;
        bucket.take(rate, burst, now_ms).err()
    }

    /// Counts an attempt that failed.
    pub(crate) fn count(&self, ip: Option<IpAddr>, now_ms: u64) {
        if self.per_minute == 0 {
            return;
        }
        let (rate, burst) = self.rate();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_ADDRESSES && !buckets.contains_key(&network(ip)) {
            make_room(&mut buckets, rate, burst, now_ms);
        }
        let bucket = buckets.entry(network(ip)).or_insert_with(|| Bucket::full(burst, now_ms));
        // Whether it was the last one allowed is asked before the next attempt.
        let _ = bucket.take(rate, burst, now_ms);
    }
}

/// Forgets whoever has rested, and, while everybody is guessing, the half that has failed least.
fn make_room(buckets: &mut HashMap<Option<IpAddr>, Bucket>, rate: f64, burst: f64, now_ms: u64) {
    buckets.retain(|_, b| b.level(rate, burst, now_ms) < burst);
    if buckets.len() < MAX_ADDRESSES {
        return;
    }
    let mut levels: Vec<f64> = buckets.values().map(|b| b.level(rate, burst, now_ms)).collect();
    levels.sort_by(f64::total_cmp);
    let middle = levels[levels.len() / 2];
    buckets.retain(|_, b| b.level(rate, burst, now_ms) < middle);
}

/// One customer has a whole /64 of IPv6 at least.
fn network(ip: Option<IpAddr>) -> Option<IpAddr> {
    ip.map(|ip| match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_is_stopped_after_its_failures_and_others_are_not() {
        let failures = Failures::new(3);
        for _ in 0..3 {
            assert_eq!(failures.blocked(ip("203.0.113.1"), 0), None);
            failures.count(ip("203.0.113.1"), 0);
        }
        let wait = failures.blocked(ip("203.0.113.1"), 0).expect("blocked");
        assert_eq!(wait, Duration::from_secs(20));
        assert_eq!(failures.blocked(ip("203.0.113.2"), 0), None);
        assert_eq!(failures.blocked(ip("203.0.113.1"), 20_000), None);
        assert!(Failures::new(0).blocked(ip("203.0.113.1"), 0).is_none());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let failures = Failures::new(1);
        failures.count(ip("2001:db8::1"), 0);
        assert!(failures.blocked(ip("2001:db8::2"), 0).is_some());
        assert!(failures.blocked(ip("2001:db8:0:1::2"), 0).is_none());
        failures.count(ip("::ffff:192.0.2.1"), 0);
        assert!(failures.blocked(ip("192.0.2.1"), 0).is_some());
    }

    #[test]
    fn memory_is_bounded_however_many_guess() {
        let failures = Failures::new(5);
        failures.count(ip("192.0.2.9"), 0);
        for _ in 0..5 {
            failures.count(ip("192.0.2.9"), 0);
        }
        for n in 0..(MAX_ADDRESSES as u32 * 3) {
            failures.count(Some(IpAddr::V4((0x0A00_0000 + n).into())), 0);
        }
        assert!(failures.buckets.lock().expect("not poisoned").len() <= MAX_ADDRESSES);
        assert!(failures.blocked(ip("192.0.2.9"), 0).is_some(), "who failed most is remembered");
    }
}
