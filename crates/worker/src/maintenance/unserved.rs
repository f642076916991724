//! Queues that nobody serves: what waits in them is told of, because nothing else would ever happen to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::{QueueCounts, WorkerInfo};
use posthaste_core::{QueueName, State, Store, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, warn};

/// How often it is looked. A queue must have stood there twice: between two workers there may be none for a moment.
const EVERY: Duration = Duration::from_secs(60);
/// How often the same queue is told of.
const AGAIN: Duration = Duration::from_secs(600);
/// Queues told of at one look.
const MOST: usize = 20;

/// What was found, and when it was told last.
#[derive(Default)]
struct Watch(HashMap<QueueName, Option<Instant>>);

impl Watch {
    /// The queues to tell of now, with how many tasks wait there.
    fn look(
        &mut self,
        counts: Vec<QueueCounts>,
        workers: &[WorkerInfo],
        now: Timestamp,
        at: Instant,
    ) -> Vec<(QueueName, u64)> {
        let served = |queue: &QueueName| workers.iter().any(|w| w.serves(now) && w.queues.contains(queue));
        let mut before = std::mem::take(&mut self.0);
        let mut tell = Vec::new();
        for queue in counts {
            let waiting = queue.of(State::Queued);
            if waiting == 0 || queue.paused.is_some() || served(&queue.queue) {
                continue;
            }
            let mut told = before.remove(&queue.queue);
            if let Some(last) = &mut told
                && last.is_none_or(|t| at >= t + AGAIN)
                && tell.len() < MOST
            {
                *last = Some(at);
                tell.push((queue.queue.clone(), waiting));
            }
            self.0.insert(queue.queue, told.unwrap_or(None));
        }
        tell
    }
}

/// Looks every minute, for ever.
pub async fn watch(store: Arc<dyn Store>) {
    let mut seen = Watch::default();
    let mut every = interval_at(Instant::now() + EVERY, EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let (counts, workers) = match (store.counts().await, store.workers().await) {
            (Ok(counts), Ok(workers)) => (counts, workers),
            (Err(error), _) | (_, Err(error)) => {
                debug!(%error, "the queues were not read");
                continue;
            }
        };
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        for (queue, waiting) in seen.look(counts, &workers, now, Instant::now()) {
            warn!(%queue, waiting, "no worker serves this queue: its tasks wait until one with the setting `queues` does");
        }
    }
}

#[cfg(test)]
mod tests {
    use posthaste_core::WorkerId;

    use super::*;

    fn counts(name: &str, queued: u64) -> QueueCounts {
        let mut by_state = [0; 8];
        by_state[usize::from(State::Queued.code())] = queued;
        QueueCounts { queue: QueueName::new(name).expect("valid"), by_state, held: 0, paused: None }
    }

    fn worker(queue: &str, seen_at: Timestamp) -> WorkerInfo {
        WorkerInfo {
            id: WorkerId::new("w").expect("valid"),
            host: "h".into(),
            pid: 1,
            version: "1".into(),
            queues: vec![QueueName::new(queue).expect("valid")],
            kinds: Vec::new(),
            slots: 1,
            running: 0,
            started_at: seen_at,
            seen_at,
            stopping: false,
        }
    }

    #[test]
    fn a_queue_that_stands_twice_without_a_worker_is_told_every_ten_minutes() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let all = || vec![counts("served", 3), counts("alone", 7), counts("empty", 0)];
        let mut watch = Watch::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for minute in 0..25_u32 {
            let at = start + EVERY * minute;
            for (queue, waiting) in watch.look(all(), &[worker("served", now)], now, at) {
                told.push((minute, queue.to_string(), waiting));
            }
        }
        assert_eq!(
            told,
            [(1, "alone".to_owned(), 7), (11, "alone".to_owned(), 7), (21, "alone".to_owned(), 7)]
        );
        // Whoever is not heard of any more serves nobody.
        let silent = worker("served", now.minus(Duration::from_secs(40)));
        let mut watch = Watch::default();
        watch.look(all(), std::slice::from_ref(&silent), now, start);
        assert_eq!(watch.look(all(), &[silent], now, start + EVERY).len(), 2);
    }
}
