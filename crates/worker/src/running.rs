//! A task in a worker's hands, from the claim until its outcome is stored.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthaste_core::{Claimed, LeaseRef, Name, QueueName};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::handler::{Handler, MarkError, Marker};
use crate::mark::{MarkRequest, MarkSender};

/// What a bulkhead is kept for: the target of a lane with a key, in its queue.
pub(crate) type Target = (QueueName, Name);

/// The handler has started.
const STARTED: u8 = 1;
/// The point of no return was granted.
const MARKED: u8 = 2;
/// The store said that the lease is not ours any more.
const LOST: u8 = 4;
/// The handler ended, or the worker decided for it.
const ENDED: u8 = 8;

/// A task in a worker's hands.
pub(crate) struct Running {
    pub(crate) lease: LeaseRef,
    pub(crate) task: Arc<Claimed>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) target: Option<Target>,
    pub(crate) cancel: CancellationToken,
    flags: AtomicU8,
    marks: MarkSender,
}

impl Running {
    pub(crate) fn new(task: Claimed, handler: Arc<dyn Handler>, marks: MarkSender) -> Self {
        let target = task.lane.as_ref().map(|l| (task.queue.clone(), l.target.clone()));
        Self {
            lease: task.lease,
            flags: AtomicU8::new(0),
            task: Arc::new(task),
            handler,
            target,
            cancel: CancellationToken::new(),
            marks,
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    fn set(&self, flag: u8) -> bool {
        self.flags.fetch_or(flag, Ordering::SeqCst) & flag == 0
    }

    pub(crate) fn is_started(&self) -> bool {
        self.has(STARTED)
    }

    pub(crate) fn set_started(&self) {
        self.set(STARTED);
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.has(MARKED)
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.has(LOST)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.has(ENDED)
    }

    /// Ends it; `false` when it had ended before, so that only one end counts.
    pub(crate) fn end(&self) -> bool {
        self.set(ENDED)
    }

    /// The lease is gone: the handler is told, and a later mark is refused without asking.
    /// `true` the first time.
    pub(crate) fn lose(&self) -> bool {
        let first = self.set(LOST);
        self.cancel.cancel();
        first
    }
}

#[async_trait]
impl Marker for Running {
    async fn mark(&self) -> Result<(), MarkError> {
        // Once the worker has decided about the task, its handler must not send any more.
        if self.has(LOST | ENDED) {
            return Err(MarkError::LeaseLost);
        }
        let (answer, granted) = oneshot::channel();
        self.marks
            .send(MarkRequest { lease: self.lease, answer })
            .map_err(|_| MarkError::StoreUnavailable)?;
        match granted.await {
            Ok(Ok(())) => {
                // Before the handler sees the grant: from here on it counts as sent.
                self.set(MARKED);
                Ok(())
            }
            Ok(Err(MarkError::LeaseLost)) => {
                self.lose();
                Err(MarkError::LeaseLost)
            }
            Ok(Err(e)) => Err(e),
            Err(_) => Err(MarkError::StoreUnavailable),
        }
    }
}

/// Every lease that must be kept alive: from the claim until the outcome is stored.
#[derive(Default)]
pub(crate) struct Leases {
    map: Mutex<HashMap<LeaseRef, Arc<Running>>>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseRef, Arc<Running>>> {
        // Nothing panics under the lock; were it so, the map itself would still be whole.
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, tasks: &[Arc<Running>]) {
        let mut map = self.lock();
        map.extend(tasks.iter().map(|t| (t.lease, t.clone())));
    }

    pub(crate) fn remove<'a>(&self, leases: impl Iterator<Item = &'a LeaseRef>) {
        let mut map = self.lock();
        for lease in leases {
            map.remove(lease);
        }
        // A burst's table is given back once it is over.
        if map.is_empty() && map.capacity() > 4096 {
            map.shrink_to_fit();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes those that nothing but this table holds: nobody will end them any more.
    pub(crate) fn take_orphans(&self) -> Vec<Arc<Running>> {
        let mut map = self.lock();
        map.extract_if(|_, task| Arc::strong_count(task) == 1).map(|(_, task)| task).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Running>> {
        self.lock().values().cloned().collect()
    }
}
