//! Whether what one recipient's answer suggests about a provider is true of the provider: only when several different
//! recipients in its lane say the like, with no success between. Recipients of one tenant, who may have chosen them for that,
//! show nothing of a provider that others share.
//!
//! It is kept in memory, by each process for itself: of several worker processes each needs its own witnesses, and one that
//! was just started knows of none. What is kept of a recipient is a keyed hash that means nothing elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use posthaste_core::{Claimed, Failure, FailureClass, LaneFault, QueueName};

use crate::lanes;

/// So many different recipients in a row show that it is the provider, not they.
pub const RECIPIENTS: usize = 3;
/// So many different tasks of kind `http` in a row show that it is the service, not one of its routes.
pub const TASKS: usize = 2;
/// Lanes that are remembered at once. Beyond them all is forgotten: that takes a lane its witnesses, never the right to run.
const MAX_LANES: usize = 10_000;

/// A lane, as far as outcomes pause it: the tenants of a target share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target(QueueName, String);

impl Target {
    fn of(task: &Claimed) -> Self {
        Self(task.queue.clone(), task.lane.as_ref().map(|l| l.target.to_string()).unwrap_or_default())
    }
}

/// What is said of a lane.
#[derive(Debug, Clone, Copy)]
enum Said {
    Throttled,
    Misconfigured,
    Unavailable,
}

/// Who has said what of a lane since its last success; at most [`RECIPIENTS`] of each.
#[derive(Debug, Default)]
struct Seen {
    throttled: Vec<u64>,
    misconfigured: Vec<u64>,
    unavailable: Vec<u64>,
}

/// The witnesses of every lane; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    lanes: Arc<Mutex<HashMap<Target, Seen>>>,
    keyed: RandomState,
}

impl Witness {
    /// Lets a failure keep what it says of its lane only when `enough` different witnesses have said so since the last
    /// success. `who` tells witnesses apart.
    #[must_use]
    pub fn hears(&self, task: &Claimed, who: &str, enough: usize, failure: Failure) -> Failure {
        let Some(fault) = failure.lane else { return failure };
        let said = match fault {
            LaneFault::Throttled => Said::Throttled,
            LaneFault::Misconfigured => Said::Misconfigured,
        };
        let shown = self.is_shown(task, who, enough, said);
        Failure { lane: Some(fault).filter(|_| shown), ..failure }
    }

    /// The same of a failure of class `unavailable`: until enough have met it, it is `transient`, which is the task's own.
    #[must_use]
    pub fn hears_unavailable(&self, task: &Claimed, who: &str, enough: usize, failure: Failure) -> Failure {
        if self.is_shown(task, who, enough, Said::Unavailable) {
            return failure;
        }
        Failure { class: FailureClass::Transient, ..failure }
    }

    /// Notes who says what; whether enough have said so by now.
    fn is_shown(&self, task: &Claimed, who: &str, enough: usize, what: Said) -> bool {
        // A tenant chooses its recipients: of what it shares with others they are one witness.
        let who = match &task.tenant {
            Some(tenant) if !task.lane.as_ref().is_some_and(lanes::is_one_tenants) => {
                self.keyed.hash_one((tenant, "tenant"))
            }
            _ => self.keyed.hash_one(who),
        };
        let mut seen = self.lock();
        let target = Target::of(task);
        if seen.len() >= MAX_LANES && !seen.contains_key(&target) {
            seen.clear();
        }
        let seen = seen.entry(target).or_default();
        let said = match what {
            Said::Throttled => &mut seen.throttled,
            Said::Misconfigured => &mut seen.misconfigured,
            Said::Unavailable => &mut seen.unavailable,
        };
        if !said.contains(&who) && said.len() < enough {
            said.push(who);
        }
        said.len() >= enough
    }

    /// The lane of `task` took something: whoever said otherwise spoke for himself.
    pub fn refutes(&self, task: &Claimed) {
        let mut lanes = self.lock();
        // Nearly always nobody has said anything.
        if !lanes.is_empty() {
            lanes.remove(&Target::of(task));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, Seen>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use posthaste_core::Tenant;
    use serde_json::json;

    use super::*;

    fn task(lane: &str) -> Claimed {
        Claimed { lane: lane.parse().ok(), ..posthaste_testkit::claimed("notify", json!({})) }
    }

    fn hears(w: &Witness, lane: &str, who: &str, fault: LaneFault) -> Option<LaneFault> {
        let failure = Failure::new(FailureClass::Transient, "no").with_lane(fault);
        w.hears(&task(lane), who, RECIPIENTS, failure).lane
    }

    #[test]
    fn three_different_ones_in_a_row_show_it_and_a_success_refutes_them() {
        use LaneFault::{Misconfigured as M, Throttled as T};
        let w = Witness::default();
        assert_eq!(hears(&w, "email:a", "x", T), None);
        for _ in 0..5 {
            assert_eq!(hears(&w, "email:a", "x", T), None, "one who says it often is one");
        }
        assert_eq!(hears(&w, "email:a", "y", T), None);
        assert_eq!(hears(&w, "email:a", "z", M), None, "the like is of one kind");
        assert_eq!(hears(&w, "email:b", "z", T), None, "in one lane");
        assert_eq!(hears(&w, "email:a/acme", "z", T), Some(T), "tenants share their target");
        assert_eq!(hears(&w, "email:a", "x", T), Some(T), "until a success, whoever says it");
        w.refutes(&task("email:b"));
        assert_eq!(hears(&w, "email:a", "x", T), Some(T));
        w.refutes(&task("email:a"));
        assert_eq!(hears(&w, "email:a", "x", T), None);
        let plain = Failure::new(FailureClass::Permanent, "no");
        assert_eq!(w.hears(&task("email:a"), "y", RECIPIENTS, plain.clone()), plain);
    }

    #[test]
    fn one_tenants_recipients_show_nothing_of_what_others_share() {
        let w = Witness::default();
        let hears = |lane: &str, tenant: Option<&str>, who: &str| {
            let tenant = tenant.map(|t| Tenant::new(t).unwrap());
            let task = Claimed { tenant, ..task(lane) };
            let failure = Failure::new(FailureClass::Transient, "no").with_lane(LaneFault::Throttled);
            w.hears(&task, who, RECIPIENTS, failure).lane.is_some()
        };
        for who in ["1", "2", "3", "4", "5"] {
            assert!(!hears("email:default/acme", Some("acme"), who), "{who}");
        }
        assert!(!hears("email:default/globex", Some("globex"), "6"), "two say so");
        assert!(hears("email:default", None, "7"), "three say so");
        assert!(hears("email:default/acme", Some("acme"), "1"), "until a success");
        for (lane, who) in [("email:acme/acme", "p"), ("web_push:@acme:push@other-1/acme", "q")] {
            let own: Vec<bool> = (0..3).map(|n| hears(lane, Some("acme"), &format!("{who}{n}"))).collect();
            assert_eq!(own, [false, false, true], "{lane}");
        }
        let nobodys: Vec<bool> = (0..3).map(|n| hears("email:b", None, &n.to_string())).collect();
        assert_eq!(nobodys, [false, false, true], "the installation's own");
    }

    #[test]
    fn what_is_unavailable_to_one_is_so_once_three_have_met_it() {
        let w = Witness::default();
        let class = |who: &str, tenant: Option<&str>| {
            let tenant = tenant.map(|t| Tenant::new(t).unwrap());
            let task = Claimed { tenant, ..task("email:default") };
            w.hears_unavailable(&task, who, RECIPIENTS, Failure::new(FailureClass::Unavailable, "cut")).class
        };
        let (own, lanes) = (FailureClass::Transient, FailureClass::Unavailable);
        let of_one_tenant: Vec<_> = (0..5).map(|n| class(&n.to_string(), Some("acme"))).collect();
        assert_eq!(of_one_tenant, [own; 5]);
        assert_eq!([class("x", None), class("x", None), class("y", None)], [own, own, lanes]);
        w.refutes(&task("email:default"));
        assert_eq!(class("z", None), own);
    }

    #[test]
    fn any_number_of_lanes_takes_a_bounded_memory() {
        let w = Witness::default();
        for n in 0..2 * MAX_LANES {
            hears(&w, &format!("http:h{n}"), "x", LaneFault::Throttled);
        }
        assert!(w.lock().len() <= MAX_LANES);
    }
}
