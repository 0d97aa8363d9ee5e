//! The conformance suite: what every log has to pass before it may be called one.
//!
//! Plain functions over a [`Subject`], one or more a law; each panics with what was violated. They know nothing of the
//! log but its contract: the offsets of a partition may have gaps, a batch may come back cut or merged, a group may
//! take its time to settle. Every wait is for a condition and ends with [`Subject::patience`].
//!
//! A backend runs all of them, each as a test of its own, with [`conformance_tests!`](crate::conformance_tests), and
//! with [`planted`] it proves that they would find a log that breaks a law.
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use linecook_log::{Log, conformance::{Subject, planted}};
//! # struct MySubject;
//! # impl MySubject { fn new() -> Self { Self } }
//! # impl Subject for MySubject {
//! #     fn open(&mut self) -> Arc<dyn Log> { unreachable!() }
//! #     fn kill(&mut self) {}
//! #     fn max_silence(&self) -> Duration { Duration::from_millis(300) }
//! #     fn oversize_bytes(&self) -> usize { 1 << 30 }
//! # }
//! linecook_log::conformance_tests!(MySubject::new());
//!
//! fn a_log_that_breaks_a_law_is_found() {
//!     for law in planted::Law::ALL {
//!         planted::expect_found(law, || MySubject::new());
//!     }
//! }
//! ```

use std::{sync::Arc, time::Duration};

use crate::{Clock, Log, SystemClock};

mod consumer;
mod copier;
mod fixture;
mod numbers;
mod stage;

pub mod atomic;
pub mod committed_only;
pub mod durable;
pub mod fenced;
pub mod groups;
pub mod independent;
pub mod ordered;
pub mod planted;
pub mod prefix;
pub mod rebalance;
pub mod records;
pub mod refused;
pub mod rows;

/// A log under test, and what can befall it.
pub trait Subject {
    /// Opens the log; after [`kill`](Self::kill) or a close of the log, opens it again with the same data. Handles and
    /// members of the log before may still be there.
    fn open(&mut self) -> Arc<dyn Log>;

    /// As `kill -9`: the log that [`open`](Self::open) gave is dead from now on, without any farewell. What its members
    /// and handles do has no effect any more and ends with an error; what was not durable may be gone.
    fn kill(&mut self);

    /// A silence after which a member loses its partitions, long enough that one at work never falls silent for it.
    fn max_silence(&self) -> Duration;

    /// The length of a value that the log refuses for its size; one of a million bytes has to be taken.
    fn oversize_bytes(&self) -> usize;

    /// How long to wait for a condition before it counts as violated: well over the longest rebalance.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// What the names of topics and groups begin with. Where the data outlives the run, it has to change from run to
    /// run.
    fn name_prefix(&self) -> String {
        "conformance".to_owned()
    }

    /// The clock that deadlines are taken from.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock::new())
    }
}

/// A test of the suite.
pub type Test = fn(&mut dyn Subject);

/// The whole suite: each test with its name, which is `<law>: <sentence>`.
pub const ALL: &[(&str, Test)] = crate::conformance_tests!(@each table ());

/// Makes every test of the suite a `#[test]`, in a module named after its law. The argument is an expression that gives
/// a fresh [`Subject`](crate::conformance::Subject).
#[macro_export]
macro_rules! conformance_tests {
    (@each $how:ident $argument:tt) => {
        $crate::conformance_tests! { @$how $argument
            atomic {
                a_commit_is_there_with_all_its_parts
                a_commit_cut_by_a_kill_is_there_whole_or_not_at_all
                an_append_cut_by_a_kill_is_there_whole_or_not_at_all
                a_commit_that_is_refused_for_its_last_part_leaves_nothing
            }
            fenced {
                a_member_silent_for_too_long_cannot_commit
                a_member_cannot_commit_for_a_partition_of_another
                a_member_cannot_commit_before_it_is_assigned
                a_commit_that_speaks_for_no_partition_is_refused
                a_member_whose_name_was_taken_over_cannot_commit
                a_member_whose_name_was_taken_over_is_out_for_good
            }
            rebalance {
                every_record_has_one_effect_while_members_come_and_go
                co_partitioned_topics_have_one_owner
                a_partition_is_handed_over_with_its_rows_and_position
                a_member_that_dies_while_it_gives_up_leaves_nothing_unowned
                a_member_that_ends_while_it_gives_up_leaves_nothing_unowned
                a_member_that_leaves_hands_over
            }
            committed_only {
                nothing_of_a_refused_commit_is_ever_seen
                a_commit_seen_in_one_place_is_seen_in_all
                what_was_once_seen_survives_a_kill
            }
            ordered {
                records_are_read_in_the_order_of_their_appends
                outputs_of_a_commit_keep_their_order
                a_key_keeps_its_order_through_two_steps
                polls_bring_each_record_once_and_in_order
                a_member_goes_on_from_the_committed_offset
                a_backlog_does_not_delay_an_earlier_topic
                a_paused_partition_goes_on_behind_what_was_committed_of_it
                a_paused_partition_is_not_paused_for_its_next_owner
            }
            durable {
                an_acknowledged_append_survives_a_kill
                an_acknowledged_commit_survives_a_kill
                appends_of_many_threads_survive_a_kill_once_each
                what_was_written_before_a_close_is_there_after_it
                a_ticket_can_be_awaited
            }
            prefix {
                a_chain_killed_under_load_agrees_with_itself
                a_commit_is_never_there_without_those_before_it
            }
            independent {
                a_member_that_never_polls_stops_nobody
                a_member_far_behind_gets_everything_in_order
            }
            refused {
                a_topic_that_does_not_exist
                a_partition_that_does_not_exist
                another_partition_count_for_a_topic
                co_partitioned_topics_of_different_counts
                an_append_or_a_commit_of_nothing
                a_record_larger_than_the_log_takes
                whatever_waits_when_the_log_closes
                every_call_after_close
            }
            rows {
                a_member_sees_its_own_commit_at_once
                a_scan_goes_in_the_order_of_keys
                tables_and_partitions_are_separate
                the_outside_sees_a_durable_commit
                what_is_read_at_one_moment_is_of_one_commit
                a_reader_is_caught_up_when_the_input_is_consumed
                rows_of_a_partition_not_owned_are_fenced
                rows_belong_to_the_partitions_of_their_tables_topics
                rows_can_be_looked_at_whoever_owns_them
            }
            groups {
                a_declared_group_is_known_and_reads_from_the_start
                a_reset_moves_a_group_without_members
                a_reset_that_is_refused_moves_nothing
                a_dropped_group_goes_on_behind_what_was_there
                topics_are_described_with_start_and_end
                who_asks_about_some_topics_and_groups_hears_of_those
                an_open_log_takes_writes_and_names_its_figures
            }
            records {
                a_poll_returns_as_soon_as_there_are_records
                a_record_comes_back_as_it_was_written
                a_large_value_comes_back
                a_batch_says_where_it_comes_from
            }
        }
    };
    (@table () $($law:ident { $($test:ident)* })*) => {
        &[$($((
            concat!(stringify!($law), ": ", stringify!($test)),
            $crate::conformance::$law::$test as $crate::conformance::Test,
        ),)*)*]
    };
    (@tests ($subject:expr) $($law:ident { $($test:ident)* })*) => {
        $(mod $law {
            use super::*;
            $(#[test]
            fn $test() {
                $crate::conformance::$law::$test(&mut $subject);
            })*
        })*
    };
    ($subject:expr) => {
        $crate::conformance_tests! { @each tests ($subject) }
    };
}
