//! What parks a key, and what does not.

use linecook_log::{BatchBuilder, Fetch, NewRecord, Offset, TableName, Timestamp, partition_of};

use super::retrying::{A_WHILE, SEEN, SHOUTED, TABLE, WORDS, after, parked, words};
use crate::{
    Failure, FailurePolicy, Json, Limits, Service,
    dead_letters::{Action, Instruction},
    testing::{Fixture, at, origin},
};

/// `bad` is rejected, `never` is tried twice, and `huge` makes too much.
pub(super) fn shout(service: &mut Service) {
    let policy = FailurePolicy::park().attempts(2).backoff(A_WHILE, A_WHILE);
    let shout = |word: String, _: &crate::Context<'_>| match word.as_str() {
        "bad" => Err(Failure::reject("not at all")),
        "never" => Err(Failure::retry("not today")),
        "huge" => Ok("HUGE".repeat(100)),
        _ => Ok(word.to_uppercase()),
    };
    service.stage(WORDS, SHOUTED, shout).on_failure(policy);
}

pub(super) fn fixture(build: fn(&mut Service)) -> Fixture {
    let mut fixture = Fixture::new(build);
    fixture.assign(&["test.words.control/0", "test.words.control/1", "words/0", "words/1"]);
    fixture
}

fn value_of(page: &str, line: &str) -> String {
    let found = page.lines().find(|found| found.starts_with(line) && found.contains("partition=\"0\""));
    found.unwrap_or_else(|| panic!("{line}: {page}")).rsplit_once(' ').unwrap().1.to_owned()
}

#[test]
fn a_failed_record_parks_its_key_and_all_others_go_on() {
    let mut fixture = fixture(shout);
    let made = fixture.handle([words("words/0", 0, &["a=bad", "b=x", "a=y"])]);
    assert_eq!(made.dead_letters(), ["shouted not at all"], "in the commit that goes past it");
    assert_eq!(made.offsets(), ["words/0:3"]);
    assert!(made.written().contains(&r#"shouted/0 b="X""#.to_owned()) && made.written().len() == 2, "{made:?}");
    let made = fixture.handle([words("words/0", 3, &["a=z", "c=x"])]);
    assert_eq!(made.written(), [r#"shouted/0 c="X""#]);
    assert_eq!(parked(&fixture, TABLE), 4, "three records, and the lane");
    fixture.clock.advance(1_000 * A_WHILE);
    assert_eq!(fixture.step(), crate::Step::Idle, "nothing of it is ever due");
    assert_eq!(*fixture.script().waits.last().unwrap(), Limits::default().poll_wait);
}

#[test]
fn what_was_tried_as_often_as_it_may_be_is_parked() {
    let mut fixture = fixture(shout);
    assert_eq!(fixture.handle([words("words/0", 0, &["a=never", "a=x"])]).dead_letters(), [] as [&str; 0]);
    let made = after(&mut fixture, A_WHILE);
    assert_eq!((made.dead_letters(), made.written().len()), (vec!["shouted not today".to_owned()], 1));
    assert_eq!(parked(&fixture, TABLE), 3);
}

#[test]
fn what_is_parked_stays_so_in_other_hands() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad"])]);
    fixture.assign(&["words/0"]);
    assert_eq!(fixture.handle([words("words/0", 1, &["a=x", "b=x"])]).written(), [r#"shouted/0 b="X""#]);
}

/// There is no order to be kept.
#[test]
fn without_a_key_nothing_is_parked() {
    let mut fixture = fixture(shout);
    let mut batch = BatchBuilder::new(&origin(), 0);
    for value in [br#""bad""#.as_slice(), br#""x""#] {
        batch.push(&NewRecord { key: None, value: Some(value), timestamp: Timestamp(0), headers: &[] }).unwrap();
    }
    let made = fixture.handle([Fetch::new(at("words/0"), Offset(0), batch.finish(Offset(0), Timestamp(0)))]);
    assert_eq!((made.dead_letters().len(), made.written().len()), (1, 2));
    assert_eq!(parked(&fixture, TABLE), 0);
}

/// The rows of the partition that it lies in are not about its key: folded there when it is redriven, it would make some.
#[test]
fn what_cannot_be_moved_to_the_partition_of_its_key_parks_nothing() {
    let mut fixture = Fixture::new(|service| {
        let table = service.table(SEEN).on_failure(FailurePolicy::park());
        table.fold(WORDS, |entry, word, _| {
            entry.put(Json(vec![word]));
            Ok(())
        });
    });
    let other = 1 - partition_of(b"a", 2).0;
    let from = format!("test.words.repartition/{other}");
    fixture.assign(&[&from]);
    let made = fixture.handle([words(&from, 0, &["a=x"])]);
    assert!(
        made.dead_letters()[0].starts_with("seen only its service writes to this topic"),
        "{:?}",
        made.dead_letters()
    );
    assert_eq!(parked(&fixture, "seen.parked"), 0);
}

#[test]
fn what_the_log_does_not_take_parks_its_key() {
    let mut fixture = fixture(shout);
    fixture.script().largest_value_bytes = Some(100);
    let polled = words("words/0", 0, &["a=huge", "a=x"]);
    fixture.will_fetch([polled.clone()]);
    assert_eq!(fixture.step(), crate::Step::Again);
    fixture.will_fetch([polled.clone()]);
    assert_eq!(fixture.step(), crate::Step::Again);
    assert_eq!(fixture.handle([polled]).dead_letters().len(), 1);
    assert_eq!(fixture.step(), crate::Step::Committed { record_count: 1 });
    assert_eq!(fixture.last_made().written(), [] as [&str; 0], "it waits behind");
    assert_eq!(parked(&fixture, TABLE), 3);
}

/// With its reason it is larger than it was. Nothing else than leaving it out would get the partition past it.
#[test]
fn what_does_not_fit_into_a_row_is_left_out_and_its_key_goes_on() {
    let mut fixture = fixture(shout);
    fixture.script().largest_row_bytes = Some(200);
    let long = format!("a={}", "bad".repeat(50));
    fixture.script().largest_value_bytes = Some(100);
    let polled = words("words/0", 0, &[&long, "a=x"]);
    let mut again_count = 0;
    loop {
        fixture.will_fetch([polled.clone()]);
        match fixture.step() {
            crate::Step::Again => again_count += 1,
            _ => break,
        }
    }
    assert_eq!(again_count, 5, "at once, alone, and with three letters");
    let made = fixture.last_made();
    assert_eq!((made.dead_letters().len(), made.rows.len()), (1, 0));
    assert_eq!(fixture.step(), crate::Step::Committed { record_count: 1 });
    assert_eq!(fixture.last_made().written(), [r#"shouted/0 a="X""#]);
}

#[test]
fn keys_that_are_parked_are_counted() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 0, &["a=bad", "a=x", "b=bad", "c=never"])]);
    let page = fixture.metrics();
    assert_eq!(value_of(&page, "linecook_parked_keys{"), "2");
    assert_eq!(value_of(&page, "linecook_waiting_records{"), "4");
    assert_eq!(value_of(&page, "linecook_records_total{"), "0", "they are not handled yet");
    assert_eq!(value_of(&page, "linecook_dead_letters_total{"), "2");
    let mut alone = self::fixture(shout);
    alone.handle([words("words/0", 0, &["a=bad"])]);
    assert_eq!(value_of(&alone.metrics(), "linecook_dead_letters_total{"), "1", "though nothing was handled");
    fixture.will_poll(linecook_log::Poll::Lost(vec![at("words/0")]));
    fixture.step();
    let page = fixture.metrics();
    let of_place = |line: &&str| line.starts_with("linecook_parked_keys{") && line.contains("partition=\"0\"");
    assert_eq!(page.lines().find(of_place), None);
    let table = TableName::new(TABLE).unwrap();
    assert_eq!(fixture.log.rows_of(&table).len(), 4 + 3);
}

/// It would have paused until half of what is parked was gone: what is parked does not become less by itself.
#[test]
fn a_partition_full_of_parked_keys_goes_on_when_there_is_any_room() {
    let limits = Limits { waiting_records: 4, ..Limits::default() };
    let mut fixture = Fixture::with_limits(shout, limits);
    fixture.assign(&["test.words.control/0", "words/0"]);
    let polled = words("words/0", 0, &["a=bad", "b=bad", "c=bad", "d=bad", "e=x"]);
    assert_eq!(fixture.handle([polled]).offsets(), ["words/0:4"]);
    assert_eq!(fixture.script().pauses, ["words/0 pauses"]);
    assert_eq!(fixture.step(), crate::Step::Idle);
    let table = TableName::new(TABLE).unwrap();
    let instruction = Instruction {
        action: Action::Discard,
        table,
        number: 0,
        from: at("words/0"),
        offset: Offset(0),
        key: Some(b"a"),
        value: None,
    };
    let mut batch = BatchBuilder::new(&origin(), 0);
    instruction.write(&mut batch, Timestamp(0)).unwrap();
    let said = Fetch::new(at("test.words.control/0"), Offset(0), batch.finish(Offset(0), Timestamp(0)));
    fixture.handle([said]);
    fixture.step();
    assert_eq!(fixture.script().pauses, ["words/0 pauses", "words/0 goes on"]);
}
