//! Enqueueing through the library, and how soon a handler starts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use posthaste::TaskError;

use super::Sizes;
use super::instance::{Opened, Redis};
use super::tasks::end_well;
use crate::commands::bench::fresh;
use crate::commands::bench::library::{self, Payload, fill, micros};
use crate::commands::bench::process::Cpu;
use crate::commands::bench::report::{Floor, Row, number, percentile};

/// Callers that enqueue one by one.
const CALLERS: u64 = 64;

/// One by one from many callers, who share calls; and in batches.
pub(super) async fn enqueue(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let redis = Redis::start(&fresh(dir, "single")?)?;
    let opened = Opened::at(redis.addr).await?;
    let (cpu, here) = (redis.cpu()?, Cpu::here()?);
    let (rate, ids) = one_by_one(&opened, sizes.single).await?;
    let spent = redis.cpu()?.since(cpu, sizes.single);
    let here = Cpu::here()?.since(here, sizes.single);
    let calls = redis.scripts()?.calls;
    let per_call = sizes.single as f64 / calls.max(1.0);
    let wrong = end_well(&opened, &ids).await?;
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
            "{} accepted, found and drained; processor time of Redis {spent:.1} µs and of the callers {here:.1} µs a task, {per_call:.0} tasks a call",
            number(ids.len() as f64)
        )),
    );
    drop(redis);
    for (producers, floor) in [(4, Floor::AtLeast(150_000.0)), (1, Floor::None)] {
        let redis = Redis::start(&fresh(dir, "batches")?)?;
        let opened = Opened::at(redis.addr).await?;
        let (cpu, here) = (redis.cpu()?, Cpu::here()?);
        let filled = fill(&opened.app.client(), sizes.enqueue, producers).await?;
        let spent = redis.cpu()?.since(cpu, sizes.enqueue);
        let here = Cpu::here()?.since(here, sizes.enqueue);
        let forks = redis.forks()?;
        let wrong = end_well(&opened, &filled.ids).await?;
        opened.close().await;
        let what = format!("enqueue in batches of 1,000, {producers} in flight");
        rows.push(Row::new(what, filled.rate, "/s", floor).unless(wrong).note(format!(
            "{} accepted, found and drained; processor time of Redis {spent:.1} µs and of the callers {here:.1} µs a task; forked {forks:.0} times meanwhile",
            number(filled.ids.len() as f64)
        )));
    }
    Ok(rows)
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
    // On the runtime's threads, as what answers requests is.
    let caller = tokio::spawn(async move {
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
        anyhow::Ok(out)
    });
    let out = caller.await??;
    worker.shutdown().await;
    Ok(out)
}
