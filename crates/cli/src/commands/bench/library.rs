//! Rows measured through the library, in this process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use posthaste::{Client, Posthaste, Priority, Retention, State, Task, TaskError, TaskKind};
use posthaste_core::broker::ListRequest;
use posthaste_core::limits::MAX_ENQUEUE;
use serde::{Deserialize, Serialize};

use super::report::{Floor, Row, percentile};
use super::{Sizes, fresh};

/// A run that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(900);

/// A payload of 200 bytes of JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Payload {
    to: String,
    subject: String,
    message: String,
}

impl Payload {
    pub(crate) fn new(n: u64) -> Self {
        Self {
            to: format!("user{n:08}@example.com"),
            subject: "Your order has been shipped".into(),
            message: "Hello, your order has left our warehouse and will be with you in two days. Follow it on our pages, if you wish to."
                .into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Done {
    ok: bool,
    n: u64,
}

pub(crate) fn kind() -> anyhow::Result<TaskKind<Payload, Done>> {
    Ok(TaskKind::named("bench.noop")?)
}

/// Tasks that were enqueued.
pub(crate) struct Filled {
    /// Tasks per second.
    pub(crate) rate: f64,
    /// Their ids.
    pub(crate) ids: Vec<u128>,
}

/// `total` tasks in batches of 1,000 from `producers` at once.
pub(crate) async fn fill(client: &Client, total: u64, producers: u64) -> anyhow::Result<Filled> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut running = Vec::new();
    for _ in 0..producers {
        let (client, next) = (client.clone(), Arc::clone(&next));
        running.push(tokio::spawn(async move {
            let kind = kind()?;
            let mut ids = Vec::new();
            loop {
                let from = next.fetch_add(MAX_ENQUEUE as u64, Ordering::Relaxed);
                if from >= total {
                    return anyhow::Ok(ids);
                }
                let until = (from + MAX_ENQUEUE as u64).min(total);
                let sent = client.enqueue_many((from..until).map(|n| kind.task(&Payload::new(n)))).await?;
                ids.extend(sent.iter().map(|s| s.id.as_uuid().as_u128()));
            }
        }));
    }
    let mut ids = Vec::with_capacity(usize::try_from(total)?);
    for producer in running {
        ids.append(&mut producer.await??);
    }
    Ok(Filled { rate: total as f64 / start.elapsed().as_secs_f64(), ids })
}

pub(crate) async fn count(app: &Posthaste, state: State) -> anyhow::Result<u64> {
    Ok(app.store().counts().await?.iter().map(|q| q.of(state)).sum())
}

/// Enqueues in batches of 1,000.
pub(crate) async fn enqueue(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (producers, floor) in [(1, Floor::None), (4, Floor::AtLeast(120_000.0))] {
        let dir = fresh(dir, "enqueue")?;
        let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
        let rate = fill(&app.client(), sizes.enqueue, producers).await?.rate;
        let held = count(&app, State::Queued).await?;
        app.close().await;
        let wrong =
            (held != sizes.enqueue).then(|| format!("{} enqueued, {held} in the store", sizes.enqueue));
        let what = format!("enqueue in batches of 1,000 through the library, {producers} in flight");
        rows.push(
            Row::new(what, rate, "/s", floor)
                .unless(wrong)
                .note(format!("{held} tasks, counted in the store")),
        );
    }
    Ok(rows)
}

/// Defines the no-op kind, which returns a result, and counts its runs.
pub(crate) fn noop(app: &Posthaste) -> anyhow::Result<Arc<AtomicU64>> {
    let ran = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&ran);
    app.kind("bench.noop", move |_: Payload, _cx| {
        let counter = Arc::clone(&counter);
        async move { Ok::<_, TaskError>(Done { ok: true, n: counter.fetch_add(1, Ordering::Relaxed) }) }
    })?;
    Ok(ran)
}

/// Polls the store's counters until `total` tasks have succeeded.
async fn until_succeeded(app: &Posthaste, total: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let done = count(app, State::Succeeded).await?;
        if done >= total {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {done} of {total} tasks are done after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Empties a backlog of no-op tasks with a worker of this process at its defaults.
pub(crate) async fn drain(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "drain")?;
    let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
    let ran = noop(&app)?;
    let client = app.client();
    fill(&client, sizes.drain, 4).await?;
    let start = Instant::now();
    let worker = app.worker().start().await?;
    until_succeeded(&app, sizes.drain).await?;
    let rate = sizes.drain as f64 / start.elapsed().as_secs_f64();
    worker.shutdown().await;
    let runs = ran.load(Ordering::Relaxed);
    let sample = app.store().list(ListRequest { limit: 50, ..ListRequest::default() }).await?;
    let ids: Vec<_> = sample.tasks.iter().map(|t| t.id).collect();
    let kept = app.store().get(&ids).await?;
    let with_result = kept.iter().flatten().filter(|t| t.result.is_some()).count();
    app.close().await;
    let wrong = (runs != sizes.drain || with_result != ids.len()).then(|| {
        format!("{runs} runs of {} tasks, {with_result} results in a sample of {}", sizes.drain, ids.len())
    });
    let what = format!("drain of {} no-op tasks, results stored, one process", sizes.drain);
    Ok(vec![Row::new(what, rate, "/s", Floor::AtLeast(40_000.0)).unless(wrong).note(format!("{runs} runs"))])
}

/// From the call of enqueue until the handler starts, one task at a time.
pub(crate) async fn latency(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "latency")?;
    let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
    let (tx, mut started) = tokio::sync::mpsc::unbounded_channel();
    let kind = app.kind("bench.now", move |(): (), _cx| {
        let tx = tx.clone();
        let now = Instant::now();
        async move {
            let _ = tx.send(now);
            Ok::<_, TaskError>(())
        }
    })?;
    let client = app.client();
    let worker = app.worker().start().await?;
    let (mut until_start, mut until_stored) = (Vec::new(), Vec::new());
    for n in 0..sizes.latency {
        // Long enough to be idle again, of changing length so that no timer is met in step.
        tokio::time::sleep(Duration::from_micros(3_000 + (n * 7_919) % 9_000)).await;
        let asked = Instant::now();
        client.enqueue(kind.task(&())).await?;
        until_stored.push(micros(asked.elapsed()));
        let start = tokio::time::timeout(Duration::from_secs(30), started.recv()).await?;
        until_start.push(micros(start.context("the handler is gone")?.saturating_duration_since(asked)));
    }
    worker.shutdown().await;
    app.close().await;
    let stored = percentile(&mut until_stored, 0.5) / 1_000.0;
    let note = format!(
        "{} tasks one at a time; the enqueue itself answers after {stored:.2} ms (p50)",
        sizes.latency
    );
    Ok(vec![
        Row::new(
            "idle: enqueue → handler starts, p50",
            percentile(&mut until_start, 0.5) / 1_000.0,
            "ms",
            Floor::AtMost(1.5),
        )
        .note(note),
        Row::new(
            "idle: enqueue → handler starts, p99",
            percentile(&mut until_start, 0.99) / 1_000.0,
            "ms",
            Floor::AtMost(4.0),
        ),
    ])
}

pub(crate) fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_micros()).unwrap_or(u32::MAX)
}

/// Bytes on disk per pending task after a mixed run.
pub(crate) async fn size(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "size")?;
    let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
    let client = app.client();
    let kind = kind()?;
    let total = sizes.size;
    let of = |n: u64| -> Task<Done> {
        let priority = Priority::ALL[(n % 4) as usize];
        let task = kind.task(&Payload::new(n)).priority(priority);
        if n % 10 == 3 { task.delay(Duration::from_secs(3_600 + n % 3_600)) } else { task }
    };
    let bytes: usize = serde_json::to_string(&Payload::new(0))?.len();
    // A key belongs to a request: those tasks go one by one, as many at once as a server has.
    let mut plain = Vec::new();
    let mut keyed = tokio::task::JoinSet::new();
    for n in 0..total {
        if n % 10 != 7 {
            plain.push(of(n));
        } else {
            let (client, task) = (client.clone(), of(n).idempotency_key(format!("order-{n:016}")));
            keyed.spawn(async move { client.enqueue(task).await });
        }
        if plain.len() == MAX_ENQUEUE || n + 1 == total {
            client.enqueue_many(std::mem::take(&mut plain)).await?;
            while let Some(sent) = keyed.join_next().await {
                sent??;
            }
        }
    }
    let pending = count(&app, State::Queued).await? + count(&app, State::Scheduled).await?;
    let open = bytes_of(&dir)?;
    app.close().await;
    let closed = bytes_of(&dir)?;
    let wrong = (pending != total).then(|| format!("{total} enqueued, {pending} pending"));
    let note = format!(
        "{pending} tasks, payload {bytes} B, 4 priorities, 10 % scheduled, 10 % with idempotency keys; {:.0} B each while the store is open (with its log)",
        open as f64 / total as f64
    );
    Ok(vec![
        Row::new("file bytes per pending task", closed as f64 / total as f64, "B", Floor::AtMost(600.0))
            .unless(wrong)
            .note(note),
    ])
}

fn bytes_of(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let meta = entry?.metadata()?;
        sum += if meta.is_file() { meta.len() } else { 0 };
    }
    Ok(sum)
}

/// What a store full of finished tasks costs: a page, the counts, the enqueue rate.
pub(crate) async fn full(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let few = measure(&fresh(dir, "few")?, 1_000, sizes).await?;
    let path = fresh(dir, "many")?;
    let many = measure(&path, sizes.finished, sizes).await?;
    std::fs::remove_dir_all(&path)?;
    let n = super::report::number(sizes.finished as f64);
    let of = |what: &str, a: f64, b: f64, unit: &str, ratio: f64| {
        Row::new(format!("{n} finished tasks: {what}, against 1,000"), ratio, "×", Floor::AtMost(1.2))
            .note(format!("{b:.0} {unit} against {a:.0} {unit}"))
    };
    Ok(vec![
        of("list page of 50 (p50)", few.page_us, many.page_us, "µs", many.page_us / few.page_us),
        of("counts (p50)", few.counts_us, many.counts_us, "µs", many.counts_us / few.counts_us),
        of(
            "time per enqueue in batches",
            few.enqueue_rate,
            many.enqueue_rate,
            "/s",
            few.enqueue_rate / many.enqueue_rate,
        ),
    ])
}

struct People {
    page_us: f64,
    counts_us: f64,
    enqueue_rate: f64,
}

async fn measure(dir: &Path, finished: u64, sizes: &Sizes) -> anyhow::Result<People> {
    let long = Duration::from_secs(365 * 86_400);
    let retention =
        Retention { succeeded_age: long, succeeded_count: 1 << 40, failed_age: long, failed_count: 1 << 40 };
    let app = Posthaste::open_sqlite(dir, retention).await?;
    noop(&app)?;
    let worker = app.worker().start().await?;
    let client = app.client();
    // In pieces, so that the backlog stays small and the run measures nothing else.
    let mut done = 0;
    while done < finished {
        let piece = (finished - done).min(50_000);
        fill(&client, piece, 4).await?;
        done += piece;
        until_succeeded(&app, done.saturating_sub(10_000)).await?;
    }
    until_succeeded(&app, finished).await?;
    worker.shutdown().await;

    let (mut page, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..sizes.reads {
        let start = Instant::now();
        let got = app.store().list(ListRequest::default()).await?;
        page.push(micros(start.elapsed()));
        ensure!(!got.tasks.is_empty(), "the list is empty");
    }
    // Answered from memory in tens of microseconds, most of them two thread switches: only many
    // samples tell a difference from noise.
    for _ in 0..sizes.reads * 20 {
        let start = Instant::now();
        app.store().counts().await?;
        counts.push(micros(start.elapsed()));
    }
    let enqueue_rate = fill(&client, sizes.enqueue.min(300_000), 4).await?.rate;
    app.close().await;
    Ok(People { page_us: percentile(&mut page, 0.5), counts_us: percentile(&mut counts, 0.5), enqueue_rate })
}
