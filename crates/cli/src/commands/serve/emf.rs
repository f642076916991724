//! What CloudWatch needs for alarms and scaling, as lines of its Embedded Metric Format on standard output: whoever
//! collects the log of a process (ECS does) has the metrics in it, and no agent is needed.
//!
//! The format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::Duration;

use posthaste_api::Api;
use posthaste_api::view::{LaneView, QueueView};
use posthaste_core::{PauseReason, State, Timestamp};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::runner::Runner;
use crate::output::Out;
use crate::settings::store::Role;

/// How often a line is printed.
const EVERY: Duration = Duration::from_secs(60);
/// What the metrics are called in CloudWatch.
const NAMESPACE: &str = "Posthaste";

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    backlog: u64,
    age_s: u64,
    workers: u64,
    /// Of a process that runs tasks: those that it has ended as failed since the last line.
    failed: Option<u64>,
}

impl Numbers {
    /// Of a store at `now`. What somebody has paused waits because it shall: it is no backlog.
    fn of(
        now: Timestamp,
        queues: &[QueueView],
        lanes: &[LaneView],
        workers: u64,
        failed: Option<u64>,
    ) -> Self {
        let open = |q: &&QueueView| q.paused.is_none();
        let backlog = queues.iter().filter(open).map(|q| q.counts.of(State::Queued)).sum();
        let held = |l: &LaneView| {
            l.paused.as_ref().is_some_and(|p| p.reason == PauseReason::Manual)
                || queues.iter().any(|q| q.queue == l.queue && q.paused.is_some())
        };
        let oldest = lanes.iter().filter(|l| !held(l)).filter_map(|l| l.waiting_since).min();
        Self { backlog, age_s: oldest.map_or(0, |since| now.since(since).as_secs()), workers, failed }
    }

    /// The line.
    fn line(&self, now: Timestamp, installation: &str, role: Role) -> Value {
        let mut metrics = vec![
            ("Backlog", "Count", self.backlog),
            ("BacklogAge", "Seconds", self.age_s),
            ("Workers", "Count", self.workers),
        ];
        if let Some(failed) = self.failed {
            // Without a worker that is heard of, this process is the one that there is.
            metrics.push(("BacklogPerWorker", "Count", self.backlog.div_ceil(self.workers.max(1))));
            metrics.push(("FailedDeliveries", "Count", failed));
        }
        let definitions: Vec<Value> =
            metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": now.as_millis(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE, "Dimensions": [["Namespace"]], "Metrics": definitions
                }],
            },
            "Namespace": installation,
            "Role": role.verb(),
        });
        for (name, _, value) in metrics {
            line[name] = value.into();
        }
        line
    }
}

/// Prints a line now and every minute, for ever. A store that does not answer has no numbers: their absence is the alarm.
pub(super) async fn print(api: Api, runner: Runner, installation: String, role: Role, out: Out) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    loop {
        every.tick().await;
        let (Ok(queues), Ok(lanes), Ok(workers)) = tokio::join!(api.queues(), api.lanes(None), api.workers())
        else {
            continue;
        };
        let failed = role.runs_tasks().then(|| {
            let all = runner.with(|w| w.stats().failed).unwrap_or(told);
            all - std::mem::replace(&mut told, all)
        });
        let living = workers.iter().filter(|w| !w.stopping && !w.silent).count() as u64;
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let line = Numbers::of(now, &queues, &lanes, living, failed).line(now, &installation, role);
        // Nobody reads our output any more; that is no reason to stop.
        let _ = out.line(line.to_string());
    }
}

#[cfg(test)]
mod tests {
    use posthaste_api::view::{LimitsView, PauseView, StateCounts};
    use posthaste_core::QueueName;

    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn at(seconds_ago: i64) -> Timestamp {
        Timestamp::from_millis(NOW - seconds_ago * 1_000)
    }

    fn pause(reason: PauseReason) -> Option<PauseView> {
        Some(PauseView { reason, until: None, since: at(0), message: None })
    }

    fn queue(name: &str, queued: u64, paused: Option<PauseView>) -> QueueView {
        let mut counts = [9; 8];
        counts[usize::from(State::Queued.code())] = queued;
        let queue = QueueName::new(name).expect("valid");
        QueueView { queue, counts: StateCounts(counts), held: 0, workers: 1, paused }
    }

    fn lane(queue: &str, since: Option<i64>, paused: Option<PauseView>) -> LaneView {
        LaneView {
            queue: QueueName::new(queue).expect("valid"),
            lane: None,
            paused,
            limits: LimitsView { rate: None, per_ms: 1_000, concurrency: None },
            running: 0,
            waiting: since.is_some(),
            waiting_since: since.map(at),
        }
    }

    #[test]
    fn what_a_person_paused_is_no_backlog_and_what_a_provider_stopped_is() {
        let queues = [queue("a", 7, None), queue("b", 100, pause(PauseReason::Manual)), queue("c", 2, None)];
        let lanes = [
            lane("a", Some(5), None),
            lane("a", Some(900), pause(PauseReason::Manual)),
            lane("b", Some(800), None),
            lane("c", Some(40), pause(PauseReason::Breaker)),
            lane("c", None, None),
        ];
        let numbers = Numbers::of(at(0), &queues, &lanes, 2, Some(3));
        assert_eq!(numbers, Numbers { backlog: 9, age_s: 40, workers: 2, failed: Some(3) });
        assert_eq!(Numbers::of(at(0), &queues, &lanes[4..], 0, None).age_s, 0);
    }

    #[test]
    fn only_who_runs_tasks_tells_what_each_worker_has_before_it() {
        let numbers = Numbers { backlog: 9, age_s: 1, workers: 2, failed: Some(3) };
        let line = numbers.line(at(0), "shop", Role::Worker);
        assert_eq!((&line["BacklogPerWorker"], &line["FailedDeliveries"]), (&json!(5), &json!(3)));
        let none = Numbers { workers: 0, ..numbers }.line(at(0), "shop", Role::Worker);
        assert_eq!((&none["BacklogPerWorker"], &none["Workers"]), (&json!(9), &json!(0)));
        let line = Numbers { failed: None, ..numbers }.line(at(0), "shop", Role::Api);
        assert!(line.get("BacklogPerWorker").is_none() && line.get("FailedDeliveries").is_none(), "{line}");
        assert_eq!(line["_aws"]["Timestamp"], json!(NOW));
    }
}
