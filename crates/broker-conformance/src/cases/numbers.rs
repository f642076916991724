//! Counters, series and health.

use posthaste_core::broker::{ListFilter, ListRequest, SERIES_BUCKETS, SeriesPoint, SeriesRequest};
use posthaste_core::limits::{MAX_PAGE, SERIES_KEPT};
use posthaste_core::{FailureClass, Kept, NewTask, Outcome, QueueName, RecordKind, Scope, State};

use crate::rig::*;

/// Counts what a list shows: the slow truth that the counters must agree with.
pub(crate) async fn recount(r: &Rig) -> [u64; 8] {
    let mut by_state = [0; 8];
    let mut request =
        ListRequest { filter: ListFilter::default(), limit: MAX_PAGE, ..ListRequest::default() };
    for _ in 0..1_000 {
        let page = r.store().list(request.clone()).await.expect("list");
        for t in &page.tasks {
            by_state[usize::from(t.state.code())] += 1;
        }
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return by_state,
        }
    }
    panic!("the list has no end");
}

/// The counters of all queues together.
pub(crate) async fn counted(r: &Rig) -> [u64; 8] {
    let mut by_state = [0; 8];
    for q in r.store().counts().await.expect("counts") {
        for (sum, n) in by_state.iter_mut().zip(q.by_state) {
            *sum += n;
        }
    }
    by_state
}

pub(crate) async fn counts_are_by_queue_and_state(r: &mut Rig) {
    r.put_n(5, &task()).await;
    r.put_n(3, &NewTask { queue: queue("other"), ..task() }).await;
    let claimed = r.claim(2).await;
    r.done(&claimed[0]).await;
    let counts = r.store().counts().await.expect("counts");
    let of = |name: &str| counts.iter().find(|q| q.queue == queue(name)).expect("listed");
    assert_eq!(of("other").of(State::Queued), 3);
    let default = of("default");
    let got = [State::Queued, State::Running, State::Succeeded].map(|s| default.of(s));
    assert_eq!(got, [3, 1, 1]);
    assert_eq!(default.by_state.iter().sum::<u64>(), 5);
}

pub(crate) async fn each_state_is_counted_where_it_is(r: &mut Rig) {
    for state in State::ALL {
        r.make(state).await;
    }
    assert_eq!(counted(r).await, [1; 8]);
    assert_eq!(recount(r).await, [1; 8]);
}

pub(crate) async fn a_paused_queue_is_shown(r: &mut Rig) {
    r.put(task()).await;
    let scope = Scope::Queue(QueueName::default());
    r.pause(scope.clone(), None).await;
    let counts = r.store().counts().await.expect("counts");
    assert!(counts.iter().any(|q| q.queue == QueueName::default() && q.paused.is_some()));
    r.resume(&scope).await;
    let counts = r.store().counts().await.expect("counts");
    assert!(counts.iter().all(|q| q.paused.is_none()));
}

async fn series(r: &Rig, queue: Option<QueueName>) -> Vec<SeriesPoint> {
    let now = r.now().await;
    let request = SeriesRequest { from: now.minus(HOUR * 48), until: now.plus(HOUR), queue };
    r.store().series(request).await.expect("series")
}

pub(crate) async fn series_count_what_happened(r: &mut Rig) {
    let policy = delays(&[1]);
    let ids = r.put_n(6, &NewTask { policy, ..task() }).await;
    r.pass(secs(3)).await;
    let claimed = r.claim(5).await;
    r.pass(secs(2)).await;
    r.done(&claimed[0]).await;
    let kept = Kept { kind: RecordKind::SandboxMessage, body: json("{}") };
    r.end(claimed[1].lease, Outcome::Success { result: None, kept: Some(kept) }).await;
    r.fail(&claimed[2], FailureClass::Permanent).await;
    r.fail(&claimed[3], FailureClass::Transient).await;
    r.cancel(ids[5]).await;
    let expires_at = Some(r.now().await.plus(SECOND));
    r.put(NewTask { expires_at, queue: queue("other"), ..task() }).await;
    r.pass(secs(2)).await;
    let points = series(r, None).await;
    let sum = |f: fn(&SeriesPoint) -> u64| points.iter().map(f).sum::<u64>();
    assert_eq!((sum(|p| p.enqueued), sum(|p| p.claimed)), (7, 5));
    assert_eq!((sum(|p| p.succeeded), sum(|p| p.held), sum(|p| p.failed)), (2, 1, 1));
    assert_eq!((sum(|p| p.retried), sum(|p| p.cancelled), sum(|p| p.expired)), (1, 1, 1));
    let of_one = series(r, Some(queue("other"))).await;
    assert_eq!(of_one.iter().map(|p| p.enqueued).sum::<u64>(), 1);
    assert!(of_one.iter().all(|p| p.queue == queue("other")));
    // Waited 3 s (bucket 12 is below 4,096 ms), ran 2 s (bucket 11 is below 2,048 ms).
    let bucket = |f: fn(&SeriesPoint) -> &[u64; SERIES_BUCKETS], range: std::ops::RangeInclusive<usize>| {
        points.iter().map(|p| f(p)[range.clone()].iter().sum::<u64>()).sum::<u64>()
    };
    assert_eq!(bucket(|p| &p.wait_ms, 12..=13), 5, "due to claimed");
    assert_eq!(bucket(|p| &p.run_ms, 11..=12), 4, "claimed to settled");
}

pub(crate) async fn series_are_by_the_minute_oldest_first(r: &mut Rig) {
    r.put_n(2, &task()).await;
    r.leap(MINUTE * 10).await;
    r.put_n(3, &task()).await;
    let points: Vec<_> = series(r, None).await.into_iter().filter(|p| p.enqueued > 0).collect();
    assert_eq!(points.iter().map(|p| p.enqueued).collect::<Vec<_>>(), [2, 3]);
    assert!(points.iter().all(|p| p.at.as_millis() % 60_000 == 0));
    assert_eq!(points[1].at.since(points[0].at), MINUTE * 10);
    let request = SeriesRequest { from: points[1].at, until: points[1].at.plus(MINUTE), queue: None };
    let later = r.store().series(request).await.expect("series");
    assert_eq!(later.iter().map(|p| p.enqueued).sum::<u64>(), 3);
}

pub(crate) async fn series_are_kept_30_days(r: &mut Rig) {
    r.put(task()).await;
    let from = r.now().await.minus(HOUR);
    r.leap(SERIES_KEPT + HOUR * 2).await;
    r.tick_all().await;
    let request = SeriesRequest { from, until: r.now().await.plus(HOUR), queue: None };
    let points = r.store().series(request).await.expect("series");
    assert_eq!(points.iter().map(|p| p.enqueued).sum::<u64>(), 0);
}

pub(crate) async fn a_store_says_how_it_is(r: &mut Rig) {
    r.put(task()).await;
    let health = r.store().health().await;
    assert!(health.writable, "{:?}", health.problem);
    assert!(!health.store.is_empty() && !health.version.is_empty());
    assert!(health.problem.is_none());
    assert!(health.size_bytes > 0);
}
