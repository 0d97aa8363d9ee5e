//! What is not held against a record that was begun.

use linecook_log::ErrorKind;

use super::{
    beginning::{A_MOMENT, DEADLY, assigned, next_life, shout},
    recovering::remember,
    retrying::{SHOUTED, WORDS, words},
};
use crate::{Failure, FailurePolicy, Limits, Service, Step, testing::Fixture};

/// A commit without an answer lets its worker join once more, and so begin once more. After some of these in a row, as when
/// a broker is in trouble, an innocent record was parked.
#[test]
fn who_begins_once_more_itself_was_not_ended_by_it() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    for _ in 0..20 {
        begin_in_vain(&mut fixture);
        assert_eq!(fixture.step(), Step::Moved);
        fixture.assign_from(&["words/0"], 0);
    }
    let made = fixture.handle([words("words/0", 0, &["a=x", "b=x"])]);
    assert_eq!((made.written().len(), made.dead_letters().len()), (2, 0));
}

/// Begins a record, and does not hear what became of it.
fn begin_in_vain(fixture: &mut Fixture) {
    begin_in_vain_at(fixture, "words/0");
}

fn begin_in_vain_at(fixture: &mut Fixture, from: &str) {
    fixture.script().answers.push_back(Some(ErrorKind::Unknown));
    fixture.will_fetch([words(from, 0, &["a=x"])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
}

/// A suspicion ends, or a partition would have a commit a record for ever.
#[test]
fn when_nothing_has_happened_for_a_while_records_share_commits_again() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    for _ in 0..3 {
        begin_in_vain(&mut fixture);
        fixture.clock.advance(A_MOMENT);
        let another = Fixture::on(fixture.log.clone(), fixture.clock.clone(), shout, Limits::default());
        fixture = assigned(another, 0);
    }
    let many: Vec<_> = (0..1_100).map(|_| "a=x").collect();
    fixture.will_fetch([words("words/0", 0, &many)]);
    let mut counts = Vec::new();
    while let Step::Committed { record_count } = fixture.step() {
        counts.push(record_count);
    }
    assert_eq!((counts.len(), counts.last()), (1_001, Some(&100)));
}

/// Its worker ends in good order, and somebody starts it again. After some times it was refused unseen, so a release that had
/// the cause mended never saw it.
#[test]
fn what_may_not_be_left_out_comes_to_its_handler_at_every_start() {
    let build: fn(&mut Service) = |service| {
        let bad = |word: String, _: &crate::Context<'_>| match word.as_str() {
            "bad" => Err(Failure::reject("not at all")),
            _ => Ok(word),
        };
        service.stage(WORDS, SHOUTED, bad).on_failure(FailurePolicy::stop());
    };
    let mut fixture = assigned(Fixture::new(build), 0);
    for _ in 0..10 {
        fixture.will_fetch([words("words/0", 0, &["a=bad"])]);
        let error = fixture.worker.step().unwrap_err();
        assert!(error.to_string().ends_with("not at all"), "{error}");
        fixture = next_life(&fixture, build, 0);
    }
}

/// The same of one that ends the process. It was refused unseen from some start on, and with nothing parked there was nothing to
/// be redriven either: the partition did not go on with a release that had the cause mended.
#[test]
fn a_deadly_record_that_may_not_be_left_out_comes_to_its_handler_at_every_start() {
    let build: fn(&mut Service) = |service| {
        service.stage(WORDS, SHOUTED, |word, _| Ok(word.to_uppercase())).on_failure(FailurePolicy::stop());
    };
    let mut fixture = assigned(Fixture::new(build), 0);
    for _ in 0..10 {
        fixture.script().is_deadly = Some(DEADLY);
        fixture.will_fetch([words("words/0", 0, &["a=deadly"])]);
        fixture.step();
        assert!(fixture.script().has_died, "it came to its handler");
        fixture.script().has_died = false;
        fixture = next_life(&fixture, build, 0);
    }
    fixture.script().is_deadly = None;
    assert_eq!(fixture.handle([words("words/0", 0, &["a=deadly"])]).written(), [r#"shouted/0 a="DEADLY""#]);
}

/// A topic was gone, so nothing came of the record, and whoever looked on started the service again and again.
#[test]
fn nothing_is_held_against_a_record_whose_commit_is_not_taken() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    for _ in 0..10 {
        fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
        fixture.will_fetch([words("words/0", 0, &["a=x"])]);
        assert!(matches!(fixture.step(), Step::Blocked { .. }));
        fixture = next_life(&fixture, shout, 0);
    }
    let made = fixture.handle([words("words/0", 0, &["a=x", "b=x"])]);
    assert_eq!((made.written().len(), made.dead_letters().len()), (2, 0));
}

/// A partition that waits for room is polled at each start, and nothing of it is begun.
#[test]
fn what_there_is_no_room_for_is_not_begun() {
    let limits = Limits { waiting_records: 1, ..Limits::default() };
    let mut fixture = assigned(Fixture::with_limits(shout, limits), 0);
    fixture.handle([words("words/0", 0, &["a=later"])]);
    for _ in 0..10 {
        fixture.script().polls.clear();
        fixture = assigned(Fixture::on(fixture.log.clone(), fixture.clock.clone(), shout, limits), 1);
        fixture.script().notes.clear();
        fixture.will_fetch([words("words/0", 1, &["b=x"])]);
        fixture.step();
        assert_eq!(fixture.script().notes.len(), 0);
    }
}

/// It runs no code of the user, and was left out, for a record that lies elsewhere is not parked. The simulator has found it: an
/// acknowledged order was gone.
#[test]
fn what_is_only_moved_is_never_condemned() {
    let other = 1 - linecook_log::partition_of(b"a", 2).0;
    let from = format!("words/{other}");
    let mut fixture = Fixture::new(remember);
    for _ in 0..10 {
        fixture.script().polls.clear();
        fixture.assign(&[&from]);
        begin_in_vain_at(&mut fixture, &from);
        fixture.clock.advance(A_MOMENT);
        fixture = Fixture::on(fixture.log.clone(), fixture.clock.clone(), remember, Limits::default());
    }
    fixture.assign(&[&from]);
    let made = fixture.handle([words(&from, 0, &["a=x"])]);
    assert_eq!((made.dead_letters().len(), made.written().len()), (0, 1));
}
