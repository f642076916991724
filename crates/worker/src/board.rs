//! Where claimed tasks wait for a slot and ended ones for the driver: one short lock per task.
//!
//! *Runners* are spawned futures that take a task, poll its handler, and go on with the next. A
//! handler that is ready at once costs no spawn of its own; when one has to wait, its runner waits
//! with it and another runner goes on with the list. So a handler that blocks its thread holds up
//! only its own runner.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use posthaste_core::Outcome;
use posthaste_core::broker::Held;
use tokio::sync::Notify;

use crate::running::{Running, Target};

/// How a task left its slot.
pub(crate) enum End {
    /// With an outcome to store.
    Outcome(Outcome),
    /// Untried as far as the world knows: given back.
    Release,
    /// Somebody else settles it by its token.
    Detach,
}

/// A task that left its slot.
pub(crate) struct Done {
    pub(crate) task: Arc<Running>,
    pub(crate) end: End,
}

#[derive(Default)]
struct Load {
    held: usize,
    running: usize,
}

struct Inner {
    /// Claimed, in the order of the claim; their handlers have not started.
    pending: VecDeque<Arc<Running>>,
    /// Slots in use.
    running: usize,
    /// Runners that are looking for work or polling a handler, not waiting with one.
    polling: usize,
    targets: HashMap<Target, Load>,
    done: Vec<Done>,
    /// Prefetched tasks that started since the driver last asked.
    began: Vec<Arc<Running>>,
    /// The driver is woken when so many are done.
    wake_at: usize,
    closed: bool,
}

/// What the driver needs to know to decide.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filled {
    pub(crate) running: usize,
    pub(crate) pending: usize,
}

/// See the module's documentation.
pub(crate) struct Board {
    inner: Mutex<Inner>,
    wake: Notify,
    slots: usize,
    per_target: usize,
    runners: usize,
}

impl Board {
    pub(crate) fn new(slots: usize, per_target: usize, runners: usize) -> Self {
        let inner = Inner {
            pending: VecDeque::new(),
            running: 0,
            polling: 0,
            targets: HashMap::new(),
            done: Vec::new(),
            began: Vec::new(),
            wake_at: 1,
            closed: false,
        };
        Self { inner: Mutex::new(inner), wake: Notify::new(), slots, per_target, runners: runners.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code of a handler runs under the lock, so it is never poisoned half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds claimed tasks and says how many runners to spawn for them.
    #[must_use]
    pub(crate) fn add(&self, tasks: Vec<Arc<Running>>) -> usize {
        let mut inner = self.lock();
        for task in &tasks {
            if let Some(target) = &task.target {
                inner.targets.entry(target.clone()).or_default().held += 1;
            }
        }
        inner.pending.extend(tasks);
        let wanted = inner.takeable(self.slots).min(self.runners);
        let spawn = wanted.saturating_sub(inner.polling);
        inner.polling += spawn;
        spawn
    }

    /// For a runner: hands in what it finished and takes the next task. `None` ends the runner.
    pub(crate) fn next(&self, finished: Option<Done>, after_waiting: bool) -> Option<Arc<Running>> {
        let mut inner = self.lock();
        if after_waiting {
            inner.polling += 1;
        }
        let finished_one = finished.is_some();
        if let Some(done) = finished {
            inner.leave_slot(done);
        }
        let next = inner.take(self.slots, self.per_target);
        if next.is_none() {
            inner.polling -= 1;
        }
        // The last one to finish wakes the driver too: nothing else would before its timer.
        if finished_one && (inner.done.len() >= inner.wake_at || inner.running == 0) {
            drop(inner);
            self.wake.notify_one();
        }
        next
    }

    /// For a runner that starts to wait with its handler: whether to spawn another one.
    #[must_use]
    pub(crate) fn wait_with_handler(&self) -> bool {
        let mut inner = self.lock();
        inner.polling -= 1;
        let spawn = inner.polling < self.runners && inner.takeable(self.slots) > inner.polling;
        if spawn {
            inner.polling += 1;
        }
        spawn
    }

    /// Takes what is done and which prefetched tasks began; the next one done wakes the driver.
    pub(crate) fn drain(&self, done: &mut Vec<Done>, began: &mut Vec<Arc<Running>>) -> Filled {
        let mut inner = self.lock();
        done.append(&mut inner.done);
        began.append(&mut inner.began);
        inner.wake_at = 1;
        Filled { running: inner.running, pending: inner.pending.len() }
    }

    /// Lets the driver sleep until `n` more are done (or nothing runs any more).
    pub(crate) fn wake_at(&self, n: usize) {
        let mut inner = self.lock();
        inner.wake_at = n.max(1);
        if inner.done.len() >= inner.wake_at || (inner.running == 0 && !inner.done.is_empty()) {
            drop(inner);
            self.wake.notify_one();
        }
    }

    /// Returns when the driver should look. Cancel safe.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn filled(&self) -> Filled {
        let inner = self.lock();
        Filled { running: inner.running, pending: inner.pending.len() }
    }

    /// What is held of each target, as the store wants to know it.
    pub(crate) fn held(&self) -> Vec<Held> {
        let inner = self.lock();
        let held = inner.targets.iter().map(|((queue, target), load)| Held {
            queue: queue.clone(),
            target: target.clone(),
            count: u32::try_from(load.held).unwrap_or(u32::MAX),
        });
        held.collect()
    }

    /// Starts nothing any more; returns what had not started.
    pub(crate) fn close(&self) -> Vec<Arc<Running>> {
        let mut inner = self.lock();
        inner.closed = true;
        let pending: Vec<_> = inner.pending.drain(..).collect();
        for task in &pending {
            inner.forget(task, false);
        }
        pending
    }
}

impl Inner {
    fn takeable(&self, slots: usize) -> usize {
        if self.closed { 0 } else { self.pending.len().min(slots.saturating_sub(self.running)) }
    }

    fn take(&mut self, slots: usize, per_target: usize) -> Option<Arc<Running>> {
        if self.takeable(slots) == 0 {
            return None;
        }
        // The store keeps to the bulkhead as well, so the first one is the one nearly always.
        let targets = &self.targets;
        let fits = |t: &Arc<Running>| match &t.target {
            Some(target) => targets.get(target).is_none_or(|l| l.running < per_target),
            None => true,
        };
        let at = self.pending.iter().position(fits)?;
        let task = self.pending.remove(at)?;
        self.running += 1;
        if let Some(load) = task.target.as_ref().and_then(|t| self.targets.get_mut(t)) {
            load.running += 1;
        }
        task.set_started();
        if !task.task.started {
            self.began.push(task.clone());
        }
        Some(task)
    }

    fn leave_slot(&mut self, done: Done) {
        self.running -= 1;
        self.forget(&done.task, true);
        self.done.push(done);
    }

    fn forget(&mut self, task: &Running, ran: bool) {
        let Some(target) = &task.target else { return };
        if let Some(load) = self.targets.get_mut(target) {
            load.held -= 1;
            load.running -= usize::from(ran);
            if load.held == 0 {
                self.targets.remove(target);
            }
        }
    }
}
