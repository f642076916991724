//! What a store tells the living: events for watchers, wake-ups for workers.

use std::pin::pin;
use std::task::Poll;

use posthaste_core::broker::ReleaseReason;
use posthaste_core::{
    Delivery, Due, Event, FailureClass, NewTask, Outcome, Scope, State, Subscription, TaskId, Wakeups,
};

use crate::rig::*;

/// The next `n` events.
async fn next(watch: &mut Box<dyn Subscription>, n: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < n {
        match must("an event", watch.next()).await {
            Some(Delivery::Events(e)) => events.extend(e.iter().cloned()),
            Some(Delivery::Missed) => panic!("events were dropped for a watcher who keeps up"),
            None => panic!("the subscription ended"),
        }
    }
    events
}

/// Events until the one of `last`, which is enqueued when everything before was announced, beside the tasks before: only
/// within one part of a store do events have an order.
async fn until(r: &Rig, watch: &mut Box<dyn Subscription>) -> Vec<Event> {
    let last = r.put(task()).await;
    let mut events = Vec::new();
    while events.last().is_none_or(|e: &Event| e.id != last) {
        events.extend(next(watch, 1).await);
    }
    events.pop();
    events
}

fn states(events: &[Event], id: TaskId) -> Vec<State> {
    events.iter().filter(|e| e.id == id).map(|e| e.state).collect()
}

pub(crate) async fn each_change_is_told_in_order(r: &mut Rig) {
    let mut watch = r.store().subscribe(None);
    let id = r.put(NewTask { due: Due::After(SECOND), policy: delays(&[1_000]), ..task() }).await;
    r.pass(SECOND).await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    r.pass(SECOND).await;
    r.release(r.take().await.lease).await;
    r.take().await;
    r.lose_leases().await;
    let c = r.take().await;
    r.cancel(id).await;
    r.fail(&c, FailureClass::Permanent).await;
    r.again(id).await;
    r.done(&r.take().await).await;
    let events = until(r, &mut watch).await;
    use State::*;
    let expected = [
        Scheduled, Queued, Running, Retrying, Queued, Running, Queued, Running, Queued, Running, Cancelled,
        Queued, Running, Succeeded,
    ];
    assert_eq!(states(&events, id), expected);
    assert_eq!((events[2].attempt, events[2].generation), (1, 1));
    assert!(events.iter().all(|e| e.kind == kind("job")));
    assert_eq!(events.last().map(|e| (e.attempt, e.generation)), Some((1, 2)));
}

pub(crate) async fn an_event_tells_class_and_next_try(r: &mut Rig) {
    r.put(NewTask { policy: delays(&[60_000]), ..task() }).await;
    let c = r.take().await;
    let mut watch = r.store().subscribe(None);
    let now = r.now().await;
    r.fail(&c, FailureClass::Transient).await;
    let event = next(&mut watch, 1).await.remove(0);
    assert_eq!((event.state, event.class), (State::Retrying, Some(FailureClass::Transient)));
    assert!(event.next_at.is_some_and(|t| t.since(now) >= secs(60)));
    assert_eq!(event.next_at, Some(r.task(c.lease.task).await.due_at));
    assert!(event.at >= now);
}

pub(crate) async fn ends_by_time_are_told_too(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(SECOND));
    let mut watch = r.store().subscribe(None);
    let id = r.put(NewTask { expires_at, ..task() }).await;
    r.pass(secs(2)).await;
    assert_eq!(states(&until(r, &mut watch).await, id), [State::Queued, State::Expired]);
}

pub(crate) async fn one_task_can_be_watched(r: &mut Rig) {
    let ids = r.put_n(3, &task()).await;
    let mut watch = r.store().subscribe(Some(ids[1]));
    let claimed = r.claim(3).await;
    for c in &claimed {
        r.done(c).await;
    }
    let events = next(&mut watch, 2).await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|e| e.id == ids[1]), "a watcher of one task was told of another");
    assert_eq!(states(&events, ids[1]), [State::Running, State::Succeeded]);
}

pub(crate) async fn a_batch_is_told_task_by_task(r: &mut Rig) {
    let mut watch = r.store().subscribe(None);
    let ids = r.put_n(100, &task()).await;
    let events = next(&mut watch, 100).await;
    assert_eq!(events.iter().map(|e| e.id).collect::<Vec<_>>(), ids);
}

pub(crate) async fn a_slow_watcher_is_told_that_it_missed_some(r: &mut Rig) {
    const N: usize = 20_000;
    let mut watch = r.store().subscribe(None);
    r.put_n(N, &task()).await;
    let mut seen = 0;
    // Memory is bounded, so either everything fits or the watcher is told; never a silent hole.
    while seen < N {
        match must("an event", watch.next()).await {
            Some(Delivery::Events(e)) => seen += e.len(),
            Some(Delivery::Missed) => return,
            None => panic!("the subscription ended"),
        }
    }
}

/// Whether a wake-up has come.
pub(super) async fn rang(bell: &mut Box<dyn Wakeups>) -> bool {
    let mut wait = pin!(bell.wait());
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if polled {
            return Poll::Ready(false);
        }
        polled = true;
        match wait.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => Poll::Ready(false),
        }
    })
    .await
}

/// Hears out what has rung so far, so that the next ring is for something new.
async fn silence(bell: &mut Box<dyn Wakeups>) {
    for _ in 0..100 {
        if !rang(bell).await {
            return;
        }
    }
    panic!("the bell never stops");
}

/// Waits from before `act` until the ring after it.
async fn rings(what: &str, bell: &mut Box<dyn Wakeups>, act: impl Future<Output = ()>) {
    let mut wait = pin!(bell.wait());
    let early = std::future::poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_ready())).await;
    assert!(!early, "it rang before anything happened");
    act.await;
    must(what, wait).await;
}

pub(crate) async fn an_enqueue_wakes(r: &mut Rig) {
    let mut bell = r.store().wakeups();
    silence(&mut bell).await;
    rings("the wake-up after an enqueue", &mut bell, async {
        r.put(task()).await;
    })
    .await;
}

pub(crate) async fn a_wake_up_between_two_waits_is_not_lost(r: &mut Rig) {
    let mut bell = r.store().wakeups();
    silence(&mut bell).await;
    r.put(task()).await;
    must("the wake-up for a task that came while nobody waited", bell.wait()).await;
}

pub(crate) async fn due_tasks_wake(r: &mut Rig) {
    r.put(NewTask { due: Due::After(SECOND), ..task() }).await;
    let mut bell = r.store().wakeups();
    silence(&mut bell).await;
    rings("the wake-up after a due task", &mut bell, r.pass(SECOND)).await;
}

pub(crate) async fn what_comes_back_wakes(r: &mut Rig) {
    let mut bell = r.store().wakeups();
    let id = r.put(task()).await;
    let c = r.take().await;
    silence(&mut bell).await;
    rings("the wake-up after a release", &mut bell, async {
        r.store().release(&[c.lease], ReleaseReason::Shutdown).await.expect("release");
    })
    .await;
    r.take().await;
    silence(&mut bell).await;
    rings("the wake-up after a rescue", &mut bell, r.lose_leases()).await;
    let c = r.take().await;
    r.fail(&c, FailureClass::Permanent).await;
    silence(&mut bell).await;
    rings("the wake-up after a retry", &mut bell, r.again(id)).await;
}

pub(crate) async fn a_resume_wakes(r: &mut Rig) {
    let scope = Scope::Queue(queue("default"));
    r.pause(scope.clone(), None).await;
    r.put(task()).await;
    let mut bell = r.store().wakeups();
    silence(&mut bell).await;
    rings("the wake-up after a resume", &mut bell, r.resume(&scope)).await;
}

pub(crate) async fn a_freed_place_wakes(r: &mut Rig) {
    let limits = posthaste_core::LaneLimits::concurrency(1);
    r.store().set_limits(&lane_scope("a"), limits).await.expect("set_limits");
    r.put_n(2, &in_lane("a")).await;
    let c = r.take().await;
    let mut bell = r.store().wakeups();
    silence(&mut bell).await;
    rings("the wake-up for a task that waited for a place", &mut bell, async {
        r.end(c.lease, Outcome::done()).await;
    })
    .await;
}
