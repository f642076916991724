//! Watching the server's memory, so that finished tasks make room before new ones are refused.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::reply;
use crate::shards::Shards;
use crate::store::Info;

/// The share of `maxmemory` above which the oldest succeeded tasks go, in percent.
const FULL_PERCENT: u64 = 80;
/// How long an answer holds while memory is plenty; while it is short, each tick asks.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// What the server last said.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Option<(Instant, bool)>>);

impl Memory {
    /// Whether finished tasks must make room. A server that does not answer is not short of memory.
    pub(crate) async fn is_short(&self, shards: &Shards) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, false)) = last
            && at.elapsed() < ASK_EVERY
        {
            return false;
        }
        let short = ask(shards).await.unwrap_or(false);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), short));
        short
    }
}

async fn ask(shards: &Shards) -> Option<bool> {
    for node in shards.link().masters().await.ok()? {
        let text = reply::text(node.command(redis::cmd("INFO").arg("memory")).await.ok()?).ok()?;
        let info = Info(text);
        let number = |field| info.get(field).and_then(|n| n.trim().parse::<u64>().ok());
        let (used, most) = (number("used_memory")?, number("maxmemory")?);
        if most > 0 && used / (most / 100).max(1) >= FULL_PERCENT {
            return Some(true);
        }
    }
    Some(false)
}
