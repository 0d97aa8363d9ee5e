//! The log contract on a real broker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod copier;
mod cut;
mod gaps;
mod kitchen;
mod restore;
mod stranger;
mod subject;

use subject::KafkaSubject;

linecook_log::conformance_tests!(KafkaSubject::new());
