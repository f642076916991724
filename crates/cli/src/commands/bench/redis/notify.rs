//! Rows of `posthaste api` and `posthaste worker` in processes of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use posthaste::State;

use super::Sizes;
use super::instance::{Opened, Redis, url};
use super::proxy::Proxy;
use super::tasks::{pending, until_empty};
use crate::commands::bench::fresh;
use crate::commands::bench::load::{self, Answers, Load};
use crate::commands::bench::process::{Cpu, Posthaste, Running};
use crate::commands::bench::report::{Floor, Row, number, percentile};
use crate::commands::bench::server::{CONNECTIONS, compare};

/// Backend and worker, each told where its Redis is.
pub(super) struct Apart<'a> {
    /// Where they run.
    pub(super) dir: &'a Path,
    /// `REDIS_URL` of the API.
    pub(super) api_redis: &'a str,
    /// `REDIS_URL` of the worker.
    pub(super) worker_redis: &'a str,
}

impl Apart<'_> {
    /// Starts `posthaste api` with every default.
    pub(super) fn api(&self, file: &Path) -> anyhow::Result<Running> {
        let arguments = ["api", "--addr", "127.0.0.1:0"].map(Into::into).into();
        Posthaste { file, arguments, redis: Some(self.api_redis), dir: self.dir, env: Vec::new() }.start()
    }

    /// Starts `posthaste worker` with every default.
    pub(super) fn worker(&self, file: &Path) -> anyhow::Result<Running> {
        let arguments = ["worker", "--worker-addr", "127.0.0.1:0"].map(Into::into).into();
        Posthaste { file, arguments, redis: Some(self.worker_redis), dir: self.dir, env: Vec::new() }.start()
    }
}

/// A copy of this very program that nobody has read yet, as after a boot. A file that was just written
/// lies in memory in large pieces, and recent kernels map a piece whole once a byte of it is needed.
pub(super) fn copy_of_this_program(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let copy = dir.join(name);
    std::fs::copy(std::env::current_exe()?, &copy)?;
    let file = File::open(&copy)?;
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(copy)
}

/// `POST /notify/` while no worker runs; then while one drains.
pub(super) async fn accepted(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for draining in [false, true] {
        rows.extend(accept(&fresh(dir, "accepted")?, sizes, draining).await?);
    }
    Ok(rows)
}

async fn accept(dir: &Path, sizes: &Sizes, draining: bool) -> anyhow::Result<Vec<Row>> {
    let file = std::env::current_exe()?;
    let redis = Redis::start(dir)?;
    let here = redis.url();
    let apart = Apart { dir, api_redis: &here, worker_redis: &here };
    let api = apart.api(&file)?;
    let early = if draining { Some(apart.worker(&file)?) } else { None };
    let (redis_cpu, api_cpu, here) = (redis.cpu()?, api.cpu()?, Cpu::here()?);
    let worker_cpu = early.as_ref().map(Running::cpu).transpose()?;
    let load = Load { addr: api.addr, connections: CONNECTIONS, time: sizes.rate_time, max: sizes.rate_max };
    let answers = load::run(load).await;
    let n = answers.ids.len() as u64;
    let mut spent = format!(
        "processor time of Redis {:.1} µs, of the API {:.1} µs, of the load generator {:.1} µs each",
        redis.cpu()?.since(redis_cpu, n),
        api.cpu()?.since(api_cpu, n),
        Cpu::here()?.since(here, n)
    );
    if let (Some(worker), Some(before)) = (&early, worker_cpu) {
        let _ = write!(spent, ", of the worker {:.1} µs", worker.cpu()?.since(before, n));
    }
    let opened = Opened::at(redis.addr).await?;
    let left = pending(&opened).await?;
    let mut wrong = if draining { None } else { compare(&opened.app, &answers.ids, None).await? };
    let (since, redis_cpu) = (Instant::now(), redis.cpu()?);
    let worker = match early {
        Some(worker) => worker,
        None => apart.worker(&file)?,
    };
    until_empty(&opened).await?;
    let emptied = since.elapsed();
    let delivering = (redis.cpu()?.since(redis_cpu, left), worker.cpu()?.since(Cpu::default(), left));
    if wrong.is_none() {
        wrong = compare(&opened.app, &answers.ids, Some(State::Succeeded)).await?;
    }
    worker.stop()?;
    api.stop()?;
    opened.close().await;
    let mut note = format!(
        "{spent}; {} were left at its end, delivered to the sandbox {:.1} s later",
        number(left as f64),
        emptied.as_secs_f64()
    );
    if !draining {
        let (redis, worker) = delivering;
        let _ = write!(note, " with {redis:.1} µs of Redis and {worker:.1} µs of the worker each");
    }
    Ok(rows_of(answers, wrong, &note, draining))
}

fn rows_of(mut answers: Answers, wrong: Option<String>, note: &str, draining: bool) -> Vec<Row> {
    let errors = answers.errors_text().map(|e| format!("errors: {e}"));
    let wrong = wrong.or(errors);
    let how = if draining { "a worker draining" } else { "no worker" };
    let what = format!("POST /notify/ through posthaste api, {CONNECTIONS} connections, {how}");
    let (rate, p99) = if draining { (12_000.0, Floor::None) } else { (25_000.0, Floor::AtMost(10.0)) };
    let n = answers.ids.len() as f64;
    let all = answers.rate();
    let p50_ms = percentile(&mut answers.latency_us, 0.5) / 1_000.0;
    let p99_ms = percentile(&mut answers.latency_us, 0.99) / 1_000.0;
    vec![
        Row::new(what.clone(), all, "accepted/s", Floor::AtLeast(rate)).unless(wrong.clone()).note(format!(
            "{} accepted in {:.1} s, each found in the store and no other; {note}",
            number(n),
            answers.elapsed.as_secs_f64()
        )),
        Row::new(format!("{what}: p99"), p99_ms, "ms", p99).unless(wrong).note(format!("p50 {p50_ms:.2} ms")),
    ]
}

/// Commands that an idle API and an idle worker send, counted on their way.
pub(super) async fn idle(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "idle")?;
    let file = std::env::current_exe()?;
    let redis = Redis::start(&dir)?;
    let (to_api, to_worker) =
        (Proxy::start(redis.addr, Duration::ZERO)?, Proxy::start(redis.addr, Duration::ZERO)?);
    let (api_redis, worker_redis) = (url(to_api.addr), url(to_worker.addr));
    let apart = Apart { dir: &dir, api_redis: &api_redis, worker_redis: &worker_redis };
    let (api, worker) = (apart.api(&file)?, apart.worker(&file)?);
    load::notify_once(api.addr).await?;
    let opened = Opened::at(redis.addr).await?;
    until_empty(&opened).await?;
    opened.close().await;
    tokio::time::sleep(sizes.rest).await;
    let before = [to_api.commands(), to_worker.commands()];
    let since = Instant::now();
    tokio::time::sleep(sizes.idle).await;
    let elapsed = since.elapsed();
    let after = [to_api.commands(), to_worker.commands()];
    worker.stop()?;
    api.stop()?;
    let mut rows = Vec::new();
    for (who, (before, after)) in ["api", "worker"].into_iter().zip(before.iter().zip(&after)) {
        rows.push(idle_row(who, before, after, elapsed));
    }
    Ok(rows)
}

fn idle_row(
    who: &str,
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    elapsed: Duration,
) -> Row {
    let mut sum = 0;
    let mut names = Vec::new();
    for (name, n) in after {
        let sent = n - before.get(name).copied().unwrap_or(0);
        sum += sent;
        if sent > 0 {
            names.push(format!("{sent} × {name}"));
        }
    }
    let rate = sum as f64 / elapsed.as_secs_f64();
    Row::new(format!("idle commands of posthaste {who} on Redis"), rate, "/s", Floor::AtMost(5.0))
        .note(format!("over {:.0} s: {}", elapsed.as_secs_f64(), names.join(", ")))
}
