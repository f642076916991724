//! Whether a claim needs to look into a shard, so that an idle worker of a store with many shards asks few of them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use posthaste_core::broker::ClaimRequest;

/// How many different wishes are remembered; a process has few.
const MAX_WISHES: usize = 16;

/// What this process knows of the ready work of one shard.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    /// Rises with each news of work.
    news: AtomicU64,
    /// Wishes that found nothing, with the news that they knew of.
    unmet: Mutex<Vec<Look>>,
}

/// A look into a shard that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    wish: u64,
    news: u64,
}

impl Busy {
    /// There may be work.
    pub(crate) fn ring(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
    }

    /// Begins a look for what `request` asks for; `None` if the same wish found nothing, and there was no news since.
    pub(crate) fn look(&self, request: &ClaimRequest) -> Option<Look> {
        let look = Look { wish: wish(request), news: self.news.load(Ordering::Acquire) };
        let unmet = self.unmet.lock().unwrap_or_else(PoisonError::into_inner);
        (!unmet.contains(&look)).then_some(look)
    }

    /// A look found less than it asked for. News that came in its course outlives it.
    pub(crate) fn found_no_more(&self, look: Look) {
        let mut unmet = self.unmet.lock().unwrap_or_else(PoisonError::into_inner);
        unmet.retain(|old| old.wish != look.wish && old.news == look.news);
        if unmet.len() < MAX_WISHES {
            unmet.push(look);
        }
    }
}

/// What decides whether a task fits a claim: its queues, and what its bulkhead leaves free.
fn wish(request: &ClaimRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.queues.hash(&mut hasher);
    request.per_target.hash(&mut hasher);
    for held in &request.held {
        (&held.queue, &held.target, held.count).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use posthaste_core::QueueName;

    use super::*;

    fn request(queue: &str) -> ClaimRequest {
        ClaimRequest {
            worker: "w".parse().expect("a name"),
            queues: vec![queue.parse::<QueueName>().expect("a name")],
            max: 1,
            start: 1,
            lease: Duration::from_secs(1),
            per_target: None,
            held: Vec::new(),
        }
    }

    #[test]
    fn a_wish_that_found_nothing_waits_for_news() {
        let busy = Busy::default();
        let look = busy.look(&request("a")).expect("nothing is known yet");
        assert!(busy.look(&request("a")).is_some(), "two at the same moment both look");
        busy.found_no_more(look);
        assert_eq!(busy.look(&request("a")), None);
        assert!(busy.look(&request("b")).is_some(), "another queue");
        busy.ring();
        assert!(busy.look(&request("a")).is_some());
    }

    #[test]
    fn news_in_the_course_of_a_look_is_not_lost() {
        let busy = Busy::default();
        let look = busy.look(&request("a")).expect("nothing is known yet");
        busy.ring();
        busy.found_no_more(look);
        assert!(busy.look(&request("a")).is_some());
    }
}
