//! Small named documents.

use posthaste_core::limits::{MAX_PAGE, MAX_RECORD_BYTES};
use posthaste_core::{BrokerError, Expect, Json, Record, RecordKind, RecordOrder};

use crate::rig::*;

async fn put(r: &Rig, kind: RecordKind, name: &str, body: &str, expect: Expect) -> Result<u64, BrokerError> {
    r.store().put_record(kind, name, json(body), expect).await
}

async fn get(r: &Rig, kind: RecordKind, name: &str) -> Option<Record> {
    r.store().get_record(kind, name).await.expect("get_record")
}

fn conflict(result: &Result<u64, BrokerError>, in_store: Option<u64>) -> bool {
    matches!(result, Err(BrokerError::VersionConflict { found }) if *found == in_store)
}

pub(crate) async fn a_record_reads_back(r: &mut Rig) {
    let now = r.now().await;
    assert!(get(r, RecordKind::Template, "a").await.is_none());
    assert_eq!(put(r, RecordKind::Template, "a", r#"{"x":1}"#, Expect::Any).await.expect("put"), 1);
    let record = get(r, RecordKind::Template, "a").await.expect("stored");
    assert_eq!((record.kind, record.name.as_str(), record.version), (RecordKind::Template, "a", 1));
    assert_eq!(record.body, json(r#"{"x":1}"#));
    assert!(record.updated_at >= now);
}

pub(crate) async fn a_version_rises_with_each_put(r: &mut Rig) {
    for n in 1..=3 {
        assert_eq!(put(r, RecordKind::Setting, "a", "1", Expect::Any).await.expect("put"), n);
    }
    assert_eq!(put(r, RecordKind::Setting, "b", "1", Expect::Any).await.expect("put"), 1);
}

pub(crate) async fn a_put_expects_a_version(r: &mut Rig) {
    assert!(conflict(&put(r, RecordKind::Setting, "a", "1", Expect::Version(1)).await, None));
    put(r, RecordKind::Setting, "a", "1", Expect::Any).await.expect("put");
    assert_eq!(put(r, RecordKind::Setting, "a", "2", Expect::Version(1)).await.expect("put"), 2);
    let late = put(r, RecordKind::Setting, "a", "3", Expect::Version(1)).await;
    assert!(conflict(&late, Some(2)), "{late:?}");
    assert_eq!(get(r, RecordKind::Setting, "a").await.map(|x| x.body), Some(json("2")));
}

pub(crate) async fn a_put_can_expect_nothing(r: &mut Rig) {
    assert_eq!(put(r, RecordKind::Setting, "a", "1", Expect::Absent).await.expect("put"), 1);
    let late = put(r, RecordKind::Setting, "a", "2", Expect::Absent).await;
    assert!(conflict(&late, Some(1)), "{late:?}");
}

pub(crate) async fn a_delete_expects_a_version(r: &mut Rig) {
    put(r, RecordKind::Setting, "a", "1", Expect::Any).await.expect("put");
    put(r, RecordKind::Setting, "a", "2", Expect::Any).await.expect("put");
    let late = r.store().delete_record(RecordKind::Setting, "a", Expect::Version(1)).await;
    assert!(matches!(late, Err(BrokerError::VersionConflict { found: Some(2) })), "{late:?}");
    assert!(r.store().delete_record(RecordKind::Setting, "a", Expect::Version(2)).await.expect("delete"));
    assert!(get(r, RecordKind::Setting, "a").await.is_none());
}

pub(crate) async fn kinds_are_apart(r: &mut Rig) {
    for kind in RecordKind::ALL {
        put(r, kind, "same", &format!("\"{kind:?}\""), Expect::Absent).await.expect("put");
    }
    for kind in RecordKind::ALL {
        assert_eq!(get(r, kind, "same").await.map(|x| x.body), Some(json(&format!("\"{kind:?}\""))));
        let list = r.store().list_records(kind, RecordOrder::Ascending, None, 10).await.expect("list");
        assert_eq!(list.len(), 1);
    }
}

pub(crate) async fn lists_run_by_name_both_ways(r: &mut Rig) {
    for name in ["b", "d", "a", "c", "B"] {
        put(r, RecordKind::Endpoint, name, "1", Expect::Any).await.expect("put");
    }
    let list = |order, after: Option<&'static str>, limit| {
        let store = r.store();
        async move {
            let records = store.list_records(RecordKind::Endpoint, order, after, limit).await.expect("list");
            records.into_iter().map(|x| x.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(RecordOrder::Ascending, None, 10).await, ["B", "a", "b", "c", "d"]);
    assert_eq!(list(RecordOrder::Descending, None, 2).await, ["d", "c"]);
    assert_eq!(list(RecordOrder::Descending, Some("c"), 10).await, ["b", "a", "B"]);
    assert_eq!(list(RecordOrder::Ascending, Some("b"), 1).await, ["c"]);
    assert_eq!(list(RecordOrder::Ascending, Some("d"), 10).await, Vec::<String>::new());
}

pub(crate) async fn lists_of_any_length_are_whole(r: &mut Rig) {
    const ALL: usize = 2 * MAX_PAGE + 1;
    let names: Vec<String> = (0..ALL).map(|n| format!("{n:03}")).collect();
    for name in &names {
        put(r, RecordKind::Endpoint, name, "1", Expect::Any).await.expect("put");
    }
    let store = r.store();
    for limit in [1_000, ALL, MAX_PAGE + 1, MAX_PAGE, 0] {
        let list =
            store.list_many(RecordKind::Endpoint, RecordOrder::Ascending, None, limit).await.expect("list");
        let found = limit.min(ALL);
        assert!(list.iter().map(|x| &x.name).eq(&names[..found]), "{limit}: {}", list.len());
    }
    let (kind, order) = (RecordKind::Endpoint, RecordOrder::Descending);
    let list = store.list_many(kind, order, Some(&names[ALL - 1]), 1_000).await.expect("list");
    assert!(list.iter().map(|x| &x.name).eq(names[..ALL - 1].iter().rev()));
}

pub(crate) async fn bodies_have_a_largest_size(r: &mut Rig) {
    let text = |n: usize| Json::from_trusted(format!("\"{}\"", "x".repeat(n - 2)));
    let store = r.store();
    store.put_record(RecordKind::Template, "a", text(MAX_RECORD_BYTES), Expect::Any).await.expect("put");
    let refused = store.put_record(RecordKind::Template, "b", text(MAX_RECORD_BYTES + 1), Expect::Any).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "{refused:?}");
    let long = "n".repeat(256);
    let refused = store.put_record(RecordKind::Template, &long, json("1"), Expect::Any).await;
    assert!(matches!(refused, Err(BrokerError::Invalid { .. })), "a name of 256 bytes: {refused:?}");
}

pub(crate) async fn writers_at_the_same_moment_see_each_other(r: &mut Rig) {
    put(r, RecordKind::Setting, "a", "0", Expect::Any).await.expect("put");
    let results = join_all((0..8).map(|_| put(r, RecordKind::Setting, "a", "1", Expect::Version(1)))).await;
    assert_eq!(results.iter().filter(|x| x.is_ok()).count(), 1);
    assert_eq!(get(r, RecordKind::Setting, "a").await.map(|x| x.version), Some(2));
}
