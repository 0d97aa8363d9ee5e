//! What comes of records.

use std::{cell::RefCell, sync::Arc, time::Duration};

use linecook_log::{Fetch, Header, NewRecord, Offset, Timestamp};

use crate::{
    Context, Counter, Failure, FailurePolicy, InHand, Limits, PartialCounts, Service, Step, Topic, WorkerHealth,
    testing::{Fixture, Made, at, fetch},
};

crate::event! {
    struct Pizza {
        name: String,
    }
}

const PIZZA: Topic<String, Pizza> = Topic::new("pizza");
const OTHER: Topic<String, Pizza> = Topic::new("other");
const BAKED: Topic<String, Pizza> = Topic::new("baked");
const SLICES: Topic<String, u32> = Topic::new("slices");
const DRAWN: Topic<String, u64> = Topic::new("drawn");
const DRAWN_TOO: Topic<String, u64> = Topic::new("drawn-too");
const NAMES: PartialCounts<String> = PartialCounts::new("names");
const BURNT: Counter = Counter::new("pizzas_burnt_total", "oven", "Pizzas that came out black");

/// The rule under test: it fails, panics and counts on demand.
fn bake(mut pizza: Pizza, context: &Context<'_>) -> Result<Pizza, Failure> {
    context.count(BURNT, "left");
    match pizza.name.as_str() {
        "hawaii" => Err(Failure::reject("not here")),
        "calzone" => panic!("it folds"),
        _ => {
            pizza.name.push('!');
            Ok(pizza)
        }
    }
}

fn bakery(service: &mut Service) {
    service.stage(PIZZA, BAKED, bake).on_failure(FailurePolicy::skip());
}

fn pizza(name: &str) -> String {
    format!(r#"{{"name":"{name}"}}"#)
}

/// Pizzas of these names from `from`, all under one key.
fn pizzas(from: &str, base: u64, names: &[&str]) -> Fetch {
    let values: Vec<_> = names.iter().map(|name| pizza(name)).collect();
    let records: Vec<_> = values.iter().map(|value| ("k", value.as_str())).collect();
    fetch(from, base, &records)
}

fn fixture(build: fn(&mut Service)) -> Fixture {
    let mut fixture = Fixture::new(build);
    fixture.assign(&["pizza/0", "pizza/1", "other/0"]);
    fixture
}

#[test]
fn a_stage_keeps_key_partition_timestamp_and_order() {
    let mut fixture = fixture(bakery);
    let made = fixture.handle([fetch("pizza/1", 7, &[("a", &pizza("x")), ("b", &pizza("y"))])]);
    assert_eq!(made.written(), [r#"baked/1 a={"name":"x!"}"#, r#"baked/1 b={"name":"y!"}"#]);
    assert_eq!(made.offsets(), ["pizza/1:9"]);
    let timestamps: Vec<_> = made.outputs[0].1.records().map(|record| record.timestamp).collect();
    assert_eq!(timestamps, [Timestamp(0), Timestamp(1_000)]);
    let source = made.outputs[0].1.origin().unwrap().source.unwrap();
    assert_eq!((source.from, source.first, source.last), (at("pizza/1"), Offset(7), Offset(8)));
}

#[test]
fn fields_that_a_stage_does_not_know_pass_through_it() {
    let mut fixture = fixture(bakery);
    let made = fixture.handle([fetch("pizza/0", 0, &[("k", r#"{"price": 12.50, "name": "x", "n": 1e400}"#)])]);
    assert_eq!(made.written(), [r#"baked/0 k={"name":"x!","price":12.50,"n":1e400}"#]);
}

#[test]
fn one_poll_is_one_commit_for_all_its_partitions() {
    let mut fixture = fixture(bakery);
    let fetches = [pizzas("pizza/0", 0, &["a"]), pizzas("pizza/0", 1, &["b"]), pizzas("pizza/1", 5, &["c"])];
    let made = fixture.handle(fetches);
    assert_eq!(made.offsets(), ["pizza/0:2", "pizza/1:6"]);
    assert_eq!(made.outputs.len(), 2, "batches of one partition that come together are one");
    assert!(fixture.script().made.is_empty());
}

#[test]
fn records_before_the_position_are_not_handled_again() {
    let mut fixture = fixture(bakery);
    let polled = Fetch { position: Offset(12), ..pizzas("pizza/0", 10, &["a", "b", "c"]) };
    let made = fixture.handle([polled]);
    assert_eq!(made.written(), [r#"baked/0 k={"name":"c!"}"#]);
    assert_eq!(made.offsets(), ["pizza/0:13"]);
}

#[test]
fn a_failing_a_panicking_and_an_unreadable_record_are_dead_letters_and_the_rest_goes_on() {
    let mut fixture = fixture(bakery);
    let values = [pizza("a"), pizza("hawaii"), pizza("calzone"), "{".to_owned(), pizza("b")];
    let records: Vec<_> = values.iter().map(|value| ("k", value.as_str())).collect();
    let made = fixture.handle([fetch("pizza/0", 0, &records)]);
    let letters = made.dead_letters();
    assert_eq!(letters[..2], ["baked not here", "baked panicked: it folds"]);
    assert!(letters[2].starts_with("baked does not decode: EOF"), "{letters:?}");
    let baked: Vec<_> = made.written().into_iter().filter(|line| line.starts_with("baked")).collect();
    assert_eq!(baked, [r#"baked/0 k={"name":"a!"}"#, r#"baked/0 k={"name":"b!"}"#]);
    assert_eq!(made.offsets(), ["pizza/0:5"]);
}

/// A record at offset 40 that no handler takes: it has no value.
fn batch_with_headers(headers: &[Header<'_>]) -> linecook_log::Batch {
    let service = linecook_log::GroupName::new("x").unwrap();
    let origin = linecook_log::Origin { service, taken_at: Timestamp(0), attempt: 1, source: None };
    let mut batch = linecook_log::BatchBuilder::new(&origin, 0);
    batch.push(&NewRecord { key: Some(b"k"), value: None, timestamp: Timestamp(99), headers }).unwrap();
    batch.finish(Offset(40), Timestamp(0))
}

#[test]
fn a_dead_letter_is_the_record_as_it_is_with_what_happened_to_it() {
    let mut fixture = fixture(bakery);
    let headers = [Header { name: "trace", value: b"7" }];
    let batch = batch_with_headers(&headers);
    let made = fixture.handle([Fetch::new(at("pizza/1"), Offset(40), batch)]);

    let (to, batch) = &made.outputs[0];
    let letter = batch.records().next().unwrap();
    assert_eq!(*to, at("test.dead-letters/1"));
    assert_eq!((letter.key, letter.value, letter.timestamp), (Some(&b"k"[..]), None, Timestamp(99)));
    let headers: Vec<_> =
        letter.headers.map(|header| format!("{}={}", header.name, String::from_utf8_lossy(header.value))).collect();
    let expected = [
        "trace=7",
        "linecook-service=test",
        "linecook-stage=baked",
        "linecook-topic=pizza",
        "linecook-partition=1",
        "linecook-offset=40",
        "linecook-reason=does not decode: the record has no value",
        "linecook-attempts=1",
        "linecook-first-failed-at=1700000000000",
        "linecook-failed-at=1700000000000",
    ];
    assert_eq!(headers, expected);
}

/// The count of headers is a u16, and ours come on top: it used to wrap around, and the letter was a record that nobody
/// could read, so the services behind it stopped for good.
#[test]
fn a_record_full_of_headers_is_noted_by_its_place() {
    let mut fixture = fixture(bakery);
    let headers = vec![Header { name: "h", value: b"" }; usize::from(u16::MAX)];
    let made = fixture.handle([Fetch::new(at("pizza/1"), Offset(40), batch_with_headers(&headers))]);
    let letter = made.outputs[0].1.records().next().unwrap();
    assert_eq!((letter.key, letter.value), (None, None));
    let names: Vec<_> = letter.headers.map(|header| header.name).collect();
    assert_eq!((names.len(), names[4]), (9, "linecook-offset"));
    assert_eq!(made.offsets(), ["pizza/1:41"]);
}

#[test]
fn a_record_whose_half_of_the_outputs_was_written_leaves_none_of_them() {
    let mut fixture = fixture(|service| {
        service.stage_many(PIZZA, SLICES, |_, _| {
            Ok((0..4).map(|slice| if slice == 2 { panic!("dropped it") } else { slice }))
        });
    });
    let made = fixture.handle([pizzas("pizza/0", 0, &["a"])]);
    assert_eq!(made.dead_letters(), ["slices panicked: dropped it"]);
    assert_eq!(made.outputs.len(), 1, "nothing but the dead letter");
}

#[test]
fn a_stage_may_make_any_number_of_records() {
    let mut fixture = fixture(|service| {
        service.stage_many(PIZZA, SLICES, |pizza, _| Ok(0..u32::try_from(pizza.name.len()).unwrap()));
    });
    let made = fixture.handle([pizzas("pizza/0", 0, &["", "aaa"])]);
    assert_eq!(made.written(), ["slices/0 k=0", "slices/0 k=1", "slices/0 k=2"]);
    let made = fixture.handle([pizzas("pizza/0", 2, &[""])]);
    assert!(made.outputs.is_empty());
    assert_eq!(made.offsets(), ["pizza/0:3"], "a record that nothing comes of is consumed all the same");
}

#[test]
fn two_stages_read_a_topic_once_and_fail_apart() {
    let mut fixture = fixture(|service| {
        service.stage(PIZZA, BAKED, bake);
        service.stage(PIZZA, DRAWN, |pizza, _| Ok(pizza.name.len() as u64));
    });
    let table = |name| linecook_log::TableName::new(name).unwrap();
    let tables = vec![table("pizza.baked.parked"), table("pizza.drawn.parked")];
    let inputs =
        [linecook_log::InputSpec { topics: vec![at("test.pizza.control/0").topic, at("pizza/0").topic], tables }];
    assert_eq!(fixture.script().joins[0].inputs, inputs);
    let made = fixture.handle([pizzas("pizza/0", 0, &["a", "hawaii"])]);
    let expected =
        [r#"baked/0 k={"name":"a!"}"#, "drawn/0 k=1", "drawn/0 k=6", r#"test.dead-letters/0 k={"name":"hawaii"}"#];
    let mut written = made.written();
    written.sort();
    assert_eq!(written, expected);
}

#[test]
fn a_replay_draws_the_same_and_another_stage_does_not() {
    fn draw(service: &mut Service) {
        service.stage(PIZZA, DRAWN, |_, context| Ok(context.random().u64()));
        service.stage(PIZZA, DRAWN_TOO, |_, context| Ok(context.random().u64()));
    }
    let drawn = |base| {
        let written = fixture(draw).handle([pizzas("pizza/1", base, &["a", "b"])]).written();
        written.iter().map(|line| line.split('=').next_back().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = drawn(5);
    assert_eq!(first, drawn(5));
    assert_eq!(first[1], drawn(6)[0], "chance goes with the offset, not with the batch");
    assert_ne!(first[0], first[1]);
    assert_ne!(first[..2], first[2..]);
}

#[test]
fn a_commit_is_made_when_its_records_are_large_enough_though_more_is_waiting() {
    let limits = Limits { output_bytes: 60, ..Limits::default() };
    let mut fixture = Fixture::with_limits(bakery, limits);
    fixture.assign(&["pizza/0"]);
    fixture.will_fetch([pizzas("pizza/0", 0, &["a", "b", "c", "d", "e"])]);
    let mut offsets = Vec::new();
    while let Step::Committed { .. } = fixture.step() {
        offsets.extend(fixture.last_made().offsets());
    }
    assert_eq!(offsets, ["pizza/0:3", "pizza/0:5"]);
    assert_eq!(fixture.script().waits.len(), 3, "what waits is handled before the next poll");
}

#[test]
fn a_commit_is_made_when_its_handlers_take_long_though_more_is_waiting() {
    let limits = Limits { commit_time: Duration::ZERO, ..Limits::default() };
    let mut fixture = Fixture::with_limits(bakery, limits);
    fixture.assign(&["pizza/0"]);
    fixture.will_fetch([pizzas("pizza/0", 0, &["a", "b"])]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(fixture.step(), Step::Idle);
}

#[test]
fn records_are_counted_by_group_in_each_partition() {
    let mut fixture = fixture(|service| {
        service.count(NAMES, PIZZA, |pizza| pizza.name);
    });
    fixture.handle([pizzas("pizza/0", 0, &["a", "b", "a"]), pizzas("pizza/1", 0, &["a"])]);
    let made: Made = fixture.handle([pizzas("pizza/0", 3, &["a"])]);
    assert_eq!(made.rows.len(), 1);
    assert_eq!(made.rows[0].key, &b"\x01a"[..]);
    assert_eq!(made.rows[0].value.as_deref(), Some(&b"\x01\x03\0\0\0\0\0\0\0"[..]));
    let reader = crate::CountsReader::<String>::new(Arc::new(fixture.log.clone()), 2);
    let totals: Vec<_> = reader.totals().unwrap().into_iter().collect();
    assert_eq!(totals, [("a".to_owned(), 4), ("b".to_owned(), 1)]);
}

#[test]
fn a_record_that_cannot_be_counted_is_a_dead_letter() {
    let mut fixture = fixture(|service| {
        let name = |pizza: Pizza| if pizza.name == "x" { panic!("no") } else { pizza.name };
        service.count(NAMES, PIZZA, name).on_failure(FailurePolicy::skip());
    });
    let made = fixture.handle([pizzas("pizza/0", 0, &["x", "a"])]);
    assert_eq!(made.dead_letters(), ["names panicked: no"]);
    assert_eq!(made.rows.len(), 1);
}

#[test]
fn what_was_done_is_on_the_metrics_page_once_it_is_committed() {
    let mut fixture = fixture(bakery);
    fixture.handle([pizzas("pizza/0", 0, &["a", "hawaii", "b"])]);
    let page = fixture.metrics();
    let lines = [
        r#"linecook_records_total{service="test",stage="baked",partition="0"} 3"#,
        r#"linecook_dead_letters_total{service="test",stage="baked",partition="0"} 1"#,
        r#"linecook_commits_total{service="test"} 1"#,
        r#"linecook_commit_seconds_count{service="test"} 1"#,
        r#"linecook_lag_seconds{service="test",topic="pizza",partition="0"} 1.0"#,
        r#"pizzas_burnt_total{service="test",oven="left"} 2"#,
    ];
    for line in lines {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    assert_eq!(fixture.step(), Step::Idle);
    assert!(fixture.metrics().contains(r#"partition="0"} 0.0"#), "nothing waits, so nothing lags");
}

#[test]
fn a_service_without_its_topics_is_told_which_one_is_missing() {
    let mut fixture = Fixture::not_joined(bakery, Limits::default());
    fixture.script().topics.retain(|name, _| name.as_str() != "baked");
    let error = fixture.worker.step().unwrap_err();
    assert!(error.to_string().contains("topic=baked"), "{error}");
}

#[test]
fn a_stage_between_topics_of_different_partition_counts_is_refused() {
    let mut fixture = Fixture::not_joined(bakery, Limits::default());
    *fixture.script().topics.get_mut(&at("baked/0").topic).unwrap() = 3;
    let error = fixture.worker.step().unwrap_err();
    assert!(error.to_string().contains("pizza=2 baked=3"), "{error}");
}

#[test]
fn stages_of_different_topics_do_not_disturb_each_other() {
    let mut fixture = fixture(|service| {
        service.stage(PIZZA, BAKED, bake);
        service.stage(OTHER, BAKED, |pizza, _| Ok(pizza));
    });
    let made = fixture.handle([pizzas("pizza/0", 0, &["a"]), pizzas("other/0", 3, &["b"])]);
    assert_eq!(made.written(), [r#"baked/0 k={"name":"a!"}"#, r#"baked/0 k={"name":"b"}"#]);
    let sources: Vec<_> = made.outputs.iter().map(|(_, batch)| batch.origin().unwrap().source.unwrap().from).collect();
    assert_eq!(sources, [at("pizza/0"), at("other/0")]);
}

/// What a handler is at work on is known to others meanwhile, and not for longer.
#[test]
fn what_is_in_hand_is_told_while_handlers_are_at_work() {
    thread_local! {
        static HEALTH: RefCell<Arc<WorkerHealth>> = RefCell::default();
        static SEEN: RefCell<Vec<String>> = RefCell::default();
    }
    let mut fixture = fixture(|service| {
        service.stage(PIZZA, BAKED, |pizza, _| {
            let InHand { from, first, .. } = HEALTH.with_borrow(|health| health.report().in_hand.unwrap());
            SEEN.with_borrow_mut(|seen| seen.push(format!("{from}:{first}")));
            if pizza.name == "hawaii" { Err(Failure::reject("not here")) } else { Ok(pizza) }
        });
    });
    HEALTH.set(fixture.worker.health());
    fixture.handle([pizzas("pizza/0", 3, &["a", "hawaii"]), pizzas("pizza/1", 9, &["b"])]);
    assert_eq!(SEEN.take(), ["pizza/0:3", "pizza/0:3", "pizza/1:9"]);
    assert_eq!(fixture.worker.health().report().in_hand, None);
}

/// A backlog that is handled record by record took longer than its group had patience for.
#[test]
fn who_is_long_about_what_it_has_polls_now_and_then() {
    let limits = Limits { output_bytes: 1, ..Limits::default() };
    let mut fixture = Fixture::with_limits(bakery, limits);
    fixture.assign(&["pizza/0"]);
    fixture.handle([pizzas("pizza/0", 0, &["a"; 30])]);
    let polls = fixture.script().waits.len();
    for _ in 0..20 {
        fixture.clock.advance(Duration::from_secs(1));
        assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    }
    assert_eq!(fixture.script().waits.len() - polls, 4);
}
