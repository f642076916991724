//! The least that a queue on Redis can cost: tasks in one hash, ids in a list, leases in a sorted set, and none of what makes
//! a queue usable. Measured in the same run, it tells what the machine is worth on the day: the floors are from another one.

use std::path::Path;

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use redis::{Script, Value};

use super::instance::Redis;
use crate::commands::bench::fresh;
use crate::commands::bench::library::Payload;

/// What the three steps cost together on the machine that the floors are from, in microseconds of the server.
pub(super) const THERE: f64 = 8.7;
/// Tasks in one call.
const BATCH: u64 = 100;

/// Stores. ARGV: id and payload of each task.
const ENQUEUE: &str = "
local ids = {}
for i = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(ARGV))
redis.call('RPUSH', KEYS[2], unpack(ids))
return redis.call('HINCRBY', KEYS[5], 'queued', #ids)";

/// Hands out. ARGV: how many, deadline.
const CLAIM: &str = "
local ids = redis.call('LPOP', KEYS[2], ARGV[1])
local tasks = redis.call('HMGET', KEYS[1], unpack(ids))
local leases, out = {}, {}
for i = 1, #ids do
  leases[2 * i - 1], leases[2 * i] = ARGV[2], ids[i]
  out[2 * i - 1], out[2 * i] = ids[i], tasks[i]
end
redis.call('ZADD', KEYS[3], unpack(leases))
redis.call('HINCRBY', KEYS[5], 'running', #ids)
return out";

/// Ends. ARGV: time, ids.
const FINISH: &str = "
local ids, tasks = {}, {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
  tasks[2 * i - 3], tasks[2 * i - 2] = ARGV[i], 'd|' .. ARGV[1] .. '|{\"ok\":true}'
end
redis.call('ZREM', KEYS[3], unpack(ids))
redis.call('HSET', KEYS[1], unpack(tasks))
redis.call('RPUSH', KEYS[4], unpack(ids))
return redis.call('HINCRBY', KEYS[5], 'done', #ids)";

/// Microseconds of the server per task for all three steps, by its command statistics.
pub(super) async fn layout(dir: &Path, tasks: u64) -> anyhow::Result<f64> {
    let redis = Redis::start(&fresh(dir, "bare")?)?;
    let mut line = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let payload = serde_json::to_string(&Payload::new(0))?;
    let before = redis.scripts()?;
    let mut claimed = Vec::new();
    let (enqueue, claim, finish) = (Script::new(ENQUEUE), Script::new(CLAIM), Script::new(FINISH));
    for first in (0..tasks).step_by(BATCH as usize) {
        let mut call = keys(&enqueue);
        for n in first..first + BATCH {
            // As random as ids are.
            let id = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes();
            call.arg(&id[..]).arg(&payload);
        }
        let _stored: i64 = call.invoke_async(&mut line).await?;
    }
    for _ in (0..tasks).step_by(BATCH as usize) {
        claimed.push(ids(&claim, &mut line).await?);
    }
    for ids in claimed {
        let mut call = keys(&finish);
        call.arg(1_700_000_000_000_u64);
        for id in ids {
            call.arg(id);
        }
        let _done: i64 = call.invoke_async(&mut line).await?;
    }
    Ok((redis.scripts()? - before).usec / tasks as f64)
}

fn keys(script: &Script) -> redis::ScriptInvocation<'_> {
    let mut call = script.key("ph:{bare}:tasks");
    for name in ["ready", "lease", "done", "stats"] {
        call.key(format!("ph:{{bare}}:{name}"));
    }
    call
}

async fn ids(claim: &Script, line: &mut MultiplexedConnection) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut call = keys(claim);
    call.arg(BATCH).arg(1_700_000_015_000_u64);
    let answer: Vec<Value> = call.invoke_async(line).await?;
    answer
        .into_iter()
        .step_by(2)
        .map(|id| match id {
            Value::BulkString(id) => Ok(id),
            other => anyhow::bail!("no id: {other:?}"),
        })
        .collect::<anyhow::Result<_>>()
        .context("the answer to a claim")
}
