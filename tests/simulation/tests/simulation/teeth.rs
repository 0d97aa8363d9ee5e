//! A simulator that finds nothing proves nothing: each defect that is planted has to be found.

use simulation::{defect::Defect, simulate};

fn expect_found(defect: Defect) {
    let (_, seeds) = *Defect::ALL.iter().find(|(of, _)| *of == defect).unwrap();
    let found = (0..seeds).any(|seed| simulate(seed, Some(defect), false).broken.is_some());
    assert!(found, "{defect:?} is not found by {seeds} seeds");
}

#[test]
fn an_acknowledgement_that_comes_too_early_is_found() {
    expect_found(Defect::AcknowledgedAtOnce);
}

#[test]
fn a_commit_of_somebody_who_owns_nothing_any_more_is_found() {
    expect_found(Defect::EpochUnchecked);
}

#[test]
fn records_that_do_not_come_again_after_a_refused_commit_are_found() {
    expect_found(Defect::NotRewound);
}

#[test]
fn rows_of_a_refused_commit_that_are_kept_are_found() {
    expect_found(Defect::RefusedRowsKept);
}

#[test]
fn a_restore_that_is_skipped_is_found() {
    expect_found(Defect::NotRestored);
}

#[test]
fn what_waits_and_is_written_after_its_commit_is_found() {
    expect_found(Defect::ParkedLater);
}

#[test]
fn an_unknown_outcome_taken_for_a_success_is_found() {
    expect_found(Defect::UnknownIsSuccess);
}

#[test]
fn an_unknown_outcome_taken_for_a_failure_is_found() {
    expect_found(Defect::UnknownIsFailure);
}

#[test]
fn a_record_that_is_moved_twice_is_found() {
    expect_found(Defect::MovedTwice);
}

#[test]
fn offsets_that_are_committed_without_their_outputs_are_found() {
    expect_found(Defect::OutputsLost);
}
