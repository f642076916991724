//! Workers: registered in every shard, so that each finds out by itself who is gone; shown from the first.

use std::sync::LazyLock;

use futures_util::future::join_all;
use posthaste_core::broker::WorkerInfo;
use posthaste_core::limits::WORKER_KEPT;
use posthaste_core::{BrokerError, Timestamp};

use crate::link::{Oom, Script};
use crate::record::corrupt;
use crate::reply;
use crate::shards::Shards;

struct Scripts {
    beat: Script,
    list: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let reader = include_str!("lua/reader.lua");
    Scripts {
        // A worker that is taken for gone loses its work, so it is heard even when memory is short.
        beat: Script::with("record_worker", Oom::Allow, &[reader, include_str!("lua/record_worker.lua")]),
        list: Script::with("read_workers", Oom::Reads, &[reader, include_str!("lua/read_workers.lua")]),
    }
});

/// Registers or renews a worker; one that stops, serves no queue and has no slots is removed.
///
/// # Errors
/// Those of the link.
pub(crate) async fn heartbeat(shards: &Shards, worker: &WorkerInfo) -> Result<(), BrokerError> {
    let leaves = worker.stopping && worker.queues.is_empty() && worker.slots == 0;
    let text = if leaves {
        String::new()
    } else {
        serde_json::to_string(worker).map_err(|e| BrokerError::invalid(0, "worker", e.to_string()))?
    };
    let beats = shards.all().map(|shard| {
        let mut call = SCRIPTS.beat.call(&shards.m_key(shard));
        call.arg(shards.clock_arg()).arg(worker.id.as_str()).arg(&text);
        call.int(WORKER_KEPT.as_millis() as i64);
        shards.link().run_aside(call)
    });
    // A shard that does not answer keeps no other from hearing of this worker.
    join_all(beats).await.into_iter().try_for_each(|beat| beat.map(drop))
}

/// Workers seen lately, by id.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn workers(shards: &Shards) -> Result<Vec<WorkerInfo>, BrokerError> {
    let mut call = SCRIPTS.list.call(&shards.m_key(0));
    call.arg(shards.clock_arg()).int(WORKER_KEPT.as_millis() as i64);
    let mut out = Vec::new();
    for (text, seen) in reply::pairs(shards.link().run(call).await?)? {
        let mut info: WorkerInfo = serde_json::from_slice(&reply::bytes(text)?)
            .map_err(|e| corrupt(format!("a worker's registration cannot be read: {e}")))?;
        info.seen_at = Timestamp::from_millis(reply::int(seen)?);
        out.push(info);
    }
    out.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(out)
}
