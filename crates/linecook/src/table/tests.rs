mod items;

use std::{sync::Arc, time::Duration};

use linecook_log::{Error, ErrorKind, Offset, Poll};

use crate::{
    Failure, FailurePolicy, Found, Limits, Service, Step, Table, TableReader, Topic,
    testing::{Fixture, Made, at, fetch},
};

const ORDERS: Topic<String, u64> = Topic::new("orders");
const DONE: Topic<String, String> = Topic::new("done");
const PIZZA: Topic<String, u64> = Topic::new("pizza");
const BY_NAME: Topic<String, String> = Topic::new("by-name");
/// How many pizzas of an order are missing, and those that are there.
const PROGRESS: Table<String, u64, String> = Table::new("progress");
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

fn orders(service: &mut Service) {
    service
        .table(PROGRESS)
        .on_failure(FailurePolicy::skip())
        .fold(ORDERS, |entry, count, _| {
            if entry.state().is_some() {
                return Ok(());
            }
            entry.put(count);
            (0..count).try_for_each(|number| entry.emit(&PIZZA, &number))
        })
        .emits(PIZZA)
        .emits(BY_NAME)
        .fold(DONE, |entry, pizza, _| {
            let left = entry.state_mut().ok_or_else(|| Failure::reject("nobody ordered it"))?;
            *left = left.checked_sub(1).ok_or_else(|| Failure::reject("one too many"))?;
            entry.push(&pizza)?;
            entry.emit_under(&BY_NAME, &pizza, &"done".to_owned())?;
            if pizza == "calzone" { Err(Failure::reject("it folds")) } else { Ok(()) }
        })
        .retention(WEEK);
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(orders);
    fixture.assign(&["orders/0", "orders/1", "done/0", "done/1"]);
    fixture
}

/// Reads what the fixture's table has; keys lie in the partition that they hash to.
fn reader(fixture: &Fixture) -> TableReader<String, u64, String> {
    TableReader::new(Arc::new(fixture.log.clone()), 2)
}

/// The key's own partition, of two.
fn topic_at(topic: &str, key: &str) -> String {
    format!("{topic}/{}", linecook_log::partition_of(key.as_bytes(), 2))
}

fn order(key: &str, offset: u64, count: u64) -> linecook_log::Fetch {
    fetch(&topic_at("orders", key), offset, &[(key, &count.to_string())])
}

fn done(key: &str, offset: u64, pizzas: &[&str]) -> linecook_log::Fetch {
    let values: Vec<_> = pizzas.iter().map(|pizza| format!("{pizza:?}")).collect();
    let records: Vec<_> = values.iter().map(|value| (key, value.as_str())).collect();
    fetch(&topic_at("done", key), offset, &records)
}

fn found(state: u64, items: &[&str]) -> Option<Found<u64, String>> {
    Some(Found { state, items: items.iter().map(ToString::to_string).collect() })
}

/// A name that takes almost as much as may lie beside a state.
fn long(name: &str) -> String {
    name.repeat(1000)
}

#[test]
fn an_order_is_expanded_into_its_pizzas_once() {
    let mut fixture = fixture();
    let made = fixture.handle([order("7", 0, 3)]);
    let to = topic_at("pizza", "7");
    assert_eq!(made.written(), [format!("{to} 7=0"), format!("{to} 7=1"), format!("{to} 7=2")]);
    let made = fixture.handle([order("7", 1, 3)]);
    assert!(made.outputs.is_empty() && made.rows.is_empty());
    assert_eq!(reader(&fixture).get(&"7".to_owned()).unwrap(), Some(3));
}

#[test]
fn many_records_of_a_key_read_and_write_its_state_once() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 100)]);
    let gets = fixture.script().gets;
    let pizzas = vec!["a"; 100];
    let made = fixture.handle([done("7", 0, &pizzas)]);
    assert_eq!(fixture.script().gets - gets, 1);
    assert_eq!(made.rows.len(), 1);
    assert_eq!(reader(&fixture).get(&"7".to_owned()).unwrap(), Some(0));
}

#[test]
fn a_failing_fold_changes_nothing_of_what_the_records_before_it_did() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    let made = fixture.handle([done("7", 0, &["a", "calzone", "b", "calzone"])]);
    assert_eq!(made.dead_letters(), ["progress it folds", "progress it folds"]);
    let emitted = made.written().iter().filter(|line| line.starts_with("by-name")).count();
    assert_eq!(emitted, 2);
    assert_eq!(reader(&fixture).get_with_items(&"7".to_owned()).unwrap(), found(7, &["a", "b"]));
}

#[test]
fn a_commit_whose_records_all_fail_writes_no_rows() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    let made = fixture.handle([done("7", 0, &["calzone"])]);
    assert!(made.rows.is_empty(), "{:?}", made.rows);
    fixture.handle([done("7", 1, &["calzone", "a"])]);
    assert_eq!(reader(&fixture).get_with_items(&"7".to_owned()).unwrap(), found(8, &["a"]));
}

#[test]
fn an_item_needs_a_key_that_is_known() {
    let mut fixture = Fixture::new(|service| {
        service.table(PROGRESS).fold(DONE, |entry, pizza, _| entry.push(&pizza));
    });
    fixture.assign(&["done/0", "done/1"]);
    let made = fixture.handle([done("7", 0, &["a"])]);
    assert_eq!(made.dead_letters(), ["progress an item under a key that has no state"]);
}

#[test]
fn a_topic_that_is_not_declared_is_not_emitted_to() {
    let mut fixture = Fixture::new(|service| {
        service.table(PROGRESS).fold(DONE, |entry, _, _| entry.emit(&PIZZA, &1));
    });
    fixture.assign(&["done/0", "done/1"]);
    let made = fixture.handle([done("7", 0, &["a"])]);
    assert_eq!(made.dead_letters(), ["progress the table does not declare that it emits to topic=pizza"]);
}

#[test]
fn what_is_emitted_under_another_key_goes_to_the_partition_of_that_key() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    let made = fixture.handle([done("7", 0, &["a", "b", "c", "d"])]);
    for (to, batch) in made.outputs {
        for record in batch.records() {
            assert_eq!(linecook_log::partition_of(record.key.unwrap(), 2), to.partition);
        }
    }
}

#[test]
fn a_state_of_another_version_stops_the_worker() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    let (partition, key, _) = fixture.log.rows_of(&PROGRESS.log_name()).remove(0);
    fixture.log.put_row(&PROGRESS.log_name(), partition, key, &b"\x09"[..]);
    fixture.will_fetch([done("7", 0, &["a"])]);
    let error = fixture.worker.step().unwrap_err();
    assert!(error.to_string().contains("found=9 known=2"), "{error}");
}

/// Advances the clock to where the rows of what was written now are due.
fn expire(fixture: &Fixture) {
    fixture.clock.advance(WEEK + HOUR);
}

#[test]
fn all_rows_of_a_key_are_deleted_when_its_time_is_over() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9), order("10", 5, 9)]);
    fixture.handle([done("7", 0, &[&long("a"), &long("b")])]);
    assert_eq!(fixture.step(), Step::Idle);
    assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()).len(), 5);

    fixture.clock.advance(WEEK - HOUR);
    assert_eq!(fixture.step(), Step::Idle);
    assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()).len(), 5, "not before");

    fixture.clock.advance(HOUR + HOUR);
    for _ in 0..4 {
        assert_eq!(fixture.step(), Step::Idle);
    }
    assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()), []);
    let mut offsets: Vec<_> = fixture.script().made.iter().flat_map(Made::offsets).collect();
    offsets.sort();
    assert_eq!(offsets, ["orders/0:6", "orders/1:1"], "one commit a partition, and its offset stays as it is");
}

/// A worker learned the offset that such a commit leaves unchanged from the first record it polled. So a service that
/// nobody used after its start never deleted anything.
#[test]
fn rows_are_deleted_although_nothing_was_polled_since_the_start() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    fixture.assign(&["orders/0", "orders/1", "done/0", "done/1"]);
    expire(&fixture);
    for _ in 0..3 {
        assert_eq!(fixture.step(), Step::Idle);
    }
    assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()), []);
}

/// Two workers of a service: the one that had given partitions to the other looked for expired rows in them, was
/// fenced, and did so again before it ever polled, which is where it would have learned better. It was dead.
#[test]
fn rows_of_a_partition_that_was_given_away_are_left_to_its_owner() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9), order("10", 5, 9)]);
    let given_away = ["orders", "done"].map(|topic| at(&topic_at(topic, "7")));
    fixture.will_poll(Poll::Revoking(given_away.to_vec()));
    assert_eq!((fixture.step(), fixture.step()), (Step::Moved, Step::Idle));
    expire(&fixture);
    for _ in 0..3 {
        assert_eq!(fixture.step(), Step::Idle);
    }
    let reader = reader(&fixture);
    assert_eq!(reader.get(&"7".to_owned()).unwrap(), Some(9));
    assert_eq!(reader.get(&"10".to_owned()).unwrap(), None);
}

/// On a full disk the deletion of rows is refused like any other commit. It stood before the poll and was tried again
/// before the next, so the worker polled no more, and was put out of its group for its silence.
#[test]
fn a_worker_whose_rows_cannot_be_deleted_polls_on() {
    for kind in [ErrorKind::Full, ErrorKind::Unavailable, ErrorKind::Fenced, ErrorKind::Invalid] {
        let mut fixture = fixture();
        fixture.handle([order("7", 0, 9)]);
        expire(&fixture);
        fixture.script().answers.push_back(Some(kind));
        fixture.handle([done("7", 0, &["a"])]);
        assert_eq!(fixture.script().refused.len(), 1, "it has tried");
        assert_eq!(fixture.step(), Step::Idle);
        assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()).len(), 2, "not at once again: kind={kind:?}");
        fixture.clock.advance(Limits::default().expiry_interval);
        for _ in 0..3 {
            assert_eq!(fixture.step(), Step::Idle);
        }
        assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()), []);
    }
}

/// The same, where it is the look at the rows that fails.
#[test]
fn a_worker_that_cannot_look_for_expired_rows_polls_on() {
    let mut fixture = fixture();
    assert_eq!(fixture.step(), Step::Idle);
    fixture.clock.advance(HOUR);
    fixture.script().scan_errors.push_back(Error::new(ErrorKind::Fenced, "another's"));
    let made = fixture.handle([order("7", 0, 9)]);
    assert_eq!(made.outputs[0].1.count(), 9);
    assert!(fixture.script().scan_errors.is_empty(), "it has looked");
}

/// A member that may have made the commit is dropped, as for every other commit. The next one polls first.
#[test]
fn after_a_deletion_of_unknown_outcome_the_worker_joins_again() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    expire(&fixture);
    fixture.script().answers.push_back(Some(ErrorKind::Unknown));
    assert!(matches!(fixture.step(), Step::Blocked { .. }));
    assert_eq!((fixture.step(), fixture.step()), (Step::Moved, Step::Idle));
    assert_eq!(fixture.script().joins.len(), 2);
}

#[test]
fn a_large_entry_is_deleted_in_steps_with_its_state_last() {
    let limits = Limits { expiry_rows: 3, ..Limits::default() };
    let mut fixture = Fixture::with_limits(orders, limits);
    fixture.assign(&["orders/0", "orders/1", "done/0", "done/1"]);
    fixture.handle([order("7", 0, 9)]);
    for offset in 0..7 {
        fixture.handle([done("7", offset, &[&long("ab")])]);
    }
    expire(&fixture);
    let mut states = Vec::new();
    while !fixture.log.rows_of(&PROGRESS.log_name()).is_empty() {
        assert_eq!(fixture.step(), Step::Idle);
        let made = fixture.last_made();
        assert!(made.rows.len() <= 5, "{}", made.rows.len());
        states.push(reader(&fixture).get(&"7".to_owned()).unwrap().is_some());
    }
    assert_eq!(states, [true, true, false]);
}

#[test]
fn a_key_that_comes_back_is_new() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 2)]);
    expire(&fixture);
    assert_eq!(fixture.step(), Step::Idle);
    fixture.last_made();
    let made = fixture.handle([order("7", 1, 2)]);
    assert_eq!(made.outputs[0].1.count(), 2);
    assert_eq!(made.rows.len(), 2, "its state and its expiry");
}

#[test]
fn rows_wait_for_their_deletion_in_the_order_of_time() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 1)]);
    fixture.clock.advance(HOUR * 48);
    fixture.handle([order("8", 9, 1)]);
    fixture.clock.advance(WEEK - HOUR * 40);
    for _ in 0..3 {
        fixture.step();
    }
    let reader = reader(&fixture);
    assert_eq!(reader.get(&"7".to_owned()).unwrap(), None);
    assert_eq!(reader.get(&"8".to_owned()).unwrap(), Some(1));
    assert_eq!(reader.get(&"x".repeat(70_000)).unwrap(), None);
    assert_eq!(fixture.script().made.last().unwrap().offsets[0].1, Offset(10));
}

/// An item that refuses to be written when half of it is.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
struct Half(Vec<String>);

impl serde::Serialize for Half {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serde::ser::Serializer::serialize_seq(serializer, None)?;
        for one in &self.0 {
            if one == "half" {
                return Err(serde::ser::Error::custom("only half of it"));
            }
            serde::ser::SerializeSeq::serialize_element(&mut all, one)?;
        }
        serde::ser::SerializeSeq::end(all)
    }
}

/// The half stayed in the row: a fold that did not mind made every read of the key fail for ever.
#[test]
fn an_item_that_cannot_be_written_leaves_nothing_though_the_fold_goes_on() {
    const SHARED: Table<String, u64, Half> = Table::new("shared");
    let mut service = crate::ServiceTrial::new(&crate::Definition::new("test", 0, |service| {
        service.table(SHARED).fold(DONE, |entry, pizza, _| {
            entry.put(1);
            drop(entry.push(&Half(pizza.split(' ').map(ToOwned::to_owned).collect())));
            Ok(())
        });
    }));
    let seven = "7".to_owned();
    service.send(&DONE, &seven, &"one half".to_owned());
    assert_eq!(service.table(SHARED).get_with_items(&seven).unwrap().unwrap().items, []);
    for pizza in ["a b", "one half", "c"] {
        service.send(&DONE, &seven, &pizza.to_owned());
    }
    let found = service.table(SHARED).get_with_items(&seven).unwrap().unwrap();
    assert_eq!(found.items, [Half(vec!["a".into(), "b".into()]), Half(vec!["c".into()])]);
}
