//! What is tried again, and what waits behind it.

use std::time::Duration;

use linecook_log::{ErrorKind, Fetch, Offset};

use crate::{
    Counter, Failure, FailurePolicy, Json, Limits, PartialCounts, Service, Step, Table, Topic,
    testing::{Fixture, Made, at, fetch, state_row},
};

pub(super) const WORDS: Topic<String, String> = Topic::new("words");
pub(super) const NUMBERS: Topic<String, u64> = Topic::new("numbers");
pub(super) const SHOUTED: Topic<String, String> = Topic::new("shouted");
pub(super) const DRAWN: Topic<String, u64> = Topic::new("drawn");
pub(super) const SEEN: Table<String, Json<Vec<String>>> = Table::new("seen");
const COUNTS: PartialCounts<String> = PartialCounts::new("counts");
const HEARD: Counter = Counter::new("words_heard_total", "ear", "Words that arrived");

/// Half a second, then one, and no more.
const POLICY: FailurePolicy =
    FailurePolicy::skip().attempts(3).backoff(Duration::from_secs(1), Duration::from_secs(60));
/// By then what waits after one attempt is due, whatever chance there is.
pub(super) const A_WHILE: Duration = Duration::from_secs(1);

/// `later 2` fails until its third attempt, `never` always, `bad` for good.
pub(super) fn shout(service: &mut Service) {
    let shout = |word: String, context: &crate::Context<'_>| {
        context.count(HEARD, "left");
        match word.split_once(' ') {
            Some(("later", failures)) if context.attempt() <= failures.parse().unwrap() => {
                Err(Failure::retry(format!("not yet, for the {}. time", context.attempt())))
            }
            None if word == "never" => Err(Failure::retry("not today")),
            None if word == "bad" => Err(Failure::reject("not at all")),
            None if word == "huge" && context.attempt() == 1 => Err(Failure::retry("it is heavy")),
            None if word == "huge" => Ok("HUGE".repeat(100)),
            _ => Ok(word.to_uppercase()),
        }
    };
    service.stage(WORDS, SHOUTED, shout).on_failure(POLICY);
}

pub(super) fn fixture(build: fn(&mut Service)) -> Fixture {
    with_limits(build, Limits::default())
}

pub(super) fn with_limits(build: fn(&mut Service), limits: Limits) -> Fixture {
    let mut fixture = Fixture::with_limits(build, limits);
    fixture.assign(&["words/0", "words/1"]);
    fixture
}

/// Words under their keys, as `key=word`.
pub(super) fn words(from: &str, base: u64, words: &[&str]) -> Fetch {
    let pairs = words.iter().map(|word| word.split_once('=').unwrap());
    let records: Vec<_> = pairs.map(|(key, word)| (key, format!("{word:?}"))).collect();
    let records: Vec<_> = records.iter().map(|(key, word)| (*key, word.as_str())).collect();
    fetch(from, base, &records)
}

/// Lets that much time pass, and what is due then be tried again.
pub(super) fn after(fixture: &mut Fixture, wait: Duration) -> Made {
    fixture.clock.advance(wait);
    let step = fixture.step();
    assert!(matches!(step, Step::Committed { .. }), "{step:?}");
    fixture.last_made()
}

pub(super) fn parked(fixture: &Fixture, table: &str) -> usize {
    fixture.log.rows_of(&linecook_log::TableName::new(table).unwrap()).len()
}

pub(super) const TABLE: &str = "words.shouted.parked";

#[test]
fn what_waits_is_rows_and_only_its_key_waits_behind_it() {
    let mut fixture = fixture(shout);
    let made = fixture.handle([words("words/0", 0, &["a=later 1", "b=x", "a=y", "a=z", "c=bad"])]);
    assert_eq!(made.written()[0], r#"shouted/0 b="X""#);
    assert_eq!(made.dead_letters(), ["shouted not at all"], "nothing of a is in there");
    assert_eq!(made.offsets(), ["words/0:5"]);
    assert_eq!(parked(&fixture, TABLE), 4, "three records, and the lane");
    assert_eq!(fixture.step(), Step::Idle, "nothing is due");
    let made = after(&mut fixture, A_WHILE);
    let expected = [r#"shouted/0 a="LATER 1""#, r#"shouted/0 a="Y""#, r#"shouted/0 a="Z""#];
    assert_eq!(made.written(), expected, "in order");
    assert_eq!(made.offsets(), ["words/0:5"], "it speaks for its partition");
    assert_eq!(parked(&fixture, TABLE), 0);
    let made = fixture.handle([words("words/0", 5, &["a=on"])]);
    assert_eq!(made.written(), [r#"shouted/0 a="ON""#]);
}

#[test]
fn records_of_one_key_in_two_partitions_are_not_behind_each_other() {
    let mut fixture = fixture(shout);
    let fetches = [words("words/0", 0, &["a=later 1"]), words("words/1", 0, &["a=x"])];
    assert_eq!(fixture.handle(fetches).written(), [r#"shouted/1 a="X""#]);
}

#[test]
fn when_the_attempts_are_used_up_it_is_a_dead_letter_and_its_key_goes_on() {
    let mut fixture = fixture(shout);
    fixture.handle([words("words/0", 7, &["a=never", "a=x"])]);
    assert_eq!(after(&mut fixture, A_WHILE).written(), [] as [&str; 0], "put off once more");
    assert_eq!(fixture.step(), Step::Idle, "twice as long");
    let made = after(&mut fixture, 2 * A_WHILE);
    assert_eq!(made.dead_letters(), ["shouted not today"]);
    assert_eq!(made.written()[1..], [r#"shouted/0 a="X""#]);
    let letter = made.outputs[0].1.records().next().unwrap();
    let header = |name| String::from_utf8_lossy(letter.headers.value_of(name).unwrap()).into_owned();
    assert_eq!((header("linecook-offset"), header("linecook-attempts")), ("7".into(), "3".into()));
    let (first, last) = (header("linecook-first-failed-at"), header("linecook-failed-at"));
    assert_eq!(last.parse::<i64>().unwrap() - first.parse::<i64>().unwrap(), 3_000);
    let page = fixture.metrics();
    for line in ["linecook_retries_total{", "linecook_dead_letters_total{", "linecook_records_total{"] {
        let value = page.lines().find(|found| found.starts_with(line)).unwrap().rsplit_once(' ').unwrap().1;
        let expected = if line.starts_with("linecook_dead") { "1" } else { "2" };
        assert_eq!(value, expected, "{line} {page}");
    }
}

/// What came of a record does not tell whether it had to wait, but for the attempt.
#[test]
fn what_was_tried_again_is_the_same_record() {
    let draw: fn(&mut Service) = |service| {
        service.stage(WORDS, DRAWN, |_, context| match context.attempt() {
            1 => Err(Failure::retry("wait")),
            _ => Ok(context.random().u64()),
        });
    };
    let at_once: fn(&mut Service) = |service| {
        service.stage(WORDS, DRAWN, |_, context| Ok(context.random().u64()));
    };
    let expected = fixture(at_once).handle([words("words/1", 40, &["a=x"])]);
    let mut fixture = fixture(draw);
    fixture.handle([words("words/1", 40, &["a=x"])]);
    let made = after(&mut fixture, A_WHILE);
    assert_eq!(made.written(), expected.written());
    let timestamps = [&made, &expected].map(|made| made.outputs[0].1.records().next().unwrap().timestamp);
    assert_eq!(timestamps[0], timestamps[1]);
    let origin = made.outputs[0].1.origin().unwrap();
    assert_eq!((origin.attempt, origin.source), (2, expected.outputs[0].1.origin().unwrap().source));
}

#[test]
fn without_a_key_a_record_waits_alone() {
    let mut fixture = fixture(shout);
    let origin = words("words/0", 0, &["a=x"]).batch.origin().unwrap();
    let mut batch = linecook_log::BatchBuilder::new(&origin, 0);
    for value in [br#""later 1""#.as_slice(), br#""x""#, br#""later 1""#] {
        let timestamp = linecook_log::Timestamp(0);
        batch.push(&linecook_log::NewRecord { key: None, value: Some(value), timestamp, headers: &[] }).unwrap();
    }
    let batch = batch.finish(Offset(0), linecook_log::Timestamp(0));
    let made = fixture.handle([Fetch::new(at("words/0"), Offset(0), batch)]);
    assert_eq!(made.written(), [r#"shouted/0 -="X""#]);
    assert_eq!(parked(&fixture, TABLE), 4, "two records, two lanes");
    assert_eq!(after(&mut fixture, A_WHILE).written().len(), 2);
}

/// The word may be what the number needs: both change one entry.
#[test]
fn what_waits_for_one_fold_of_a_table_holds_up_the_others_for_its_key() {
    let mut fixture = Fixture::new(|service| {
        let table = service.table(SEEN).on_failure(POLICY);
        table
            .fold(WORDS, |entry, word, context| {
                if context.attempt() == 1 && word == "later" {
                    return Err(Failure::retry("wait"));
                }
                entry.put(Json(vec![word]));
                Ok(())
            })
            .fold(NUMBERS, |entry, number, _| {
                let seen = entry.state_mut().ok_or_else(|| Failure::reject("no word yet"))?;
                seen.0.push(number.to_string());
                Ok(())
            });
        service.count(COUNTS, NUMBERS, |number: u64| number.to_string());
    });
    let topics = ["words", "test.words.repartition", "numbers", "test.numbers.repartition"];
    let place = linecook_log::partition_of(b"a", 2);
    let all: Vec<_> = topics.map(|topic| format!("{topic}/{place}")).into();
    fixture.assign(&all.iter().map(String::as_str).collect::<Vec<_>>());
    fixture.handle([words(&all[0], 0, &["a=later"])]);
    let made = fixture.handle([fetch(&all[2], 0, &[("a", "7")])]);
    assert_eq!(made.dead_letters(), [] as [&str; 0]);
    let tables = |made: &Made| made.rows.iter().map(|row| row.table.to_string()).collect::<Vec<_>>();
    assert_eq!(tables(&made), ["counts", "seen.parked", "seen.parked"], "who counts is not held up");
    let made = after(&mut fixture, A_WHILE);
    let state = made.rows.iter().find(|row| row.table.as_str() == "seen").unwrap();
    assert_eq!(state.value, Some(state_row(r#"["later","7"]"#)));
}

fn shout_or_stop(service: &mut Service) {
    let policy = FailurePolicy::stop().attempts(2).backoff(Duration::from_secs(1), Duration::from_secs(1));
    let shout = |word: String, _: &crate::Context<'_>| match word.as_str() {
        "never" => Err(Failure::retry("not today")),
        "bad" => Err(Failure::reject("not at all")),
        _ => Ok(word.to_uppercase()),
    };
    service.stage(WORDS, SHOUTED, shout).on_failure(policy);
}

/// Those before it were taken in hand with it, went with it, and were taken with it again after each restart.
#[test]
fn what_may_not_be_left_out_ends_its_worker_when_those_before_it_are_committed() {
    let mut fixture = fixture(shout_or_stop);
    let batch = |position| Fetch { position: Offset(position), ..words("words/0", 4, &["a=x", "b=y", "a=bad", "c=z"]) };
    fixture.will_fetch([batch(4)]);
    assert_eq!(fixture.step(), Step::Again);
    assert!(matches!(fixture.step(), Step::Committed { record_count: 1 }));
    assert!(matches!(fixture.step(), Step::Committed { record_count: 1 }));
    let error = fixture.worker.step().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let expected = "may not be left out: stage=shouted at=words/0 offset=6 attempts=1: not at all";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert!(fixture.worker.health().report().blocked.unwrap().ends_with(expected));
    let made: Vec<_> =
        fixture.script().made.drain(..).map(|made| (made.written(), made.offsets()[0].clone())).collect();
    let written: Vec<_> = made.iter().flat_map(|(written, _)| written.clone()).collect();
    assert_eq!(written, [r#"shouted/0 a="X""#, r#"shouted/0 b="Y""#]);
    assert_eq!(made.last().unwrap().1, "words/0:6");
}

/// It had lost the partition without having heard of it, and the new owner was past the record.
#[test]
fn who_does_not_own_it_any_more_does_not_end_for_a_record() {
    let mut fixture = fixture(shout_or_stop);
    fixture.script().answers.push_back(Some(ErrorKind::Fenced));
    fixture.will_fetch([words("words/0", 4, &["a=bad"])]);
    assert_eq!(fixture.step(), Step::Again);
    fixture.will_poll(linecook_log::Poll::Lost(vec![at("words/0")]));
    assert_eq!(fixture.step(), Step::Moved);
}

#[test]
fn what_may_not_be_left_out_is_tried_again_as_often_as_anything_and_then_stays() {
    let mut fixture = fixture(shout_or_stop);
    fixture.handle([words("words/0", 4, &["a=never"])]);
    fixture.clock.advance(A_WHILE);
    let error = fixture.worker.step().unwrap_err().to_string();
    assert!(error.ends_with("offset=4 attempts=2: not today"), "{error}");
    assert_eq!(parked(&fixture, TABLE), 2, "it is still there");
}

#[test]
fn a_worker_with_nothing_to_do_wakes_when_something_is_due() {
    let mut fixture = fixture(shout);
    assert_eq!(fixture.step(), Step::Idle);
    assert_eq!(fixture.script().waits.last(), Some(&Limits::default().poll_wait));
    fixture.handle([words("words/0", 0, &["a=later 1"])]);
    while *fixture.script().waits.last().unwrap() == Limits::default().poll_wait {
        assert_eq!(fixture.step(), Step::Idle);
        fixture.clock.advance(Duration::from_millis(30));
    }
    let wait = *fixture.script().waits.last().unwrap();
    assert!(wait < Limits::default().poll_wait && wait > Duration::ZERO, "{wait:?}");
    fixture.clock.advance(A_WHILE);
    fixture.step();
    assert_eq!(fixture.script().waits.last(), Some(&Duration::ZERO), "who was busy looks at once for more");
}

/// A new program may read other topics, and what waits is from before.
#[test]
fn what_waits_for_what_is_not_there_any_more_is_a_dead_letter() {
    let seen: fn(&mut Service) = |service| {
        let fold = |entry: &mut crate::Entry<'_, String, Json<Vec<String>>, ()>, _: u64, _: &crate::Context<'_>| {
            entry.put(Json(vec![]));
            Ok(())
        };
        service.table(SEEN).fold(NUMBERS, fold);
    };
    let before: fn(&mut Service) = |service| {
        service.table(SEEN).fold(NUMBERS, |_, _, _| Ok(())).fold(WORDS, |_, _, _| Err(Failure::retry("wait")));
    };
    let place = linecook_log::partition_of(b"a", 2);
    let from = format!("words/{place}");
    let mut old = Fixture::new(before);
    old.assign(&[&from]);
    old.handle([words(&from, 9, &["a=x"])]);
    let table = linecook_log::TableName::new("seen.parked").unwrap();
    let mut new = Fixture::new(seen);
    for (partition, key, value) in old.log.rows_of(&table) {
        new.log.put_row(&table, partition, key, value);
    }
    new.assign(&[&format!("numbers/{place}")]);
    let made = after(&mut new, A_WHILE);
    assert_eq!(made.dead_letters(), ["seen what it waited for does not read its topic any more"]);
}

/// What is due is found as it was at the last commit: who was due again in the same one would be tried for the second time
/// for ever.
#[test]
fn without_a_wait_it_is_still_one_attempt_a_commit() {
    let mut fixture = fixture(|service| {
        let policy = FailurePolicy::skip().attempts(3).backoff(Duration::ZERO, Duration::ZERO);
        let always =
            |_: String, _: &crate::Context<'_>| -> Result<String, Failure> { Err(Failure::retry("not today")) };
        service.stage(WORDS, SHOUTED, always).on_failure(policy);
    });
    fixture.handle([words("words/0", 0, &["a=x"])]);
    assert_eq!(after(&mut fixture, Duration::from_millis(1)).dead_letters(), [] as [&str; 0]);
    assert_eq!(fixture.step(), Step::Idle, "not at the same moment");
    assert_eq!(after(&mut fixture, Duration::from_millis(1)).dead_letters(), ["shouted not today"]);
}
