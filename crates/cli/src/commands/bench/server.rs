//! Rows measured against a `posthaste up` of its own process, over loopback.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use posthaste::{PauseReason, PauseRequest, Posthaste, QueueName, Retention, Scope, State};
use posthaste_core::broker::{ListFilter, ListRequest};
use posthaste_core::limits::MAX_PAGE;
use serde_json::Value;

use super::load::{self, Answers, Load};
use super::process::{self, Running};
use super::report::{Floor, Row, percentile};
use super::{Sizes, fresh};

/// Connections of the rate runs.
pub(crate) const CONNECTIONS: usize = 64;
/// A backlog that is not empty after this does not empty.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running `posthaste up`.
struct Up(Running);

impl Up {
    /// Starts this very program on `dir` with every default, and waits for its ready line.
    fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::start_program(&std::env::current_exe()?, dir)
    }

    fn start_program(file: &Path, dir: &Path) -> anyhow::Result<Self> {
        let mut arguments: Vec<OsString> =
            ["up", "--addr", "127.0.0.1:0", "--data-dir"].map(OsString::from).into();
        arguments.push(dir.into());
        process::Posthaste { file, arguments, redis: None, dir, env: Vec::new() }.start().map(Self)
    }

    fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Tasks of all queues in the states that are not final.
    async fn pending(&self) -> anyhow::Result<u64> {
        let (status, body) = load::get(self.addr(), "/v1/queues").await?;
        ensure!(status == 200, "GET /v1/queues answered {status}");
        let queues: Value = serde_json::from_slice(&body)?;
        let mut sum = 0;
        for queue in queues.get("data").and_then(Value::as_array).context("no data in /v1/queues")? {
            for state in State::ALL.iter().filter(|s| !s.is_final()) {
                sum += queue.pointer(&format!("/counts/{state}")).and_then(Value::as_u64).unwrap_or(0);
            }
        }
        Ok(sum)
    }

    /// How long until nothing is pending.
    async fn until_empty(&self, since: Instant) -> anyhow::Result<Duration> {
        loop {
            let pending = self.pending().await?;
            if pending == 0 {
                return Ok(since.elapsed());
            }
            ensure!(since.elapsed() < PATIENCE, "{pending} tasks still pending after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// `POST /notify/` with the queue paused, so that accepting alone is measured.
pub(crate) async fn notify_paused(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "paused")?;
    let scope = Scope::Queue(QueueName::default());
    let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
    let pause = PauseRequest { scope: scope.clone(), reason: PauseReason::Manual, for_: None, message: None };
    app.store().pause(pause).await?;
    app.close().await;

    let up = Up::start(&dir)?;
    let answers = load::run(rate_run(up.addr(), sizes)).await;
    up.0.stop()?;

    let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
    let wrong = compare(&app, &answers.ids, None).await?;
    app.store().resume(&scope).await?;
    app.close().await;

    let up = Up::start(&dir)?;
    let start = Instant::now();
    let emptied = up.until_empty(start).await?;
    up.0.stop()?;
    let drain = answers.ids.len() as f64 / emptied.as_secs_f64();
    Ok(rows("queue paused", 20_000.0, answers, wrong, format!("the backlog then emptied at {drain:.0}/s")))
}

/// `POST /notify/` while the server's own worker delivers to the sandbox.
pub(crate) async fn notify_delivering(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "delivering")?;
    let up = Up::start(&dir)?;
    let answers = load::run(rate_run(up.addr(), sizes)).await;
    let left = up.pending().await?;
    let emptied = up.until_empty(Instant::now()).await?;
    up.0.stop()?;

    let app = Posthaste::open_sqlite(&dir, Retention::default()).await?;
    let wrong = compare(&app, &answers.ids, Some(State::Succeeded)).await?;
    app.close().await;
    let n = answers.ids.len() as f64;
    let delivered = n / (answers.elapsed + emptied).as_secs_f64();
    let note = format!(
        "{left} were left at its end, gone {:.1} s later; delivered at {delivered:.0}/s over all",
        emptied.as_secs_f64()
    );
    Ok(rows("own worker delivering to the sandbox", 12_000.0, answers, wrong, note))
}

pub(crate) fn rate_run(addr: SocketAddr, sizes: &Sizes) -> Load {
    Load { addr, connections: CONNECTIONS, time: sizes.rate_time, max: sizes.rate_max }
}

fn rows(how: &str, floor: f64, mut answers: Answers, wrong: Option<String>, note: String) -> Vec<Row> {
    let accepted = answers.ids.len();
    let errors = answers.errors_text().map(|e| format!("errors: {e}"));
    let wrong = wrong.or(errors);
    let rate = answers.rate();
    let p50 = percentile(&mut answers.latency_us, 0.5) / 1_000.0;
    let p99 = percentile(&mut answers.latency_us, 0.99) / 1_000.0;
    let what = format!("POST /notify/, {CONNECTIONS} connections, {how}");
    vec![
        Row::new(what.clone(), rate, "accepted/s", Floor::AtLeast(floor)).unless(wrong.clone()).note(
            format!(
                "{accepted} accepted in {:.1} s, each found in the store and no other; {note}",
                answers.elapsed.as_secs_f64()
            ),
        ),
        Row::new(format!("{what}: p99"), p99, "ms", Floor::AtMost(15.0))
            .unless(wrong)
            .note(format!("p50 {p50:.2} ms")),
    ]
}

/// What is wrong between the ids that were promised and those in the store, if anything is.
pub(crate) async fn compare(
    app: &Posthaste,
    promised: &[u128],
    all_in: Option<State>,
) -> anyhow::Result<Option<String>> {
    let mut stored = Vec::with_capacity(promised.len());
    let mut other_state = 0u64;
    let mut request =
        ListRequest { filter: ListFilter::default(), limit: MAX_PAGE, ..ListRequest::default() };
    loop {
        let page = app.store().list(request.clone()).await?;
        other_state += page.tasks.iter().filter(|t| all_in.is_some_and(|s| t.state != s)).count() as u64;
        stored.extend(page.tasks.iter().map(|t| t.id.as_uuid().as_u128()));
        if page.next_cursor.is_none() {
            break;
        }
        request.cursor = page.next_cursor;
    }
    let mut promised = promised.to_vec();
    promised.sort_unstable();
    stored.sort_unstable();
    let twice = promised.windows(2).filter(|w| w[0] == w[1]).count();
    let missing = promised.iter().filter(|id| stored.binary_search(id).is_err()).count();
    let unknown = stored.iter().filter(|id| promised.binary_search(id).is_err()).count();
    if missing == 0 && unknown == 0 && twice == 0 && other_state == 0 && promised.len() == stored.len() {
        return Ok(None);
    }
    Ok(Some(format!(
        "{} promised, {} stored: {missing} missing, {unknown} nobody was promised, {twice} ids given twice, {other_state} in another state",
        promised.len(),
        stored.len()
    )))
}

/// Memory of a server that does nothing, and after it has done something.
pub(crate) async fn memory(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "memory")?;
    // A copy: this process runs the same file, and PSS would charge it half of the shared pages.
    let program = dir.join("posthaste");
    std::fs::copy(std::env::current_exe()?, &program)?;
    let up = Up::start_program(&program, &dir)?;
    load::notify_once(up.addr()).await?;
    tokio::time::sleep(sizes.idle).await;
    let idle = up.0.pss_mib()?;
    let load =
        Load { addr: up.addr(), connections: CONNECTIONS, time: Duration::from_secs(60), max: sizes.warm };
    let answers = load::run(load).await;
    up.until_empty(Instant::now()).await?;
    tokio::time::sleep(sizes.idle).await;
    let after = up.0.pss_mib()?;
    up.0.stop()?;
    Ok(vec![
        Row::new("idle memory of posthaste up (PSS)", idle, "MiB", Floor::AtMost(15.0))
            .note(format!("after one notification and {:?} of rest", sizes.idle)),
        Row::new(format!("the same after {} notifications", answers.ids.len()), after, "MiB", Floor::None)
            .unless(answers.errors_text()),
    ])
}

/// From the start of the process until its first accepted request.
pub(crate) async fn cold_start(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let dir = fresh(dir, "cold")?;
    let mut took = Vec::new();
    let mut first = 0.0;
    for n in 0..sizes.starts {
        let start = Instant::now();
        let up = Up::start(&dir)?;
        let status = load::notify_once(up.addr()).await?;
        let elapsed = start.elapsed();
        ensure!(status == 200, "POST /notify/ answered {status}");
        up.0.stop()?;
        if n == 0 {
            first = elapsed.as_secs_f64() * 1_000.0;
        } else {
            took.push(u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX));
        }
    }
    let worst = percentile(&mut took, 1.0) / 1_000.0;
    let note =
        format!("p50 of {}; {first:.0} ms with a store to be made, {worst:.0} ms the slowest", took.len());
    let p50 = percentile(&mut took, 0.5) / 1_000.0;
    Ok(vec![Row::new("cold start to first accepted request", p50, "ms", Floor::AtMost(150.0)).note(note)])
}
