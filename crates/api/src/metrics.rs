//! Counters of this process, and the table of every metric that `/metrics` shows.

mod format;
mod routes;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use posthaste_core::{LaneKey, QueueName, State};
use posthaste_telemetry::{Counted, TraceStats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::Api;
use crate::auth::now;
use crate::view::QueueView;

pub(crate) use format::Format;
pub(crate) use routes::{RouteIndex, Routes};

/// What a number means over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; its name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts durations by size, in seconds.
    Histogram,
}

/// A row of the metrics table.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

/// Every metric. `docs/METRICS.md` is generated from it.
pub const METRICS: &[Metric] = &[
    metric("posthaste_info", Kind::Gauge, &["version", "store"], "Always 1; the labels say what runs"),
    metric("posthaste_tasks", Kind::Gauge, &["queue", "state"], "Tasks in the store"),
    metric(
        "posthaste_tasks_held",
        Kind::Gauge,
        &["queue"],
        "Of the succeeded: held by the sandbox instead of sent",
    ),
    metric("posthaste_queue_paused", Kind::Gauge, &["queue"], "1 while the queue is paused"),
    metric("posthaste_lanes_paused", Kind::Gauge, &["queue", "reason"], "Paused lanes and targets"),
    metric(
        "posthaste_target_paused",
        Kind::Gauge,
        &["queue", "target", "reason"],
        "1 for each paused target (a provider, an endpoint), at most 100 by name; `posthaste_lanes_paused` counts all. \
         Reason `breaker`: five tries in a row did not reach it",
    ),
    metric(
        "posthaste_queue_oldest_seconds",
        Kind::Gauge,
        &["queue"],
        "How long the task has been due that waits longest of those that are next in the queue's lanes; 0 while none waits. \
         What waits in a paused lane is in it",
    ),
    metric("posthaste_queue_workers", Kind::Gauge, &["queue"], "Workers that serve the queue"),
    metric("posthaste_accepted_total", Kind::Counter, &[], "Tasks accepted over HTTP by this process"),
    metric(
        "posthaste_http_requests_total",
        Kind::Counter,
        &["route", "status"],
        "Requests answered by this process, by class of status",
    ),
    metric(
        "posthaste_http_request_seconds",
        Kind::Histogram,
        &["route"],
        "From the head of a request until the head of its answer; what waits (`?wait=`, `/events`) is in it",
    ),
    metric("posthaste_sse_watchers", Kind::Gauge, &[], "Event streams that are open at this process"),
    metric("posthaste_store_up", Kind::Gauge, &[], "1 when the store answers and takes writes"),
    metric(
        "posthaste_store_latency_seconds",
        Kind::Gauge,
        &[],
        "How long the store took to answer this scrape",
    ),
    metric("posthaste_store_size_bytes", Kind::Gauge, &[], "Size of the store"),
    metric("posthaste_worker_slots", Kind::Gauge, &[], "How many tasks this process runs at once"),
    metric("posthaste_worker_running", Kind::Gauge, &[], "Handlers that run now"),
    metric("posthaste_worker_prefetched", Kind::Gauge, &[], "Tasks claimed whose handler has not started"),
    metric("posthaste_worker_unsettled", Kind::Gauge, &[], "Outcomes that are not stored yet"),
    metric("posthaste_worker_claimed_total", Kind::Counter, &[], "Tasks claimed"),
    metric(
        "posthaste_worker_outcomes_total",
        Kind::Counter,
        &["outcome"],
        "How attempts ended: succeeded, failed, retried, cancelled, expired, lease_lost, unknown_kind, released, detached",
    ),
    metric(
        "posthaste_worker_failures_total",
        Kind::Counter,
        &["class"],
        "Attempts that failed, by class: transient, unavailable, throttled, misconfigured, permanent, suppress, ambiguous",
    ),
    metric(
        "posthaste_worker_wait_seconds",
        Kind::Histogram,
        &["queue"],
        "From when a try was due until it was claimed, by the clock of this machine",
    ),
    metric(
        "posthaste_worker_run_seconds",
        Kind::Histogram,
        &["kind"],
        "From the start of a handler until its end",
    ),
    metric(
        "posthaste_worker_store_seconds",
        Kind::Histogram,
        &["call"],
        "Calls of the store: settle (often with a claim), claim, mark, extend",
    ),
    metric("posthaste_worker_panics_total", Kind::Counter, &[], "Handlers that panicked"),
    metric("posthaste_worker_timeouts_total", Kind::Counter, &[], "Handlers that ran into their timeout"),
    metric("posthaste_worker_store_errors_total", Kind::Counter, &[], "Calls of the store that failed"),
    metric(
        "posthaste_trace_spans_total",
        Kind::Counter,
        &["outcome"],
        "Spans: exported, dropped (too many waited), failed (the collector did not take them)",
    ),
    metric("posthaste_process_resident_memory_bytes", Kind::Gauge, &[], "Resident memory of this process"),
    metric("posthaste_process_cpu_seconds_total", Kind::Counter, &[], "Processor time of this process"),
    metric("posthaste_process_open_fds", Kind::Gauge, &[], "Open file descriptors of this process"),
    metric("posthaste_process_uptime_seconds", Kind::Gauge, &[], "How long this process has served"),
];

/// One value of a metric that another part of the program measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name, one of [`METRICS`].
    pub name: &'static str,
    /// Its labels, those that the table names.
    pub labels: Vec<(&'static str, String)>,
    /// Its value; of a histogram, of no meaning.
    pub value: f64,
    /// Of a histogram, what it holds.
    pub counted: Option<Counted>,
}

impl Sample {
    /// A value without labels.
    pub fn new(name: &'static str, value: f64) -> Self {
        Self { name, labels: Vec::new(), value, counted: None }
    }

    /// What a histogram holds.
    pub fn histogram(name: &'static str, counted: Counted) -> Self {
        Self { name, labels: Vec::new(), value: 0.0, counted: Some(counted) }
    }

    /// With a label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

type Source = Box<dyn Fn(&mut Vec<Sample>) + Send + Sync>;

/// So many queues are shown by name; all others are `other` together.
const MAX_QUEUES: usize = 100;
/// What stands for names beyond a bound.
const BEYOND: &str = "other";
/// So many paused targets are shown by name.
const MAX_TARGETS: usize = 100;

/// Counters of this process.
pub(crate) struct Metrics {
    accepted: AtomicU64,
    routes: Routes,
    watchers: Arc<AtomicU64>,
    sources: Mutex<Vec<Source>>,
    started: std::time::Instant,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::new(0),
            routes: Routes::default(),
            watchers: Arc::default(),
            sources: Mutex::default(),
            started: std::time::Instant::now(),
        }
    }
}

impl Metrics {
    pub(crate) fn register(&self, source: impl Fn(&mut Vec<Sample>) + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(Box::new(source));
    }

    pub(crate) fn accepted(&self, n: u64) {
        self.accepted.fetch_add(n, Ordering::Relaxed);
    }

    /// Counts a watcher for as long as the guard lives.
    pub(crate) fn watcher(&self) -> Watching {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watching(Arc::clone(&self.watchers))
    }

    /// The counters of requests.
    pub(crate) const fn routes(&self) -> &Routes {
        &self.routes
    }

    fn own_samples(&self, out: &mut Vec<Sample>) {
        out.push(Sample::new("posthaste_accepted_total", self.accepted.load(Ordering::Relaxed) as f64));
        self.routes.samples(out);
        out.push(Sample::new("posthaste_sse_watchers", self.watchers.load(Ordering::Relaxed) as f64));
        for source in &*self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            source(out);
        }
        process_samples(out);
        out.push(Sample::new("posthaste_process_uptime_seconds", self.started.elapsed().as_secs_f64()));
    }
}

/// An event stream that is open.
pub(crate) struct Watching(Arc<AtomicU64>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The page for one scrape.
pub(crate) async fn render(api: &Api, format: Format) -> String {
    let mut samples = Vec::new();
    store_samples(api, &mut samples).await;
    api.metrics().own_samples(&mut samples);
    trace_samples(&api.config().tracer.stats(), &mut samples);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(samples)));
    let mut out = String::new();
    encode(&mut out, &registry).expect("writing to a string does not fail");
    format.write(out)
}

fn trace_samples(stats: &TraceStats, out: &mut Vec<Sample>) {
    let outcomes = [("exported", stats.exported), ("dropped", stats.dropped), ("failed", stats.failed)];
    out.extend(
        outcomes.map(|(outcome, n)| {
            Sample::new("posthaste_trace_spans_total", n as f64).with("outcome", outcome)
        }),
    );
}

async fn store_samples(api: &Api, out: &mut Vec<Sample>) {
    let health = api.health().await;
    let up = health.problem.is_none() && health.writable;
    let info = Sample::new("posthaste_info", 1.0).with("version", api.config().version);
    out.push(info.with("store", &health.store));
    out.push(Sample::new("posthaste_store_up", f64::from(u8::from(up))));
    out.push(Sample::new("posthaste_store_latency_seconds", health.latency_us as f64 / 1e6));
    out.push(Sample::new("posthaste_store_size_bytes", health.size_bytes as f64));
    // Each further question to a store that hangs would hold up the scrape by its whole patience.
    if health.problem.is_some() {
        return;
    }
    let queues = shown(api.queues().await.unwrap_or_default());
    let mut oldest: BTreeMap<&str, f64> = queues.keys().map(|queue| (queue.as_str(), 0.0)).collect();
    for (queue, q) in &queues {
        for (state, n) in State::ALL.into_iter().zip(q.tasks) {
            let sample = Sample::new("posthaste_tasks", n as f64);
            out.push(sample.with("queue", queue).with("state", state.as_str()));
        }
        out.push(Sample::new("posthaste_tasks_held", q.held as f64).with("queue", queue));
        let paused = f64::from(u8::from(q.paused));
        out.push(Sample::new("posthaste_queue_paused", paused).with("queue", queue));
        out.push(Sample::new("posthaste_queue_workers", f64::from(q.workers)).with("queue", queue));
    }
    // By the name of a queue, the name under which it is shown.
    let label =
        |queue: &QueueName| queues.get_key_value(queue.as_str()).map_or(BEYOND, |(name, _)| name.as_str());
    let mut paused = BTreeMap::new();
    let mut targets = BTreeMap::new();
    let now = now();
    for lane in api.lanes(None).await.unwrap_or_default() {
        let age = oldest.entry(label(&lane.queue)).or_default();
        if let Some(since) = lane.waiting_since {
            *age = age.max(now.since(since).as_secs_f64());
        }
        if let Some(pause) = lane.paused {
            if let Some(key) = &lane.lane
                && (targets.len() < MAX_TARGETS || targets.contains_key(&(label(&lane.queue), target(key))))
            {
                targets.insert((label(&lane.queue), target(key)), reason(pause.reason));
            }
            *paused.entry((label(&lane.queue), reason(pause.reason))).or_insert(0_u32) += 1;
        }
    }
    for (queue, age) in oldest {
        out.push(Sample::new("posthaste_queue_oldest_seconds", age).with("queue", queue));
    }
    for ((queue, reason), n) in paused {
        let sample = Sample::new("posthaste_lanes_paused", f64::from(n));
        out.push(sample.with("queue", queue).with("reason", reason));
    }
    for ((queue, target), reason) in targets {
        let sample = Sample::new("posthaste_target_paused", 1.0);
        out.push(sample.with("queue", queue).with("target", target).with("reason", reason));
    }
}

/// A queue as it is shown, or several together.
#[derive(Default)]
struct Shown {
    tasks: [u64; State::ALL.len()],
    held: u64,
    paused: bool,
    workers: u32,
}

/// The queues by the name under which each is shown: those that are served, and that hold most that is not final, by their own.
fn shown(mut queues: Vec<QueueView>) -> BTreeMap<String, Shown> {
    let open =
        |q: &QueueView| State::ALL.iter().filter(|s| !s.is_final()).map(|s| q.counts.of(*s)).sum::<u64>();
    queues.sort_by_key(|q| (q.workers == 0, std::cmp::Reverse(open(q))));
    let mut all: BTreeMap<String, Shown> = BTreeMap::new();
    for (place, q) in queues.into_iter().enumerate() {
        let name = if place < MAX_QUEUES { q.queue.as_str() } else { BEYOND };
        let known = all.entry(name.to_owned()).or_default();
        for (n, state) in known.tasks.iter_mut().zip(State::ALL) {
            *n += q.counts.of(state);
        }
        known.held += q.held;
        known.paused |= q.paused.is_some();
        known.workers = known.workers.max(q.workers);
    }
    all
}

fn reason(reason: posthaste_core::PauseReason) -> &'static str {
    use posthaste_core::PauseReason as R;
    match reason {
        R::Manual => "manual",
        R::Throttled => "throttled",
        R::Misconfigured => "misconfigured",
        R::Breaker => "breaker",
    }
}

fn target(lane: &LaneKey) -> String {
    lane.target.to_string()
}

/// From `/proc`, where there is one.
fn process_samples(out: &mut Vec<Sample>) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}"));
    if let Ok(status) = read("status") {
        let kib = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        out.extend(kib.map(|k| Sample::new("posthaste_process_resident_memory_bytes", k * 1024.0)));
    }
    if let Ok(stat) = read("stat") {
        // The command in the second field may hold spaces; utime and stime are fields 14 and 15.
        let after = stat.rsplit_once(')').map_or("", |s| s.1);
        let ticks: f64 =
            after.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
        // USER_HZ is 100 on every Linux that user space can see.
        out.push(Sample::new("posthaste_process_cpu_seconds_total", ticks / 100.0));
    }
    if let Ok(fds) = std::fs::read_dir("/proc/self/fd") {
        out.push(Sample::new("posthaste_process_open_fds", fds.count() as f64));
    }
}

/// Samples on their way into the text format.
#[derive(Debug)]
struct Scrape(Vec<Sample>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for m in METRICS {
            let mut samples = self.0.iter().filter(|s| s.name == m.name).peekable();
            if samples.peek().is_none() {
                continue;
            }
            // The encoder appends what the format asks for.
            let name = m.name.strip_suffix("_total").unwrap_or(m.name);
            let kind = match m.kind {
                Kind::Counter => ConstCounter::new(0.0).metric_type(),
                Kind::Gauge => ConstGauge::new(0.0).metric_type(),
                Kind::Histogram => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(name, m.help, None, kind)?;
            if m.labels.is_empty() {
                // An empty set of labels would be written as `{}`.
                if let Some(s) = samples.next() {
                    encode_value(m.kind, s, family)?;
                }
                continue;
            }
            for s in samples {
                let labels: Vec<(&str, &str)> = s.labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
                encode_value(m.kind, s, family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn encode_value(kind: Kind, sample: &Sample, mut to: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
    match kind {
        Kind::Counter => ConstCounter::new(sample.value).encode(to),
        Kind::Gauge => ConstGauge::new(sample.value).encode(to),
        Kind::Histogram => match &sample.counted {
            Some(c) => to.encode_histogram::<NoLabelSet>(c.sum, c.count, &c.buckets, None),
            None => Ok(()),
        },
    }
}

/// The page, as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "<!-- Generated from crates/api/src/metrics.rs by `UPDATE_DOCS=1 cargo test -p posthaste-api metrics_page`. Do not edit. -->\n\
         # Metrics\n\n\
         `GET /metrics` answers the text format of Prometheus, and OpenMetrics to whoever names it in `Accept`. Counters are those\n\
         of the process that answers and start at zero with it; what is in the store is the same from every process. `route` is\n\
         the pattern of a route as the API document names it, or `other`.\n\n\
         | metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    for m in METRICS {
        let kind = match m.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = m.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "| `{}` | {kind} | {labels} | {} |", m.name, m.help);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use posthaste_telemetry::Histogram;

    use super::*;
    use crate::view::StateCounts;

    #[test]
    fn metrics_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
        let page = markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("docs/ is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            stored, page,
            "docs/METRICS.md is stale: run UPDATE_DOCS=1 cargo test -p posthaste-api metrics_page"
        );
    }

    #[test]
    fn alarms_are_on_metrics_that_exist() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate/alarms.md");
        let page = std::fs::read_to_string(path).expect("the page is there");
        let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let mut named = 0;
        for word in words.filter(|w| w.starts_with("posthaste_")) {
            named += 1;
            let bare = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix));
            let known =
                METRICS.iter().any(|m| m.name == word || (m.kind == Kind::Histogram && bare == Some(m.name)));
            assert!(known, "docs/operate/alarms.md asks for {word}, which is no metric");
        }
        assert!(named > 20, "the page names metrics: {named}");
    }

    #[test]
    fn however_many_queues_there_are_so_many_have_a_name() {
        let queue = |n: usize, queued: u64, workers: u32| {
            let mut counts = [0; State::ALL.len()];
            counts[usize::from(State::Queued.code())] = queued;
            let queue = QueueName::new(format!("q{n}")).expect("a name");
            QueueView { queue, counts: StateCounts(counts), held: 1, workers, paused: None }
        };
        let mut queues: Vec<_> = (0..10_000).map(|n| queue(n, 1, 0)).collect();
        queues.push(queue(10_000, 0, 3));
        queues.push(queue(10_001, 7, 0));
        let all = shown(queues);
        assert_eq!(all.len(), MAX_QUEUES + 1);
        let queued = |name: &str| all[name].tasks[usize::from(State::Queued.code())];
        assert_eq!(
            (all["q10000"].workers, queued("q10001")),
            (3, 7),
            "what is served and what is long has its name"
        );
        let sum: u64 = all.values().map(|q| q.tasks.iter().sum::<u64>()).sum();
        assert_eq!((sum, queued(BEYOND)), (10_007, 10_007 - 7 - 98), "none is left out");
    }

    #[test]
    fn counters_end_in_total_and_gauges_do_not() {
        for m in METRICS {
            assert_eq!(m.name.ends_with("_total"), m.kind == Kind::Counter, "{}", m.name);
        }
    }

    #[test]
    fn samples_become_text_and_unknown_names_are_left_out() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(vec![
            Sample::new("posthaste_accepted_total", 3.0),
            Sample::new("posthaste_tasks", 2.0).with("queue", "a\"b").with("state", "queued"),
            Sample::new("no_such_metric", 1.0),
        ])));
        let mut out = String::new();
        encode(&mut out, &registry).expect("writes");
        assert!(out.contains("posthaste_accepted_total 3.0\n"), "{out}");
        assert!(out.contains("posthaste_tasks{queue=\"a\\\"b\",state=\"queued\"} 2.0\n"), "{out}");
        assert!(!out.contains("no_such_metric"), "{out}");
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_in_infinity() {
        let took = Histogram::default();
        for ms in [1, 3, 400_000] {
            took.observe(Duration::from_millis(ms));
        }
        let sample = Sample::histogram("posthaste_worker_run_seconds", took.counted()).with("kind", "notify");
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(vec![sample])));
        let mut out = String::new();
        encode(&mut out, &registry).expect("writes");
        let line = |le: &str| {
            let start =
                out.lines().find(|l| l.starts_with("posthaste_worker_run_seconds_bucket") && l.contains(le));
            start.and_then(|l| l.rsplit(' ').next()).map(str::to_owned)
        };
        assert_eq!(line("le=\"0.005\"").as_deref(), Some("2"), "{out}");
        assert_eq!(line("le=\"+Inf\"").as_deref(), Some("3"), "{out}");
        assert!(out.contains("posthaste_worker_run_seconds_sum{kind=\"notify\"} 400.004"), "{out}");
    }
}
