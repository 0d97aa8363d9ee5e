//! What happens when the log says no.

use std::time::Duration;

use linecook_log::{Error, ErrorKind, Fetch, Offset, Poll};

use crate::{
    Counter, FailurePolicy, Json, Limits, Service, Step, Table, Topic,
    testing::{Fixture, at, fetch, state_row},
};

pub(super) const WORDS: Topic<String, String> = Topic::new("words");
pub(super) const SHOUTED: Topic<String, String> = Topic::new("shouted");
const SEEN: Table<String, Json<Vec<String>>> = Table::new("seen");
const HEARD: Counter = Counter::new("words_heard_total", "ear", "Words that arrived");

pub(super) fn shout(service: &mut Service) {
    let shout = |word: String, context: &crate::Context<'_>| {
        context.count(HEARD, "left");
        Ok(word.to_uppercase())
    };
    service.stage(WORDS, SHOUTED, shout).on_failure(FailurePolicy::skip());
}

pub(super) fn remember(service: &mut Service) {
    service.table(SEEN).fold(WORDS, |entry, word, _| {
        let mut seen = entry.state().cloned().unwrap_or_default();
        seen.0.push(word);
        entry.put(seen);
        Ok(())
    });
}

pub(super) fn fixture(build: fn(&mut Service)) -> Fixture {
    let mut fixture = Fixture::new(build);
    fixture.assign(&["words/0", "words/1"]);
    fixture
}

pub(super) fn words(from: &str, base: u64, words: &[&str]) -> Fetch {
    let values: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    let records: Vec<_> = values.iter().map(|value| ("k", value.as_str())).collect();
    fetch(from, base, &records)
}

pub(super) fn answer(fixture: &Fixture, kind: ErrorKind) {
    fixture.script().answers.push_back(Some(kind));
}

fn blocked(fixture: &Fixture) -> Option<String> {
    fixture.worker.health().report().blocked
}

#[test]
fn a_fenced_worker_forgets_what_it_has_in_hand_and_polls_on() {
    let mut fixture = fixture(remember);
    answer(&fixture, ErrorKind::Fenced);
    fixture.will_fetch([words("words/0", 0, &["a"]), words("words/1", 0, &["b"])]);
    assert_eq!(fixture.step(), Step::Again);
    fixture.will_poll(Poll::Lost(vec![at("words/1")]));
    assert_eq!(fixture.step(), Step::Moved);
    assert_eq!(fixture.worker.health().report().assigned, [at("words/0")]);
    let made = fixture.handle([words("words/0", 0, &["a"])]);
    assert_eq!(made.offsets(), ["words/0:1"]);
    assert_eq!(made.rows[0].value, Some(state_row(r#"["a"]"#)), "what was fenced is not in it");
    assert_eq!(fixture.script().joins.len(), 1, "it stays in its group");
}

#[test]
fn a_worker_that_is_fenced_again_and_again_does_not_spin() {
    let mut fixture = fixture(shout);
    for expected in [Step::Again, Step::Blocked { wait: Duration::from_millis(10) }] {
        answer(&fixture, ErrorKind::Fenced);
        fixture.will_fetch([words("words/0", 0, &["a"])]);
        assert_eq!(fixture.step(), expected);
    }
}

/// An idle poll means that nothing came, which is also so when the log has records but their partition has yet to arrive
/// again. The lag went to 0 then, as if the records whose commit had failed were done.
#[test]
fn records_whose_commit_failed_lag_until_they_are_committed() {
    let mut fixture = fixture(shout);
    let lag = r#"linecook_lag_seconds{service="test",topic="words",partition="0"}"#;
    answer(&fixture, ErrorKind::Unavailable);
    fixture.will_fetch([words("words/0", 0, &["a"])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert_eq!(fixture.step(), Step::Idle);
    let page = fixture.metrics();
    assert!(page.contains(&format!("{lag} 1.0")), "{page}");
    fixture.handle([words("words/0", 0, &["a"])]);
    assert_eq!(fixture.step(), Step::Idle);
    let page = fixture.metrics();
    assert!(page.contains(&format!("{lag} 0.0")), "{page}");
}

#[test]
fn after_an_unknown_outcome_it_joins_again_and_goes_on_from_what_the_log_says() {
    let mut fixture = fixture(remember);
    answer(&fixture, ErrorKind::Unknown);
    fixture.will_fetch([words("words/0", 0, &["a", "b"])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert!(fixture.worker.health().report().assigned.is_empty());
    assert_eq!(fixture.step(), Step::Moved);
    assert_eq!(fixture.script().joins.len(), 2);
    fixture.assign(&["words/0"]);
    // As if the commit had come about in part of its records: only what the log hands out is handled.
    let made = fixture.handle([Fetch { position: Offset(1), ..words("words/0", 0, &["a", "b"]) }]);
    assert_eq!(made.rows[0].value, Some(state_row(r#"["b"]"#)));
}

#[test]
fn a_full_log_is_waited_for_ever_longer_and_says_so() {
    let mut fixture = fixture(shout);
    let mut waits = Vec::new();
    for _ in 0..9 {
        answer(&fixture, ErrorKind::Full);
        fixture.will_fetch([words("words/0", 0, &["a"])]);
        let Step::Blocked { wait } = fixture.step() else { panic!("it is full") };
        waits.push(wait.as_millis());
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
    assert_eq!(blocked(&fixture).as_deref(), Some("refused by the script"));
    fixture.handle([words("words/0", 0, &["a"])]);
    assert_eq!(blocked(&fixture), None);
    assert_eq!(fixture.script().refused.len(), 9);
    let page = fixture.metrics();
    assert!(page.contains(r#"linecook_errors_total{service="test",kind="full"} 9"#), "{page}");
    assert!(page.contains(r#"words_heard_total{service="test",ear="left"} 1"#), "counted once:\n{page}");
    assert!(page.contains(r#"linecook_records_total{service="test",stage="shouted",partition="0"} 1"#), "{page}");
}

#[test]
fn a_commit_that_is_made_again_is_the_same() {
    let mut fixture = fixture(|service| {
        service.stage(WORDS, SHOUTED, |word, context| Ok(format!("{word}{}", context.random().u64())));
    });
    answer(&fixture, ErrorKind::Unavailable);
    fixture.will_fetch([words("words/0", 0, &["a", "b"])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    let made = fixture.handle([words("words/0", 0, &["a", "b"])]);
    assert_eq!(made.written(), fixture.script().refused[0].written());
}

#[test]
fn a_row_that_cannot_be_read_now_is_read_later_and_no_record_is_lost() {
    let mut fixture = fixture(remember);
    fixture.will_fetch([words("words/0", 0, &["a", "b"])]);
    fixture.script().get_errors.push_back(Error::new(ErrorKind::Unavailable, "not now"));
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert_eq!(blocked(&fixture).as_deref(), Some("not now"));
    assert_eq!(fixture.step(), Step::Committed { record_count: 2 });
    assert_eq!(fixture.last_made().rows[0].value, Some(state_row(r#"["a","b"]"#)));
}

#[test]
fn who_is_fenced_when_reading_a_row_polls_and_keeps_what_is_still_owned() {
    let mut fixture = fixture(remember);
    fixture.will_fetch([words("words/0", 0, &["a"]), words("words/1", 0, &["b"])]);
    fixture.script().get_errors.push_back(Error::new(ErrorKind::Fenced, "lost it"));
    assert_eq!(fixture.step(), Step::Again);
    fixture.will_poll(Poll::Lost(vec![at("words/0")]));
    assert_eq!(fixture.step(), Step::Moved);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(fixture.last_made().offsets(), ["words/1:1"]);
}

#[test]
fn what_waits_of_a_partition_that_will_be_given_away_is_dropped() {
    let limits = Limits { commit_time: Duration::ZERO, ..Limits::default() };
    let mut fixture = Fixture::with_limits(remember, limits);
    fixture.assign(&["words/0"]);
    fixture.will_fetch([words("words/0", 0, &["a", "b"])]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    fixture.script().get_errors.push_back(Error::new(ErrorKind::Fenced, "lost it"));
    assert_eq!(fixture.step(), Step::Again);
    fixture.will_poll(Poll::Revoking(vec![at("words/0")]));
    assert_eq!((fixture.step(), fixture.step()), (Step::Moved, Step::Idle));
    assert_eq!(fixture.script().made.len(), 1);
}

/// `Revoking` is the last that a member hears of a partition. The worker waited for a `Lost` to follow: it went on to
/// report the partition as its own, and to look for expired rows in it.
#[test]
fn a_partition_that_will_be_given_away_is_given_up_without_another_word() {
    let mut fixture = fixture(remember);
    fixture.handle([words("words/0", 0, &["a"])]);
    fixture.will_poll(Poll::Revoking(vec![at("words/0")]));
    assert_eq!((fixture.step(), fixture.step()), (Step::Moved, Step::Idle));
    assert_eq!(fixture.worker.health().report().assigned, [at("words/1")]);
    let page = fixture.metrics();
    assert!(!page.contains(r#"linecook_lag_seconds{service="test",topic="words",partition="0"}"#), "{page}");
}

#[test]
fn a_log_that_cannot_be_reached_is_tried_again() {
    let mut fixture = Fixture::not_joined(shout, Limits::default());
    fixture.script().join_errors.push_back(Error::new(ErrorKind::Unavailable, "no broker"));
    assert_eq!(fixture.step(), Step::Blocked { wait: Duration::from_millis(10) });
    assert_eq!(blocked(&fixture).as_deref(), Some("no broker"));
    assert_eq!((fixture.step(), fixture.step()), (Step::Moved, Step::Idle));
    assert_eq!(blocked(&fixture), None);
}

/// Polls failed with it. Records of other partitions waited up to a second for each next attempt, and two lines were told
/// of each of their commits: that the service is blocked, and that it goes on.
#[test]
fn partitions_that_do_not_come_are_told_and_hold_up_no_others() {
    let mut fixture = fixture(shout);
    fixture.script().stuck = Some("records are gone");
    let stuck = |fixture: &Fixture| fixture.worker.health().report().stuck;
    for number in 0..3 {
        assert_eq!(fixture.step(), Step::Idle);
        assert_eq!(stuck(&fixture).as_deref(), Some("records are gone"));
        fixture.will_fetch([words("words/0", number, &["a"])]);
        assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    }
    assert_eq!(blocked(&fixture), None);
    fixture.script().stuck = None;
    assert_eq!((fixture.step(), stuck(&fixture)), (Step::Idle, None));
}

/// It ended for good when it had to join again while the topic that it writes was gone, and a restart was the way out.
#[test]
fn who_has_worked_and_joins_again_waits_for_a_topic_that_is_gone() {
    let mut fixture = fixture(shout);
    answer(&fixture, ErrorKind::Unknown);
    fixture.will_fetch([words("words/0", 0, &["a"])]);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    let topics = std::mem::take(&mut fixture.script().topics);
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert!(blocked(&fixture).unwrap().contains("no such topic"));
    fixture.script().topics = topics;
    assert_eq!(fixture.step(), Step::Moved);
}

#[test]
fn damage_and_the_end_of_the_log_are_for_the_caller() {
    for kind in [ErrorKind::Corrupt, ErrorKind::Closed] {
        let mut fixture = fixture(shout);
        fixture.script().polls.push_back(Err(Error::new(kind, "it is over")));
        assert_eq!(fixture.worker.step().unwrap_err().kind(), kind);
    }
}

/// It would have put the other out by joining again, and been put out by it, for ever.
#[test]
fn a_worker_whose_name_was_taken_over_ends() {
    let mut fixture = fixture(shout);
    fixture.script().polls.push_back(Err(Error::new(ErrorKind::Fenced, "another has this name")));
    assert_eq!(fixture.worker.step().unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(blocked(&fixture).as_deref(), Some("another has this name"));
    assert_eq!(fixture.script().joins.len(), 1);
}

#[test]
fn a_worker_that_leaves_hands_over() {
    let fixture = fixture(shout);
    fixture.worker.leave().unwrap();
    assert!(fixture.log.0.lock().left);
}
