//! Events and wake-ups, handed from the writer to whoever listens. A listener that is slow or gone
//! costs the writer nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use posthaste_core::{Delivery, Event, Subscription, TaskId, Wakeups};
use tokio::sync::{broadcast, watch};

/// Deliveries that a watcher may lag behind before it misses some.
const BACKLOG: usize = 1024;
/// Events of one task that a watcher may lag behind.
const TASK_BACKLOG: usize = 64;

/// Who listens.
pub(crate) struct Live {
    all: broadcast::Sender<Arc<[Event]>>,
    /// `None` is a gap.
    tasks: Mutex<HashMap<TaskId, broadcast::Sender<Option<Event>>>>,
    bell: watch::Sender<u64>,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            all: broadcast::channel(BACKLOG).0,
            tasks: Mutex::default(),
            bell: watch::channel(0).0,
        })
    }

    /// Whether events have a listener at all.
    pub(crate) fn watched(&self) -> bool {
        self.all.receiver_count() > 0 || !self.tasks().is_empty()
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, broadcast::Sender<Option<Event>>>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what a stored transaction did.
    pub(crate) fn publish(&self, events: Vec<Event>) {
        {
            let tasks = self.tasks();
            if !tasks.is_empty() {
                for e in &events {
                    if let Some(tx) = tasks.get(&e.id) {
                        // No receiver any more: its drop is about to remove it.
                        let _ = tx.send(Some(e.clone()));
                    }
                }
            }
        }
        if self.all.receiver_count() > 0 {
            let _ = self.all.send(events.into());
        }
    }

    /// Tells everybody to read again: they began to listen while a transaction was on its way that
    /// nobody listened to when it began, so its events were not collected.
    pub(crate) fn missed(&self) {
        for tx in self.tasks().values() {
            let _ = tx.send(None);
        }
        let _ = self.all.send(Arc::from([]));
    }

    /// Wakes those that wait for work.
    pub(crate) fn ring(&self) {
        self.bell.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(crate) fn subscribe(self: &Arc<Self>, task: Option<TaskId>) -> Box<dyn Subscription> {
        match task {
            None => Box::new(All(self.all.subscribe())),
            Some(id) => {
                let rx =
                    self.tasks().entry(id).or_insert_with(|| broadcast::channel(TASK_BACKLOG).0).subscribe();
                Box::new(One { rx: Some(rx), id, live: Arc::clone(self) })
            }
        }
    }

    pub(crate) fn wakeups(&self) -> Box<dyn Wakeups> {
        Box::new(Bell(self.bell.subscribe()))
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
    live: Arc<Live>,
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
        let mut tasks = self.live.tasks();
        self.rx = None;
        if tasks.get(&self.id).is_some_and(|tx| tx.receiver_count() == 0) {
            tasks.remove(&self.id);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_began_to_listen_in_the_middle_of_a_transaction_is_told_to_read_again() {
        let live = Live::new();
        let id = TaskId::from_uuid(uuid::Uuid::nil());
        let (mut one, mut all) = (live.subscribe(Some(id)), live.subscribe(None));
        live.missed();
        assert!(matches!(one.next().await, Some(Delivery::Missed)));
        assert!(matches!(all.next().await, Some(Delivery::Missed)));
    }
}
