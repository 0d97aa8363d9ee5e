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
mod runs;
mod soon;
mod stranger;
mod subject;
mod unowned;
mod zombies;

mod conformance {
    linecook_log::conformance_tests!(crate::subject::KafkaSubject::new());
}

/// That the suite is not blind here: each law broken around this log is found, but for what a kill cannot show. Brokers do
/// not die with a process, so that nothing is lost by that which was written.
mod planted {
    linecook_log::planted_tests!(crate::subject::KafkaSubject::impatient);
}
