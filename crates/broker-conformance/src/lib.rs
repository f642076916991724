//! The suite that every store passes: one named case per rule, written against the three traits alone.
//!
//! A store's test file gives a [`Harness`] and calls [`conformance_tests!`]: one test per case. The
//! wrong stores of [`wrong`] prove that the suite can fail: each wraps the real store, changes one
//! call, fails its named case and passes every other ([`wrong_store_tests!`]).
//!
//! Time moves only by [`Fixture::advance`] and [`Fixture::jump_wall`]; nothing sleeps. The only real
//! time in the suite is the bound after which a case that waits for a signal gives up.

// The suite asserts: a case that panics has found a broken rule, and says which.
#[macro_use]
mod list;
mod cases;
mod clock;
mod harness;
mod rig;
mod words;
pub mod wrong;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use clock::FixedClock;
pub use harness::{Fixture, Harness};

/// A case under way.
pub type Proof = Pin<Box<dyn Future<Output = ()>>>;

/// One rule, and how to prove it.
#[derive(Clone, Copy)]
pub struct Case {
    /// `theme::name`.
    pub name: &'static str,
    /// The rule in a sentence.
    pub rule: &'static str,
    /// Opens a fresh store and proves the rule; panics if it does not hold.
    pub run: fn(Arc<dyn Harness>) -> Proof,
}

impl Case {
    /// Whether it takes seconds rather than milliseconds; left out of the matrix of wrong stores.
    pub fn is_heavy(&self) -> bool {
        HEAVY.contains(&self.name)
    }
}

/// Cases that move a million tasks.
pub const HEAVY: &[&str] = &["tick::a_million_due_at_once_becomes_ready_in_bounded_steps"];

/// Cases that [`check_every_case`] runs at the same moment; most of a case is waiting for answers.
const CASES_AT_ONCE: usize = 4;

/// Every case, in the order of the list.
pub fn cases() -> Vec<Case> {
    with_cases!(__registry;)
}

/// Runs the case of this name on its own runtime.
///
/// # Panics
/// When there is no such case, or its rule does not hold.
pub fn run_case(name: &str, harness: Arc<dyn Harness>) {
    let case = cases().into_iter().find(|c| c.name == name).expect("the name comes from the same list");
    run(&case, harness);
}

/// Runs every case but the heavy ones, several at a time, each with a harness of its own: for stores whose servers are
/// worth sharing between cases.
///
/// # Panics
/// With the names of the cases whose rule does not hold; what each of them said stands above.
pub fn check_every_case(harness: impl Fn(usize) -> Arc<dyn Harness> + Sync) {
    let cases: Vec<_> = cases().into_iter().filter(|c| !c.is_heavy()).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CASES_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    if !passes(case, &harness(index)) {
                        failed.lock().expect("pushing does not panic").push(case.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("pushing does not panic");
    assert!(failed.is_empty(), "{} of {} cases failed: {failed:#?}", failed.len(), cases.len());
}

fn passes(case: &Case, harness: &Arc<dyn Harness>) -> bool {
    catch_unwind(AssertUnwindSafe(|| run(case, harness.clone()))).is_ok()
}

fn run(case: &Case, harness: Arc<dyn Harness>) {
    // Two threads, so that cases about concurrent callers have some.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on((case.run)(harness));
}
