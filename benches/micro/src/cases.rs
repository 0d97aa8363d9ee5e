//! What is measured, from the smallest to the whole.

mod batches;
mod embedded;
mod events;
mod overlay;
mod workers;

use crate::Case;

/// All of them.
pub const CASES: [Case; 12] = [
    Case { name: "event-decode", prepare: events::decode },
    Case { name: "event-encode", prepare: events::encode },
    Case { name: "codec-bound", prepare: events::codec_bound },
    Case { name: "partitioner", prepare: events::partition },
    Case { name: "batch-build", prepare: batches::build },
    Case { name: "batch-read", prepare: batches::read },
    Case { name: "overlay", prepare: overlay::record_and_get },
    Case { name: "embedded-append", prepare: embedded::append },
    Case { name: "embedded-poll-and-commit", prepare: embedded::copy },
    Case { name: "stage-by-hand", prepare: workers::stage_by_hand },
    Case { name: "stage", prepare: workers::stage },
    Case { name: "table", prepare: workers::table },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_does_its_work_and_has_a_name_of_its_own() {
        for (index, case) in CASES.iter().enumerate() {
            case.prepare(1_000)();
            assert!(CASES[..index].iter().all(|other| other.name() != case.name()), "{case}");
        }
    }
}
