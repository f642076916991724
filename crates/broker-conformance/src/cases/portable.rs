//! Erasing tasks, and moving a store: what is exported and imported is the same store.

use std::collections::BTreeSet;

use posthaste_core::broker::{ListFilter, ListRequest};
use posthaste_core::limits::{IDEMPOTENCY_KEPT, MAX_PORTABLE};
use posthaste_core::portable::{Erased, Imported, PortableItem, PortableLane};
use posthaste_core::{
    AttemptOutcome, BatchId, BrokerError, Due, Expect, Failure, FailureClass, Kept, LaneLimits, NewTask,
    Outcome, RecordKind, State, TaskId, Unique, UniqueHold,
};

use super::model::{Model, step};
use super::numbers::{counted, recount};
use crate::rig::*;

const BATCH: &str = "01890000-0000-7000-8000-0000000000b0";
const OWN: &str = "018f0000-1111-4222-8333-444455556666";

/// Every item of a store.
pub(super) async fn export(r: &Rig) -> Vec<PortableItem> {
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..10_000 {
        let part = r.store().export(cursor.as_deref(), 7).await.expect("export");
        items.extend(part.items);
        cursor = part.next_cursor;
        if cursor.is_none() {
            return items;
        }
    }
    panic!("the export has no end");
}

pub(super) async fn import(r: &Rig, items: &[PortableItem]) -> Imported {
    let mut sum = Imported::default();
    for part in items.chunks(100) {
        let done = r.store().import(part.to_vec()).await.expect("import");
        sum.stored += done.stored;
        sum.left += done.left;
    }
    sum
}

/// The items as lines in one order, each once; a lane that several shards tell of is told once. What ran is at rest.
async fn lines(r: &Rig, items: Vec<PortableItem>) -> BTreeSet<String> {
    let now = r.now().await;
    let mut lanes: Vec<PortableLane> = Vec::new();
    let mut out = BTreeSet::new();
    for item in items {
        let item = match item {
            PortableItem::Lane(lane) => {
                match lanes.iter_mut().find(|l| (&l.queue, &l.lane) == (&lane.queue, &lane.lane)) {
                    Some(known) => {
                        known.manual = known.manual.take().or(lane.manual);
                        known.auto = known.auto.take().or(lane.auto);
                        known.strikes = known.strikes.max(lane.strikes);
                        known.opens = known.opens.max(lane.opens);
                    }
                    None => lanes.push(lane),
                }
                continue;
            }
            PortableItem::Task(task) => PortableItem::Task(Box::new(task.at_rest(now))),
            other => other,
        };
        out.insert(serde_json::to_string(&item).expect("plain data serializes"));
    }
    out.extend(lanes.into_iter().map(|l| serde_json::to_string(&PortableItem::Lane(l)).expect("serializes")));
    out
}

/// A store that has some of everything.
async fn furnish(r: &mut Rig) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for state in State::ALL {
        ids.push(r.make(state).await.id);
    }
    r.pass(SECOND).await;
    let batch: BatchId = BATCH.parse().expect("a UUID");
    let full = NewTask {
        lane: Some(lane("smtp/acme")),
        tenant: tenant("acme"),
        priority: posthaste_core::Priority::High,
        payload: json(&format!("{:?}", "x".repeat(5_000))),
        policy: delays(&[60_000]),
        batch: Some(batch),
        recipient: Some("email:\u{fc}\"@example.com".into()),
        trace: Some("00-a".into()),
        ..task()
    };
    ids.push(r.put(NewTask { expires_at: Some(r.now().await.plus(HOUR)), ..full.clone() }).await);
    let own = NewTask { id: Some(OWN.parse().expect("a UUID")), due: Due::After(HOUR), ..full.clone() };
    ids.push(r.put(own).await);
    let failed = r.take().await;
    r.fail_as(&failed, Failure::new(FailureClass::Transient, "no\u{1f}ne").with_code("451")).await;
    let parked = r.put(in_lane("parked")).await;
    r.fail(&r.take().await, FailureClass::Throttled).await;
    ids.push(parked);
    let held = r.put(NewTask { kind: kind("other"), ..task() }).await;
    let c = r.take().await;
    assert_eq!(c.lease.task, held);
    let kept = Kept { kind: RecordKind::SandboxMessage, body: json("{\"m\":1}") };
    let result = Some(json(&format!("{:?}", "y".repeat(6_000))));
    r.end(c.lease, Outcome::Success { result, kept: Some(kept) }).await;
    ids.push(held);
    let period = Unique { key: "period".into(), hold: UniqueHold::For(HOUR) };
    ids.push(r.put(NewTask { unique: Some(period), ..task() }).await);
    ids.push(r.put(NewTask { unique: unique("one"), ..task() }).await);
    let reply = r.try_enqueue(vec![task(); 2], idem("once")).await.expect("enqueue");
    ids.extend(reply.tasks.iter().map(|t| t.id));
    r.put_n(3, &NewTask { queue: queue("mail"), ..task() }).await;
    for (n, name) in ["a", "b", "b"].into_iter().enumerate() {
        let body = json(&n.to_string());
        r.store().put_record(RecordKind::Setting, name, body, Expect::Any).await.expect("put_record");
    }
    r.pause(lane_scope("paused"), Some(HOUR)).await;
    r.pause(posthaste_core::Scope::Queue(queue("mail")), None).await;
    r.store().set_limits(&lane_scope("slow/acme"), LaneLimits::rate(5, MINUTE)).await.expect("set_limits");
    r.store().set_limits(&lane_scope("paused"), LaneLimits::concurrency(2)).await.expect("set_limits");
    ids
}

/// Another store, at the same time.
pub(super) async fn elsewhere(r: &Rig) -> Rig {
    let there = r.another().await;
    let behind = r.now().await.since(there.now().await);
    there.advance(behind);
    there
}

pub(crate) async fn an_erased_task_leaves_nothing(r: &mut Rig) {
    let batch: BatchId = BATCH.parse().expect("a UUID");
    let who = "email:gone@example.com";
    for state in State::ALL {
        if state == State::Running {
            continue;
        }
        let r = r.another().await;
        let new = NewTask {
            batch: Some(batch),
            recipient: Some(who.into()),
            unique: unique("mine"),
            policy: delays(&[60_000]),
            due: if state == State::Scheduled { Due::After(HOUR) } else { Due::Now },
            expires_at: Some(r.now().await.plus(HOUR * 2)),
            payload: json(&format!("{:?}", "x".repeat(5_000))),
            ..in_lane("a")
        };
        let id = r.put(new.clone()).await;
        match state {
            State::Scheduled | State::Queued | State::Running => {}
            State::Cancelled => drop(r.cancel(id).await),
            State::Expired => r.leap(HOUR * 3).await,
            State::Retrying => drop(r.fail(&r.take().await, FailureClass::Transient).await),
            State::Failed => drop(r.fail(&r.take().await, FailureClass::Permanent).await),
            State::Succeeded => {
                let kept = Kept { kind: RecordKind::SandboxMessage, body: json("{}") };
                let result = Some(json(&format!("{:?}", "y".repeat(5_000))));
                r.end(r.take().await.lease, Outcome::Success { result, kept: Some(kept) }).await;
            }
        }
        assert_eq!(r.state(id).await, state);
        assert_eq!(r.store().erase(&[id]).await.expect("erase"), [Erased::Erased], "{state}");
        assert!(r.find(id).await.is_none(), "{state}");
        assert!(r.store().attempts(id).await.expect("attempts").is_none());
        for filter in [
            ListFilter::default(),
            ListFilter { batch: Some(batch), ..ListFilter::default() },
            ListFilter { recipient: Some(who.into()), ..ListFilter::default() },
            ListFilter { states: vec![state], ..ListFilter::default() },
        ] {
            let page = r.store().list(ListRequest { filter, ..ListRequest::default() }).await.expect("list");
            assert!(page.tasks.is_empty(), "{state}");
        }
        assert_eq!(counted(&r).await, [0; 8], "{state}");
        let counts = r.store().counts().await.expect("counts");
        assert!(counts.iter().all(|q| q.held == 0), "{state}");
        let held = r.store().get_record(RecordKind::SandboxMessage, &id.to_string()).await;
        assert!(held.expect("get_record").is_none(), "{state}");
        assert!(!r.enqueue(vec![new]).await.tasks[0].duplicate, "{state}: its unique key is held");
        r.leap(HOUR * 24 * 15).await;
        assert_eq!(counted(&r).await, recount(&r).await, "{state}");
    }
}

pub(crate) async fn a_running_task_is_not_erased(r: &mut Rig) {
    let id = r.put(task()).await;
    let c = r.take().await;
    assert_eq!(r.store().erase(&[id]).await.expect("erase"), [Erased::Running]);
    r.done(&c).await;
    assert_eq!(r.store().erase(&[id]).await.expect("erase"), [Erased::Erased]);
    assert_eq!(r.store().erase(&[id]).await.expect("erase"), [Erased::NotFound], "a repeat");
}

pub(crate) async fn an_erase_leaves_its_neighbours(r: &mut Rig) {
    let ids = r.put_n(6, &task()).await;
    let unknown = "01890000-0000-7000-8000-000000000099".parse().expect("a UUID");
    let answers = r.store().erase(&[ids[4], unknown, ids[1]]).await.expect("erase");
    assert_eq!(answers, [Erased::Erased, Erased::NotFound, Erased::Erased]);
    assert_eq!(r.count(State::Queued).await, 4);
    assert_eq!(r.ids(10).await, [ids[0], ids[2], ids[3], ids[5]]);
}

pub(crate) async fn everything_moves(r: &mut Rig) {
    let ids = furnish(r).await;
    let items = export(r).await;
    let there = elsewhere(r).await;
    import(&there, &items).await;
    let moved = export(&there).await;
    let (before, after) = (lines(r, items).await, lines(&there, moved).await);
    let lost: Vec<_> = before.difference(&after).collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(lost.is_empty() && new.is_empty(), "lost {lost:#?}\nnew {new:#?}");
    for id in ids {
        let (a, b) = (r.task(id).await, there.task(id).await);
        if a.state == State::Running {
            assert_eq!((b.state, b.attempt), (State::Queued, 1));
            assert_eq!(there.log(id).await[0].outcome, AttemptOutcome::LeaseExpired);
            continue;
        }
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_eq!(r.log(id).await, there.log(id).await);
    }
    assert_eq!(counted(&there).await, recount(&there).await);
}

pub(crate) async fn a_second_import_changes_nothing(r: &mut Rig) {
    furnish(r).await;
    let items = export(r).await;
    let there = elsewhere(r).await;
    let first = import(&there, &items).await;
    assert!(first.stored > 20, "{first:?}");
    let (before, counts) = (export(&there).await, counted(&there).await);
    let again = import(&there, &items).await;
    assert_eq!((again.stored, again.left), (0, items.len()));
    assert_eq!(lines(&there, export(&there).await).await, lines(&there, before).await);
    assert_eq!(counted(&there).await, counts);
    // Into the store it came from, too. Where shards are many, what each of them tells may be stored again: a known gap.
    let again = import(r, &items).await.stored;
    assert!(again == 0 || !r.harness().has_one_order(), "{again} stored again");
}

pub(crate) async fn what_was_imported_goes_on(r: &mut Rig) {
    let first = r.put_n(3, &task()).await;
    let released = r.put(NewTask { queue: queue("front"), ..task() }).await;
    let mut front = claim_of(1);
    front.queues = vec![queue("front")];
    let c = r.claim_as(front.clone()).await.remove(0);
    r.release(c.lease).await;
    r.advance(SECOND);
    r.put(NewTask { queue: queue("front"), ..task() }).await;
    let soon = r.put(NewTask { due: Due::After(MINUTE), ..task() }).await;
    let later = r.put_n(2, &task()).await;
    let failed = r.put(NewTask { queue: queue("failed"), ..task() }).await;
    let mut request = claim_of(1);
    request.queues = vec![queue("failed")];
    r.fail(&r.claim_as(request).await[0], FailureClass::Permanent).await;
    let held = r.put(NewTask { unique: unique("k"), queue: queue("unique"), ..task() }).await;
    let once = r.try_enqueue(vec![task()], idem("once")).await.expect("enqueue").tasks[0].id;
    let items = export(r).await;

    let there = elsewhere(r).await;
    import(&there, &items).await;
    let mut expected: Vec<_> = first.iter().chain(&later).chain([&once]).copied().collect();
    let mut found = there.ids(6).await;
    if !there.harness().has_one_order() {
        expected.sort_unstable();
        found.sort_unstable();
    }
    assert_eq!(found, expected, "in the order of their due times");
    assert_eq!(there.claim_as(front).await[0].lease.task, released, "what was given back is first");
    let replay = there.try_enqueue(vec![task()], idem("once")).await.expect("enqueue");
    assert!(replay.replayed && replay.tasks.len() == 1);
    let twin = there.enqueue(vec![NewTask { unique: unique("k"), ..task() }]).await;
    assert_eq!((twin.tasks[0].id, twin.tasks[0].duplicate), (held, true));
    there.again(failed).await;
    there.leap(MINUTE + SECOND).await;
    assert!(there.ids(10).await.contains(&soon));
    there.leap(IDEMPOTENCY_KEPT).await;
    assert!(!there.try_enqueue(vec![task()], idem("once")).await.expect("enqueue").replayed);
    assert_eq!(counted(&there).await, recount(&there).await);
}

pub(crate) async fn an_imported_end_is_pruned_in_its_time(r: &mut Rig) {
    let done = r.make(State::Succeeded).await.id;
    let failed = r.make(State::Failed).await.id;
    r.leap(HOUR * 20).await;
    let items = export(r).await;
    let there = elsewhere(r).await;
    import(&there, &items).await;
    there.put(task()).await;
    there.leap(HOUR * 3).await;
    assert!(there.find(done).await.is_some());
    there.leap(HOUR * 2).await;
    assert!(there.find(done).await.is_none() && there.find(failed).await.is_some());
    assert_eq!(counted(&there).await, recount(&there).await);
}

pub(crate) async fn what_is_there_stays(r: &mut Rig) {
    let id: TaskId = OWN.parse().expect("a UUID");
    r.put(NewTask { id: Some(id), ..task() }).await;
    r.store().put_record(RecordKind::Setting, "s", json("1"), Expect::Any).await.expect("put_record");
    let items = export(r).await;
    let there = elsewhere(r).await;
    there.put(NewTask { id: Some(id), payload: json("[\"mine\"]"), ..task() }).await;
    there.store().put_record(RecordKind::Setting, "s", json("2"), Expect::Any).await.expect("put_record");
    let done = import(&there, &items).await;
    assert!(done.left >= 2);
    assert_eq!(there.task(id).await.payload, Some(json("[\"mine\"]")));
    let record =
        there.store().get_record(RecordKind::Setting, "s").await.expect("get_record").expect("there");
    assert_eq!(record.body, json("2"));
    assert_eq!(there.count(State::Queued).await, 1);
}

pub(crate) async fn too_many_items_are_refused(r: &mut Rig) {
    r.put(task()).await;
    let item = export(r).await.remove(0);
    let refused = r.store().import(vec![item; MAX_PORTABLE + 1]).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "{refused:?}");
    for cursor in ["", "x", "task", "x:0:0", "task:x:y"] {
        let refused = r.store().export(Some(cursor), 10).await;
        assert!(matches!(refused, Err(BrokerError::BadCursor)), "{cursor:?}: {refused:?}");
    }
}

pub(crate) async fn a_random_store_moves_whole(r: &mut Rig) {
    for seed in [3, 11, 2_026] {
        let r = r.another().await;
        let mut model = Model::new(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        r.heartbeat("w1").await;
        for _ in 0..200 {
            step(&r, &mut model).await;
        }
        let items = export(&r).await;
        let tasks = items.iter().filter(|i| matches!(i, PortableItem::Task(_))).count();
        assert!(tasks > 20, "the run was too tame: {tasks}");
        let there = elsewhere(&r).await;
        import(&there, &items).await;
        let (before, after) = (lines(&r, items).await, lines(&there, export(&there).await).await);
        let lost: Vec<_> = before.difference(&after).collect();
        assert!(lost.is_empty() && before.len() == after.len(), "seed {seed}: {lost:#?}");
        assert_eq!(counted(&there).await, recount(&there).await, "seed {seed}");
    }
}
