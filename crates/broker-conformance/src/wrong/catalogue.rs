//! The wrong stores by name.

use std::sync::Arc;

use posthaste_core::Store;

use super::claims::{ClaimsTwice, ForgetsHeld, KnowsNoAskedKey, LosesIdempotency, StartsEverything};
use super::people::{
    CutsPausesShort, DropsCancelFlags, ErasesTheUnknown, ForgetsTheWatchedTask, IgnoresVersions,
    KeepsTheExpiry, KeepsTheGeneration, LosesMissedWakeups, ServesAPausedLane, ShowsEveryTenant,
};
use super::runs::{
    CountsUnknownKinds, DropsHeldMessages, ExtendsLostLeases, FailsTheBatch, ForgetsLaneFaults, ForgetsMarks,
    ForgetsRescue, ForgetsSettings, IgnoresTheToken, ReleasesForAnyone, TellsNoPauses,
};
use super::twist::Twisted;

/// A store that is wrong in one way.
#[derive(Clone, Copy)]
pub struct WrongStore {
    /// Its name.
    pub name: &'static str,
    /// What it does wrong.
    pub does: &'static str,
    /// The call that is changed.
    pub call: &'static str,
    /// The case that must catch it.
    pub caught_by: &'static str,
    /// Puts it around a real store.
    pub(super) wrap: fn(Arc<dyn Store>) -> Arc<dyn Store>,
}

macro_rules! wrong_stores {
    ($($name:ident: $twist:ident, $call:literal, $does:literal, $caught_by:literal;)*) => {
        /// Every wrong store.
        pub const WRONG_STORES: &[WrongStore] = &[$(WrongStore {
            name: stringify!($name),
            does: $does,
            call: $call,
            caught_by: $caught_by,
            wrap: |real| Twisted::around(real, $twist::default()),
        },)*];

        /// Makes one test per wrong store: `wrong_store_tests!(MyHarness);`.
        #[macro_export]
        macro_rules! wrong_store_tests {
            ($harness:expr) => {
                $(
                    #[test]
                    fn $name() {
                        $crate::wrong::check_wrong_store(stringify!($name), std::sync::Arc::new($harness));
                    }
                )*
            };
        }
    };
}

wrong_stores! {
    forgets_rescue: ForgetsRescue, "tick", "rescues only the first task of a large lost claim",
        "lease::every_task_of_a_lost_claim_is_rescued";
    ignores_the_token: IgnoresTheToken, "settle", "takes a late success under whatever token",
        "lease::a_stale_settle_changes_nothing";
    releases_for_anyone: ReleasesForAnyone, "release", "takes a task from its holder when an earlier one releases it",
        "lease::a_stale_release_changes_nothing";
    claims_twice: ClaimsTwice, "claim", "hands a task out twice when there are fewer than asked for",
        "claim::a_claim_hands_each_task_out_once";
    drops_cancel_flags: DropsCancelFlags, "cancel_flags", "never tells the handler of a running task",
        "cancel::cancel_flags_tell_a_running_task";
    fails_the_batch: FailsTheBatch, "settle", "refuses a whole batch for one stale outcome in it",
        "settle::stale_outcome_in_a_batch_leaves_the_other_99_settled";
    loses_idempotency: LosesIdempotency, "enqueue", "forgets an idempotency key when its task is pruned",
        "idempotency::a_key_outlives_its_pruned_task";
    knows_no_asked_key: KnowsNoAskedKey, "enqueue", "answers a request of no tasks without a look at its key",
        "idempotency::a_key_is_looked_up_by_a_request_of_no_tasks";
    serves_a_paused_lane: ServesAPausedLane, "pause", "does not pause the lane of one tenant",
        "lanes::a_paused_lane_does_not_delay_its_neighbours";
    cuts_pauses_short: CutsPausesShort, "pause", "lets a shorter pause replace a longer one",
        "lanes::the_latest_end_of_a_pause_wins";
    forgets_marks: ForgetsMarks, "mark", "stores only the first mark of a call",
        "mark::every_lease_of_a_call_is_marked";
    counts_unknown_kinds: CountsUnknownKinds, "release", "counts a release for want of a handler as a failure",
        "lease::an_unknown_kind_waits_and_counts_nothing";
    extends_lost_leases: ExtendsLostLeases, "extend", "says that a lease holds when another worker has the task",
        "lease::a_stale_extend_is_refused";
    keeps_the_generation: KeepsTheGeneration, "retry", "answers a retry without a new generation",
        "retry::a_retry_starts_a_new_generation";
    keeps_the_expiry: KeepsTheExpiry, "retry", "leaves the old expiry in place",
        "retry::a_retry_clears_the_expiry";
    starts_everything: StartsEverything, "claim", "stores prefetched tasks as started",
        "lease::lost_prefetched_tasks_count_nothing";
    forgets_held: ForgetsHeld, "claim", "ignores what the worker holds of a target",
        "limits::a_bulkhead_counts_what_the_worker_holds";
    drops_held_messages: DropsHeldMessages, "settle", "keeps only the first held message of a call",
        "settle::each_success_keeps_its_held_message";
    loses_missed_wake_ups: LosesMissedWakeups, "wakeups", "loses the wake-up that comes while nobody waits",
        "events::a_wake_up_between_two_waits_is_not_lost";
    forgets_the_watched_task: ForgetsTheWatchedTask, "subscribe", "tells a watcher of one task of all",
        "events::one_task_can_be_watched";
    shows_every_tenant: ShowsEveryTenant, "list", "ignores which tenant's tasks were asked for",
        "list::tenants_are_filtered";
    erases_the_unknown: ErasesTheUnknown, "erase", "says of a task it does not have that it was erased, among others",
        "portable::an_erase_leaves_its_neighbours";
    forgets_lane_faults: ForgetsLaneFaults, "settle", "pauses a lane for the class of a failure alone",
        "breaker::a_fault_of_the_lane_pauses_it_and_the_task_follows_its_own_class";
    forgets_settings: ForgetsSettings, "settle", "forgets under which settings a provider refused us",
        "breaker::other_settings_lift_the_pause_of_a_misconfigured_target";
    tells_no_pauses: TellsNoPauses, "settle", "does not say which pauses the outcomes began and ended",
        "breaker::a_settle_tells_which_pauses_it_began_and_ended";
    ignores_versions: IgnoresVersions, "delete_record", "deletes a record that somebody else changed",
        "records::a_delete_expects_a_version";
}
