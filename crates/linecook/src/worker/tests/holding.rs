//! What is tried again when the log says no, and when there is no room for more that waits.

use std::time::Duration;

use linecook_log::{Error, ErrorKind, Fetch, Offset, Poll};

use super::retrying::{
    A_WHILE, DRAWN, NUMBERS, SEEN, SHOUTED, TABLE, WORDS, after, fixture, parked, shout, with_limits, words,
};
use crate::{
    Failure, FailurePolicy, Limits, Service, Step, Topic,
    testing::{Fixture, at, fetch},
};

/// Beside the stage a table that reads its row for each record.
fn shout_and_see(service: &mut Service) {
    shout(service);
    service.table(SEEN).fold(NUMBERS, |_, _, _| Ok(()));
}

#[test]
fn what_waits_is_taken_up_by_who_gets_the_partition() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=later 1", "a=x"])]);
    fixture.will_poll(Poll::Lost(vec![at("words/0")]));
    assert_eq!(fixture.step(), Step::Moved);
    fixture.clock.advance(A_WHILE);
    assert_eq!(fixture.step(), Step::Idle, "it is another's");
    fixture.assign(&["words/0"]);
    fixture.script().scan_errors.push_back(Error::new(ErrorKind::Unavailable, "the disk is slow"));
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert_eq!(fixture.step(), Step::Idle, "first it polls");
    assert_eq!(after(&mut fixture, A_WHILE).written().len(), 2);
}

#[test]
fn a_commit_that_does_not_come_about_changes_nothing_of_what_waits() {
    let mut fixture = fixture(shout);
    let batch = || words("words/0", 0, &["a=later 1", "a=x"]);
    for _ in 0..2 {
        fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
        fixture.will_fetch([batch()]);
        assert!(matches!(fixture.step(), Step::Blocked { .. }));
    }
    assert_eq!(parked(&fixture, TABLE), 0);
    fixture.handle([batch()]);
    for _ in 0..2 {
        fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
        fixture.clock.advance(A_WHILE);
        assert!(matches!(fixture.step(), Step::Blocked { .. }));
        assert_eq!(fixture.step(), Step::Idle, "it polls in between");
    }
    assert_eq!(parked(&fixture, TABLE), 3);
    assert_eq!(after(&mut fixture, A_WHILE).written().len(), 2);
    let heard = fixture.metrics().lines().find(|line| line.starts_with("words_heard_total")).unwrap().to_owned();
    assert!(heard.ends_with(" 2"), "what failed was not counted: {heard}");
}

/// What is tried again where the log takes nothing waits there alone: it was due for the longest time, and so it was tried,
/// in vain, instead of everything else.
#[test]
fn what_cannot_be_committed_in_one_partition_keeps_nobody_waiting_in_another() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=later 1"])]);
    fixture.handle([words("words/1", 0, &["b=later 1"])]);
    fixture.clock.advance(A_WHILE);
    fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    let refused = fixture.script().refused.pop().unwrap().written();
    assert_eq!(fixture.step(), Step::Idle, "first it polls");
    assert!(matches!(fixture.step(), Step::Committed { .. }));
    assert_ne!(fixture.last_made().written(), refused, "the other");
    assert_eq!(after(&mut fixture, A_WHILE).written(), refused);
}

/// Each step began with what is due somewhere else, and failed. Nothing was polled for as long as that went round, so nothing
/// else was handled, and who does not poll is put out.
#[test]
fn who_can_commit_nothing_of_what_waits_polls_in_between() {
    let mut fixture = fixture(|service| {
        let never = |_: String, _: &crate::Context<'_>| Err(Failure::retry("not yet"));
        let policy = FailurePolicy::park().attempts(100);
        for to in ["one", "two", "three", "four"].map(Topic::<String, String>::new) {
            service.stage(WORDS, to, never).on_failure(policy);
        }
    });
    fixture.handle([words("words/0", 0, &["a=x"])]);
    fixture.handle([words("words/1", 0, &["b=x"])]);
    for time in 0..20 {
        fixture.clock.advance(A_WHILE);
        fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
        assert!(matches!(fixture.step(), Step::Blocked { .. }), "{time}");
        fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
        fixture.will_fetch([words("words/0", 1, &["c=y"])]);
        fixture.step();
        assert!(fixture.script().polls.is_empty(), "{time}");
        fixture.script().answers.clear();
    }
}

/// The commit of what was tried again is what the log refuses, so it is found out which record of it is to blame.
#[test]
fn an_output_that_the_log_does_not_take_is_a_dead_letter_also_after_a_wait() {
    let mut fixture = fixture(shout);
    fixture.script().largest_value_bytes = Some(300);
    fixture.handle([words("words/0", 0, &["a=later 1", "a=huge", "a=x"])]);
    fixture.clock.advance(A_WHILE);
    let mut written = Vec::new();
    for _ in 0..20 {
        fixture.step();
        fixture.clock.advance(A_WHILE);
        written.extend(fixture.script().made.drain(..).flat_map(|made| made.written()));
    }
    assert_eq!(written[0], r#"shouted/0 a="LATER 1""#);
    assert!(written[1].starts_with("test.dead-letters/0 a="), "{written:?}");
    assert_eq!(written[2..], [r#"shouted/0 a="X""#]);
    assert_eq!(parked(&fixture, TABLE), 0);
}

#[test]
fn when_too_many_wait_no_more_are_taken_until_there_is_room() {
    let mut fixture = with_limits(shout, Limits { waiting_records: 2, ..Limits::default() });
    fixture.handle([words("words/0", 0, &["a=later 1", "a=x"])]);
    fixture.will_fetch([words("words/0", 2, &["b=y", "a=z"])]);
    assert_eq!(fixture.step(), Step::Moved, "there is no room, be it for y");
    assert_eq!(fixture.script().pauses, ["words/0 pauses"]);
    assert_eq!(fixture.handle([words("words/1", 0, &["a=on"])]).written(), [r#"shouted/1 a="ON""#]);
    assert_eq!(fixture.worker.health().report().held, [at("words/0")]);
    let made = after(&mut fixture, A_WHILE);
    assert_eq!(made.written(), [r#"shouted/0 a="LATER 1""#, r#"shouted/0 a="X""#]);
    assert_eq!(fixture.script().pauses[1..], ["words/0 goes on"]);
    let made = fixture.handle([words("words/0", 2, &["b=y", "a=z"])]);
    assert_eq!(made.written(), [r#"shouted/0 b="Y""#, r#"shouted/0 a="Z""#]);
    assert_eq!(fixture.worker.health().report().held, []);
}

/// A partition that is held is never done with what it has seen. A poll that had failed while it was held left the worker
/// blocked for good: nobody sent orders any more, and only those would have told that it goes on.
#[test]
fn who_holds_a_partition_is_not_blocked_for_good_by_what_is_over() {
    let mut fixture = with_limits(shout, Limits { waiting_records: 2, ..Limits::default() });
    fixture.handle([words("words/0", 0, &["a=later 1", "a=x"])]);
    fixture.will_fetch([words("words/0", 2, &["b=y"])]);
    assert_eq!(fixture.step(), Step::Moved);
    fixture.script().polls.push_back(Err(Error::new(ErrorKind::Unavailable, "no broker")));
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert!(fixture.worker.health().report().blocked.is_some());
    assert_eq!(fixture.step(), Step::Idle);
    let report = fixture.worker.health().report();
    assert_eq!((report.blocked, report.held), (None, vec![at("words/0")]));
}

/// What is in hand is not given up with what waits behind it, and a commit that is refused makes neither lost nor double.
#[test]
fn a_partition_without_room_keeps_what_is_in_hand() {
    let mut fixture = with_limits(shout, Limits { waiting_records: 2, ..Limits::default() });
    let batch = || words("words/0", 0, &["a=later 1", "b=later 1", "c=x", "d=y"]);
    fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
    fixture.will_fetch([batch()]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert_eq!(fixture.step(), Step::Idle, "nothing is polled of what is paused");
    assert_eq!(fixture.script().pauses, ["words/0 pauses", "words/0 goes on"], "nothing waits, after all");
    let made = fixture.handle([batch(), words("words/1", 0, &["a=on"])]);
    assert_eq!(made.written(), [r#"shouted/1 a="ON""#]);
    assert_eq!(made.offsets(), ["words/0:2", "words/1:1"]);
    assert_eq!(after(&mut fixture, A_WHILE).written().len(), 2);
    let made = fixture.handle([Fetch { position: Offset(2), ..batch() }]);
    assert_eq!(made.written(), [r#"shouted/0 c="X""#, r#"shouted/0 d="Y""#]);
}

/// A row that cannot be read makes what is in hand wait again, as the log does not repeat it; a partition that goes on after
/// there was no room is repeated by the log. Records of both came twice.
#[test]
fn what_goes_on_is_not_handled_twice_when_a_row_could_not_be_read_before() {
    let mut fixture = Fixture::with_limits(shout_and_see, Limits { waiting_records: 2, ..Limits::default() });
    let place = linecook_log::partition_of(b"a", 2);
    let numbers = format!("numbers/{place}");
    fixture.assign(&["words/0", &numbers]);
    assert_eq!(fixture.step(), Step::Idle);
    let batch = || words("words/0", 0, &["x=1", "a=later 1", "b=later 1", "c=y"]);
    fixture.script().get_errors.push_back(Error::new(ErrorKind::Unavailable, "the disk is slow"));
    fixture.will_fetch([batch(), fetch(&numbers, 0, &[("a", "7")])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert!(matches!(fixture.step(), Step::Committed { record_count: 1 }));
    assert_eq!(fixture.last_made().offsets(), [format!("{numbers}:1")]);
    assert_eq!(fixture.script().pauses, ["words/0 pauses", "words/0 goes on"]);
    let made = fixture.handle([batch()]);
    assert_eq!((made.written(), made.offsets()), (vec![r#"shouted/0 x="1""#.to_owned()], vec!["words/0:3".to_owned()]));
    assert_eq!(parked(&fixture, TABLE), 4, "two records, each in its lane");
}

/// What a partition that is held has in hand ends where there was no room. When that waited again, as a row could not be read,
/// and something else had made room meanwhile, the batch was taken to its own end, and committed to where it had been cut off:
/// the records behind that were handled twice. The simulator found it, seed 2454 of that day.
#[test]
fn what_was_cut_off_is_not_taken_with_what_waits_again() {
    let mut fixture = Fixture::with_limits(shout_and_see, Limits { waiting_records: 6, ..Limits::default() });
    let numbers = format!("numbers/{}", linecook_log::partition_of(b"a", 2));
    fixture.assign(&["words/0", &numbers]);
    fixture.handle([words("words/0", 0, &["a=later 1", "b=never", "c=never", "d=never", "e=never"])]);
    let batch = words("words/0", 5, &["f=never", "g=x", "h=y"]);
    fixture.script().get_errors.push_back(Error::new(ErrorKind::Unavailable, "the disk is slow"));
    fixture.will_fetch([batch.clone(), fetch(&numbers, 0, &[("a", "7")])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    let made = after(&mut fixture, A_WHILE);
    assert_eq!(made.offsets(), ["words/0:6".to_owned(), format!("{numbers}:1")]);
    assert_eq!(made.written(), [] as [&str; 0], "neither g nor h");
}

/// Some rows could not be read, and the poll after that brought records. They overtook what waited, and what failed of them
/// was written over it.
#[test]
fn no_record_is_taken_before_it_is_known_what_waits() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=later 1"])]);
    fixture.will_poll(Poll::Lost(vec![at("words/0"), at("words/1")]));
    assert_eq!(fixture.step(), Step::Moved);
    fixture.assign(&["words/0", "words/1"]);
    fixture.script().scan_errors.push_back(Error::new(ErrorKind::Fenced, "another's"));
    assert_eq!(fixture.step(), Step::Again);
    fixture.script().scan_errors.push_back(Error::new(ErrorKind::Unavailable, "the disk is slow"));
    fixture.will_fetch([words("words/0", 1, &["a=x"])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }), "the poll brought it, and it is not taken");
    assert!(matches!(fixture.step(), Step::Committed { .. }));
    assert_eq!(fixture.last_made().written(), [] as [&str; 0], "it waits behind the other");
    assert_eq!(after(&mut fixture, A_WHILE).written().len(), 2);
}

/// The same record waits for two. That the log does not take what comes of it at the one said so of the other as well, who
/// made a dead letter of it without looking.
#[test]
fn what_is_refused_of_one_stage_is_not_refused_of_another() {
    let mut fixture = fixture(|service| {
        service.stage(WORDS, SHOUTED, |_, context| match context.attempt() {
            1 => Err(Failure::retry("it is heavy")),
            _ => Ok("HUGE".repeat(100)),
        });
        service.stage(WORDS, DRAWN, |_, context| match context.attempt() {
            1 => Err(Failure::retry("it is late")),
            _ => Ok(7),
        });
    });
    fixture.script().largest_value_bytes = Some(300);
    fixture.handle([words("words/0", 0, &["a=x"])]);
    fixture.clock.advance(A_WHILE);
    let mut written = Vec::new();
    for _ in 0..10 {
        fixture.step();
        written.extend(fixture.script().made.drain(..).flat_map(|made| made.written()));
    }
    written.sort();
    assert_eq!(written.len(), 2, "{written:?}");
    assert_eq!(written[0], "drawn/0 a=7");
    assert!(written[1].starts_with("test.dead-letters/0 a="), "{written:?}");
}

/// A topic that is gone kept the worker of its stage from polling, and it was put out for that, again and again.
#[test]
fn who_cannot_try_again_goes_on_with_what_comes() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=later 1"])]);
    fixture.clock.advance(A_WHILE);
    for round in 0..5 {
        fixture.script().answers.push_back(Some(ErrorKind::Unavailable));
        assert!(matches!(fixture.step(), Step::Blocked { .. }));
        let made = fixture.handle([words("words/1", round, &["b=x"])]);
        assert_eq!(made.written(), [r#"shouted/1 b="X""#]);
        fixture.clock.advance(Duration::from_millis(10 << round));
    }
    assert_eq!(after(&mut fixture, A_WHILE).written(), [r#"shouted/0 a="LATER 1""#]);
}

/// A worker that was silent for too long ended for good: what it was about to try again was handled by another, so that its
/// row was not there any more, and that was taken for damage.
#[test]
fn what_another_has_handled_meanwhile_is_no_damage() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=later 1"])]);
    fixture.log.clear_rows();
    fixture.clock.advance(A_WHILE);
    assert_eq!(fixture.step(), Step::Again);
    fixture.will_poll(Poll::Lost(vec![at("words/0")]));
    assert_eq!(fixture.step(), Step::Moved);
    assert_eq!(fixture.step(), Step::Idle);
}

/// It was another's already, which only a poll would have told; and before each poll it was to be resumed.
#[test]
fn a_held_partition_that_is_lost_keeps_nobody_from_polling() {
    let mut fixture = with_limits(shout, Limits { waiting_records: 1, ..Limits::default() });
    fixture.handle([words("words/0", 0, &["a=later 1", "b=x"])]);
    fixture.clock.advance(A_WHILE);
    let fenced = || Error::new(ErrorKind::Fenced, "another's");
    fixture.script().resume_errors.extend([fenced(), fenced()]);
    assert_eq!(fixture.step(), Step::Again);
    fixture.will_poll(Poll::Lost(vec![at("words/0")]));
    assert_eq!(fixture.step(), Step::Moved);
    assert_eq!(fixture.step(), Step::Idle);
    assert_eq!(fixture.worker.health().report().held, []);
}

#[test]
fn a_partition_that_comes_back_is_not_held() {
    let mut fixture = with_limits(shout, Limits { waiting_records: 1, ..Limits::default() });
    fixture.handle([words("words/0", 0, &["a=later 1", "b=x"])]);
    assert_eq!(fixture.script().pauses, ["words/0 pauses"]);
    fixture.will_poll(Poll::Lost(vec![at("words/0")]));
    assert_eq!(fixture.step(), Step::Moved);
    fixture.step();
    assert_eq!(fixture.worker.health().report().held, []);
    fixture.assign(&["words/0"]);
    assert_eq!(after(&mut fixture, A_WHILE).written().len(), 1);
    assert_eq!(fixture.script().pauses.len(), 1, "who gets it has not paused it");
}
