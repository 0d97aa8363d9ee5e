//! The log contract on a real broker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod copier;
mod cut;
mod ended;
mod gaps;
mod kept;
mod kitchen;
mod outage;
mod refused;
mod restore;
mod stranger;
mod subject;
mod zombies;

mod conformance {
    linecook_log::conformance_tests!(crate::subject::KafkaSubject::new());
}

/// That the suite is not blind here: each law broken around this log is found, but for what a kill cannot show. Brokers do
/// not die with a process, so that nothing is lost by that which was written.
mod planted {
    use linecook_log::conformance::planted::{Law, expect_found};

    use super::subject::KafkaSubject;

    fn find(law: Law) {
        expect_found(law, KafkaSubject::impatient);
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
