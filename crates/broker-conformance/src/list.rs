//! The table of contents: every case with the rule it proves. Tests, registry and documents are made
//! from this one list.

/// Hands the list to `$then!`, with `$args` before it.
#[doc(hidden)]
#[macro_export]
macro_rules! with_cases {
    ($then:ident; $($args:tt)*) => {
        $crate::$then! {
            $($args)*;
            enqueue {
                due_now_is_queued = "A task that is due now is queued with everything that was said about it.";
                due_later_is_scheduled = "A task that is due later is scheduled and not handed out.";
                a_due_time_that_has_passed_is_now = "A due time in the past means now.";
                ids_are_answered_in_order = "As many tasks as fit one request get distinct ids, answered in the order they came in.";
                one_bad_task_refuses_all = "All tasks of a request are stored or none, and the error names the bad one and its field.";
                a_bad_request_never_fails_its_neighbours = "A refused request changes nothing for others at the same moment.";
                too_many_at_once_are_refused = "A request has at most 1,024 tasks.";
                payloads_have_a_largest_size = "A payload has at most 256 KiB.";
                a_schedule_has_a_furthest_time = "A task is scheduled at most a year ahead.";
                keys_have_a_longest_length = "Unique and idempotency keys have at most 255 bytes.";
                an_own_id_is_kept_and_taken_once = "A caller's own id is kept, and refused when it is taken.";
            }
            idempotency {
                a_repeat_answers_as_the_first = "The same key and request answer the first ids, with their state now, and store nothing.";
                another_request_under_the_same_key_is_refused = "The same key with another request is refused.";
                the_scope_is_tenant_operation_and_key = "An idempotency key counts within its tenant and operation.";
                a_key_outlives_its_pruned_task = "A repeat never stores again, even if the task was pruned meanwhile.";
                a_key_is_kept_24_hours = "A key is remembered for 24 hours from its first use.";
                it_is_looked_at_before_the_unique_key = "The idempotency key is looked at before the unique key.";
                repeats_at_the_same_moment_store_one = "Of repeats at the same moment, one stores.";
                a_refused_request_leaves_its_key_free = "A request that was refused does not use up its key.";
                a_key_outlives_a_restart = "Idempotency keys are durable.";
                a_duplicate_replays_with_its_holder = "A replay of a duplicate answers the holder again.";
                a_key_is_looked_up_by_a_request_of_no_tasks = "A request of no tasks answers what its key holds, and does not use up one that holds nothing.";
            }
            unique {
                a_duplicate_answers_the_holder_and_changes_nothing = "A duplicate answers the holder's id and state and changes nothing.";
                the_scope_is_tenant_kind_and_key = "A unique key counts within tenant and kind, in whatever queue.";
                a_key_is_held_until_final = "A unique key is held while its task is scheduled, queued, running or retrying.";
                each_final_state_frees_the_key = "Each final state frees the unique key.";
                a_key_is_held_for_a_stated_period = "A key held for a period is held for it whatever becomes of the task.";
                a_period_ends_while_its_task_waits = "A period that is over frees the key even if the task still waits.";
                a_period_has_a_longest_length = "A unique key is held for a period of at most 24 hours.";
                duplicates_within_one_request_are_found = "The second task with a key in one request is a duplicate of the first.";
                the_end_of_an_old_holder_frees_nothing_of_the_new = "The end of an earlier holder leaves the key of the present one alone.";
            }
            claim {
                a_claimed_task_is_running_under_its_worker = "A claimed task is running: attempt + 1, its worker, its start, and all the handler needs.";
                first_in_first_out_within_lane_and_priority = "Tasks of one lane and priority come out in the order they went in.";
                the_more_urgent_goes_first = "The more urgent task of a queue is handed out first.";
                every_eighth_turn_serves_the_lowest_priority = "Every eighth turn serves the lowest priority that is not empty.";
                the_lowest_turn_goes_to_the_lowest_that_waits = "An empty lowest priority leaves its turn to the next above it.";
                one_large_claim_serves_the_lowest_too = "A large claim serves the lowest priority as many small ones do.";
                a_claim_hands_each_task_out_once = "A claim hands out each task once, and a running one not at all.";
                callers_at_the_same_moment_never_share = "Claims at the same moment never share a task.";
                queues_are_served_in_the_order_asked_for = "A claim takes from its queues in the order named, and from no other.";
                a_claim_has_a_largest_size = "A claim hands out at most what was asked for, and at most a thousand.";
                free_slots_start_and_the_rest_is_prefetched = "A claim's free slots are stored as started, the rest as prefetched.";
                settle_claims_in_the_same_call = "One call settles, reports what has started and claims.";
                what_a_settle_frees_it_can_claim = "The claim of a settle comes after its outcomes.";
                tokens_are_never_given_twice = "Each claim has a token of its own that cannot be guessed.";
                an_extend_reports_what_has_started = "An extend can say that a prefetched task has started.";
            }
            lanes {
                a_paused_lane_does_not_delay_its_neighbours = "A paused lane, however full, delays no other lane.";
                a_paused_queue_hands_out_nothing = "A paused queue hands out nothing until it is resumed.";
                a_pause_of_a_target_holds_its_tenants = "A pause of a target holds all lanes under it, also new ones.";
                a_pause_holds_in_its_queue_alone = "A pause of a target holds in its own queue only.";
                a_timed_pause_ends_by_itself = "A pause with an end ends by itself.";
                a_pause_without_a_readable_end_is_refused = "A pause of more than 366 days is refused; one without an end is not.";
                the_latest_end_of_a_pause_wins = "Of two pauses the later end wins.";
                running_tasks_go_on_in_a_paused_lane = "A pause leaves running tasks alone.";
                due_tasks_of_a_paused_lane_wait_in_it = "A task that becomes due in a paused lane waits there.";
                the_ring_turns_over_targets = "Each target gets its turn, however many tasks the others have.";
                then_over_the_tenants_of_a_target = "A target's turn goes round its tenants, so that tenants do not add up to more turns.";
                a_lane_that_empties_leaves_its_turn_to_others = "An empty lane leaves the ring and comes back with its next task.";
                many_held_up_targets_hide_no_free_one = "However many targets are held up, one claim finds the one that is free.";
                many_held_up_tenants_hide_no_free_one = "However many tenants of a target are held up, one claim finds the one that is free.";
                held_up_targets_wake_nobody = "A claim that meets nothing but targets that are held up wakes nobody.";
                a_lane_whose_tasks_were_cancelled_has_one_turn = "Tasks that were cancelled while they waited give their lane no second turn.";
                lanes_are_listed_with_what_holds_them = "Lanes are listed with pause, running and waiting tasks.";
            }
            limits {
                a_rate_bounds_what_starts = "A rate bounds how many tasks of a lane start in a period, and holds up no other lane.";
                a_concurrency_bounds_what_runs = "A concurrency bounds what runs at once, and every end frees its place.";
                limits_of_a_target_hold_for_its_tenants = "Limits of a target hold for all lanes under it together.";
                limits_of_a_tenant_hold_for_it_alone = "Limits of one tenant's lane leave the target's other lanes alone.";
                limits_of_a_queue_are_those_of_its_default_lane = "Limits of a queue are those of its default lane.";
                limits_can_be_lifted_and_are_shown = "Limits are listed, and can be lifted.";
                a_lower_rate_holds_from_now_on = "A rate that is lowered holds from now on: what started under the higher one counts for one period at most.";
                a_prefetched_task_takes_a_place = "A prefetched task takes a place of its lane's concurrency.";
                a_bulkhead_bounds_each_target = "A claim takes at most so many of each target, and any number of default lanes.";
                a_bulkhead_counts_what_the_worker_holds = "What the worker holds of a target already counts against its bulkhead.";
            }
            names {
                kinds_and_queues_of_a_tenant_are_bounded = "A tenant names so many kinds and queues; after a week without use they count no more.";
                what_every_installation_has_counts_for_no_tenant = "A tenant that names all it may still uses the kinds notify, http and callback and the queue default.";
                every_task_that_names_too_much_is_named = "A refusal for too many names says every task of the request that is beyond that bound.";
                lanes_of_a_tenant_are_bounded = "A tenant names so many lanes; after a week without use they count no more.";
                names_of_tenants_leave_the_installation_its_own = "However many names tenants bring, the installation has room for its own.";
            }
            breaker {
                throttled_pauses_until_the_latest_time = "A throttled target is paused for all workers until the latest time it asked for.";
                throttled_without_a_time_pauses_a_minute = "A throttled target that names no time is paused for a minute.";
                a_parked_task_lets_others_go_first = "What caused a pause goes behind what waits in its lane: it is not the probe, nor first afterwards.";
                a_time_of_zero_is_none = "A throttled target that names zero is paused for a minute, and no task is tried sooner than its backoff.";
                a_fault_of_the_lane_pauses_it_and_the_task_follows_its_own_class = "A failure may show a fault of its lane beside its own class: the lane is paused for that, the task follows its class.";
                a_settle_tells_which_pauses_it_began_and_ended = "A settle tells which pauses its outcomes began and ended, and of which target.";
                other_settings_lift_the_pause_of_a_misconfigured_target = "A pause of a misconfigured target keeps the settings that were refused; others of the same provider lift it, and no other pause.";
                throttled_in_the_default_lane_pauses_it = "Throttling in a default lane pauses that lane.";
                misconfigured_pauses_until_a_person_resumes = "A misconfigured target is paused until a person resumes it.";
                misconfigured_is_probed_every_five_minutes = "A misconfigured target gets one probe every five minutes, and one that gets through resumes it.";
                five_unavailable_in_a_row_open_the_breaker = "Five unavailable tries in a row open a target's breaker, and an answer between them starts the count again.";
                half_open_hands_out_one_and_a_success_closes = "A half-open breaker hands out one task, and its success closes it.";
                half_open_is_closed_by_a_transient_failure = "A half-open breaker is closed by any answer of the target.";
                the_breaker_doubles_up_to_five_minutes = "An open breaker waits 5 s, doubling to 5 minutes, and starts again once closed.";
                a_person_closes_the_breaker = "A resume closes the breaker.";
                a_lost_probe_is_followed_by_another = "A probe whose worker died is followed by another.";
                a_throttle_that_is_over_lets_the_breaker_open = "A pause that is over keeps no breaker from opening.";
                the_breaker_of_one_target_leaves_others_alone = "An open breaker holds up no other target.";
            }
            settle {
                a_success_keeps_its_result = "A success is final, with its result and its attempt.";
                each_success_keeps_its_held_message = "What a success keeps beside it is stored with it and counted as held.";
                stale_outcome_in_a_batch_leaves_the_other_99_settled = "One stale outcome never touches the rest of its batch.";
                only_the_last_settled_token_is_known = "The token that settled a task last answers already settled, any older one lease lost.";
                a_retry_forgets_no_token = "The last token is known after a retry of its task too.";
                one_lease_twice_in_a_call_settles_once = "A lease that comes twice in a call settles once.";
                a_result_too_large_refuses_the_call = "A result of more than 256 KiB refuses the whole call and names its index.";
                a_failure_is_told_with_its_class_and_code = "A failure is kept with class, message and code, in the task and in its attempt.";
                long_messages_are_cut_at_a_character = "A long message is cut to 2 KiB at a character.";
                the_try_that_reaches_max_failures_is_the_last = "Only counted tries count against the largest number of failures, and the one that reaches it is the last.";
                delays_follow_the_tries_that_ended_in_a_class = "The n-th delay follows the n-th try that ended in a class, and the last delay repeats.";
                policies_are_kept_and_followed = "A task is tried again as its own policy says, those that a store knows without their text included.";
                exponential_delays_stay_within_their_bound = "Exponential delays double up to their cap and are drawn with full jitter.";
                a_longer_delay_asked_for_wins = "A delay that the target asked for wins if it is longer than the policy's.";
                ambiguous_is_retried_or_held_by_policy = "An ambiguous try is tried again or held, as the policy says.";
                a_next_try_after_expiry_expires_now = "A failure whose next try would come after the expiry expires the task.";
                max_age_ends_tries_that_count_nothing = "Uncounted tries end at the largest age, counted ones do not.";
                max_age_runs_from_the_first_due_time = "The largest age runs from the first due time, not from the enqueue.";
            }
            snooze {
                a_snoozed_task_comes_back_after_its_delay = "A snoozed task is retrying until its delay is over, and is then handed out again.";
                a_snooze_counts_nothing = "A snooze counts no failure, no try that ended in a class and no retry, and keeps what was said before.";
                a_snooze_past_max_age_ends_as_max_age = "A snooze at or beyond the largest age fails the task as max_age.";
                a_snooze_past_the_expiry_expires = "A snooze beyond the expiry expires the task.";
                a_stale_snooze_is_lease_lost = "A snooze of a lost lease is refused, and a repeat of one is already settled.";
                a_snooze_touches_no_breaker = "A snooze neither counts towards a breaker, nor closes or pauses anything.";
                a_snooze_after_a_cancel_cancels = "A snooze after a cancel request cancels the task.";
            }
            tables {
                each_row_of_the_state_table_happens = "Each row of the state table leads where it says.";
                pairs_outside_the_table_leave_the_task_unchanged = "An operation that is in no row for a state leaves the task as it was.";
                each_row_of_the_class_table_holds = "Each row of the class table means for task, counter and lane what it says.";
            }
            lease {
                a_lost_lease_is_rescued_to_the_front = "A task whose lease ran out is queued again at the front, uncounted, and its log says so.";
                every_task_of_a_lost_claim_is_rescued = "All tasks of a lost claim are rescued, in the order they had.";
                rescue_comes_within_the_lease_and_two_seconds = "A dead worker's task is rescued not before its lease ends and at most two seconds after.";
                a_lease_lasts_as_long_as_asked_for = "A lease lasts as long as its claim asked for.";
                an_extended_lease_is_kept = "A lease that is extended is never rescued.";
                a_stale_settle_changes_nothing = "A late success of a lost lease is refused, and the new holder goes on.";
                a_stale_failure_changes_nothing = "A late failure of a lost lease is refused, and the new holder goes on.";
                a_guessed_token_is_refused = "A token that was never given out fits nothing.";
                a_stale_extend_is_refused = "An extend of a lost lease is refused, alone.";
                a_stale_extend_keeps_nothing_alive = "An extend of a lost lease does not lengthen the one that holds.";
                a_stale_release_changes_nothing = "A release of a lost lease is refused, and the new holder goes on.";
                a_settled_lease_extends_nothing = "A settled lease cannot be extended.";
                a_dead_worker_is_given_up_after_three_rescues = "A started task whose workers were gone fails as worker lost after three rescues.";
                leases_lost_by_a_living_worker_count_nothing = "Leases lost while their worker lives never fail a task.";
                lost_prefetched_tasks_count_nothing = "Prefetched tasks that were never started are rescued uncounted.";
                a_retry_forgets_earlier_rescues = "A new generation starts with no rescues.";
                a_store_gap_longer_than_the_lease_reruns_nothing_healthy = "After a gap of the store longer than the lease, healthy tasks stay with their workers.";
                after_a_gap_dead_workers_are_found_one_lease_later = "After a gap, rescue waits one full lease and then goes on.";
                a_release_goes_to_the_front_uncounted = "Released tasks go to the front in their order, and nothing is counted.";
                an_unknown_kind_waits_and_counts_nothing = "A task released for want of a handler waits as told, and nothing is counted.";
                a_detached_lease_outlives_its_worker = "A detached lease lasts as long as its extend said, without its worker, and its token settles it.";
                an_extend_of_its_worker_leaves_a_detached_lease_alone = "An extend that is not detached neither shortens a detached lease nor lengthens it.";
                a_detached_lease_that_runs_out_is_lost = "A detached lease that runs out is lost as any other: ambiguous after its mark, and rescued before it.";
                a_detached_lease_has_a_longest_length = "An extend gives a lease of at most 15 minutes.";
                a_detached_task_can_be_cancelled = "A detached extend tells of a cancel request, and any end but a success cancels the task then.";
                detached_is_no_outcome = "A store refuses to settle a task as detached, and changes nothing.";
                an_extend_is_for_each_lease_alone = "Each lease of an extend is answered for itself.";
            }
            mark {
                a_mark_is_granted_to_the_lease_that_holds = "A mark is granted to the lease that holds, again on a repeat, and to no other.";
                a_refused_mark_marks_nothing = "A refused mark leaves the new attempt unmarked.";
                a_lease_lost_after_its_mark_is_ambiguous = "A lease lost after its mark counts as ambiguous.";
                a_late_word_on_it_is_refused = "A late outcome of a marked lease that was lost is refused: the task is tried again.";
                held_if_its_policy_says_so = "A lease lost after its mark fails the task if the policy holds ambiguous tries.";
                every_lease_of_a_call_is_marked = "Each lease of a mark call is marked.";
                a_mark_ends_with_its_attempt = "A mark holds for its attempt only.";
                a_marked_release_is_ambiguous = "A marked task that is released counts as ambiguous.";
                a_class_wins_over_the_mark = "A class that the handler returns wins over the mark.";
                a_mark_does_not_lengthen_the_lease = "A mark does not lengthen its lease.";
            }
            cancel {
                a_waiting_task_is_cancelled_at_once = "A scheduled, queued or retrying task is cancelled at once and never handed out.";
                cancel_flags_tell_a_running_task = "The handler of a running task is told by the cancel flags.";
                an_extend_tells_it_too = "An extend tells of a cancel request and keeps the lease.";
                a_lost_lease_is_told_to_stop = "The cancel flag of a lost lease is set.";
                a_success_stands_after_a_cancel = "A success stands although a cancel was requested.";
                any_failure_after_a_cancel_cancels = "A failure of any class after a cancel request cancels the task.";
                a_lost_lease_after_a_cancel_cancels = "A lease lost after a cancel request cancels the task, marked or not.";
                a_release_after_a_cancel_cancels = "A release after a cancel request cancels the task.";
                a_final_task_stays_as_it_ended = "A cancel of a final task answers its state and changes nothing.";
                many_are_answered_in_order = "A cancel of many answers each in order.";
                cancel_retry_claim_ten_gives_one_attempt = "Cancelled, retried and claimed, a task runs once.";
                a_cancel_request_ends_with_its_attempt = "A cancel request does not reach into the next generation.";
            }
            retry {
                a_retry_starts_a_new_generation = "A retry queues the task in a new generation with counters from zero.";
                history_is_kept_over_generations = "Attempts of all generations are kept.";
                only_failed_cancelled_and_expired_are_retried = "Only failed, cancelled and expired tasks can be retried.";
                a_retry_clears_the_expiry = "A retry clears the expiry.";
                or_sets_the_one_given = "A retry sets the expiry that it was given.";
                a_held_unique_key_refuses_a_retry = "A retry is refused while another task holds the unique key.";
                a_retry_holds_its_unique_key_again = "A retried task holds its unique key again.";
                two_retries_in_a_call_share_no_unique_key = "Two retries in one call do not share a unique key.";
                max_age_starts_again = "The largest age of a new generation runs from its own first due time.";
                many_are_retried_and_run_once_each = "A retry of many runs each once.";
                the_delays_start_again = "The delays of a new generation start from the first.";
            }
            tick {
                a_scheduled_task_becomes_ready_when_due = "A scheduled task is queued when it is due and not before.";
                a_retrying_task_becomes_ready_when_due = "A retrying task is queued when its next try is due and not before.";
                due_tasks_are_ready_in_the_order_of_their_times = "Tasks that became due are handed out in the order of their due times.";
                a_tick_says_when_the_next_is_due = "A tick says how long until something is due.";
                a_tick_moves_no_more_than_its_limit = "A tick moves at most its limit and says that there is more.";
                a_million_due_at_once_becomes_ready_in_bounded_steps = "A million tasks due at once become ready in bounded steps, each of them full.";
                ticks_at_the_same_moment_move_each_task_once = "Ticks of many workers move each task once.";
                a_waiting_task_expires = "A scheduled, queued or retrying task expires at its time.";
                a_running_task_does_not_expire = "A running task does not expire.";
                a_rescued_task_past_its_expiry_expires = "A task rescued after its expiry expires.";
                a_final_task_does_not_expire = "A final task does not expire.";
                a_claim_passes_over_a_bounded_number_of_expired_tasks = "One claim passes over a bounded number of expired tasks.";
                an_expired_task_is_not_handed_out_between_ticks = "A task past its expiry is not handed out before a tick has seen it.";
                parking_is_bounded_by_max_age = "A parked task fails at its largest age.";
                waiting_in_a_queue_is_not_bounded_by_max_age = "Waiting in a queue is not bounded by the largest age.";
                expiry_frees_the_lane = "Expired tasks leave their lane empty and in order.";
            }
            retention {
                each_end_has_its_age = "Finished tasks are kept a day, failed ones 14 days, and waiting ones for ever.";
                each_end_has_its_count = "Finished tasks are kept up to a number, failed ones apart, and the oldest go first.";
                everything_goes_with_its_task = "Attempts, result and held message go with their task.";
                a_retried_task_is_not_pruned = "A retried task is not pruned for its earlier end.";
                a_second_end_starts_the_age_again = "The age of a finished task runs from its last end.";
                a_tick_reports_what_it_pruned = "A tick reports how many tasks it removed.";
                the_log_keeps_the_last_fifty_attempts = "The log of a task keeps its last fifty attempts.";
                workers_are_listed_until_they_are_silent = "Workers are listed until they leave or are silent for a minute.";
            }
            list {
                newest_first = "A list runs from the newest task.";
                a_cursor_goes_on_while_tasks_are_added = "A cursor goes on where its page ended, whatever is added meanwhile.";
                pages_have_a_largest_size = "A page has a largest size, and the pages together have everything.";
                a_foreign_cursor_is_refused = "A cursor that the store did not give out is refused.";
                states_are_filtered = "A list can be of some states.";
                queues_kinds_and_batches_are_filtered = "A list can be of a queue, a kind, a batch, or all of them at once.";
                a_recipient_is_kept_and_found = "A task tells whom it is for, and a list of a recipient has that one's tasks alone.";
                every_task_of_a_recipient_is_found = "However many tasks a recipient has, a list of it ends with the last of them.";
                what_was_said_of_a_recipient_goes_with_its_task = "A recipient whose tasks were pruned has none, and a retried one keeps its own.";
                a_recipient_has_a_longest_length = "A recipient has at most 255 bytes.";
                tenants_are_filtered = "A list can be of a tenant.";
                classes_are_filtered = "A list can be of tasks whose last failure was of a class.";
                bodies_come_when_asked_for = "Payloads and results come when asked for.";
                a_scarce_filter_says_how_far_it_came = "A list that stops looking before its page is full says how far it came and goes on from there.";
                a_list_follows_what_happens = "A list shows the present state of its tasks.";
                get_answers_in_order_and_nothing_for_the_unknown = "A get answers in order, with nothing for an unknown id.";
                the_running_attempt_is_last_in_the_log = "The log of a task ends with its running attempt.";
            }
            numbers {
                counts_are_by_queue_and_state = "The counters are by queue and state.";
                each_state_is_counted_where_it_is = "Each state has its counter, and a recount agrees.";
                a_paused_queue_is_shown = "The counters show that a queue is paused.";
                series_count_what_happened = "The series count everything that happened, with waits and runs by duration.";
                series_are_by_the_minute_oldest_first = "The series have a point a minute, oldest first, within the range asked for.";
                series_are_kept_30_days = "The series are kept 30 days.";
                a_store_says_how_it_is = "A healthy store says so, with its size and version.";
            }
            events {
                each_change_is_told_in_order = "Each change of state is told once and in order.";
                an_event_tells_class_and_next_try = "An event tells the class of a failure and when the next try is due.";
                ends_by_time_are_told_too = "A task that expires is told as any other.";
                one_task_can_be_watched = "A watcher of one task hears of that task only.";
                a_batch_is_told_task_by_task = "Each task of a batch is told.";
                a_slow_watcher_is_told_that_it_missed_some = "A watcher who is too slow is told that events were dropped.";
                an_enqueue_wakes = "A task that is ready wakes who waits for work.";
                a_wake_up_between_two_waits_is_not_lost = "A wake-up that comes while nobody waits is there for the next wait.";
                due_tasks_wake = "A task that becomes due wakes who waits for work.";
                what_comes_back_wakes = "Released, rescued and retried tasks wake who waits for work.";
                a_resume_wakes = "A resume wakes who waits for work.";
                a_freed_place_wakes = "A freed place of a limited lane wakes who waits for work.";
            }
            records {
                a_record_reads_back = "A record reads back as it was put.";
                a_version_rises_with_each_put = "A record's version rises by one with each put.";
                a_put_expects_a_version = "A put that expects another version is refused and told the present one.";
                a_put_can_expect_nothing = "A put can expect that there is no such record.";
                a_delete_expects_a_version = "A delete that expects another version is refused.";
                kinds_are_apart = "Records of different kinds share no names.";
                lists_run_by_name_both_ways = "Records are listed by the bytes of their names, both ways, from beyond a name.";
                lists_of_any_length_are_whole = "A list of records may be longer than a page, and ends where the records do.";
                bodies_have_a_largest_size = "A record has at most 1 MiB and its name at most 255 bytes.";
                writers_at_the_same_moment_see_each_other = "Of writers that expect the same version, one wins.";
            }
            portable {
                an_erased_task_leaves_nothing = "An erased task is gone with its bodies, attempts, held message, unique key and index entries, and the counters are right.";
                a_running_task_is_not_erased = "A running task is not erased, and a repeated erase answers not found.";
                an_erase_leaves_its_neighbours = "An erase answers in order and leaves all other tasks in theirs.";
                everything_moves = "What is exported and imported elsewhere is the same: tasks in every state, keys, records, lanes, pauses, series.";
                a_second_import_changes_nothing = "An import of the same items changes nothing.";
                what_was_imported_goes_on = "Imported tasks, keys and times go on as they would have where they were.";
                an_imported_end_is_pruned_in_its_time = "A finished task that was imported is kept as long as if it had ended there.";
                what_is_there_stays = "An import leaves what is there as it is.";
                too_many_items_are_refused = "An import has a largest size, and an export takes its own cursors only.";
                a_random_store_moves_whole = "After any mix of operations a store moves whole.";
            }
            restart {
                tasks_are_as_they_were = "Tasks and counters are as they were before a restart.";
                order_and_schedule_go_on = "Order and due times go on over a restart.";
                leases_end_with_their_process = "Leases found at open are rescued at once where workers live in the store's only process; a shared store leaves them to their workers.";
                detached_leases_go_on = "A detached lease goes on over a restart until its time, and is then lost.";
                marked_leases_are_not_run_again_unasked = "Marked leases found at open are ambiguous, at once or, in a shared store, when they run out.";
                a_cancel_request_outlives_it = "A cancel request is durable.";
                pauses_and_limits_go_on = "Pauses and limits are durable.";
                an_open_breaker_goes_on = "An open breaker is durable.";
                places_are_counted_again = "Places of a limited lane are not lost with their process.";
                keys_and_records_are_there = "Unique keys and records are durable.";
                a_token_fits_no_later_lease = "A token from before a restart fits its own lease, where that goes on, and never a later one.";
                ten_restarts_lose_nothing = "Ten restarts in the middle of work lose nothing.";
            }
            clock {
                clock_back_an_hour = "A wall clock set back an hour re-runs nothing, keeps no dead lease alive and hides no ready task.";
                clock_forward_an_hour = "A wall clock set forward an hour re-runs nothing and makes due what is due by it.";
                a_clock_set_back_prolongs_no_pause = "A wall clock set back prolongs no pause, by a person or by a breaker, of a lane or of a queue; where it is the only clock, by no more than the jump.";
                limits_run_by_time_that_passes = "Rates run by time that passes, not by the wall clock.";
                history_survives_a_jump_back = "A task that ends before it started by the wall clock is settled as any other.";
            }
            the_same_operation_sent_twice {
                enqueue = "A repeated enqueue with an own id is refused, with a key replayed.";
                claim = "A repeated claim is a new claim, and what the lost reply held comes back uncounted.";
                settle = "A repeated settle answers already settled for each outcome and changes nothing.";
                mark = "A repeated mark is granted while the lease holds.";
                extend = "A repeated extend does the same, not twice as much.";
                cancel_flags = "Asking for cancel flags takes nothing away.";
                release = "A repeated release answers lease lost.";
                cancel = "A repeated cancel answers what it found.";
                retry = "A repeated retry answers the state it found.";
                tick = "A repeated tick finds nothing to move.";
                pause = "A repeated pause does nothing more.";
                resume = "A repeated resume does nothing.";
                set_limits = "Limits set again are the same limits.";
                heartbeat = "A repeated heartbeat renews one registration.";
                put_record = "A repeated put is refused by its expected version.";
                delete_record = "A repeated delete answers that there was nothing.";
            }
            model {
                random_operations_agree_with_the_model = "After any mix of operations each task is what a small model of the rules says.";
                counters_agree_with_a_recount_after_a_random_run = "After any mix of operations the counters agree with a recount.";
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __registry {
    (; $($theme:ident { $($name:ident = $rule:literal;)* })*) => {
        vec![$($($crate::Case {
            name: concat!(stringify!($theme), "::", stringify!($name)),
            rule: $rule,
            run: |harness| Box::pin(async move {
                let mut rig = $crate::rig::Rig::open(harness).await;
                Box::pin($crate::cases::$theme::$name(&mut rig)).await;
            }),
        },)*)*]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($harness:expr; $($theme:ident { $($name:ident = $rule:literal;)* })*) => {
        $(mod $theme {
            use super::*;
            $(
                #[test]
                fn $name() {
                    let name = concat!(stringify!($theme), "::", stringify!($name));
                    $crate::run_case(name, std::sync::Arc::new($harness));
                }
            )*
        })*
    };
}

/// Makes one test per case: `conformance_tests!(MyHarness);`.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::with_cases!(__tests; $harness);
    };
}
