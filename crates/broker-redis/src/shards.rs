//! The shards of a store: where each one's keys are, and what every script is told first.

use std::sync::OnceLock;

use posthaste_core::TaskId;

use crate::StoreClock;
use crate::keys::Key;
use crate::link::Link;

/// The way to the shards of one namespace.
pub(crate) struct Shards {
    link: Link,
    namespace: String,
    clock: StoreClock,
    /// Known once the store has been asked, or told by the configuration.
    count: OnceLock<u16>,
}

impl Shards {
    /// The shards of `namespace` behind `link`; `count` is what the configuration says.
    pub(crate) fn new(link: Link, namespace: String, clock: StoreClock) -> Self {
        Self { link, namespace, clock, count: OnceLock::new() }
    }

    /// The transport.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Whose time counts.
    pub(crate) fn clock(&self) -> &StoreClock {
        &self.clock
    }

    /// How many there are: one until the store has told.
    pub(crate) fn count(&self) -> u16 {
        self.count.get().copied().unwrap_or(1)
    }

    /// Sets how many there are, once; `false` when it is another number than before.
    pub(crate) fn settle_count(&self, count: u16) -> bool {
        *self.count.get_or_init(|| count.max(1)) == count
    }

    /// Every shard.
    pub(crate) fn all(&self) -> std::ops::Range<u16> {
        0..self.count()
    }

    /// The shard of a task.
    pub(crate) fn of(&self, key: Key) -> u16 {
        key.slot() % self.count()
    }

    /// The key and the shard of an id.
    pub(crate) fn place(&self, id: TaskId) -> (u16, Key) {
        let key = Key::of(id);
        (self.of(key), key)
    }

    /// What all keys of a shard begin with.
    pub(crate) fn prefix(&self, shard: u16) -> String {
        format!("ph:{{{}:{shard}}}:", self.namespace)
    }

    /// A key of a shard.
    pub(crate) fn key(&self, shard: u16, name: &str) -> String {
        self.prefix(shard) + name
    }

    /// The key that every script of a shard names.
    pub(crate) fn m_key(&self, shard: u16) -> Vec<u8> {
        self.key(shard, "m").into_bytes()
    }

    /// The first argument of every script: empty for the server's time, else what a test says.
    pub(crate) fn clock_arg(&self) -> Vec<u8> {
        match &self.clock {
            StoreClock::Server => Vec::new(),
            StoreClock::Given(clock) => format!("@{}", clock.wall().as_millis()).into_bytes(),
        }
    }
}
