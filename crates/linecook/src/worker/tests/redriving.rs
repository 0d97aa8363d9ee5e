//! What operators say about what waits.

use std::{sync::Arc, time::Duration};

use linecook_log::{BatchBuilder, Fetch, Header, NewRecord, Offset, TableName, Timestamp};

use super::{
    parking::{fixture, shout},
    retrying::{A_WHILE, SHOUTED, TABLE, WORDS, after, parked, words},
};
use crate::{
    Failure, FailurePolicy, Limits, Service, Step, Table, TableReader,
    dead_letters::{Action, Instruction},
    testing::{Fixture, Made, at, origin},
};

/// An instruction for the record of key `a` at that offset of `words/0`.
fn instruction(action: Action, number: u64, offset: u64) -> Instruction<'static> {
    let (table, from) = (TableName::new(TABLE).unwrap(), at("words/0"));
    Instruction { action, table, number, from, offset: Offset(offset), key: Some(b"a"), value: None }
}

fn written(base: u64, instructions: &[Instruction<'_>]) -> Fetch {
    let mut batch = BatchBuilder::new(&origin(), 0);
    instructions.iter().for_each(|instruction| instruction.write(&mut batch, Timestamp(0)).unwrap());
    Fetch::new(at("test.words.control/0"), Offset(base), batch.finish(Offset(base), Timestamp(0)))
}

fn redrive(fixture: &mut Fixture, number: u64, offset: u64) -> Made {
    fixture.handle([written(0, &[instruction(Action::Redrive, number, offset)])])
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const KEPT: Table<String, u64, String> = Table::new("kept");

/// What an order is to its pizzas: without the one that opens it the others are nobody's.
fn keep(service: &mut Service) {
    let fold = |entry: &mut crate::Entry<'_, String, u64, String>, word: String, context: &crate::Context<'_>| {
        match entry.state() {
            None if word == "open" => entry.put(1),
            None => {}
            Some(_) if context.attempt() == 1 => return Err(Failure::reject("not at once")),
            Some(_) => entry.push(&word)?,
        }
        Ok(())
    };
    service.table(KEPT).fold(WORDS, fold).retention(WEEK);
}

fn steps(fixture: &mut Fixture, count: usize) {
    for _ in 0..count {
        fixture.step();
    }
}

/// An entry was deleted when its time was over, also when records of its key were parked. Their redrive found no entry, took
/// them for nobody's, and said that it had succeeded.
#[test]
fn an_entry_outlives_its_time_as_long_as_records_of_its_key_wait() {
    let mut fixture = Fixture::with_limits(keep, Limits { expiry_rows: 1, ..Limits::default() });
    fixture.assign(&["test.words.control/0", "words/0"]);
    let kept = |fixture: &Fixture| fixture.log.rows_of(&KEPT.log_name()).len();
    // With so few rows a commit, those that wait are taken on to another minute in two commits.
    fixture.handle([words("words/0", 0, &["10=open", "15=open", "17=open", "12=open"])]);
    fixture.handle([words("words/0", 4, &["10=late", "12=late"])]);
    for hour in 0..4 {
        fixture.clock.advance(if hour == 0 { WEEK + HOUR } else { HOUR });
        steps(&mut fixture, 6);
        assert_eq!(kept(&fixture), 3, "two entries, and when they expire");
    }
    let redrive = Instruction {
        table: TableName::new("kept.parked").unwrap(),
        key: Some(b"10"),
        ..instruction(Action::Redrive, 0, 4)
    };
    fixture.handle([written(0, &[redrive])]);
    tried(&mut fixture);
    let entries: TableReader<String, u64, String> = TableReader::new(Arc::new(fixture.log.clone()), 1);
    assert_eq!(entries.items(&"10".to_owned()).unwrap(), ["late"]);
    fixture.clock.advance(HOUR + HOUR);
    steps(&mut fixture, 6);
    assert_eq!(kept(&fixture), 2, "one entry, and when it expires");
}

/// What is due now is tried.
fn tried(fixture: &mut Fixture) -> Made {
    after(fixture, Duration::ZERO)
}

#[test]
fn a_redriven_key_goes_on_in_order_and_is_parked_no_longer() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x", "a=y"])]);
    let edit = Instruction { value: Some(br#""good""#), ..instruction(Action::Edit, 0, 0) };
    let made = fixture.handle([written(0, &[edit])]);
    assert_eq!((made.written().len(), made.offsets()), (0, vec!["test.words.control/0:1".to_owned()]));
    assert_eq!(fixture.step(), Step::Idle, "it still waits");
    let made = fixture.handle([written(1, &[instruction(Action::Redrive, 0, 0)])]);
    assert_eq!(made.written(), [] as [&str; 0], "that it goes on is a commit of its own");
    let made = tried(&mut fixture);
    assert_eq!(made.written(), [r#"shouted/0 a="GOOD""#, r#"shouted/0 a="X""#, r#"shouted/0 a="Y""#]);
    assert_eq!((parked(&fixture, TABLE), made.offsets()), (0, vec!["words/0:3".to_owned()]));
    assert_eq!(fixture.handle([words("words/0", 3, &["a=z"])]).written(), [r#"shouted/0 a="Z""#]);
}

/// What came of a record does not tell that it was redriven, but for the attempt.
#[test]
fn a_redriven_record_is_the_same_record() {
    let build: fn(&mut Service) = |service| {
        let draw = |_: String, context: &crate::Context<'_>| match context.attempt() {
            1 => Err(Failure::reject("not at once")),
            _ => Ok(context.random().u64().to_string()),
        };
        service.stage(WORDS, SHOUTED, draw).on_failure(FailurePolicy::park());
    };
    let at_once: fn(&mut Service) = |service| {
        service.stage(WORDS, SHOUTED, |_, context| Ok(context.random().u64().to_string()));
    };
    let expected = fixture(at_once).handle([words("words/0", 40, &["a=x"])]);
    let mut fixture = fixture(build);
    fixture.handle([words("words/0", 40, &["a=x"])]);
    redrive(&mut fixture, 0, 40);
    let made = tried(&mut fixture);
    assert_eq!(made.written(), expected.written());
    let timestamps = [&made, &expected].map(|made| made.outputs[0].1.records().next().unwrap().timestamp);
    assert_eq!(timestamps[0], timestamps[1]);
}

#[test]
fn what_fails_again_stays_parked_with_its_count_raised() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x"])]);
    for attempts in ["2", "3"] {
        redrive(&mut fixture, 0, 0);
        let made = tried(&mut fixture);
        assert_eq!(made.written().len(), 1, "nothing but its letter: {made:?}");
        let letter = made.outputs[0].1.records().next().unwrap();
        assert_eq!(letter.headers.value_of("linecook-attempts"), Some(attempts.as_bytes()));
        assert_eq!(fixture.step(), Step::Idle);
        assert_eq!(parked(&fixture, TABLE), 3);
    }
}

/// A redrive is one attempt, whatever the policy lets a new record have: who redrives a thousand wants to know now.
#[test]
fn what_could_be_tried_again_is_tried_once_a_redrive() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad"])]);
    let edit = Instruction { value: Some(br#""never""#), ..instruction(Action::Edit, 0, 0) };
    fixture.handle([written(0, &[edit])]);
    redrive(&mut fixture, 0, 0);
    assert_eq!(tried(&mut fixture).dead_letters(), ["shouted not today"]);
    assert_eq!(fixture.step(), Step::Idle);
}

#[test]
fn one_behind_it_that_fails_is_parked_in_its_place() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x", "a=bad", "a=y"])]);
    let made = fixture.handle([written(0, &[instruction(Action::Discard, 0, 0)])]);
    assert_eq!(made.written(), [] as [&str; 0]);
    let made = tried(&mut fixture);
    assert_eq!((made.written()[0].as_str(), made.dead_letters().len()), (r#"shouted/0 a="X""#, 1));
    assert_eq!(parked(&fixture, TABLE), 3);
    redrive(&mut fixture, 2, 2);
    assert_eq!(tried(&mut fixture).dead_letters(), ["shouted not at all"]);
}

#[test]
fn a_discarded_record_in_the_middle_is_passed_over() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x", "a=y"])]);
    let edit = Instruction { value: Some(br#""good""#), ..instruction(Action::Edit, 0, 0) };
    fixture.handle([written(0, &[instruction(Action::Discard, 1, 1)])]);
    fixture.handle([written(1, &[edit])]);
    redrive(&mut fixture, 0, 0);
    assert_eq!(tried(&mut fixture).written(), [r#"shouted/0 a="GOOD""#, r#"shouted/0 a="Y""#]);
    assert_eq!(parked(&fixture, TABLE), 0);
}

#[test]
fn what_is_left_of_a_key_may_all_have_been_discarded() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x"])]);
    fixture.handle([written(0, &[instruction(Action::Discard, 1, 1)])]);
    fixture.handle([written(1, &[instruction(Action::Discard, 0, 0)])]);
    assert_eq!(tried(&mut fixture).written(), [] as [&str; 0]);
    assert_eq!(parked(&fixture, TABLE), 0);
    assert_eq!(fixture.handle([words("words/0", 2, &["a=z"])]).written(), [r#"shouted/0 a="Z""#]);
}

/// Somebody was faster, or it is said twice: who was interrupted says it again.
#[test]
fn an_instruction_for_what_does_not_wait_there_changes_nothing() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x"])]);
    let other_table = TableName::new("other.parked").unwrap();
    let odd = [
        instruction(Action::Redrive, 1, 1),
        instruction(Action::Redrive, 0, 1),
        instruction(Action::Redrive, 7, 0),
        instruction(Action::Discard, 1, 0),
        Instruction { from: at("words/1"), ..instruction(Action::Redrive, 0, 0) },
        Instruction { key: Some(b"b"), ..instruction(Action::Redrive, 0, 0) },
        Instruction { key: None, ..instruction(Action::Edit, 0, 0) },
        Instruction { from: at("words/1"), ..instruction(Action::Discard, 0, 0) },
        Instruction { table: other_table, ..instruction(Action::Discard, 0, 0) },
    ];
    let made = fixture.handle([written(0, &odd)]);
    assert!(made.rows.is_empty() && made.outputs.is_empty(), "{made:?}");
    assert_eq!(made.offsets(), ["test.words.control/0:9"], "they are consumed");
    assert_eq!(fixture.step(), Step::Idle);
    assert_eq!(parked(&fixture, TABLE), 3);
}

#[test]
fn what_is_no_instruction_is_consumed_and_told() {
    let mut fixture = fixture(shout);
    let made = fixture.handle([words("test.words.control/0", 0, &["a=x"])]);
    assert!(made.rows.is_empty() && made.outputs.is_empty(), "{made:?}");
}

/// Rows are read as of the last commit: a second instruction for one record in the same commit would have seen it as it was
/// before the first.
#[test]
fn two_instructions_for_one_key_are_two_commits_and_many_for_many_are_one() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "b=bad", "a=x"])]);
    let edit = Instruction { value: Some(br#""good""#), ..instruction(Action::Edit, 0, 0) };
    let of_b = Instruction { key: Some(b"b"), ..instruction(Action::Discard, 0, 1) };
    let all = [edit, of_b, instruction(Action::Redrive, 0, 0), instruction(Action::Discard, 1, 2)];
    fixture.will_fetch([written(0, &all)]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 2 });
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    while fixture.step() != Step::Idle {}
    let written: Vec<_> = fixture.script().made.iter().flat_map(Made::written).collect();
    assert!(written.contains(&r#"shouted/0 a="GOOD""#.to_owned()), "{written:?}");
    assert_eq!(parked(&fixture, TABLE), 0);
}

/// Records of its key that were taken in the same commit are in no row yet.
#[test]
fn an_instruction_waits_for_the_commit_of_what_came_before_it() {
    let mut fixture = fixture(shout);
    fixture.will_fetch([words("words/0", 0, &["a=bad"]), written(0, &[instruction(Action::Discard, 0, 0)])]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(parked(&fixture, TABLE), 0);
}

/// An edit that is too large for a row is refused with its commit, as any record is.
#[test]
fn an_edit_that_the_log_does_not_take_is_left_out() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad"])]);
    fixture.script().largest_row_bytes = Some(200);
    let long = [b'x'; 300];
    let polled = written(0, &[Instruction { value: Some(&long), ..instruction(Action::Edit, 0, 0) }]);
    fixture.will_fetch([polled.clone()]);
    assert_eq!(fixture.step(), Step::Again);
    let made = fixture.handle([polled]);
    assert!(made.rows.is_empty() && made.offsets() == ["test.words.control/0:1"], "{made:?}");
}

#[test]
fn an_edit_keeps_what_is_known_of_the_record() {
    let mut fixture = fixture(shout);
    let mut batch = BatchBuilder::new(&origin(), 0);
    let headers = [Header { name: "trace", value: b"7" }];
    let (key, value) = (Some(&b"a"[..]), Some(&br#""bad""#[..]));
    batch.push(&NewRecord { key, value, timestamp: Timestamp(9), headers: &headers }).unwrap();
    fixture.handle([Fetch::new(at("words/0"), Offset(0), batch.finish(Offset(0), Timestamp(0)))]);
    let edit = Instruction { value: Some(br#""never""#), ..instruction(Action::Edit, 0, 0) };
    fixture.handle([written(0, &[edit])]);
    fixture.clock.advance(A_WHILE);
    redrive(&mut fixture, 0, 0);
    let made = tried(&mut fixture);
    let letter = made.outputs[0].1.records().next().unwrap();
    let header = |name| String::from_utf8_lossy(letter.headers.value_of(name).unwrap()).into_owned();
    assert_eq!((letter.timestamp, letter.value, header("trace")), (Timestamp(9), Some(&br#""never""#[..]), "7".into()));
    let (first, last) = (header("linecook-first-failed-at"), header("linecook-failed-at"));
    assert_eq!(last.parse::<i64>().unwrap() - first.parse::<i64>().unwrap(), 1_000);
    assert_eq!(header("linecook-attempts"), "2");
}
