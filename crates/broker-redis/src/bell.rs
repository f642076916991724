//! The bell: a list in the first shard, rung by whoever makes work claimable and taken from by one process of those
//! that wait. A ring says whose it is and, after a colon, which shards it is about; nothing there means any.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use posthaste_core::BrokerError;
use redis::Value;
use tokio::time::{sleep, timeout};

use crate::link::{Blocking, Oom, Script, Unblocked};
use crate::live::Shared;
use crate::reply;
use crate::shards::Shards;

/// How long the server waits for a ring before it answers that there was none.
const WAIT_SECONDS: u32 = 30;
/// How long its answer is waited for; past it the connection is dead, whatever it looks like.
const ANSWER: Duration = Duration::from_secs(45);
/// Pause after an error that the server answered.
const AGAIN: Duration = Duration::from_millis(500);

/// Rings, unless more rings wait than there are processes to hear them in a moment.
static RING: LazyLock<Script> = LazyLock::new(|| {
    let text = "if redis.call('LLEN', P .. 'bell') < 16 then redis.call('RPUSH', P .. 'bell', ARGV[2]) end\nreturn 1\n";
    Script::with("ring", Oom::Allow, &[include_str!("lua/reader.lua"), text])
});

/// Takes rings until nobody in this process waits for work or the store is closed.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut closed = shared.closed.subscribe();
    tokio::select! {
        // The sender is in `shared`.
        _ = closed.wait_for(|closed| *closed) => {}
        () = unheard(&shared) => {}
        () = take(&shared) => {}
    }
}

/// Returns when the last of those that wait is gone.
async fn unheard(shared: &Shared) {
    loop {
        shared.bell.closed().await;
        if shared.hush_if_unheard() {
            return;
        }
    }
}

async fn take(shared: &Shared) {
    let shards = &shared.shards;
    let mut cmd = redis::cmd("BLPOP");
    cmd.arg(shards.key(0, "bell")).arg(WAIT_SECONDS);
    let mut line: Option<Blocking> = None;
    loop {
        let mut blocking = match line.take() {
            Some(blocking) => blocking,
            None => match shards.link().blocking(&shards.m_key(0)).await {
                Ok(blocking) => blocking,
                Err(_) => {
                    sleep(AGAIN).await;
                    continue;
                }
            },
        };
        match timeout(ANSWER, blocking.command(&cmd)).await {
            Ok(Ok(Unblocked::Answer(value))) => heard(shared, value),
            // What was rung meanwhile may be lost.
            Ok(Ok(Unblocked::Reconnected)) => shared.ring(),
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "waiting for work is interrupted");
                sleep(AGAIN).await;
            }
            Err(_) => {
                shared.ring();
                continue;
            }
        }
        line = Some(blocking);
    }
}

fn heard(shared: &Shared, value: Value) {
    // A wait that ended without a ring is answered by nothing.
    let Ok(values) = reply::list(value) else { return };
    let Some(ring) = values.into_iter().nth(1).and_then(|v| reply::text(v).ok()) else { return };
    let (origin, about) = ring.split_once(':').unwrap_or((&ring, ""));
    // The operation that rang woke this process when it returned. A ring that comes after that would be for nothing.
    if origin == shared.shards.origin() {
        return;
    }
    if about.is_empty() {
        shared.ring_for(shared.shards.all());
    } else {
        shared.ring_for(about.split(',').filter_map(|n| n.parse().ok()));
    }
}

/// Rings for shards whose own bells nobody hears. Rings that come while one is on its way go together.
pub(crate) fn announce(shards: &Shards, shard: u16) {
    let waiting = shards.announced();
    let first = {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        waiting.insert(shard);
        first
    };
    if first {
        let shards = shards.clone();
        let _ring_handle = tokio::spawn(async move {
            // Let what happens in this moment go along.
            tokio::task::yield_now().await;
            let about = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if let Err(e) = ring(&shards, &about).await {
                tracing::debug!(error = %e, "a ring is lost; the sweep finds the work");
            }
        });
    }
}

/// Shards to ring for.
pub(crate) type Announced = Arc<Mutex<BTreeSet<u16>>>;

async fn ring(shards: &Shards, about: &BTreeSet<u16>) -> Result<(), BrokerError> {
    let about: Vec<String> = about.iter().map(u16::to_string).collect();
    let mut call = RING.call(&shards.m_key(0));
    call.arg(shards.clock_arg()).arg(format!("{}:{}", shards.origin(), about.join(",")));
    shards.link().run(call).await.map(drop)
}
