//! Draining a backlog with a worker of this process, on a Redis beside it or far from it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use posthaste::{State, Worker};

use super::instance::{Opened, Redis, Spent};
use super::proxy::Proxy;
use super::tasks::{until_empty, until_succeeded};
use super::{Sizes, bare};
use crate::commands::bench::fresh;
use crate::commands::bench::library::{self, fill};
use crate::commands::bench::process::Cpu;
use crate::commands::bench::report::{Floor, Row, number};
use crate::commands::bench::server::compare;

/// Slots of the worker that is far from Redis.
const FAR_SLOTS: usize = 256;
/// One way to Redis and the other.
const FAR: Duration = Duration::from_millis(1);

/// Processor time of Redis over the whole life of no-op tasks.
pub(super) async fn cpu(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let redis = Redis::start(&fresh(dir, "cpu")?)?;
    let opened = Opened::at(redis.addr).await?;
    let tasks = sizes.drain;
    let (cpu_before, scripts_before) = (redis.cpu()?, redis.scripts()?);
    let filled = fill(&opened.app.client(), tasks, 4).await?;
    let (cpu_filled, scripts_filled) = (redis.cpu()?, redis.scripts()?);
    let ran = library::noop(&opened.app)?;
    let worker = opened.app.worker().start().await?;
    until_succeeded(&opened, tasks).await?;
    worker.shutdown().await;
    let (cpu_after, scripts_after) = (redis.cpu()?, redis.scripts()?);
    let mut wrong = compare(&opened.app, &filled.ids, Some(State::Succeeded)).await?;
    let ran = ran.load(Ordering::Relaxed);
    if ran != tasks {
        wrong = Some(format!("{ran} runs of {tasks} tasks"));
    }
    opened.close().await;

    let (enqueuing, working) = (scripts_filled - scripts_before, scripts_after - scripts_filled);
    let each = |s: Spent| s.usec / tasks as f64;
    let note = format!(
        "{tasks} tasks of 200 bytes, enqueued in batches of 1,000, claimed, run, settled with a result: {:.1} µs to enqueue, \
         {:.1} µs to claim and settle; commandstats of the scripts {:.1} + {:.1} µs, {:.0} calls of {:.0} tasks; \
         forked children (snapshots, new append-only files) {:.1} s apart from that",
        cpu_filled.since(cpu_before, tasks),
        cpu_after.since(cpu_filled, tasks),
        each(enqueuing),
        each(working),
        working.calls,
        tasks as f64 / working.calls,
        cpu_after.children_since(cpu_before).as_secs_f64(),
    );
    let whole = cpu_after.since(cpu_before, tasks);
    drop(redis);
    let bare = bare::layout(dir, tasks.min(100_000)).await?;
    let there = bare::THERE;
    Ok(vec![
        Row::new("Redis CPU per no-op task, whole life (process)", whole, "µs", Floor::AtMost(16.0))
            .unless(wrong.clone())
            .note(note),
        Row::new("the same by commandstats (scripts)", each(enqueuing) + each(working), "µs", Floor::None),
        Row::new("the bare layout in the same run, by commandstats", bare, "µs", Floor::None).note(format!(
            "one hash, one list, one sorted set and no bookkeeping; {there} µs on the machine that the floors are from, so this one takes {:.2} times as long",
            bare / there
        )),
        Row::new("the first of the third", whole / bare, "times", Floor::AtMost(16.0 / there)).unless(wrong),
    ])
}

/// How a backlog is emptied.
struct Drain {
    /// So many are pending at the start.
    pending: u64,
    /// The time until so many are done counts.
    counted: u64,
    /// Unless the default.
    slots: Option<usize>,
}

/// What came of it.
struct Drained {
    rate: f64,
    wrong: Option<String>,
    /// Where the time went.
    note: String,
}

/// Fills Redis at `redis`, then empties it with one worker of this process at `worker_at`.
async fn drain_once(redis: &Redis, worker_at: SocketAddr, how: &Drain) -> anyhow::Result<Drained> {
    let filler = Opened::at(redis.addr).await?;
    let filled = fill(&filler.app.client(), how.pending, 4).await?;
    let mut wrong = compare(&filler.app, &filled.ids, None).await?;
    redis.quiet().await?;
    let opened = Opened::at(worker_at).await?;
    let ran = library::noop(&opened.app)?;
    let (redis_before, forks, scripts) = (redis.cpu()?, redis.forks()?, redis.scripts()?);
    let here = Cpu::here()?;
    let start = Instant::now();
    let mut builder = opened.app.worker();
    if let Some(slots) = how.slots {
        builder = builder.concurrency(slots);
    }
    let worker: Worker = builder.start().await?;
    until_succeeded(&filler, how.counted).await?;
    let took = start.elapsed();
    let spent = redis.cpu()?.since(redis_before, how.counted);
    let here = Cpu::here()?.since(here, how.counted);
    let forked = redis.forks()? - forks;
    let calls = (redis.scripts()? - scripts).calls;
    // The rest, too, so that all that was accepted was run.
    until_empty(&filler).await?;
    worker.shutdown().await;
    let ran = ran.load(Ordering::Relaxed);
    if ran != how.pending {
        wrong = Some(format!("{ran} runs of {} tasks", how.pending));
    } else if wrong.is_none() && how.pending <= 1_000_000 {
        // Beyond that, finished tasks make room for later ones.
        wrong = compare(&filler.app, &filled.ids, Some(State::Succeeded)).await?;
    }
    opened.close().await;
    filler.close().await;
    let note = format!(
        "{} in {:.2} s, all {} of them drained; processor time of Redis {spent:.1} µs and of the worker {here:.1} µs a task, {:.0} tasks a call; forked {forked:.0} times meanwhile",
        number(how.counted as f64),
        took.as_secs_f64(),
        number(how.pending as f64),
        how.counted as f64 / calls.max(1.0),
    );
    Ok(Drained { rate: how.counted as f64 / took.as_secs_f64(), wrong, note })
}

/// Empties a backlog of no-op tasks with a worker of this process at its defaults; then the same
/// with many more pending behind it.
pub(super) async fn drain(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let n = sizes.drain;
    let redis = Redis::start(&fresh(dir, "drain")?)?;
    let plain = drain_once(&redis, redis.addr, &Drain { pending: n, counted: n, slots: None }).await?;
    drop(redis);
    let path = fresh(dir, "backlog")?;
    let redis = Redis::start(&path)?;
    let how = Drain { pending: n + sizes.backlog, counted: n, slots: None };
    let behind = drain_once(&redis, redis.addr, &how).await?;
    drop(redis);
    std::fs::remove_dir_all(path)?;
    let what = format!("drain of {} no-op tasks, results stored, one process", number(n as f64));
    let more = number(sizes.backlog as f64);
    Ok(vec![
        Row::new(what, plain.rate, "/s", Floor::AtLeast(50_000.0))
            .unless(plain.wrong.clone())
            .note(plain.note),
        Row::new(format!("the same with {more} more pending"), behind.rate, "/s", Floor::None)
            .unless(behind.wrong.clone())
            .note(behind.note),
        Row::new("the second of the first", 100.0 * behind.rate / plain.rate, "%", Floor::AtLeast(90.0))
            .unless(behind.wrong.or(plain.wrong)),
    ])
}

/// The drain with two milliseconds between worker and Redis, against the one without.
pub(super) async fn far(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let n = sizes.drain;
    let how = Drain { pending: n, counted: n, slots: Some(FAR_SLOTS) };
    let redis = Redis::start(&fresh(dir, "near")?)?;
    let near = drain_once(&redis, redis.addr, &how).await?;
    drop(redis);
    let redis = Redis::start(&fresh(dir, "far")?)?;
    let proxy = Proxy::start(redis.addr, FAR)?;
    let far = drain_once(&redis, proxy.addr, &how).await?;
    let what =
        |way: &str| format!("drain of {} no-op tasks, {FAR_SLOTS} slots, Redis {way}", number(n as f64));
    Ok(vec![
        Row::new(what("near"), near.rate, "/s", Floor::None).unless(near.wrong.clone()).note(near.note),
        Row::new(what("2 ms away and back"), far.rate, "/s", Floor::None)
            .unless(far.wrong.clone())
            .note(far.note),
        Row::new("the second of the first", 100.0 * far.rate / near.rate, "%", Floor::AtLeast(50.0))
            .unless(far.wrong.or(near.wrong)),
    ])
}
