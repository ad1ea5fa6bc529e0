//! The suite that every store must pass: one check for each promise.
//!
//! A store brings a [`Harness`] and gets one `#[test]` for each check from
//! [`conformance_suite!`](crate::conformance_suite). The builders that the checks use are public, for the
//! tests of other crates.
#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

mod accounts;
mod addresses;
mod commits;
mod deletions;
mod devices;
mod dice;
mod dump;
mod events;
mod factors;
mod faults;
mod feed;
mod fixtures;
mod history;
mod keys;
mod links;
mod outbox;
mod rooms;
mod sessions;
mod subjects;
mod sweeps;

pub use dice::Dice;
pub use fixtures::*;

use crate::Store;
use std::pin::Pin;
use std::sync::Arc;

/// How the suite handles a store. Each check gets a harness of its own.
#[async_trait::async_trait]
pub trait Harness: Send + Sync {
    /// Opens a fresh, empty store.
    async fn open(&self) -> Arc<dyn Store>;

    /// Ends the store that [`open`](Self::open) made last as SIGKILL would, without any goodbye, and opens
    /// it again on what it left behind.
    async fn crash(&self, store: Arc<dyn Store>) -> Arc<dyn Store>;

    /// Lets every verb of the store opened last fail as in an outage, or work again.
    async fn set_available(&self, is_available: bool);
}

/// Runs one check, named `room::check`, on a runtime of its own.
pub fn run(harness: &dyn Harness, name: &str) {
    let (_, check) = CHECKS.iter().find(|(listed, _)| *listed == name).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    runtime.unwrap().block_on(check(harness));
}

/// Makes a module of tests for each room of the suite. The argument makes a new [`Harness`] each time it is
/// evaluated: `relatch_store::conformance_suite!(MyHarness::new());`
#[macro_export]
macro_rules! conformance_suite {
    (@table) => { $crate::conformance_suite!(@list (table)) };
    (@list $to:tt) => {
        $crate::conformance_suite! { @to $to
            sessions {
                every_field_of_a_session_comes_back
                each_optional_field_comes_back_alone
                large_numbers_and_odd_times_come_back
                an_unknown_session_is_none
                a_session_id_is_given_once
                only_a_session_of_the_present_epoch_begins
                a_session_of_an_unknown_or_disabled_user_never_begins
                one_of_many_logins_with_one_session_id_begins
                live_sessions_are_listed_newest_first
                a_session_leaves_the_list_at_the_end_of_its_idle_time
            }
            rooms {
                the_oldest_or_the_most_idle_session_leaves_for_a_new_one
                a_full_user_is_refused_without_a_trace
                a_session_of_the_same_browser_leaves_first_and_makes_room_where_nothing_else_does
                each_transport_may_have_a_bound_of_its_own
                dead_sessions_take_no_room
                a_smaller_room_than_before_is_made_all_at_once
                an_eviction_its_event_and_its_feed_entry_come_together
                of_50_logins_at_once_no_more_live_on_than_there_is_room_for
            }
            devices {
                a_device_is_known_by_its_user_alone_and_by_another_id_to_each
                a_device_remembers_the_last_login_and_what_was_last_heard_when_a_session_ended
                a_name_that_its_user_chose_outlasts_logins_and_a_given_one_does_not
                a_session_without_a_known_device_is_a_device_by_itself
                forgetting_a_device_ends_its_sessions_and_nobody_elses
                a_device_of_another_user_is_neither_named_nor_forgotten
                one_of_20_who_forget_a_device_at_once_does
                a_login_that_races_forgetting_leaves_no_session_on_a_device_that_is_not_known
                who_meets_one_device_too_many_forgets_the_one_seen_longest_ago
                devices_leave_with_their_last_session_and_with_their_user
            }
            commits {
                a_moved_head_is_seen_by_the_next_load
                a_commit_on_another_version_is_a_conflict
                a_commit_on_an_unknown_session_is_a_conflict
                one_of_64_commits_on_one_version_is_done
                commits_on_different_sessions_are_all_done
                every_step_of_a_contended_session_is_counted
                a_revoked_session_never_changes_again
                a_head_never_moves_after_the_end_of_all_sessions
                a_revocation_its_event_and_its_feed_entry_come_together
                a_healed_head_leaves_its_event_and_no_feed_entry
                a_conflict_writes_neither_event_nor_feed_entry
                of_a_refresh_and_a_logout_on_one_version_one_is_done
                an_acknowledged_revocation_is_seen_by_every_later_load
            }
            feed {
                an_empty_feed_begins_at_zero
                every_kind_of_revocation_comes_back_in_order
                the_feed_resumes_after_every_place
                a_follower_of_a_busy_feed_misses_nothing
            }
            subjects {
                the_end_of_all_sessions_ends_them_and_nobody_elses
                only_live_sessions_are_counted
                the_kept_session_goes_on_and_its_row_has_moved
                what_is_not_a_live_session_of_the_user_is_not_kept
                an_end_decided_on_another_epoch_writes_nothing
                one_of_50_ends_decided_on_one_epoch_is_done
                unconditional_ends_are_all_done_each_with_its_epoch
                a_login_checked_before_the_end_never_survives_it
                a_refresh_racing_the_end_never_survives_it
                a_disabled_user_is_out_and_stays_out_until_logging_in_anew
                enabling_whom_nobody_disabled_writes_nothing
                a_new_password_replaces_the_old_one_as_all_sessions_end
            }
            accounts {
                every_field_of_a_user_comes_back_by_every_key
                an_unknown_user_is_none
                a_password_comes_back_as_it_was
                a_taken_address_or_external_id_is_refused_without_a_trace
                a_taken_user_id_is_refused_and_nobody_changes
                users_without_address_or_external_id_do_not_clash
                one_of_50_signups_of_one_address_is_done
                one_of_50_signups_of_one_external_id_is_done
                users_are_listed_in_the_order_they_were_made
                a_better_hash_replaces_only_the_one_it_was_made_from
                one_of_50_upgrades_of_one_hash_is_written
            }
            links {
                a_link_is_good_until_it_expires_and_looking_does_not_use_it_up
                a_link_is_good_for_its_purpose_alone
                a_newer_link_replaces_older_ones_of_the_same_user_and_purpose
                a_reset_link_dies_with_its_epoch_and_a_verification_does_not
                a_verification_proves_the_address_once
                a_proved_address_keeps_its_first_proof
                an_expired_verification_changes_nothing
                one_of_50_submissions_of_a_verification_counts
                a_reset_by_link_sets_the_password_and_proves_the_address
                a_reset_by_a_bad_link_writes_nothing
                a_reset_link_works_to_its_last_millisecond
                one_of_50_submissions_of_a_reset_is_done
            }
            addresses {
                a_proved_address_becomes_the_users_and_its_event_tells
                moving_ends_every_other_link_and_no_session
                a_link_on_its_way_to_the_old_address_is_void_too
                a_bad_link_moves_nobody
                an_address_that_was_taken_meanwhile_is_refused_without_a_trace
                moving_to_another_spelling_of_ones_own_address_is_done
                an_address_that_was_left_is_free_again
                one_of_50_moves_to_one_address_is_done
                of_a_sign_up_and_a_move_to_one_address_one_is_done
                a_new_password_ends_a_move_that_is_under_way
            }
            deletions {
                a_deleted_user_is_nobody_to_every_verb
                every_session_of_a_deleted_user_is_revoked_and_verifiers_hear_of_it
                nothing_personal_is_left_of_a_deleted_user
                a_deletion_decided_on_another_epoch_writes_nothing
                a_deleted_users_address_and_external_id_are_free_and_the_id_is_not
                a_disabled_user_can_be_deleted_and_not_enabled
                one_of_50_deletions_is_done
                nothing_that_races_a_deletion_survives_it
                a_deletion_survives_a_crash
                what_is_left_of_a_deleted_user_leaves_with_their_last_event
            }
            factors {
                every_field_of_a_factor_comes_back
                a_pending_factor_takes_the_place_of_another_and_of_no_confirmed_one
                a_factor_is_confirmed_once_by_its_owner_and_in_time
                one_of_50_submissions_of_a_step_is_accepted
                no_step_up_to_the_last_is_accepted_again
                one_of_50_submissions_of_a_recovery_code_is_accepted
                new_recovery_codes_replace_all_others
                wrong_codes_are_counted_until_a_right_one
                the_last_factor_takes_the_recovery_codes_along
                an_operator_removes_all_factors_of_one_user
                what_was_proved_before_the_epoch_moved_changes_no_factor
                factors_outlive_a_disabled_user_and_not_a_deleted_one
                a_seed_is_sealed_anew_only_where_it_is_as_it_was_read
            }
            events {
                every_field_of_an_event_comes_back
                every_kind_of_event_comes_back
                events_of_unknown_users_are_ignored
                events_are_listed_newest_first_page_by_page
                events_are_filtered_by_user_and_session
                a_page_holds_no_more_than_asked_for_nor_than_the_cap
                events_recorded_at_once_are_all_there
            }
            outbox {
                every_field_of_a_delivery_comes_back
                what_is_due_is_taken_longest_due_first_and_not_a_millisecond_sooner
                a_lease_ends_and_each_take_counts_an_attempt
                an_attempt_ends_as_it_was_said
                a_late_word_counts_only_where_it_arrived
                of_many_takers_at_once_each_delivery_has_one
                a_delivery_is_kept_once_however_often_it_is_queued
                a_full_channel_takes_no_more_and_nothing_of_that_call
                what_waits_is_counted_by_kind
                what_waits_for_a_deleted_user_leaves_with_them
                a_link_its_message_and_its_event_come_together
                a_welcome_comes_with_its_user_alone
                a_new_follower_begins_behind_the_newest_event
                events_are_read_oldest_first_page_by_page
                a_mark_moves_with_what_follows_or_not_at_all
                one_of_20_nodes_that_read_the_same_events_keeps_what_follows
                the_sweep_leaves_what_a_follower_has_not_read
            }
            sweeps {
                what_died_before_the_limit_leaves_and_not_a_millisecond_sooner
                live_sessions_stay_however_often_it_sweeps
                a_batch_is_no_larger_than_asked_for
                a_round_ends_and_the_next_one_finds_what_died_since
                old_events_feed_entries_and_expired_links_leave
                places_are_not_given_again_after_a_sweep
                refreshes_and_logins_go_on_during_a_sweep
            }
            keys {
                a_signing_key_comes_back_as_it_was
                a_signing_key_decided_on_a_stale_list_is_not_added
                one_of_20_rotations_decided_on_one_list_is_done
                an_update_of_a_signing_key_leaves_what_the_key_is
                a_removed_signing_key_is_gone_and_only_a_revoked_one_is_in_the_feed
                an_api_key_comes_back_by_its_hash
                a_revoked_api_key_stays_revoked_since_the_first_time
                a_client_is_replaced_and_removed_by_its_id
            }
            faults {
                an_open_store_answers_and_keeps_its_name
                a_crash_loses_nothing_that_was_acknowledged
                many_writers_lose_nothing_to_a_crash_right_after
                an_outage_is_an_error_of_every_verb_and_harms_nothing
            }
            history {
                a_random_history_gets_the_answers_of_the_reference
            }
        }
    };
    (@to (table) $($room:ident { $($check:ident)* })*) => {
        &[$($((
            concat!(stringify!($room), "::", stringify!($check)),
            |harness| Box::pin($room::$check(harness)),
        ),)*)*]
    };
    (@to (test $harness:expr) $($room:ident { $($check:ident)* })*) => {$(
        mod $room {
            #[allow(unused_imports, reason = "the harness may be named by its full path")]
            use super::*;
            $(
                #[test]
                fn $check() {
                    let name = concat!(stringify!($room), "::", stringify!($check));
                    $crate::conformance::run(&$harness, name);
                }
            )*
        }
    )*};
    ($harness:expr) => { $crate::conformance_suite!(@list (test $harness)); };
}

type Check = for<'a> fn(&'a dyn Harness) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Every check by name. A check that is not listed is dead code, and the compiler says so.
const CHECKS: &[(&str, Check)] = conformance_suite!(@table);

/// Enough for races to happen on a small machine too.
const WORKERS: usize = 4;

/// Runs all of them at once, each on its own task; the answers in the order of the tasks.
async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(running.len());
    for task in running {
        answers.push(task.await.unwrap());
    }
    answers
}
