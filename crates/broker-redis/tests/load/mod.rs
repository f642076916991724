//! Writers and workers that go on whatever happens to Redis, and the account of what was accepted.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthaste_broker_redis::{RedisConfig, RedisStore, StoreClock};
use posthaste_core::broker::{ClaimRequest, EnqueueRequest, SettleRequest, Settled, Settlement};
use posthaste_core::{
    Broker, BrokerError, Claimed, ErrorClass, NewTask, OffsetClock, Outcome, State, TaskId,
};
use posthaste_testkit::{frozen_clock, task};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far beyond what anything here takes; who waits longer waits for something that does not come.
const BOUND: Duration = Duration::from_secs(60);
const BATCH: usize = 10;
const WRITERS: usize = 4;
const WORKERS: usize = 2;

/// A store under a clock that moves only when told, so that no lease runs out by itself.
pub(crate) fn open(url: &str, shards: u16) -> (Arc<RedisStore>, OffsetClock) {
    let clock = frozen_clock();
    let given = StoreClock::Given(Arc::new(clock.clone()));
    let config = RedisConfig { shards: Some(shards), clock: given, ..RedisConfig::new(url) };
    (RedisStore::open(config).expect("the configuration is good"), clock)
}

pub(crate) fn tasks(n: usize) -> EnqueueRequest {
    let task = |i| NewTask {
        lane: Some(format!("lane-{}", i % 5).parse().expect("a lane")),
        ..task("job", json!(i))
    };
    EnqueueRequest { tasks: (0..n).map(task).collect(), idempotency: None }
}

pub(crate) fn claim(max: usize) -> ClaimRequest {
    ClaimRequest {
        worker: "w1".parse().expect("a name"),
        queues: vec![Default::default()],
        max,
        start: max,
        lease: Duration::from_secs(15),
        per_target: None,
        held: Vec::new(),
    }
}

/// Awaits what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// The load.
pub(crate) struct Load {
    store: Arc<RedisStore>,
    clock: OffsetClock,
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<TaskId>>>,
    accepted_count: watch::Receiver<usize>,
    done_count: watch::Receiver<usize>,
    handles: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to enqueue, claim and settle.
    pub(crate) fn start(store: &Arc<RedisStore>, clock: &OffsetClock) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let (accepted_tx, accepted_count) = watch::channel(0);
        let (done_tx, done_count) = watch::channel(0);
        let mut handles = Vec::new();
        for _ in 0..WRITERS {
            handles.push(tokio::spawn(write(
                store.clone(),
                stop.clone(),
                accepted.clone(),
                accepted_tx.clone(),
            )));
        }
        for _ in 0..WORKERS {
            handles.push(tokio::spawn(work(store.clone(), stop.clone(), done_tx.clone())));
        }
        let (store, clock) = (store.clone(), clock.clone());
        Self { store, clock, stop, accepted, accepted_count, done_count, handles }
    }

    /// Waits until so many more tasks were accepted and so many more settled: everything works again.
    pub(crate) async fn goes_on(&mut self, more: usize) {
        let accepted = *self.accepted_count.borrow() + more;
        let done = *self.done_count.borrow() + more;
        soon("an accepted task", self.accepted_count.wait_for(|n| *n >= accepted))
            .await
            .expect("writers run");
        soon("a settled task", self.done_count.wait_for(|n| *n >= done)).await.expect("workers run");
    }

    /// Ends the load and proves that every task that was accepted is there, comes out and ends.
    pub(crate) async fn nothing_is_lost(self) {
        self.stop.store(true, Ordering::SeqCst);
        for handle in self.handles {
            soon("the end of a writer or worker", handle).await.expect("none panicked");
        }
        let accepted = self.accepted.lock().expect("no panic").clone();
        let distinct = accepted.iter().collect::<BTreeSet<_>>();
        assert_eq!(distinct.len(), accepted.len(), "an id was given twice");
        // Leases of claims whose answers were lost run out: 15 s, and 15 s more after a gap.
        for _ in 0..60 {
            self.clock.advance(Duration::from_secs(1));
            while self.store.tick().await.expect("tick").more {}
            drain(&self.store).await;
        }
        for ids in accepted.chunks(500) {
            for (id, found) in ids.iter().zip(self.store.get(ids).await.expect("get")) {
                let found = found.unwrap_or_else(|| panic!("{id} was accepted and is not there"));
                assert_eq!(found.state, State::Succeeded, "{id}: {found:?}");
            }
        }
        let left: u64 = self
            .store
            .counts()
            .await
            .expect("counts")
            .iter()
            .map(|q| State::ALL.iter().filter(|s| **s != State::Succeeded).map(|s| q.of(*s)).sum::<u64>())
            .sum();
        assert_eq!(left, 0, "the counters know tasks that do not come out");
    }
}

async fn drain(store: &RedisStore) {
    loop {
        let claimed = store.claim(claim(500)).await.expect("claim");
        if claimed.is_empty() {
            return;
        }
        settle(store, &claimed).await.expect("settle");
    }
}

/// Settles all as done; how many were not settled before.
pub(crate) async fn settle(store: &RedisStore, claimed: &[Claimed]) -> Result<usize, BrokerError> {
    let settlements =
        claimed.iter().map(|c| Settlement { lease: c.lease, outcome: Outcome::done() }).collect();
    let reply = store.settle(SettleRequest { settlements, ..SettleRequest::default() }).await?;
    assert!(!reply.settled.contains(&Settled::LeaseLost), "the clock stands still, so no lease runs out");
    Ok(reply.settled.len())
}

/// What an outage may answer; anything else is a fault of the store.
fn passes(error: &BrokerError) {
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
}

async fn write(
    store: Arc<RedisStore>,
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<TaskId>>>,
    count: watch::Sender<usize>,
) {
    while !stop.load(Ordering::SeqCst) {
        match store.enqueue(tasks(BATCH)).await {
            Ok(reply) => {
                accepted.lock().expect("no panic").extend(reply.tasks.iter().map(|t| t.id));
                count.send_modify(|n| *n += reply.tasks.len());
            }
            Err(error) => passes(&error),
        }
    }
}

/// Claims, and settles as often as it takes: a repeat is answered like the first.
async fn work(store: Arc<RedisStore>, stop: Arc<AtomicBool>, count: watch::Sender<usize>) {
    while !stop.load(Ordering::SeqCst) {
        let claimed = match store.claim(claim(50)).await {
            Ok(claimed) => claimed,
            Err(error) => {
                passes(&error);
                continue;
            }
        };
        while !claimed.is_empty() {
            match settle(&store, &claimed).await {
                Ok(n) => {
                    count.send_modify(|sum| *sum += n);
                    break;
                }
                Err(error) => passes(&error),
            }
        }
        tokio::task::yield_now().await;
    }
}
