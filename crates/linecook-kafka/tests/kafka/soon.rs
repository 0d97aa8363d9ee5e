//! How soon a member is at work. All of these were parts of the two seconds that a service was away when it was killed
//! under load.

use std::time::Duration;

use linecook_log::{Clock as _, Commit, InputSpec, Log as _, MemberSpec, Offset, Partition, RowChange, TableName};

use crate::{
    kitchen::{Kitchen, at, text_of},
    stranger,
};

/// What librdkafka waits for takes half a second or more.
const SOON: Duration = Duration::from_millis(450);
/// This machine has other work as well: once in so many times is proof enough.
const TRIES: u32 = 20;

fn must_be_soon(what: impl FnMut(u32) -> Duration) {
    let mut times = Vec::new();
    let is_soon = (0..TRIES).map(what).any(|took| {
        times.push(took);
        took < SOON
    });
    assert!(is_soon, "{times:?}");
}

/// How long it takes to get a record after one has joined whose rows lie, or will lie, in that folder.
fn first_record_after(kitchen: &Kitchen, spec: &MemberSpec, rows: &str) -> Duration {
    let mut options = kitchen.options(rows);
    options.instance = spec.instance.clone();
    let log = kitchen.open_with(options);
    let began = kitchen.clock.monotonic();
    let mut member = log.join(spec.clone()).unwrap();
    kitchen.take(&mut *member, 1);
    let took = kitchen.clock.monotonic() - began;
    drop(member);
    log.abandon();
    took
}

/// librdkafka looks every half second whether there is a connection and whether the brokers have ended what a predecessor
/// has left open, and either takes some tens of milliseconds.
#[test]
fn who_comes_after_one_that_died_in_a_transaction_is_ready_as_soon_as_that_has_ended() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("heir");
    let (source, target) = (kitchen.topic(&log, "source", 1), kitchen.topic(&log, "target", 4));
    let spec = || kitchen.spec("chef", "heir", &[&source], &[]);
    let name = format!("{}.{}.{}", spec().group, spec().instance, spec().worker);
    must_be_soon(|_| {
        let dead = stranger::begin_transaction(kitchen.servers(), &name);
        (0..4).for_each(|partition| stranger::send(&dead, &at(&target, partition), "key", "value"));
        let began = kitchen.clock.monotonic();
        let heir = log.join(spec()).unwrap();
        let took = kitchen.clock.monotonic() - began;
        assert!(stranger::cannot_commit(&dead), "it was no predecessor");
        drop(heir);
        took
    });
}

/// A member subscribes to the first topic of an input only, and its client looked for the leaders of other topics when
/// the first of their partitions was assigned and its timer, once a second, had come round.
#[test]
fn the_second_topic_of_an_input_is_read_at_once() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("cook");
    let (first, second) = (kitchen.topic(&log, "first", 1), kitchen.topic(&log, "second", 1));
    kitchen.append(&log, &at(&second, 0), [0]);
    let spec = kitchen.spec("chef", "first", &[&first, &second], &[]);
    must_be_soon(|_| first_record_after(&kitchen, &spec, "first"));
}

/// A client has one request for records on its way to each broker. One for partitions without news waited there for 500 ms,
/// and partitions that were taken up meanwhile, after their rows had come, waited for its answer.
#[test]
fn a_partition_that_is_taken_up_later_does_not_wait_for_news_of_those_before() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let (quiet, source) = (kitchen.topic(&log, "quiet", 1), kitchen.topic(&log, "source", 1));
    kitchen.append(&log, &at(&source, 0), [0]);
    let table = TableName::new("seen").unwrap();
    let mut spec = kitchen.spec("chef", "first", &[&quiet], &[]);
    spec.inputs.push(InputSpec { topics: vec![source.clone()], tables: vec![table.clone()] });
    let mut member = log.join(spec.clone()).unwrap();
    kitchen.until_owns(&mut *member, 2);
    let row = RowChange { table, partition: Partition(0), key: text_of(1).into(), value: Some(text_of(1).into()) };
    let offsets = vec![(at(&source, 0), Offset(0))];
    drop(member.commit(Commit { rows: vec![row], offsets, ..Commit::default() }).unwrap());
    drop(member);
    log.abandon();
    // Its rows are not where it is now: they have to be restored.
    must_be_soon(|number| first_record_after(&kitchen, &spec, &format!("elsewhere-{number}")));
}
