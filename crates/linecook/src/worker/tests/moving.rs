//! Records that lie in a partition that is not their key's.

use std::sync::Arc;

use linecook_log::{
    Batch, BatchBuilder, ErrorKind, Fetch, GroupName, Header, NewRecord, Offset, Origin, Timestamp, partition_of,
};

use crate::{
    Counter, Failure, Found, Json, Limits, PartialCounts, Service, Step, Table, TableReader, Topic,
    testing::{Fixture, Made, at, fetch},
};

const ORDERS: Topic<String, u64> = Topic::new("orders");
const DONE: Topic<String, String> = Topic::new("done");
const PIZZA: Topic<String, u64> = Topic::new("pizza");
const BOXED: Topic<String, String> = Topic::new("boxed");
/// How many pizzas an order has, and those that are there.
const PROGRESS: Table<String, u64, String> = Table::new("progress");
const LATEST: Table<String, Json<String>> = Table::new("latest");
const NAMES: PartialCounts<String> = PartialCounts::new("names");
const HEARD: Counter = Counter::new("orders_heard_total", "ear", "Orders that arrived");

fn orders(service: &mut Service) {
    service
        .table(PROGRESS)
        .emits(PIZZA)
        .fold(ORDERS, |entry, count, context| {
            context.count(HEARD, "left");
            entry.put(count);
            (0..count).try_for_each(|number| entry.emit(&PIZZA, &number))
        })
        .fold(DONE, |entry, pizza, _| {
            entry.state().ok_or_else(|| Failure::reject("nobody ordered it"))?;
            entry.push(&pizza)
        });
}

/// All that can be done with a topic at once.
fn everything(service: &mut Service) {
    service.stage(DONE, BOXED, |pizza, _| Ok(pizza));
    service.count(NAMES, DONE, |name: String| name);
    service.table(LATEST).fold(DONE, |entry, pizza, _| {
        entry.put(Json(pizza));
        Ok(())
    });
    service.table(PROGRESS).fold(DONE, |entry, _, _| {
        entry.put(entry.state().copied().unwrap_or(0) + 1);
        Ok(())
    });
}

fn fixture(build: fn(&mut Service)) -> Fixture {
    let mut fixture = Fixture::new(build);
    let topics = ["orders", "test.orders.repartition", "done", "test.done.repartition"];
    let all: Vec<_> = topics.iter().flat_map(|topic| [format!("{topic}/0"), format!("{topic}/1")]).collect();
    fixture.assign(&all.iter().map(String::as_str).collect::<Vec<_>>());
    fixture
}

/// The partition of the key, of two.
fn home(topic: &str, key: &str) -> String {
    format!("{topic}/{}", partition_of(key.as_bytes(), 2))
}

/// The other one.
fn elsewhere(topic: &str, key: &str) -> String {
    format!("{topic}/{}", 1 - partition_of(key.as_bytes(), 2).0)
}

/// What a commit has written to a topic, as it is polled there.
fn polled(made: &Made, topic: &str) -> Vec<Fetch> {
    let of_topic = made.outputs.iter().filter(|(to, _)| to.topic.as_str() == topic);
    of_topic.map(|(to, batch)| Fetch::new(to.clone(), Offset(0), batch.clone())).collect()
}

fn found(fixture: &Fixture, key: &str) -> Option<Found<u64, String>> {
    TableReader::new(Arc::new(fixture.log.clone()), 2).get_with_items(&key.to_owned()).unwrap()
}

fn moved_count(fixture: &Fixture, topic: &str) -> u64 {
    let name = format!(r#"linecook_records_moved_total{{service="test",topic="{topic}"}} "#);
    let page = fixture.metrics();
    let line = page.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}

fn batch_with(record: &NewRecord<'_>) -> Batch {
    let service = GroupName::new("stranger").unwrap();
    let mut batch = BatchBuilder::new(&Origin { service, taken_at: Timestamp(0), attempt: 1, source: None }, 0);
    batch.push(record).unwrap();
    batch.finish(Offset(40), Timestamp(0))
}

#[test]
fn a_misplaced_record_is_moved_once_and_folded_in_the_partition_of_its_key() {
    let mut fixture = fixture(orders);
    let made = fixture.handle([fetch(&elsewhere("orders", "7"), 5, &[("7", "2")])]);
    let moved_to = home("test.orders.repartition", "7");
    assert_eq!(made.written(), [format!("{moved_to} 7=2")]);
    assert_eq!((made.rows.len(), made.offsets()), (0, vec![format!("{}:6", elsewhere("orders", "7"))]));
    assert_eq!(found(&fixture, "7"), None);

    let made = fixture.handle(polled(&made, "test.orders.repartition"));
    let pizza = home("pizza", "7");
    assert_eq!(made.written(), [format!("{pizza} 7=0"), format!("{pizza} 7=1")]);
    assert_eq!(made.offsets(), [format!("{moved_to}:1")]);
    assert_eq!(made.rows[0].partition, partition_of(b"7", 2));
    assert_eq!(found(&fixture, "7"), Some(Found { state: 2, items: Vec::new() }));
    assert_eq!((moved_count(&fixture, "orders"), moved_count(&fixture, "done")), (1, 0));
    let page = fixture.metrics();
    assert!(page.contains(r#"orders_heard_total{service="test",ear="left"} 1"#), "folded once:\n{page}");
}

#[test]
fn a_record_in_its_place_is_folded_where_it_lies() {
    let mut fixture = fixture(orders);
    let made = fixture.handle([fetch(&home("orders", "7"), 5, &[("7", "0")])]);
    assert!(made.outputs.is_empty());
    assert_eq!(found(&fixture, "7"), Some(Found { state: 0, items: Vec::new() }));
    assert_eq!(moved_count(&fixture, "orders"), 0);
}

#[test]
fn a_moved_record_is_as_it_was_in_key_value_time_and_headers() {
    let mut fixture = fixture(orders);
    let headers = [Header { name: "trace", value: b"7" }, Header { name: "trace", value: b"" }];
    for value in [Some(&b"\"a\""[..]), None] {
        let record = NewRecord { key: Some(b"7"), value, timestamp: Timestamp(99), headers: &headers };
        let from = at(&elsewhere("done", "7"));
        let made = fixture.handle([Fetch::new(from.clone(), Offset(40), batch_with(&record))]);
        let (to, batch) = &made.outputs[0];
        let moved = batch.records().next().unwrap();
        assert_eq!(*to, at(&home("test.done.repartition", "7")));
        assert_eq!((moved.key, moved.value, moved.timestamp), (record.key, record.value, record.timestamp));
        assert_eq!(moved.headers.collect::<Vec<_>>(), headers);
        let source = batch.origin().unwrap().source.unwrap();
        assert_eq!((source.from, source.first, source.last), (from, Offset(40), Offset(40)));
    }
}

#[test]
fn stages_and_counts_see_a_misplaced_record_once_and_all_tables_by_one_move() {
    let mut fixture = fixture(everything);
    let from = elsewhere("done", "7");
    let made = fixture.handle([fetch(&from, 0, &[("7", "\"a\"")])]);
    let expected =
        [format!("{} 7=\"a\"", elsewhere("boxed", "7")), format!("{} 7=\"a\"", home("test.done.repartition", "7"))];
    assert_eq!(made.written(), expected);
    let tables: Vec<_> = made.rows.iter().map(|row| (row.table.as_str(), row.partition)).collect();
    assert_eq!(tables, [("names", at(&from).partition)]);

    let made = fixture.handle(polled(&made, "test.done.repartition"));
    assert!(made.outputs.is_empty());
    let tables: Vec<_> = made.rows.iter().map(|row| (row.table.as_str(), row.partition)).collect();
    let place = partition_of(b"7", 2);
    assert_eq!(tables, [("latest", place), ("progress", place)]);
}

/// Rows are named after the topic and the offset of a record, and the offsets of both topics begin with 0.
#[test]
fn what_moved_records_bring_does_not_replace_what_others_bring() {
    let mut fixture = fixture(orders);
    fixture.handle([fetch(&home("orders", "7"), 0, &[("7", "2")])]);
    let made = fixture.handle([fetch(&elsewhere("done", "7"), 0, &[("7", "\"a\"")])]);
    fixture.handle(polled(&made, "test.done.repartition"));
    fixture.handle([fetch(&home("done", "7"), 0, &[("7", "\"b\"")])]);
    let mut items = found(&fixture, "7").unwrap().items;
    items.sort();
    assert_eq!(items, ["a", "b"]);
}

#[test]
fn records_of_one_key_keep_their_order_when_they_are_moved() {
    let mut fixture = fixture(orders);
    fixture.handle([fetch(&home("orders", "7"), 0, &[("7", "2")])]);
    let pizzas = [("7", "\"a\""), ("7", "\"b\""), ("7", "\"c\"")];
    let made = fixture.handle([fetch(&elsewhere("done", "7"), 0, &pizzas)]);
    assert_eq!(moved_count(&fixture, "done"), 3);
    fixture.handle(polled(&made, "test.done.repartition"));
    assert_eq!(found(&fixture, "7").unwrap().items, ["a", "b", "c"]);
}

#[test]
fn a_move_whose_commit_does_not_come_about_is_made_again_and_counted_once() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Unknown, ErrorKind::Fenced] {
        let mut fixture = fixture(orders);
        let from = elsewhere("orders", "7");
        fixture.script().answers.push_back(Some(kind));
        fixture.will_fetch([fetch(&from, 0, &[("7", "2")])]);
        assert!(matches!(fixture.step(), Step::Blocked { .. } | Step::Again));
        assert_eq!(moved_count(&fixture, "orders"), 0);
        if kind == ErrorKind::Unknown {
            assert_eq!(fixture.step(), Step::Moved);
            fixture.assign(&[&from]);
        }
        let made = fixture.handle([fetch(&from, 0, &[("7", "2")])]);
        assert_eq!(made.written(), [format!("{} 7=2", home("test.orders.repartition", "7"))]);
        assert_eq!((moved_count(&fixture, "orders"), fixture.script().made.len()), (1, 0));
    }
}

#[test]
fn a_record_without_a_key_belongs_nowhere_else() {
    let mut fixture = fixture(orders);
    let record = NewRecord { key: None, value: Some(b"2"), timestamp: Timestamp(0), headers: &[] };
    for from in ["orders/0", "orders/1"] {
        let made = fixture.handle([Fetch::new(at(from), Offset(40), batch_with(&record))]);
        assert_eq!(made.dead_letters(), ["progress the record has no key"]);
        assert_eq!(made.outputs.len(), 1);
    }
    assert_eq!(moved_count(&fixture, "orders"), 0);
}

/// To move it again would be to move it for ever.
#[test]
fn a_record_that_is_misplaced_where_records_are_moved_to_is_a_dead_letter() {
    let mut fixture = fixture(everything);
    let from = elsewhere("test.done.repartition", "7");
    let made = fixture.handle([fetch(&from, 0, &[("7", "\"a\"")])]);
    let reason = format!("only its service writes to this topic: the key is of partition={}", partition_of(b"7", 2));
    assert_eq!(made.dead_letters(), [format!("latest {reason}"), format!("progress {reason}")]);
    assert_eq!((made.outputs.len(), made.rows.len()), (1, 0));
    assert_eq!(made.offsets(), [format!("{from}:1")]);
}

#[test]
fn a_record_that_is_too_large_to_be_moved_is_a_dead_letter_and_the_partition_goes_on() {
    let mut fixture = fixture(orders);
    fixture.script().largest_value_bytes = Some(3);
    let records = [("7", "\"too long\""), ("7", "\"a\"")];
    fixture.will_fetch([fetch(&elsewhere("done", "7"), 0, &records)]);
    assert_eq!(fixture.step(), Step::Again);
    let mut written = Vec::new();
    while fixture.script().made.len() < 2 {
        fixture.will_fetch([fetch(&elsewhere("done", "7"), 0, &records)]);
        fixture.step();
    }
    for made in &fixture.script().made {
        written.extend(made.dead_letters());
        written.extend(made.written().into_iter().filter(|line| line.contains("repartition")));
    }
    assert!(written[0].starts_with("progress the log does not take what came of it"), "{written:?}");
    assert_eq!(written[1..], [format!("{} 7=\"a\"", home("test.done.repartition", "7"))]);
}

#[test]
fn the_topic_of_moved_records_has_as_many_partitions_as_that_which_they_come_from() {
    let mut fixture = Fixture::not_joined(orders, Limits::default());
    *fixture.script().topics.get_mut(&at("test.done.repartition/0").topic).unwrap() = 3;
    let error = fixture.worker.step().unwrap_err();
    assert!(error.to_string().contains("done=2 test.done.repartition=3"), "{error}");
}

#[test]
fn moved_records_are_polled_before_those_of_their_topic_and_by_who_owns_their_partition() {
    let fixture = Fixture::new(everything);
    let inputs: Vec<_> = fixture.script().joins[0].inputs.clone();
    let topics: Vec<_> = inputs.iter().flat_map(|input| &input.topics).map(|topic| topic.as_str()).collect();
    assert_eq!((inputs.len(), topics), (1, vec!["test.done.control", "test.done.repartition", "done"]));
}
