//! The lists of cases and of wrong stores agree with each other and with the page that shows them.

use std::collections::BTreeSet;

use posthaste_broker_conformance::wrong::{WRONG_STORES, markdown};
use posthaste_broker_conformance::{HEAVY, cases};

#[test]
fn names_are_unique_and_rules_are_sentences() {
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|c| c.name).collect();
    assert_eq!(names.len(), cases.len());
    for c in &cases {
        assert!(c.rule.ends_with('.') && c.rule.len() > 20, "{}: {:?}", c.name, c.rule);
    }
    assert!(HEAVY.iter().all(|h| names.contains(h)));
}

#[test]
fn each_wrong_store_names_a_case_of_its_own() {
    let cases: BTreeSet<_> = cases().iter().filter(|c| !c.is_heavy()).map(|c| c.name).collect();
    let caught: BTreeSet<_> = WRONG_STORES.iter().map(|w| w.caught_by).collect();
    assert_eq!(caught.len(), WRONG_STORES.len(), "two wrong stores name one case");
    assert!(caught.is_subset(&cases), "{:?}", caught.difference(&cases));
}

#[test]
fn wrong_stores_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/WRONG_STORES.md");
    let page = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).expect("docs/ is writable");
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == page,
        "docs/WRONG_STORES.md is stale: run UPDATE_DOCS=1 cargo test -p posthaste-broker-conformance wrong"
    );
}
