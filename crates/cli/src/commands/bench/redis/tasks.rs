//! Rows of the library and its worker runtime, which run in this process, on a Redis beside it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use posthaste::{State, TaskError, Worker};

use super::Sizes;
use super::instance::{Opened, Redis, Spent};
use super::proxy::Proxy;
use crate::commands::bench::fresh;
use crate::commands::bench::library::{self, Payload, fill, micros};
use crate::commands::bench::report::{Floor, Row, number, percentile};
use crate::commands::bench::server::compare;

/// A run that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(600);
/// Callers that enqueue one by one.
const CALLERS: u64 = 64;
/// Slots of the worker that is far from Redis.
const FAR_SLOTS: usize = 256;
/// One way to Redis and the other.
const FAR: Duration = Duration::from_millis(1);

/// Tasks that are not final.
pub(super) async fn pending(opened: &Opened) -> anyhow::Result<u64> {
    let counts = opened.app.store().counts().await?;
    Ok(State::ALL.iter().filter(|s| !s.is_final()).flat_map(|s| counts.iter().map(|q| q.of(*s))).sum())
}

/// Waits until at least `done` tasks have succeeded.
async fn until_succeeded(opened: &Opened, done: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = library::count(&opened.app, State::Succeeded).await?;
        if now >= done {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {now} of {done} tasks are done after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until nothing is pending.
pub(super) async fn until_empty(opened: &Opened) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = pending(opened).await?;
        if left == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{left} tasks still pending after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs what is there with a worker of this process: what is wrong with the end, if anything is.
async fn drained(opened: &Opened, ids: &[u128]) -> anyhow::Result<Option<String>> {
    let ran = library::noop(&opened.app)?;
    let worker = opened.app.worker().start().await?;
    until_empty(opened).await?;
    worker.shutdown().await;
    let ran = ran.load(Ordering::Relaxed);
    if ran != ids.len() as u64 {
        return Ok(Some(format!("{ran} runs of {} tasks", ids.len())));
    }
    compare(&opened.app, ids, Some(State::Succeeded)).await
}

/// Processor time of Redis over the whole life of no-op tasks.
pub(super) async fn cpu(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let redis = Redis::start(&fresh(dir, "cpu")?)?;
    let opened = Opened::at(redis.addr).await?;
    let tasks = sizes.drain;
    let scripts = || -> anyhow::Result<Spent> {
        Ok(redis.info("commandstats")?.commands().get("evalsha").copied().unwrap_or_default())
    };
    let (cpu_before, scripts_before) = (redis.cpu()?, scripts()?);
    let filled = fill(&opened.app.client(), tasks, 4).await?;
    let (cpu_filled, scripts_filled) = (redis.cpu()?, scripts()?);
    let ran = library::noop(&opened.app)?;
    let worker = opened.app.worker().start().await?;
    until_succeeded(&opened, tasks).await?;
    worker.shutdown().await;
    let (cpu_after, scripts_after) = (redis.cpu()?, scripts()?);
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
    Ok(vec![
        Row::new(
            "Redis CPU per no-op task, whole life (process)",
            cpu_after.since(cpu_before, tasks),
            "µs",
            Floor::AtMost(16.0),
        )
        .unless(wrong)
        .note(note),
        Row::new("the same by commandstats (scripts)", each(enqueuing) + each(working), "µs", Floor::None),
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
    let (redis_before, forks, scripts) = (redis.cpu()?, redis.forks()?, scripts_of(redis)?);
    let start = Instant::now();
    let mut builder = opened.app.worker();
    if let Some(slots) = how.slots {
        builder = builder.concurrency(slots);
    }
    let worker: Worker = builder.start().await?;
    until_succeeded(&filler, how.counted).await?;
    let took = start.elapsed();
    let spent = redis.cpu()?.since(redis_before, how.counted);
    let forked = redis.forks()? - forks;
    let calls = (scripts_of(redis)? - scripts).calls;
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
        "{} in {:.2} s, all {} of them drained; Redis {spent:.1} µs a task, {:.0} tasks a call; forked {forked:.0} times meanwhile",
        number(how.counted as f64),
        took.as_secs_f64(),
        number(how.pending as f64),
        how.counted as f64 / calls.max(1.0),
    );
    Ok(Drained { rate: how.counted as f64 / took.as_secs_f64(), wrong, note })
}

fn scripts_of(redis: &Redis) -> anyhow::Result<Spent> {
    Ok(redis.info("commandstats")?.commands().get("evalsha").copied().unwrap_or_default())
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
        Row::new(what, plain.rate, "/s", Floor::AtLeast(50_000.0)).unless(plain.wrong).note(plain.note),
        Row::new(format!("the same with {more} more pending"), behind.rate, "/s", Floor::None)
            .unless(behind.wrong.clone())
            .note(behind.note),
        Row::new("the second of the first", 100.0 * behind.rate / plain.rate, "%", Floor::AtLeast(90.0))
            .unless(behind.wrong),
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
        Row::new(what("near"), near.rate, "/s", Floor::None).unless(near.wrong).note(near.note),
        Row::new(what("2 ms away and back"), far.rate, "/s", Floor::None)
            .unless(far.wrong.clone())
            .note(far.note),
        Row::new("the second of the first", 100.0 * far.rate / near.rate, "%", Floor::AtLeast(50.0))
            .unless(far.wrong),
    ])
}

/// One by one from many callers, who share calls; and in batches.
pub(super) async fn enqueue(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let redis = Redis::start(&fresh(dir, "single")?)?;
    let opened = Opened::at(redis.addr).await?;
    let cpu = redis.cpu()?;
    let (rate, ids) = one_by_one(&opened, sizes.single).await?;
    let spent = redis.cpu()?.since(cpu, sizes.single);
    let calls = scripts_of(&redis)?.calls;
    let per_call = sizes.single as f64 / calls.max(1.0);
    let wrong = ends_well(&opened, &ids).await?;
    opened.close().await;
    rows.push(
        Row::new(
            format!("enqueue one by one, {CALLERS} callers at once"),
            rate,
            "/s",
            Floor::AtLeast(50_000.0),
        )
        .unless(wrong)
        .note(format!(
            "{} accepted, found and drained; Redis {spent:.1} µs a task, {per_call:.0} tasks a call",
            number(ids.len() as f64)
        )),
    );
    drop(redis);
    for (producers, floor) in [(4, Floor::AtLeast(150_000.0)), (1, Floor::None)] {
        let redis = Redis::start(&fresh(dir, "batches")?)?;
        let opened = Opened::at(redis.addr).await?;
        let cpu = redis.cpu()?;
        let filled = fill(&opened.app.client(), sizes.enqueue, producers).await?;
        let spent = redis.cpu()?.since(cpu, sizes.enqueue);
        let forks = redis.forks()?;
        let wrong = ends_well(&opened, &filled.ids).await?;
        opened.close().await;
        let what = format!("enqueue in batches of 1,000, {producers} in flight");
        rows.push(Row::new(what, filled.rate, "/s", floor).unless(wrong).note(format!(
            "{} accepted, found and drained; Redis {spent:.1} µs a task; forked {forks:.0} times meanwhile",
            number(filled.ids.len() as f64)
        )));
    }
    Ok(rows)
}

/// The store holds exactly these ids, and they drain.
async fn ends_well(opened: &Opened, ids: &[u128]) -> anyhow::Result<Option<String>> {
    if let Some(wrong) = compare(&opened.app, ids, None).await? {
        return Ok(Some(wrong));
    }
    drained(opened, ids).await
}

async fn one_by_one(opened: &Opened, total: u64) -> anyhow::Result<(f64, Vec<u128>)> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let (client, next) = (opened.app.client(), Arc::clone(&next));
        callers.push(tokio::spawn(async move {
            let kind = library::kind()?;
            let mut ids = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= total {
                    return anyhow::Ok(ids);
                }
                let sent = client.enqueue(kind.task(&Payload::new(n))).await?;
                ids.push(sent.id.as_uuid().as_u128());
            }
        }));
    }
    let mut ids = Vec::with_capacity(usize::try_from(total)?);
    for caller in callers {
        ids.append(&mut caller.await??);
    }
    Ok((total as f64 / start.elapsed().as_secs_f64(), ids))
}

/// From the call of enqueue until the handler starts, one task at a time: the caller and the worker
/// each with a store of their own, as in two processes; then both with one.
pub(super) async fn latency(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let redis = Redis::start(&fresh(dir, "latency")?)?;
    let worker_side = Opened::at(redis.addr).await?;
    let caller_side = Opened::at(redis.addr).await?;
    let mut apart = starts(&worker_side, &caller_side, sizes.latency).await?;
    let mut together = starts(&worker_side, &worker_side, sizes.latency).await?;
    caller_side.close().await;
    worker_side.close().await;
    let stored = percentile(&mut apart.stored, 0.5) / 1_000.0;
    let note = format!(
        "{} tasks one at a time, caller and worker on connections of their own; the enqueue itself answers after {stored:.2} ms (p50)",
        sizes.latency
    );
    let row = |what: &str, samples: &mut [u32], share: f64, floor: Floor| {
        Row::new(what, percentile(samples, share) / 1_000.0, "ms", floor)
    };
    Ok(vec![
        row("idle: enqueue → handler starts, p50", &mut apart.started, 0.5, Floor::AtMost(0.5)).note(note),
        row("idle: enqueue → handler starts, p99", &mut apart.started, 0.99, Floor::AtMost(0.8)),
        row("the same within one process, p50", &mut together.started, 0.5, Floor::None),
        row("the same within one process, p99", &mut together.started, 0.99, Floor::None),
    ])
}

/// In microseconds.
#[derive(Default)]
struct Starts {
    started: Vec<u32>,
    stored: Vec<u32>,
}

async fn starts(worker_side: &Opened, caller_side: &Opened, tasks: u64) -> anyhow::Result<Starts> {
    let (tx, mut started) = tokio::sync::mpsc::unbounded_channel();
    let kind = worker_side.app.kind("bench.now", move |(): (), _cx| {
        let tx = tx.clone();
        let now = Instant::now();
        async move {
            let _ = tx.send(now);
            Ok::<_, TaskError>(())
        }
    })?;
    let client = caller_side.app.client();
    let worker = worker_side.app.worker().start().await?;
    let mut out = Starts::default();
    for n in 0..tasks {
        // Long enough to be idle again, of changing length so that no timer is met in step.
        tokio::time::sleep(Duration::from_micros(3_000 + (n * 7_919) % 9_000)).await;
        let asked = Instant::now();
        client.enqueue(kind.task(&())).await?;
        out.stored.push(micros(asked.elapsed()));
        let start = tokio::time::timeout(Duration::from_secs(30), started.recv()).await?;
        out.started.push(micros(start.context("the handler is gone")?.saturating_duration_since(asked)));
    }
    worker.shutdown().await;
    Ok(out)
}
