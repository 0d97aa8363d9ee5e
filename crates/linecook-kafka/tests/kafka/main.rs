//! The log contract on a real broker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod copier;
mod cut;
mod gaps;
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
