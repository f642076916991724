//! What an operator reads in the log.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use posthaste_core::{Broker, Failure, FailureClass, LaneKey, Name, NewTask, Outcome, State};
use posthaste_testkit::task;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::{Rig, eager, handler, until_stats};

/// Lines as they were written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn with(&self, text: &str) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).lines().filter(|l| l.contains(text)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_task_that_fails_for_good_is_told_at_warn_with_its_lane_and_cause_a_few_a_minute() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let rig = Rig::new().await;
    let registry = handler(|_| async {
        let failure = Failure::new(FailureClass::Permanent, "550 5.1.1 <bob@example.com>: no such user");
        Outcome::Failure(failure)
    });
    let worker = rig.worker(registry, eager(4, 0)).await;
    let lane = LaneKey::target(Name::new("email:default").expect("a name"));
    let of = |n: i32| NewTask { lane: Some(lane.clone()), ..task("t", json!(n)) };
    let ids = rig.enqueue_all((0..12).map(of).collect()).await;
    until_stats(&worker, |s| s.failed == 12).await;
    assert_eq!(rig.task(ids[0]).await.state, State::Failed);
    let told = lines.with("failed for good");
    assert_eq!(told.len(), 5, "{told:#?}");
    for line in &told {
        assert!(line.contains("WARN") && line.contains("email:default"), "{line}");
        assert!(line.contains("no such user") && line.contains("class=\"permanent\""), "{line}");
        assert!(!line.contains("bob@"), "an address is in the log: {line}");
    }
    let id = told[0].split("task_id=").nth(1).and_then(|rest| rest.split(' ').next()).expect("its id");
    assert!(ids.iter().any(|i| i.to_string() == id));
    // A kind that nobody here handles.
    rig.enqueue(task("unknown", json!(null))).await;
    until_stats(&worker, |s| s.unknown_kind >= 1).await;
    let told = lines.with("no handler for this kind");
    assert!(told.len() == 1 && told[0].contains("WARN") && told[0].contains("kind=unknown"), "{told:#?}");
    assert_eq!(rig.store.counts().await.expect("counts").len(), 1);
    worker.shutdown().await;
}
