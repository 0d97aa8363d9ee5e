//! Law 8: what cannot be done is refused with an error that names it, and nothing is half done.

use std::{collections::BTreeSet, thread};

use super::{
    Subject,
    fixture::{Fixture, at, refusal},
    numbers::{empty_batch, numbered},
    stage::Stage,
};
use crate::{
    BatchBuilder, Commit, ErrorKind, GroupSpec, InputSpec, MemberSpec, NewRecord, Offset, Output, Partition, Scan,
    Timestamp, TopicSpec,
};

/// The numbers in a message.
fn numbers_in(message: &str) -> BTreeSet<usize> {
    message.split(|character: char| !character.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn expect_counts(message: &str, counts: [usize; 2]) {
    let found = numbers_in(message);
    assert!(counts.iter().all(|count| found.contains(count)), "both counts of {counts:?} are named: {message}");
}

/// By name, in every call that takes a topic.
pub fn a_topic_that_does_not_exist(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-topic");
    let nowhere = fixture.topic_name("nowhere");
    let group = GroupSpec { name: fixture.group("lost"), topics: vec![nowhere.clone()] };
    let messages = [
        refusal(fixture.log.append(&at(&nowhere, 0), numbered([1])), ErrorKind::Invalid),
        refusal(fixture.log.read(&at(&nowhere, 0), Offset(0), 1), ErrorKind::Invalid),
        refusal(fixture.log.join(fixture.spec(&group.name, &[&nowhere])).map(|_| ()), ErrorKind::Invalid),
        refusal(fixture.log.declare_groups(&[group]), ErrorKind::Invalid),
    ];
    for message in messages {
        assert!(message.contains(nowhere.as_str()), "the topic is named: {message}");
    }
    let topics = fixture.log.describe().expect("topics can be described");
    assert!(topics.iter().all(|topic| topic.name != nowhere), "an unknown topic was created on the way");
}

/// The first one behind the last.
pub fn a_partition_that_does_not_exist(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-partition");
    let beyond = at(&fixture.topic("in", 2), 2);
    let messages = [
        refusal(fixture.log.append(&beyond, numbered([1])), ErrorKind::Invalid),
        refusal(fixture.log.read(&beyond, Offset(0), 1), ErrorKind::Invalid),
    ];
    for message in messages {
        assert!(message.contains(beyond.topic.as_str()), "the topic is named: {message}");
    }
}

/// With both counts; the same count again is fine, none is not.
pub fn another_partition_count_for_a_topic(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-count");
    let name = fixture.topic("in", 11);
    let create = |partition_count| fixture.log.create_topics(&[TopicSpec { name: name.clone(), partition_count }]);
    create(11).expect("a topic that is there already is fine");
    let message = refusal(create(13), ErrorKind::Invalid);
    assert!(message.contains(name.as_str()), "the topic is named: {message}");
    expect_counts(&message, [11, 13]);
    assert_eq!(fixture.describe(&name).len(), 11);

    let name = fixture.topic_name("none");
    refusal(fixture.log.create_topics(&[TopicSpec { name: name.clone(), partition_count: 0 }]), ErrorKind::Invalid);
    let topics = fixture.log.describe().expect("topics can be described");
    assert!(topics.iter().all(|topic| topic.name != name), "a topic without partitions was created");
}

/// With both counts.
pub fn co_partitioned_topics_of_different_counts(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-pair");
    let topics = vec![fixture.topic("left", 11), fixture.topic("right", 13)];
    let inputs = vec![InputSpec { topics, ..Default::default() }];
    let spec = MemberSpec { inputs, ..fixture.spec(&fixture.group("both"), &[]) };
    let group = spec.group.clone();
    let message = refusal(fixture.log.join(spec).map(|_| ()), ErrorKind::Invalid);
    expect_counts(&message, [11, 13]);
    let groups = fixture.log.groups().expect("groups can be listed");
    assert!(groups.iter().all(|known| known.name != group), "a refused member has left its group behind");
}

/// There is nothing to be durable or atomic about; an empty output next to something else is left out.
pub fn an_append_or_a_commit_of_nothing(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-nothing");
    let (input, output) = (fixture.topic("in", 1), fixture.topic("out", 1));
    refusal(fixture.log.append(&at(&input, 0), empty_batch()), ErrorKind::Invalid);
    fixture.store(&at(&input, 0), 0..5);
    let stage = Stage::new(&fixture, "copy", &input, &[&output]);
    let mut consumer = stage.join_alone(&fixture);
    refusal(consumer.commit(Commit::default()), ErrorKind::Invalid);
    let records = consumer.take(5);
    let mut commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
    commit.outputs.push(Output { to: at(&output, 0), batch: empty_batch() });
    fixture.wait(consumer.commit(commit).expect("an empty output is left out"));
    stage.expect_all(&fixture, 0..5);
}

/// With its size, alone or with others; nothing of it or of those is stored.
pub fn a_record_larger_than_the_log_takes(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-oversize");
    let (input, output) = (fixture.topic("in", 1), fixture.topic("out", 1));
    let oversize_bytes = fixture.oversize_bytes();
    let mut alone = empty_batch();
    push_oversize(&mut alone, oversize_bytes);
    let mut with_others = numbered(0..3);
    push_oversize(&mut with_others, oversize_bytes);
    for batch in [alone, with_others] {
        let message = refusal(fixture.log.append(&at(&input, 0), batch), ErrorKind::Invalid);
        expect_size(&message, oversize_bytes);
    }
    fixture.store(&at(&input, 0), 3..6);
    assert_eq!(fixture.read_numbers(&at(&input, 0)), [3, 4, 5]);

    let stage = Stage::new(&fixture, "copy", &input, &[&output]);
    let mut consumer = stage.join_alone(&fixture);
    let records = consumer.take(3);
    let mut commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
    push_oversize(&mut commit.outputs[0].batch, oversize_bytes);
    let message = refusal(consumer.commit(commit), ErrorKind::Invalid);
    expect_size(&message, oversize_bytes);
    let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
    fixture.wait(consumer.commit(commit).expect("a commit without the large record is taken"));
    stage.expect_all(&fixture, 3..6);
}

fn push_oversize(batch: &mut BatchBuilder, oversize_bytes: usize) {
    let value = vec![b'x'; oversize_bytes];
    batch
        .push(&NewRecord { key: None, value: Some(&value), timestamp: Timestamp(0), headers: &[] })
        .expect("a batch takes a few headers");
}

/// That of the value, of the record or of the batch.
fn expect_size(message: &str, oversize_bytes: usize) {
    let is_named = numbers_in(message).range(oversize_bytes..oversize_bytes + 4096).next().is_some();
    assert!(is_named, "the size of about {oversize_bytes} is named: {message}");
}

/// A poll and a ticket that would wait for long: nobody hangs on a log that is closed.
pub fn whatever_waits_when_the_log_closes(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "refused-waiting");
    let (input, quiet) = (fixture.topic("in", 1), fixture.topic("quiet", 1));
    let stage = Stage::new(&fixture, "copy", &input, &[]);
    fixture.store(&at(&input, 0), 0..5);
    let mut consumer = stage.join_alone(&fixture);
    let _in_hand = consumer.take(5);
    let reader = fixture.log.rows(&stage.group, &stage.table).expect("a reader of rows can be made");
    let never_caught_up = reader.caught_up(&at(&input, 0)).expect("the partition is here");
    let mut waiting = fixture.join_alone(fixture.spec(&fixture.group("waiting"), &[&quiet]));
    let patience = fixture.timing.patience;
    let poll = thread::spawn(move || waiting.poll(patience, 1).map(|_| ()));
    fixture.log.close().expect("a log can be closed");
    refusal(fixture.timing.wait(never_caught_up), ErrorKind::Closed);
    refusal(poll.join().expect("a poll does not panic"), ErrorKind::Closed);
}

/// All of them, on the log, its members and its readers; a second close is fine, and so is opening it again.
pub fn every_call_after_close(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "refused-closed");
    let input = fixture.topic("in", 1);
    let stage = Stage::new(&fixture, "copy", &input, &[]);
    fixture.store(&at(&input, 0), 0..5);
    let mut consumer = stage.join_alone(&fixture);
    let records = consumer.take(5);
    let commit = consumer.copy(&records, &[], Some(&stage.table)).expect("rows can be read");
    let reader = fixture.log.rows(&stage.group, &stage.table).expect("a reader of rows can be made");
    let log = &*fixture.log;
    log.close().expect("a log can be closed");

    refusal(log.create_topics(&[TopicSpec { name: input.clone(), partition_count: 1 }]), ErrorKind::Closed);
    let group = GroupSpec { name: stage.group.clone(), topics: vec![input.clone()] };
    refusal(log.declare_groups(&[group]), ErrorKind::Closed);
    refusal(log.describe(), ErrorKind::Closed);
    refusal(log.append(&at(&input, 0), numbered([1])), ErrorKind::Closed);
    refusal(log.read(&at(&input, 0), Offset(0), 1), ErrorKind::Closed);
    refusal(log.join(stage.spec(&fixture, "instance-2")).map(|_| ()), ErrorKind::Closed);
    refusal(log.rows(&stage.group, &stage.table).map(|_| ()), ErrorKind::Closed);
    refusal(log.groups(), ErrorKind::Closed);
    refusal(log.reset(&stage.group, &[(at(&input, 0), Offset(0))]), ErrorKind::Closed);
    refusal(log.drop_group(&stage.group), ErrorKind::Closed);
    refusal(reader.get(Partition(0), b"1"), ErrorKind::Closed);
    refusal(reader.scan(Partition(0), Scan::prefix(b"")), ErrorKind::Closed);
    refusal(reader.caught_up(&at(&input, 0)), ErrorKind::Closed);
    refusal(consumer.commit(commit), ErrorKind::Closed);
    refusal(consumer.get(&stage.table, Partition(0), b"1"), ErrorKind::Closed);
    refusal(consumer.scan(&stage.table, Partition(0), Scan::prefix(b"")), ErrorKind::Closed);
    refusal(consumer.step(), ErrorKind::Closed);
    refusal(consumer.leave(), ErrorKind::Closed);
    log.close().expect("a second close is fine");

    fixture.reopen();
    assert_eq!(fixture.read_numbers(&at(&input, 0)), [0, 1, 2, 3, 4]);
    let _consumer = stage.join_alone(&fixture);
    assert!(fixture.counts(&stage.group, &stage.table, Partition(0)).is_empty(), "a refused commit left rows");
}
