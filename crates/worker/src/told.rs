//! What the lines about tasks and lanes share: each is said so often a minute, and holds no address.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How long lines of one key are counted.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Keys that are counted at once; beyond them nothing is said until the minute of one is over.
pub(crate) const MOST: usize = 1_000;

/// What was said under a key in its minute.
struct Said {
    since: Instant,
    lines: u32,
    left_out: u64,
}

/// So many lines a minute under each key.
pub(crate) struct Told<K> {
    said: HashMap<K, Said>,
    most: u32,
}

impl<K: Eq + Hash> Told<K> {
    /// At most `most` lines a minute under one key.
    pub(crate) fn at_most(most: u32) -> Self {
        Self { said: HashMap::new(), most }
    }

    /// How many lines under `key` were left out before this one; nothing when this one is to be left out, too.
    pub(crate) fn may(&mut self, key: K, now: Instant) -> Option<u64> {
        if self.said.len() >= MOST && !self.said.contains_key(&key) {
            self.said.retain(|_, said| now < said.since + MINUTE);
            if self.said.len() >= MOST {
                return None;
            }
        }
        let said = self.said.entry(key).or_insert(Said { since: now, lines: 0, left_out: 0 });
        if now >= said.since + MINUTE {
            (said.since, said.lines) = (now, 0);
        }
        if said.lines >= self.most {
            said.left_out += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.left_out))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.said.len()
    }
}

/// A server's words without the addresses in them: a log holds none. Cut to `most` bytes.
pub(crate) fn without_addresses(text: &str, most: usize) -> String {
    let words = text.split_whitespace().map(|w| if w.contains('@') { "…" } else { w });
    let mut out = words.collect::<Vec<_>>().join(" ");
    if out.len() > most {
        out.truncate(out.floor_char_boundary(most));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_names_no_address_and_is_cut() {
        for (text, said) in [
            ("550 <bob@example.com>:\r\n no such user", "550 … no such user"),
            ("450 4.7.1 <bob@example.com>: greylisted,\r\n try again", "450 4.7.1 … greylisted, try again"),
        ] {
            assert_eq!(without_addresses(text, 300), said);
        }
        assert!(without_addresses(&"ü".repeat(300), 300).len() <= 300);
    }
}
