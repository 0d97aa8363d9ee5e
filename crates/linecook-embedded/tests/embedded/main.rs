//! The embedded log from outside.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "what the helpers of a test cannot do fails the test; its numbers are small"
)]

mod chain;
mod cold_reads;
mod concurrent;
mod corrupt;
mod disk_full;
mod failed_sync;
mod golden;
mod inspect;
mod limits;
mod locked;
mod memory;
mod model;
mod power_loss;
mod resting_files;
mod retention;
mod rows_stuck;
mod stubborn_files;
mod subject;
mod support;

mod conformance {
    linecook_log::conformance_tests!(crate::subject::Embedded::new());
}

/// That the suite is not blind here: each law broken around this log is found, but for what a kill cannot show. On these
/// files it loses nothing that was written.
mod planted {
    use linecook_log::conformance::planted::{Law, expect_found};

    use super::subject::Embedded;

    fn find(law: Law) {
        expect_found(law, Embedded::impatient);
    }

    #[test]
    fn a_log_that_is_not_atomic_is_found() {
        find(Law::Atomic);
    }

    #[test]
    fn a_log_that_does_not_fence_is_found() {
        find(Law::Fenced);
    }

    #[test]
    fn a_log_that_shows_what_is_not_committed_is_found() {
        find(Law::CommittedOnly);
    }

    #[test]
    fn a_log_that_is_not_ordered_is_found() {
        find(Law::Ordered);
    }

    #[test]
    fn a_log_that_loses_more_than_a_suffix_is_found() {
        find(Law::Prefix);
    }

    #[test]
    fn a_log_that_waits_for_slow_groups_is_found() {
        find(Law::Independent);
    }

    #[test]
    fn a_log_that_does_not_refuse_is_found() {
        find(Law::Refused);
    }
}
