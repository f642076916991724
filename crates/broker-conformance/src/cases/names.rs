//! What tenants name: bounded for each, and apart from what the installation may have.

use posthaste_core::limits::{BROUGHT_KEPT, MAX_NAMES, MAX_TENANT_LANES, MAX_TENANT_NAMES};
use posthaste_core::{BrokerError, NewTask, QueueName};

use crate::rig::*;

/// Tasks of a tenant in a queue of its name, each of a kind of its own.
fn kinds(of: &str, numbers: std::ops::Range<usize>) -> Vec<NewTask> {
    let one =
        |n| NewTask { kind: kind(&format!("{of}-{n}")), queue: queue(of), tenant: tenant(of), ..task() };
    numbers.map(one).collect()
}

/// Tasks of a tenant, each in a lane of its own.
fn lanes(of: &str, numbers: std::ops::Range<usize>) -> Vec<NewTask> {
    let one = |n| NewTask { lane: Some(lane(&format!("lane-{n}/{of}"))), tenant: tenant(of), ..task() };
    numbers.map(one).collect()
}

async fn refused(r: &Rig, what: &'static str, task: NewTask) {
    match r.try_enqueue(vec![task], None).await {
        Err(BrokerError::Invalid { field, problem, .. }) => {
            assert_eq!(field, what);
            assert!(
                problem.contains("tenant") && problem.contains("7 days"),
                "it names the bound: {problem}"
            );
        }
        other => panic!("one too many: {other:?}"),
    }
}

pub(crate) async fn kinds_and_queues_of_a_tenant_are_bounded(r: &mut Rig) {
    // The queue is one of them.
    r.enqueue(kinds("a", 0..MAX_TENANT_NAMES - 1)).await;
    let beyond = || kinds("a", MAX_TENANT_NAMES..MAX_TENANT_NAMES + 1).remove(0);
    refused(r, "kind", beyond()).await;
    refused(r, "queue", NewTask { queue: queue("new"), ..kinds("a", 0..1).remove(0) }).await;
    let mixed = vec![kinds("a", 0..1).remove(0), kinds("b", 0..1).remove(0), beyond()];
    match r.try_enqueue(mixed, None).await {
        Err(BrokerError::Invalid { index, .. }) => assert_eq!(index, 2, "it names the task"),
        other => panic!("one too many: {other:?}"),
    }
    r.reopen().await;
    refused(r, "kind", beyond()).await;
    // What it names already it goes on with, and nobody else feels it.
    r.enqueue(kinds("a", 0..5)).await;
    r.enqueue(kinds("b", 0..5)).await;
    r.put(NewTask { kind: kind("new"), queue: queue("new"), ..task() }).await;
    // A week after their last use they are forgotten.
    let day = HOUR * 24;
    r.leap(BROUGHT_KEPT - day).await;
    r.enqueue(kinds("a", 0..1)).await;
    refused(r, "kind", beyond()).await;
    r.leap(day * 2).await;
    r.put(beyond()).await;
    r.enqueue(kinds("a", 0..1)).await;
    r.enqueue(kinds("a", 2_000..2_000 + MAX_TENANT_NAMES - 3)).await;
    refused(r, "kind", kinds("a", 5_000..5_001).remove(0)).await;
}

pub(crate) async fn what_every_installation_has_counts_for_no_tenant(r: &mut Rig) {
    let of = |name: &str, q: QueueName| NewTask { kind: kind(name), queue: q, tenant: tenant("a"), ..task() };
    let all: Vec<_> = (0..MAX_TENANT_NAMES).map(|n| of(&format!("a-{n}"), QueueName::default())).collect();
    r.enqueue(all).await;
    refused(r, "kind", of("beyond", QueueName::default())).await;
    r.reopen().await;
    // Tenants that use up their own still send, call and are told.
    for built_in in ["notify", "http", "callback"] {
        r.put(of(built_in, QueueName::default())).await;
    }
    refused(r, "queue", of("notify", queue("beyond"))).await;
}

pub(crate) async fn every_task_that_names_too_much_is_named(r: &mut Rig) {
    r.enqueue(kinds("a", 0..MAX_TENANT_NAMES - 1)).await;
    let beyond = |n: usize| kinds("a", MAX_TENANT_NAMES + n..MAX_TENANT_NAMES + n + 1).remove(0);
    let known = || kinds("a", 0..1).remove(0);
    let queued = |q: &str| NewTask { queue: queue(q), ..known() };
    let tasks = vec![known(), beyond(0), queued("new"), kinds("b", 0..1).remove(0), beyond(1), known()];
    match r.try_enqueue(tasks, None).await {
        Err(BrokerError::Invalid { index, field, each, .. }) => {
            assert_eq!((index, field, each), (1, "kind", vec![1, 4]), "those that are beyond the same bound");
        }
        other => panic!("some too many: {other:?}"),
    }
    // Without them the others are judged as before.
    match r.try_enqueue(vec![known(), queued("new"), known()], None).await {
        Err(BrokerError::Invalid { index, field, each, .. }) => {
            assert_eq!((index, field, each), (1, "queue", vec![1]));
        }
        other => panic!("one too many: {other:?}"),
    }
    r.enqueue(vec![known(), kinds("b", 0..1).remove(0), known()]).await;
}

pub(crate) async fn lanes_of_a_tenant_are_bounded(r: &mut Rig) {
    for from in (0..MAX_TENANT_LANES).step_by(1_000) {
        r.enqueue(lanes("a", from..from + 1_000)).await;
    }
    let beyond = || lanes("a", MAX_TENANT_LANES..MAX_TENANT_LANES + 1).remove(0);
    refused(r, "lane", beyond()).await;
    r.enqueue(lanes("a", 0..5)).await;
    r.put(NewTask { lane: None, ..beyond() }).await;
    r.enqueue(lanes("b", 0..5)).await;
    r.put(in_lane("new")).await;
    r.leap(BROUGHT_KEPT + HOUR * 24).await;
    r.put(beyond()).await;
}

pub(crate) async fn names_of_tenants_leave_the_installation_its_own(r: &mut Rig) {
    let each = MAX_TENANT_NAMES - 1;
    for n in 0..=MAX_NAMES / each {
        r.enqueue(kinds(&format!("t{n}"), 0..each)).await;
    }
    r.put(NewTask { kind: kind("new"), queue: queue("new"), ..task() }).await;
    // One that tenants named first is the installation's, too.
    r.put(NewTask { tenant: None, ..kinds("t0", 0..1).remove(0) }).await;
    r.reopen().await;
    r.put(NewTask { kind: kind("newer"), queue: queue("newer"), ..task() }).await;
}
