//! Waiting for many tasks at once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use posthaste_core::{Delivery, State, Store, Subscription, Task, TaskId};
use tokio::time::{Instant, timeout_at};

use crate::WaitError;

/// Without any event the open tasks are read again this often: an event is only a hint.
const REREAD_EVERY: Duration = Duration::from_secs(5);
/// So many tasks are read in one call.
const READ_AT_ONCE: usize = 100;

/// The tasks, in the order of `ids`, once all of them are final.
pub(crate) async fn ended(store: &dyn Store, ids: &[TaskId], wait: Duration) -> Result<Vec<Task>, WaitError> {
    let deadline = Instant::now() + wait;
    // Subscribed before the first read, so that no end falls between the two.
    let mut events = store.subscribe(None);
    let mut done: HashMap<TaskId, Task> = HashMap::new();
    let mut open: HashSet<TaskId> = ids.iter().copied().collect();
    let mut ask: Vec<TaskId> = open.iter().copied().collect();
    let mut state = State::Queued;
    loop {
        state = read(store, &ask, &mut open, &mut done).await?.unwrap_or(state);
        if open.is_empty() {
            return Ok(ids.iter().filter_map(|id| done.get(id).cloned()).collect());
        }
        let again = deadline.min(Instant::now() + REREAD_EVERY);
        ask = match timeout_at(again, next_ends(events.as_mut(), &open)).await {
            Ok(Some(ends)) => ends,
            Ok(None) => open.iter().copied().collect(),
            Err(_) if Instant::now() < deadline => open.iter().copied().collect(),
            Err(_) => return Err(WaitError::Timeout { state, waited: wait }),
        };
    }
}

/// Reads tasks and takes out those that are final; the state of one that is not.
async fn read(
    store: &dyn Store,
    ask: &[TaskId],
    open: &mut HashSet<TaskId>,
    done: &mut HashMap<TaskId, Task>,
) -> Result<Option<State>, WaitError> {
    let mut still = None;
    for part in ask.chunks(READ_AT_ONCE) {
        for (id, task) in part.iter().zip(store.get(part).await?) {
            let task = task.ok_or(WaitError::NotFound(*id))?;
            if task.state.is_final() {
                open.remove(id);
                done.insert(*id, task);
            } else {
                still = Some(task.state);
            }
        }
    }
    Ok(still)
}

/// The open tasks that the next event speaks of as final; `None` when events were missed.
async fn next_ends(events: &mut dyn Subscription, open: &HashSet<TaskId>) -> Option<Vec<TaskId>> {
    loop {
        match events.next().await {
            Some(Delivery::Events(list)) => {
                let ends = list.iter().filter(|e| e.state.is_final() && open.contains(&e.id));
                let ends: Vec<TaskId> = ends.map(|e| e.id).collect();
                if !ends.is_empty() {
                    return Some(ends);
                }
            }
            Some(Delivery::Missed) => return None,
            // Closed: nothing more will come, and the deadline or the next read ends the wait.
            None => std::future::pending().await,
        }
    }
}
