//! The shards of a store: where each one's keys are, and what every script is told first.

use std::sync::Arc;

use posthaste_core::TaskId;
use tokio::sync::watch;

use crate::StoreClock;
use crate::bell::Announced;
use crate::keys::Key;
use crate::link::Link;

/// The way to the shards of one namespace; a clone is the same way.
#[derive(Clone)]
pub(crate) struct Shards {
    link: Link,
    namespace: Arc<str>,
    clock: StoreClock,
    /// Tells this handle's rings of the bell from those of others.
    origin: Arc<str>,
    /// Nothing until the store has been asked.
    count: Arc<watch::Sender<u16>>,
    announced: Announced,
}

impl Shards {
    /// The shards of `namespace` behind `link`.
    pub(crate) fn new(link: Link, namespace: String, clock: StoreClock) -> Self {
        let origin = format!("{:08x}", rand::random::<u32>());
        let count = Arc::new(watch::channel(0).0);
        Self {
            link,
            namespace: namespace.into(),
            clock,
            origin: origin.into(),
            count,
            announced: Announced::default(),
        }
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
        (*self.count.borrow()).max(1)
    }

    /// Sets how many there are, once; `false` when it is another number than before.
    pub(crate) fn settle_count(&self, count: u16) -> bool {
        self.count.send_if_modified(|known| {
            let new = *known == 0;
            if new {
                *known = count.max(1);
            }
            new
        });
        self.count() == count
    }

    /// Waits until it is known how many there are.
    pub(crate) async fn counted(&self) -> u16 {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`.
        count.wait_for(|n| *n > 0).await.map_or(1, |n| *n)
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

    /// The first argument of every script: who calls, and `@` with the time where a test says what time it is.
    pub(crate) fn clock_arg(&self) -> Vec<u8> {
        match &self.clock {
            StoreClock::Server => self.origin.as_bytes().to_vec(),
            StoreClock::Given(clock) => format!("{}@{}", self.origin, clock.wall().as_millis()).into_bytes(),
        }
    }

    /// The day by the store's clock, as far as this process knows it, counted from 1970.
    pub(crate) fn day(&self) -> i64 {
        let ms = match &self.clock {
            StoreClock::Server => std::time::SystemTime::now()
                .duration_since(std::time::SystemTime::UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            StoreClock::Given(clock) => clock.wall().as_millis(),
        };
        ms.div_euclid(24 * 3600 * 1000)
    }

    /// What this handle's rings of the bell begin with.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Shards for which a ring is on its way.
    pub(crate) fn announced(&self) -> Announced {
        self.announced.clone()
    }

    /// Whether time is what a test says, and may leap.
    pub(crate) fn time_is_given(&self) -> bool {
        matches!(self.clock, StoreClock::Given(_))
    }
}
