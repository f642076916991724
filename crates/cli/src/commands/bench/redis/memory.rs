//! What tasks cost in the memory of Redis, and a worker in that of its machine.

use std::path::Path;
use std::time::{Duration, Instant};

use posthaste::{Client, Priority, State, Task};
use posthaste_core::limits::MAX_ENQUEUE;

use super::Sizes;
use super::instance::{Opened, Redis};
use super::notify::{Apart, copy_of_this_program};
use super::tasks::{pending, until_empty};
use crate::commands::bench::library::{self, Done, Payload, fill};
use crate::commands::bench::report::{Floor, Row, number};
use crate::commands::bench::{fresh, load};

/// Bytes in use once the server has nothing else to do.
async fn used(redis: &Redis) -> anyhow::Result<f64> {
    redis.quiet().await?;
    // Buffers of connections and tables that grow are given back by its own clock, ten times a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    redis.quiet().await?;
    Ok(redis.info("memory")?.number("used_memory"))
}

/// Bytes of Redis per task, pending and finished.
pub(super) async fn redis(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    Ok(vec![mixed(dir, sizes).await?, finished(dir, sizes).await?])
}

async fn mixed(dir: &Path, sizes: &Sizes) -> anyhow::Result<Row> {
    let path = fresh(dir, "mixed")?;
    let redis = Redis::start(&path)?;
    let opened = Opened::at(redis.addr).await?;
    let empty = used(&redis).await?;
    enqueue_mixed(&opened.app.client(), sizes.memory).await?;
    let held = pending(&opened).await?;
    let scheduled = library::count(&opened.app, State::Scheduled).await?;
    let bytes = used(&redis).await? - empty;
    opened.close().await;
    drop(redis);
    std::fs::remove_dir_all(path)?;
    let wrong = (held != sizes.memory || scheduled != sizes.memory / 10)
        .then(|| format!("{} enqueued, {held} pending, {scheduled} of them scheduled", sizes.memory));
    let note = format!(
        "used_memory of {} tasks, payload 200 B, 4 priorities, {} scheduled, a tenth with idempotency keys",
        number(held as f64),
        number(scheduled as f64)
    );
    Ok(Row::new("Redis memory per pending task", bytes / held as f64, "B", Floor::AtMost(400.0))
        .unless(wrong)
        .note(note))
}

/// Four priorities, a tenth scheduled, a tenth with idempotency keys.
async fn enqueue_mixed(client: &Client, total: u64) -> anyhow::Result<()> {
    let kind = library::kind()?;
    let of = |n: u64| -> Task<Done> {
        let task = kind.task(&Payload::new(n)).priority(Priority::ALL[(n % 4) as usize]);
        if n % 10 == 3 { task.delay(Duration::from_secs(3_600 + n % 3_600)) } else { task }
    };
    // A key belongs to a request: those tasks go one by one, as many at once as a server has.
    let mut plain = Vec::new();
    let mut keyed = tokio::task::JoinSet::new();
    for n in 0..total {
        if n % 10 == 7 {
            let (client, task) = (client.clone(), of(n).idempotency_key(format!("order-{n:016}")));
            keyed.spawn(async move { client.enqueue(task).await });
        } else {
            plain.push(of(n));
        }
        if plain.len() == MAX_ENQUEUE || n + 1 == total {
            client.enqueue_many(std::mem::take(&mut plain)).await?;
            while let Some(sent) = keyed.join_next().await {
                sent??;
            }
        }
    }
    Ok(())
}

async fn finished(dir: &Path, sizes: &Sizes) -> anyhow::Result<Row> {
    let path = fresh(dir, "finished")?;
    let redis = Redis::start(&path)?;
    let opened = Opened::at(redis.addr).await?;
    let empty = used(&redis).await?;
    fill(&opened.app.client(), sizes.memory, 4).await?;
    let _ran = library::noop(&opened.app)?;
    let worker = opened.app.worker().start().await?;
    until_empty(&opened).await?;
    worker.shutdown().await;
    let done = library::count(&opened.app, State::Succeeded).await?;
    let bytes = used(&redis).await? - empty;
    opened.close().await;
    drop(redis);
    std::fs::remove_dir_all(path)?;
    let wrong = (done != sizes.memory).then(|| format!("{} enqueued, {done} succeeded", sizes.memory));
    let note = format!("used_memory of {} tasks, payload 200 B, with results", number(done as f64));
    Ok(Row::new("Redis memory per finished task", bytes / done as f64, "B", Floor::AtMost(400.0))
        .unless(wrong)
        .note(note))
}

/// Memory of a worker that has nothing to do, and after it has done something; of an API beside it.
pub(super) async fn worker(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "pss")?;
    let redis = Redis::start(&dir)?;
    // Copies: these processes and this one run the same file, and PSS would charge each a share of its pages.
    let files =
        [copy_of_this_program(&dir, "posthaste-api")?, copy_of_this_program(&dir, "posthaste-worker")?];
    let url = redis.url();
    let apart = Apart { dir: &dir, api_redis: &url, worker_redis: &url };
    let (api, worker) = (apart.api(&files[0])?, apart.worker(&files[1])?);
    let opened = Opened::at(redis.addr).await?;
    load::notify_once(api.addr).await?;
    until_empty(&opened).await?;
    tokio::time::sleep(sizes.rest).await;
    let (idle, idle_api) = (worker.pss_mib()?, api.pss_mib()?);
    let start = Instant::now();
    let load = load::Load { addr: api.addr, connections: 64, time: Duration::from_secs(60), max: sizes.warm };
    let answers = load::run(load).await;
    until_empty(&opened).await?;
    let took = start.elapsed();
    tokio::time::sleep(sizes.rest).await;
    let (after, after_api) = (worker.pss_mib()?, api.pss_mib()?);
    opened.close().await;
    worker.stop()?;
    api.stop()?;
    Ok(vec![
        Row::new("idle memory of posthaste worker (PSS)", idle, "MiB", Floor::AtMost(12.0)).note(format!(
            "after one notification and {:?} of rest; {after:.1} MiB after {} in {:.1} s",
            sizes.rest,
            number(answers.ids.len() as f64),
            took.as_secs_f64()
        )),
        Row::new("idle memory of posthaste api (PSS)", idle_api, "MiB", Floor::None)
            .unless(answers.errors_text())
            .note(format!("{after_api:.1} MiB after them")),
    ])
}
