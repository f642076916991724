//! Counters of requests by route. The routes are those of the tables that the guard goes by, so that each has its name;
//! all that matches none is `other`, so that callers cannot make labels.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use posthaste_telemetry::Histogram;

use super::Sample;

/// What matched no route.
const OTHER: &str = "other";
/// The classes of status, by their first digit less one.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A route as it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteIndex {
    name: &'static str,
    place: usize,
}

impl Default for RouteIndex {
    fn default() -> Self {
        Self { name: OTHER, place: usize::MAX }
    }
}

impl RouteIndex {
    /// The route with the pattern `name`, at its place in the table.
    pub(crate) const fn new(name: &'static str, place: usize) -> Self {
        Self { name, place }
    }

    /// As it is shown.
    pub(crate) const fn as_str(self) -> &'static str {
        self.name
    }

    /// Whether machines ask it over and over.
    pub(crate) fn is_probe(self) -> bool {
        matches!(self.name, "/metrics" | "/healthz" | "/readyz" | "/health")
    }
}

/// The counters of one route.
struct Counters {
    name: &'static str,
    requests: [AtomicU64; CLASSES.len()],
    took: Histogram,
}

impl Counters {
    fn new(name: &'static str) -> Self {
        Self { name, requests: std::array::from_fn(|_| AtomicU64::new(0)), took: Histogram::default() }
    }

    fn samples(&self, out: &mut Vec<Sample>) {
        for (class, n) in CLASSES.iter().zip(&self.requests) {
            let n = n.load(Ordering::Relaxed);
            if n > 0 {
                let sample = Sample::new("posthaste_http_requests_total", n as f64);
                out.push(sample.with("route", self.name).with("status", *class));
            }
        }
    }

    fn timing(&self, out: &mut Vec<Sample>) {
        let counted = self.took.counted();
        if counted.count > 0 {
            out.push(Sample::histogram("posthaste_http_request_seconds", counted).with("route", self.name));
        }
    }
}

/// The counters of all routes.
pub(crate) struct Routes {
    named: OnceLock<Vec<Counters>>,
    other: Counters,
}

impl Default for Routes {
    fn default() -> Self {
        Self { named: OnceLock::new(), other: Counters::new(OTHER) }
    }
}

impl Routes {
    /// Names the routes, in the order of their places; the first table given stands.
    pub(crate) fn name(&self, names: impl Iterator<Item = &'static str>) {
        self.named.get_or_init(|| names.map(Counters::new).collect());
    }

    pub(crate) fn answered(&self, route: RouteIndex, status: u16, took: Duration) {
        let named = self.named.get().and_then(|all| all.get(route.place)).filter(|c| c.name == route.name);
        let counters = named.unwrap_or(&self.other);
        counters.took.observe(took);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        counters.requests[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn samples(&self, out: &mut Vec<Sample>) {
        let all = || self.named.get().into_iter().flatten().chain([&self.other]);
        all().for_each(|c| c.samples(out));
        all().for_each(|c| c.timing(out));
    }
}
