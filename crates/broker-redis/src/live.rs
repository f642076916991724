//! Events and wake-ups, handed from the store to whoever listens in this process.
//!
//! The scripts publish the changes of a call as one message, and only while `watch` lies ahead, which the
//! [pump](crate::pump) of a process with a watcher sees to. The [bell](crate::bell) wakes one process of those that
//! wait; the operations of this process wake it directly.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::{Delivery, Event, Subscription, TaskId, Wakeups};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::names::Names;
use crate::shards::Shards;

/// Deliveries that a watcher may lag behind before it misses some.
const BACKLOG: usize = 1024;
/// Events of one task that a watcher may lag behind.
const TASK_BACKLOG: usize = 64;
/// How long an operation waits for a subscription that was begun before it.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far the subscription to the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody watches.
    Idle,
    /// Somebody watches, and what happens is not told yet.
    Pending,
    /// The same, and operations did not wait for it any longer.
    Late,
    /// What happens is told.
    Active,
}

/// Who listens, and the subscriptions to the store that serve them.
pub(crate) struct Live {
    shared: Arc<Shared>,
}

/// What the background shares with the handle.
pub(crate) struct Shared {
    pub(crate) shards: Shards,
    pub(crate) names: Names,
    pub(crate) phase: watch::Sender<Phase>,
    hub: Mutex<Hub>,
    pub(crate) bell: watch::Sender<u64>,
    hints: Mutex<BTreeSet<u16>>,
    pub(crate) closed: watch::Sender<bool>,
}

/// The listeners of this process, and what runs for them.
struct Hub {
    /// `None` once the store is closed.
    all: Option<broadcast::Sender<Arc<[Event]>>>,
    /// `None` is a gap.
    tasks: HashMap<TaskId, broadcast::Sender<Option<Event>>>,
    bell_handle: Option<JoinHandle<()>>,
}

impl Live {
    /// Nobody listens yet, and nothing runs.
    pub(crate) fn new(shards: Shards, names: Names) -> Self {
        let hub = Hub { all: Some(broadcast::channel(BACKLOG).0), tasks: HashMap::new(), bell_handle: None };
        Self {
            shared: Arc::new(Shared {
                shards,
                names,
                phase: watch::channel(Phase::Idle).0,
                hub: Mutex::new(hub),
                bell: watch::channel(0).0,
                hints: Mutex::default(),
                closed: watch::channel(false).0,
            }),
        }
    }

    /// Waits until what operations do from now on is told to everybody who subscribed before: at once, unless
    /// a subscription is on its way. After a while it goes on; the watchers are then told that they missed something.
    pub(crate) async fn settled(&self) {
        if *self.shared.phase.borrow() != Phase::Pending {
            return;
        }
        let mut phase = self.shared.phase.subscribe();
        let there = phase.wait_for(|p| *p != Phase::Pending);
        if tokio::time::timeout(PATIENCE, there).await.is_err() {
            self.shared.phase.send_if_modified(|p| {
                let waiting = *p == Phase::Pending;
                if waiting {
                    *p = Phase::Late;
                }
                waiting
            });
        }
    }

    /// Wakes this process, and another one for work in a shard whose bell nobody hears.
    pub(crate) fn announce(&self, shard: u16) {
        self.shared.ring();
        if shard != 0 {
            crate::bell::announce(&self.shared.shards, shard);
        }
    }

    /// Wakes this process, and another one for work that may lie in any shard.
    pub(crate) fn announce_all(&self) {
        self.shared.ring();
        if self.shared.shards.count() > 1 {
            for shard in self.shared.shards.all() {
                crate::bell::announce(&self.shared.shards, shard);
            }
        }
    }

    /// The shards that other processes rang for since the last call.
    pub(crate) fn take_hints(&self) -> BTreeSet<u16> {
        std::mem::take(&mut *self.shared.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins to listen to a task or to all.
    pub(crate) fn subscribe(&self, task: Option<TaskId>) -> Box<dyn Subscription> {
        let mut hub = self.shared.hub();
        let Some(all) = &hub.all else { return Box::new(Closed) };
        let subscription: Box<dyn Subscription> = match task {
            None => Box::new(All(all.subscribe())),
            Some(id) => {
                let tx = hub.tasks.entry(id).or_insert_with(|| broadcast::channel(TASK_BACKLOG).0);
                Box::new(One { rx: Some(tx.subscribe()), id, shared: Arc::clone(&self.shared) })
            }
        };
        // Under the hub's lock, so that a pump about to end sees the listener or is seen to have ended.
        let begins = self.shared.phase.send_if_modified(|p| {
            let idle = *p == Phase::Idle;
            if idle {
                *p = Phase::Pending;
            }
            idle
        });
        if begins {
            let _pump_handle = tokio::spawn(crate::pump::run(Arc::clone(&self.shared)));
        }
        subscription
    }

    /// Begins to listen for work.
    pub(crate) fn wakeups(&self) -> Box<dyn Wakeups> {
        let mut hub = self.shared.hub();
        let bell = Bell(self.shared.bell.subscribe());
        let runs = hub.bell_handle.as_ref().is_some_and(|h| !h.is_finished());
        if !runs && hub.all.is_some() {
            hub.bell_handle = Some(tokio::spawn(crate::bell::run(Arc::clone(&self.shared))));
        }
        Box::new(bell)
    }

    /// Ends every subscription and what runs for them.
    pub(crate) fn close(&self) {
        self.shared.closed.send_replace(true);
        let mut hub = self.shared.hub();
        hub.all = None;
        hub.tasks.clear();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        // The hub is whole between any two statements, so a panic elsewhere does not spoil it.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) {
        self.bell.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Wakes those that wait for work, which lies in `shards`.
    pub(crate) fn ring_for(&self, shards: impl IntoIterator<Item = u16>) {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).extend(shards);
        self.ring();
    }

    /// Hands out what one message told.
    pub(crate) fn publish(&self, events: Vec<Event>) {
        let hub = self.hub();
        if !hub.tasks.is_empty() {
            for e in &events {
                if let Some(tx) = hub.tasks.get(&e.id) {
                    // No receiver any more: its drop is about to remove it.
                    let _ = tx.send(Some(e.clone()));
                }
            }
        }
        if let Some(all) = hub.all.as_ref().filter(|tx| tx.receiver_count() > 0 && !events.is_empty()) {
            let _ = all.send(events.into());
        }
    }

    /// Tells everybody to read again.
    pub(crate) fn missed(&self) {
        let hub = self.hub();
        for tx in hub.tasks.values() {
            let _ = tx.send(None);
        }
        if let Some(all) = &hub.all {
            let _ = all.send(Arc::from([]));
        }
    }

    /// What happens is told from now on. True if an operation went on without waiting for it.
    pub(crate) fn activate(&self) -> bool {
        self.phase.send_replace(Phase::Active) == Phase::Late
    }

    /// Ends the subscription to the store, unless somebody listens.
    pub(crate) fn end_if_unheard(&self) -> bool {
        let hub = self.hub();
        let heard = hub.all.as_ref().is_some_and(|tx| tx.receiver_count() > 0) || !hub.tasks.is_empty();
        if !heard {
            self.phase.send_replace(Phase::Idle);
        }
        !heard
    }

    /// Ends the waiting for rings, unless somebody waits for them.
    pub(crate) fn hush_if_unheard(&self) -> bool {
        let mut hub = self.hub();
        let unheard = self.bell.receiver_count() == 0;
        if unheard {
            hub.bell_handle = None;
        }
        unheard
    }
}

struct All(broadcast::Receiver<Arc<[Event]>>);

#[async_trait]
impl Subscription for All {
    async fn next(&mut self) -> Option<Delivery> {
        match self.0.recv().await {
            Ok(events) if events.is_empty() => Some(Delivery::Missed),
            Ok(events) => Some(Delivery::Events(events)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Delivery::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

struct One {
    rx: Option<broadcast::Receiver<Option<Event>>>,
    id: TaskId,
    shared: Arc<Shared>,
}

#[async_trait]
impl Subscription for One {
    async fn next(&mut self) -> Option<Delivery> {
        match self.rx.as_mut()?.recv().await {
            Ok(Some(event)) => Some(Delivery::Events(Arc::from([event]))),
            Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => Some(Delivery::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let mut hub = self.shared.hub();
        self.rx = None;
        if hub.tasks.get(&self.id).is_some_and(|tx| tx.receiver_count() == 0) {
            hub.tasks.remove(&self.id);
        }
    }
}

/// A subscription to a store that was closed.
struct Closed;

#[async_trait]
impl Subscription for Closed {
    async fn next(&mut self) -> Option<Delivery> {
        None
    }
}

struct Bell(watch::Receiver<u64>);

#[async_trait]
impl Wakeups for Bell {
    async fn wait(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
