//! Lists: filters, order, cursors.

use posthaste_core::broker::{Bodies, ListFilter, ListRequest, Page};
use posthaste_core::limits::{MAX_KEY_BYTES, MAX_PAGE, RECIPIENT_INDEXED};
use posthaste_core::{BatchId, BrokerError, Due, FailureClass, NewTask, Outcome, State, Task, TaskId};

use crate::rig::*;

const BATCH: &str = "01890000-0000-7000-8000-0000000000b0";

async fn page(r: &Rig, request: ListRequest) -> Page {
    r.store().list(request).await.expect("list")
}

fn by(filter: ListFilter) -> ListRequest {
    ListRequest { filter, limit: MAX_PAGE, ..ListRequest::default() }
}

fn ids(page: &Page) -> Vec<TaskId> {
    page.tasks.iter().map(|t| t.id).collect()
}

/// Every page of a list. A page may end early on a slow machine, so only a list read to its end is
/// known to be whole.
async fn whole(r: &Rig, mut request: ListRequest) -> Vec<Task> {
    let mut found = Vec::new();
    for _ in 0..1_000 {
        let p = page(r, request.clone()).await;
        assert!(p.tasks.len() <= request.limit.min(MAX_PAGE));
        found.extend(p.tasks);
        match p.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return found,
        }
    }
    panic!("the list has no end");
}

async fn all(r: &Rig, request: ListRequest) -> Vec<TaskId> {
    whole(r, request).await.iter().map(|t| t.id).collect()
}

pub(crate) async fn newest_first(r: &mut Rig) {
    let mut stored = r.put_n(10, &task()).await;
    r.pass(SECOND).await;
    stored.extend(r.put_n(10, &task()).await);
    stored.reverse();
    assert_eq!(all(r, ListRequest::default()).await, stored);
}

pub(crate) async fn a_cursor_goes_on_while_tasks_are_added(r: &mut Rig) {
    let mut stored = r.put_n(25, &task()).await;
    stored.reverse();
    let mut request = ListRequest { limit: 10, ..ListRequest::default() };
    let mut seen = Vec::new();
    for _ in 0..100 {
        let p = page(r, request.clone()).await;
        seen.extend(ids(&p));
        r.put_n(7, &task()).await;
        match p.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen, stored, "a page repeated or skipped tasks");
}

pub(crate) async fn pages_have_a_largest_size(r: &mut Rig) {
    r.put_n(MAX_PAGE * 2 + 1, &task()).await;
    let p = page(r, ListRequest { limit: MAX_PAGE * 10, ..ListRequest::default() }).await;
    assert!(p.tasks.len() <= MAX_PAGE);
    let found = all(r, by(ListFilter::default())).await;
    assert_eq!(found.len(), MAX_PAGE * 2 + 1);
}

pub(crate) async fn a_foreign_cursor_is_refused(r: &mut Rig) {
    r.put(task()).await;
    for cursor in ["", "x", "🦀", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "18446744073709551616"] {
        let request = ListRequest { cursor: Some(cursor.to_owned()), ..ListRequest::default() };
        let refused = r.store().list(request).await;
        assert!(matches!(refused, Err(BrokerError::BadCursor)), "{cursor:?}: {refused:?}");
    }
}

pub(crate) async fn states_are_filtered(r: &mut Rig) {
    let mut made = Vec::new();
    for state in State::ALL {
        // A store in several parts has no order within a millisecond.
        r.advance(MILLISECOND);
        made.push(r.make(state).await.id);
    }
    for (i, state) in State::ALL.into_iter().enumerate() {
        let p = all(r, by(ListFilter { states: vec![state], ..ListFilter::default() })).await;
        assert_eq!(p, [made[i]], "{state}");
    }
    let states = vec![State::Failed, State::Queued];
    let p = all(r, by(ListFilter { states, ..ListFilter::default() })).await;
    assert_eq!(p, [made[5], made[1]]);
}

pub(crate) async fn queues_kinds_and_batches_are_filtered(r: &mut Rig) {
    let batch: BatchId = "01890000-0000-7000-8000-0000000000b0".parse().expect("a UUID");
    let a = r.put(NewTask { queue: queue("other"), ..task() }).await;
    r.advance(MILLISECOND);
    let b = r.put(NewTask { kind: kind("other"), ..task() }).await;
    let c = r.put(NewTask { batch: Some(batch), ..task() }).await;
    let d = r.put(NewTask { batch: Some(batch), queue: queue("other"), ..task() }).await;
    let none = ListFilter::default;
    let p = all(r, by(ListFilter { queue: Some(queue("other")), ..none() })).await;
    assert_eq!(p, [d, a]);
    assert_eq!(all(r, by(ListFilter { kind: Some(kind("other")), ..none() })).await, [b]);
    assert_eq!(all(r, by(ListFilter { batch: Some(batch), ..none() })).await, [d, c]);
    let both = ListFilter { batch: Some(batch), queue: Some(queue("other")), ..none() };
    assert_eq!(all(r, by(both)).await, [d]);
    let unknown = ListFilter { kind: Some(kind("never")), ..none() };
    assert_eq!(all(r, by(unknown)).await, []);
}

fn for_recipient(who: &str) -> NewTask {
    NewTask { recipient: Some(who.to_owned()), ..task() }
}

fn of_recipient(who: &str) -> ListRequest {
    by(ListFilter { recipient: Some(who.to_owned()), ..ListFilter::default() })
}

pub(crate) async fn a_recipient_is_kept_and_found(r: &mut Rig) {
    let (ann, bob) = ("email:ann@example.com", "email:\"bob\\ü\"@example.com");
    let first = r.put(for_recipient(ann)).await;
    r.advance(MILLISECOND);
    r.put(task()).await;
    let other = r.put(NewTask { batch: Some(BATCH.parse().expect("a UUID")), ..for_recipient(bob) }).await;
    r.advance(MILLISECOND);
    let later = r.put(NewTask { due: Due::After(HOUR), queue: queue("other"), ..for_recipient(ann) }).await;
    assert_eq!(r.task(later).await.recipient.as_deref(), Some(ann));
    assert_eq!(all(r, of_recipient(ann)).await, [later, first]);
    assert_eq!(all(r, of_recipient(bob)).await, [other]);
    assert_eq!(all(r, of_recipient("email:nobody@example.com")).await, []);
    assert_eq!(all(r, of_recipient("EMAIL:ann@example.com")).await, [], "as it was written");
    let mut both = of_recipient(ann);
    both.filter.states = vec![State::Scheduled];
    assert_eq!(all(r, both).await, [later]);
    for c in r.claim(10).await {
        r.done(&c).await;
    }
    assert_eq!(all(r, of_recipient(ann)).await, [later, first], "what has ended is found too");
    let page = page(r, of_recipient(ann)).await;
    assert_eq!(page.tasks[1].recipient.as_deref(), Some(ann));
}

pub(crate) async fn every_task_of_a_recipient_is_found(r: &mut Rig) {
    let who = "email:many@example.com";
    let n = RECIPIENT_INDEXED + 50;
    let mut expected = Vec::new();
    for part in [n - 600, 600] {
        expected.extend(r.put_n(part, &for_recipient(who)).await);
        r.advance(MILLISECOND);
        r.put_n(20, &for_recipient("email:other@example.com")).await;
        r.advance(MILLISECOND);
    }
    let found = all(r, of_recipient(who)).await;
    assert_eq!(found.len(), n);
    let sorted = |ids: &[TaskId]| ids.iter().copied().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&found), sorted(&expected));
}

pub(crate) async fn what_was_said_of_a_recipient_goes_with_its_task(r: &mut Rig) {
    let who = "sms:+491701234567";
    let gone = r.put(for_recipient(who)).await;
    let kept = r.put(for_recipient(who)).await;
    r.cancel(gone).await;
    r.cancel(kept).await;
    r.leap(HOUR * 23).await;
    r.again(kept).await;
    r.leap(HOUR * 2).await;
    assert!(r.find(gone).await.is_none());
    assert_eq!(all(r, of_recipient(who)).await, [kept]);
    r.cancel(kept).await;
    r.leap(HOUR * 25).await;
    assert_eq!(all(r, of_recipient(who)).await, []);
}

pub(crate) async fn a_recipient_has_a_longest_length(r: &mut Rig) {
    r.put(for_recipient(&"x".repeat(MAX_KEY_BYTES))).await;
    for bad in [String::new(), "x".repeat(MAX_KEY_BYTES + 1), "a\nb".to_owned()] {
        let refused = r.try_enqueue(vec![for_recipient(&bad)], None).await;
        assert!(
            matches!(refused, Err(BrokerError::Invalid { field: "recipient", .. })),
            "{bad:?}: {refused:?}"
        );
    }
}

pub(crate) async fn tenants_are_filtered(r: &mut Rig) {
    let of = |name| ListFilter { tenant: tenant(name), ..ListFilter::default() };
    let a = r.put(NewTask { tenant: tenant("a"), ..task() }).await;
    r.put(task()).await;
    r.advance(MILLISECOND);
    let b = r.put(NewTask { tenant: tenant("a"), due: Due::After(HOUR), ..for_recipient("x:y") }).await;
    let other = r.put(NewTask { tenant: tenant("b"), ..task() }).await;
    assert_eq!(all(r, by(of("a"))).await, [b, a]);
    assert_eq!(all(r, by(of("b"))).await, [other]);
    for c in r.claim(10).await {
        r.done(&c).await;
    }
    assert_eq!(all(r, by(of("a"))).await, [b, a]);
    let running = ListFilter { states: vec![State::Scheduled], ..of("a") };
    assert_eq!(all(r, by(running)).await, [b]);
    assert_eq!(all(r, by(of("c"))).await, []);
}

pub(crate) async fn classes_are_filtered(r: &mut Rig) {
    let of = |class| ListFilter { class: Some(class), ..ListFilter::default() };
    let mut made = Vec::new();
    for class in [FailureClass::Transient, FailureClass::Permanent] {
        r.advance(MILLISECOND);
        let id = r.put(NewTask { policy: delays(&[3_600_000]), ..task() }).await;
        r.fail(&r.take().await, class).await;
        made.push(id);
    }
    r.put(task()).await;
    r.done(&r.take().await).await;
    assert_eq!(all(r, by(of(FailureClass::Transient))).await, [made[0]]);
    assert_eq!(all(r, by(of(FailureClass::Permanent))).await, [made[1]]);
    assert_eq!(all(r, by(of(FailureClass::Ambiguous))).await, []);
    let failed = ListFilter { states: vec![State::Failed], ..of(FailureClass::Permanent) };
    assert_eq!(all(r, by(failed)).await, [made[1]]);
    let failed = ListFilter { states: vec![State::Failed], ..of(FailureClass::Transient) };
    assert_eq!(all(r, by(failed)).await, []);
}

pub(crate) async fn bodies_come_when_asked_for(r: &mut Rig) {
    r.put(NewTask { payload: json("[1]"), ..task() }).await;
    let c = r.take().await;
    r.end(c.lease, Outcome::result(json("[2]"))).await;
    let without = whole(r, ListRequest::default()).await.remove(0);
    assert!(without.payload.is_none() && without.result.is_none());
    let with = whole(r, ListRequest { bodies: Bodies::Include, ..ListRequest::default() }).await;
    assert_eq!(with[0].payload, Some(json("[1]")));
    assert_eq!(with[0].result, Some(json("[2]")));
}

pub(crate) async fn a_scarce_filter_says_how_far_it_came(r: &mut Rig) {
    let old = r.put(NewTask { kind: kind("rare"), batch: None, ..task() }).await;
    r.pass(SECOND).await;
    r.put_n(3_000, &task()).await;
    let filter = ListFilter { kind: Some(kind("rare")), ..ListFilter::default() };
    let mut request = by(filter);
    let (mut found, mut calls) = (Vec::new(), 0);
    let mut last = None;
    loop {
        calls += 1;
        assert!(calls < 500, "the list has no end");
        let p = page(r, request.clone()).await;
        found.extend(ids(&p));
        if let Some(until) = p.searched_until {
            assert!(p.next_cursor.is_some(), "a page that stopped early says where to go on");
            assert!(last.is_none_or(|l| until <= l), "it goes backwards in time");
            last = Some(until);
        }
        match p.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(found, [old]);
    // A store with an index for it may find it at once; one that looks must stop and say so.
    assert!(calls == 1 || last.is_some(), "{calls} calls and never a searched_until");
}

pub(crate) async fn a_list_follows_what_happens(r: &mut Rig) {
    let made = r.put(NewTask { policy: delays(&[60_000]), ..task() }).await;
    let waiting = || by(ListFilter { states: vec![State::Queued], ..ListFilter::default() });
    assert_eq!(all(r, waiting()).await, [made]);
    r.fail(&r.take().await, FailureClass::Transient).await;
    assert_eq!(all(r, waiting()).await, []);
    let p = whole(r, by(ListFilter { states: vec![State::Retrying], ..ListFilter::default() })).await;
    assert_eq!((p[0].attempt, p[0].failures), (1, 1));
    assert!(p[0].error.is_some());
}

pub(crate) async fn get_answers_in_order_and_nothing_for_the_unknown(r: &mut Rig) {
    let stored = r.put_n(3, &task()).await;
    let unknown: TaskId = "01890000-0000-7000-8000-000000000099".parse().expect("a UUID");
    let got = r.store().get(&[stored[2], unknown, stored[0], stored[2]]).await.expect("get");
    let got: Vec<_> = got.iter().map(|t| t.as_ref().map(|t| t.id)).collect();
    assert_eq!(got, [Some(stored[2]), None, Some(stored[0]), Some(stored[2])]);
    assert!(r.store().attempts(unknown).await.expect("attempts").is_none());
    assert_eq!(r.log(stored[0]).await, []);
}

pub(crate) async fn the_running_attempt_is_last_in_the_log(r: &mut Rig) {
    let id = r.put(NewTask { policy: delays(&[1]), ..task() }).await;
    r.fail(&r.take().await, FailureClass::Transient).await;
    r.pass(SECOND).await;
    r.take().await;
    let log = r.log(id).await;
    assert_eq!(log.len(), 2);
    assert_eq!((log[1].attempt, log[1].outcome), (2, posthaste_core::AttemptOutcome::Running));
    assert!(log[1].ended_at.is_none() && log[0].ended_at.is_some());
}
