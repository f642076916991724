//! What time moves: due tasks, expiries, parked tasks; in bounded steps.

use posthaste_core::limits::TICK_BATCH;
use posthaste_core::{Due, EndReason, FailureClass, NewTask, Outcome, RetryPolicy, State};

use crate::rig::*;

pub(crate) async fn a_scheduled_task_becomes_ready_when_due(r: &mut Rig) {
    let id = r.put(NewTask { due: Due::After(secs(10)), ..task() }).await;
    r.pass(secs(9)).await;
    assert_eq!(r.state(id).await, State::Scheduled);
    r.pass(secs(1)).await;
    assert_eq!(r.state(id).await, State::Queued);
    assert_eq!(r.take().await.lease.task, id);
}

pub(crate) async fn a_retrying_task_becomes_ready_when_due(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[10_000]), ..task() }).await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    r.pass(secs(9)).await;
    assert_eq!(r.state(id).await, State::Retrying);
    assert!(r.claim(1).await.is_empty());
    r.pass(secs(2)).await;
    assert_eq!(r.take().await.attempt, 2);
}

pub(crate) async fn due_tasks_are_ready_in_the_order_of_their_times(r: &mut Rig) {
    let mut ids = Vec::new();
    for s in [30, 10, 20] {
        ids.push(r.put(NewTask { due: Due::After(secs(s)), ..task() }).await);
    }
    r.leap(MINUTE).await;
    assert_eq!(r.ids(10).await, [ids[1], ids[2], ids[0]]);
}

pub(crate) async fn a_tick_says_when_the_next_is_due(r: &mut Rig) {
    r.put(NewTask { due: Due::After(secs(10)), ..task() }).await;
    let next = r.tick_all().await.next.expect("something is due");
    assert!(next <= secs(10), "{next:?}");
    r.pass(secs(9)).await;
    let next = r.tick_all().await.next.expect("something is due");
    assert!(next <= SECOND, "{next:?}");
}

pub(crate) async fn a_tick_moves_no_more_than_its_limit(r: &mut Rig) {
    let n = TICK_BATCH * 2 + 500;
    r.put_n(n, &NewTask { due: Due::After(SECOND), ..task() }).await;
    r.advance(SECOND);
    let mut moved = Vec::new();
    for _ in 0..10 {
        let t = r.tick().await;
        moved.push(t.due);
        if !t.more {
            break;
        }
    }
    assert!(moved.iter().all(|m| *m <= TICK_BATCH), "{moved:?}");
    assert_eq!(moved.iter().sum::<usize>(), n, "{moved:?}");
    assert!(moved.len() <= 5, "a crawl: {moved:?}");
    assert_eq!(r.count(State::Queued).await, n as u64);
}

pub(crate) async fn a_million_due_at_once_becomes_ready_in_bounded_steps(r: &mut Rig) {
    const N: usize = 1_000_000;
    r.put_n(N, &NewTask { due: Due::After(HOUR), ..task() }).await;
    r.advance(HOUR + SECOND);
    let (mut ticks, mut moved) = (0, 0);
    loop {
        let t = r.tick().await;
        ticks += 1;
        moved += t.due;
        assert!(t.due <= TICK_BATCH, "one tick moved {}", t.due);
        if !t.more {
            break;
        }
        assert!(ticks <= N / TICK_BATCH + 10, "a crawl: {moved} after {ticks} ticks");
    }
    assert_eq!(moved, N);
    assert_eq!(r.count(State::Queued).await, N as u64);
    assert_eq!(r.claim(1_000).await.len(), 1_000);
}

pub(crate) async fn ticks_at_the_same_moment_move_each_task_once(r: &mut Rig) {
    const N: usize = 3_000;
    r.put_n(N, &NewTask { due: Due::After(SECOND), ..task() }).await;
    r.advance(SECOND);
    let mut moved = 0;
    for _ in 0..3 {
        moved += join_all((0..8).map(|_| r.tick())).await.iter().map(|t| t.due).sum::<usize>();
    }
    assert_eq!(moved, N);
    let mut claimed = 0;
    for _ in 0..4 {
        claimed += r.claim(1_000).await.len();
    }
    assert_eq!(claimed, N);
}

pub(crate) async fn a_waiting_task_expires(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(MINUTE));
    let new = NewTask { expires_at, policy: delays(&[59_000]), ..task() };
    let retrying = r.put(new.clone()).await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    let queued = r.put(new.clone()).await;
    let scheduled = r.put(NewTask { due: Due::After(HOUR), ..new }).await;
    r.pass(secs(58)).await;
    assert_eq!(r.state(queued).await, State::Queued);
    r.advance(secs(3));
    let report = r.tick_all().await;
    assert_eq!(report.expired, 3);
    for id in [retrying, queued, scheduled] {
        let t = r.task(id).await;
        assert_eq!(t.state, State::Expired);
        assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::Expired));
        assert!(t.finished_at.is_some());
    }
    assert!(r.claim(10).await.is_empty(), "an expired task was handed out");
}

pub(crate) async fn a_running_task_does_not_expire(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(secs(10)));
    let id = r.put(NewTask { expires_at, ..task() }).await;
    let c = r.take().await;
    r.pass_alive(secs(20), &[c.lease]).await;
    assert_eq!(r.state(id).await, State::Running);
    r.end(c.lease, Outcome::done()).await;
    assert_eq!(r.state(id).await, State::Succeeded);
}

pub(crate) async fn a_rescued_task_past_its_expiry_expires(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(secs(10)));
    let id = r.put(NewTask { expires_at, ..task() }).await;
    r.take().await;
    r.pass(secs(20)).await;
    assert_eq!(r.state(id).await, State::Expired);
}

pub(crate) async fn a_final_task_does_not_expire(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(secs(10)));
    let id = r.put(NewTask { expires_at, ..task() }).await;
    r.fail(&r.take().await, FailureClass::Permanent).await;
    r.leap(MINUTE).await;
    assert_eq!(r.state(id).await, State::Failed);
}

pub(crate) async fn an_expired_task_is_not_handed_out_between_ticks(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(SECOND));
    let id = r.put(NewTask { expires_at, ..task() }).await;
    r.advance(secs(2));
    assert!(r.claim(10).await.is_empty(), "its expiry has passed");
    r.tick_all().await;
    assert_eq!(r.state(id).await, State::Expired);
}

pub(crate) async fn parking_is_bounded_by_max_age(r: &mut Rig) {
    let policy = RetryPolicy { max_age: HOUR, ..RetryPolicy::default() };
    let id = r.put(NewTask { policy, ..in_lane("a") }).await;
    r.fail(&r.take().await, FailureClass::Misconfigured).await;
    r.leap(HOUR - MINUTE).await;
    assert_eq!(r.state(id).await, State::Queued);
    r.leap(MINUTE * 2).await;
    let t = r.task(id).await;
    assert_eq!(t.state, State::Failed);
    assert_eq!(t.error.and_then(|e| e.reason), Some(EndReason::MaxAge));
}

pub(crate) async fn waiting_in_a_queue_is_not_bounded_by_max_age(r: &mut Rig) {
    let policy = RetryPolicy { max_age: HOUR, ..RetryPolicy::default() };
    let id = r.put(NewTask { policy, ..task() }).await;
    r.leap(HOUR * 100).await;
    assert_eq!(r.state(id).await, State::Queued);
    assert_eq!(r.take().await.lease.task, id);
}

pub(crate) async fn expiry_frees_the_lane(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(SECOND));
    r.put_n(50, &NewTask { expires_at, ..in_lane("a") }).await;
    r.pass(secs(3)).await;
    let ids = r.put_n(3, &in_lane("a")).await;
    assert_eq!(r.ids(10).await, ids);
    let lanes = r.store().lanes(None).await.expect("lanes");
    assert!(lanes.iter().filter(|l| l.lane == Some(lane("a"))).all(|l| !l.waiting && l.running == 3));
}

pub(crate) async fn a_claim_passes_over_a_bounded_number_of_expired_tasks(r: &mut Rig) {
    let expires_at = Some(r.now().await.plus(SECOND));
    r.put_n(TICK_BATCH * 2 + 500, &NewTask { expires_at, ..task() }).await;
    let alive = r.put(task()).await;
    r.advance(secs(2));
    let mut got = Vec::new();
    for call in 1..=5 {
        let before = r.count(State::Expired).await;
        got = r.ids(10).await;
        let passed = r.count(State::Expired).await - before;
        assert!(passed <= TICK_BATCH as u64, "one claim passed over {passed}");
        if !got.is_empty() {
            break;
        }
        assert!(call < 5, "a crawl: {passed} in the last claim");
    }
    assert_eq!(got, [alive]);
}
