//! Watching the server's memory, so that finished tasks make room before new ones are refused, and so that nothing is
//! accepted by a server that may throw it away.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::reply;
use crate::shards::Shards;
use crate::store::Info;

/// The share of `maxmemory` above which the oldest succeeded tasks go, in percent.
const FULL_PERCENT: u64 = 80;
/// How long an answer holds while memory is plenty; while it is short, each tick asks.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How long each server may take.
const ANSWER: Duration = Duration::from_millis(500);

/// What the servers last said.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Known>);

#[derive(Default)]
struct Known {
    told: Option<(Instant, Told)>,
    /// When somebody last set out to ask on behalf of those who enqueue.
    asking: Option<Instant>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    short: bool,
    evicts: Option<String>,
}

impl Memory {
    /// Whether finished tasks must make room. A server that does not answer is not short of memory.
    pub(crate) async fn is_short(&self, shards: &Shards) -> bool {
        if let Some((at, Told { short: false, .. })) = &self.known().told
            && at.elapsed() < ASK_EVERY
        {
            return false;
        }
        self.look(shards).await;
        self.known().told.as_ref().is_some_and(|(_, told)| told.short)
    }

    /// The policy by which a server may throw tasks away, as it was last told.
    pub(crate) fn evicts(&self) -> Option<String> {
        self.known().told.as_ref().and_then(|(_, told)| told.evicts.clone())
    }

    /// Whether it is time to ask again; who is told so has to.
    pub(crate) fn is_due(&self) -> bool {
        let mut known = self.known();
        let last = known.asking.max(known.told.as_ref().map(|(at, _)| *at));
        let due = last.is_none_or(|at| at.elapsed() >= ASK_EVERY);
        if due {
            known.asking = Some(Instant::now());
        }
        due
    }

    /// Asks every master. What a server that does not answer evicts is what it evicted before.
    pub(crate) async fn look(&self, shards: &Shards) {
        let (mut told, all) = ask(shards).await;
        let mut known = self.known();
        let before = known.told.take().map(|(_, told)| told).unwrap_or_default();
        if !all {
            told.evicts = told.evicts.or_else(|| before.evicts.clone());
        }
        match (&before.evicts, &told.evicts) {
            (None, Some(policy)) => tracing::error!(
                policy,
                "maxmemory-policy was changed: Redis would delete tasks when its memory is full; nothing is accepted until it \
                 is noeviction again"
            ),
            (Some(_), None) => tracing::info!("Redis does not evict any more; tasks are accepted again"),
            _ => {}
        }
        known.told = Some((Instant::now(), told));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // It is whole between any two statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the masters say that answer, and whether all do.
async fn ask(shards: &Shards) -> (Told, bool) {
    let (mut told, mut all) = (Told::default(), true);
    let mut command = redis::cmd("INFO");
    command.arg("memory");
    let Ok(nodes) = shards.link().masters().await else { return (told, false) };
    for node in nodes {
        match timeout(ANSWER, node.command(&command)).await.map(|answer| answer.and_then(reply::text)) {
            Ok(Ok(text)) => told.add(&Info(text)),
            // The others are not kept waiting.
            _ => all = false,
        }
    }
    (told, all)
}

impl Told {
    fn add(&mut self, info: &Info) {
        let number = |field| info.get(field).and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
        let (used, most) = (number("used_memory"), number("maxmemory"));
        self.short |= most > 0 && used / (most / 100).max(1) >= FULL_PERCENT;
        self.evicts = self.evicts.take().or_else(|| evicting(info).map(str::to_owned));
    }
}

/// The policy of a server that may throw away keys of ours, which have no expiry.
pub(crate) fn evicting(info: &Info) -> Option<&str> {
    info.get("maxmemory_policy").map(str::trim).filter(|policy| policy.starts_with("allkeys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_that_evicts_or_is_full_is_enough() {
        let told = |texts: &[&str]| {
            let mut told = Told::default();
            texts.iter().for_each(|text| told.add(&Info((*text).to_owned())));
            told
        };
        let (good, volatile) = ("maxmemory_policy:noeviction\r\n", "maxmemory_policy:volatile-lru\r\n");
        assert_eq!(told(&[good, volatile, "maxmemory:0\r\nused_memory:9\r\n"]), Told::default());
        let evicts = told(&[good, "maxmemory_policy:allkeys-lfu\r\n", good]);
        assert_eq!(evicts.evicts.as_deref(), Some("allkeys-lfu"));
        assert!(told(&["used_memory:800\r\nmaxmemory:1000\r\n", good]).short);
        assert!(!told(&["used_memory:700\r\nmaxmemory:1000\r\n"]).short);
    }
}
