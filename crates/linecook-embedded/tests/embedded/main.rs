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
    linecook_log::planted_tests!(crate::subject::Embedded::impatient);
}
