//! Law 4: within a partition readers see commit order; so does a key.

use super::{
    Subject,
    consumer::{Step, consumed},
    copier::Copier,
    fenced::until_shared,
    fixture::{Fixture, at},
    numbers::{Random, Stored, empty_batch, numbered, numbers_of},
    stage::Stage,
};
use crate::{Commit, ErrorKind, NewRecord, Offset, Output, Timestamp};

fn numbers(count: u64) -> Vec<u64> {
    (0..count).collect()
}

/// One thread's appends keep their order, though it waits for none of them; offsets strictly increase; a read from
/// the middle goes on from there; at the end and beyond there is nothing.
pub fn records_are_read_in_the_order_of_their_appends(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "ordered-appends");
    let to = at(&fixture.topic("in", 1), 0);
    let tickets: Vec<_> = (0..50).map(|n| fixture.append(&to, numbered(n * 5..n * 5 + 5))).collect();
    tickets.into_iter().for_each(|ticket| fixture.wait(ticket));

    let records = fixture.read(&to);
    assert_eq!(numbers_of(&records), numbers(250));
    assert!(records.is_sorted_by(|one, next| one.offset < next.offset), "offsets do not increase: {records:?}");
    for first in [1, 127, 249] {
        assert_eq!(fixture.read_from(&to, records[first].offset), records[first..]);
    }
    let (_, end) = fixture.describe(&to.topic)[0];
    for beyond in [end, end.plus(1_000)] {
        let batches = fixture.log.read(&to, beyond, 1).expect("a read beyond the end is fine");
        assert!(batches.is_empty(), "a read at {beyond}, with the end at {end}, gave {batches:?}");
    }
}

/// Two outputs of one commit for the same partition lie there in the order of the commit, whatever is between them.
pub fn outputs_of_a_commit_keep_their_order(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "ordered-outputs");
    let topics = ["in", "out", "other"].map(|name| fixture.topic(name, 1));
    fixture.store(&at(&topics[0], 0), [0]);
    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("make"), &[&topics[0]]));
    let records = consumer.take(1);
    for round in 0..3 {
        let output = |topic: usize, first| Output { to: at(&topics[topic], 0), batch: numbered(first..first + 3) };
        let outputs = vec![output(1, round * 9), output(2, round * 9 + 3), output(1, round * 9 + 6)];
        fixture.wait(consumer.commit(Commit { outputs, ..consumed(&records) }).expect("a commit is taken"));
    }
    let expected = [0, 1, 2, 6, 7, 8, 9, 10, 11, 15, 16, 17, 18, 19, 20, 24, 25, 26];
    assert_eq!(fixture.read_numbers(&at(&topics[1], 0)), expected);
}

/// Two steps of two members each: what comes out of a partition is what went in, in that order.
pub fn a_key_keeps_its_order_through_two_steps(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "ordered-steps");
    let topics = ["in", "middle", "out"].map(|name| fixture.topic(name, 4));
    let first = Stage::new(&fixture, "first", &topics[0], &[&topics[1]]);
    let second = Stage::new(&fixture, "second", &topics[1], &[&topics[2]]);
    let copiers = [&first, &second]
        .map(|stage| ["instance-1", "instance-2"].map(|instance| Copier::join(&fixture, stage, instance)));
    for round in 0..20 {
        fixture.store_by_key(&topics[0], 4, round * 20..round * 20 + 20);
    }
    // Each stage compares the order of its output with that of its input.
    second.expect_all(&fixture, numbers(400));
    first.expect_all(&fixture, numbers(400));
    drop(copiers);
}

/// With polls as small as can be, and without a commit in between.
pub fn polls_bring_each_record_once_and_in_order(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "ordered-polls");
    let topic = fixture.topic("in", 2);
    (0..20).for_each(|round| fixture.store_by_key(&topic, 2, round * 10..round * 10 + 10));
    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("poll"), &[&topic]));
    consumer.max_bytes = 1;
    let polled = consumer.take(200);
    for partition in 0..2 {
        let from = at(&topic, partition);
        let of_partition: Vec<Stored> = polled.iter().filter(|record| record.from == from).cloned().collect();
        assert_eq!(of_partition, fixture.read(&from), "{from} is polled as it is read");
    }
}

/// The next member begins at the offset that was committed, be it in the middle of a batch; also after a kill.
pub fn a_member_goes_on_from_the_committed_offset(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "ordered-committed");
    let topic = fixture.topic("in", 1);
    let spec = fixture.spec(&fixture.group("poll"), &[&topic]);
    fixture.store(&at(&topic, 0), 0..30);

    let mut first = fixture.join_alone(spec.clone());
    let records = first.take(30);
    assert_eq!(numbers_of(&records), numbers(30));
    fixture.wait(first.commit(consumed(&records[..11])).expect("a commit is taken"));
    first.leave().expect("a member can leave");

    let mut second = fixture.join_alone(spec.clone());
    let records = second.take(19);
    assert_eq!(numbers_of(&records), numbers(30)[11..]);
    fixture.wait(second.commit(consumed(&records[..11])).expect("a commit is taken"));
    fixture.kill_and_reopen();

    let mut third = fixture.join_alone(spec);
    assert_eq!(numbers_of(&third.take(8)), numbers(30)[22..]);
    let none = fixture.committed_at(&fixture.group("poll"), &at(&topic, 0));
    assert!(none > Offset(0), "the group's offset is described");
}

/// The order of a member's inputs is that of its polls.
pub fn a_backlog_does_not_delay_an_earlier_topic(subject: &mut dyn Subject) {
    const BACKLOG: usize = 256;
    let fixture = Fixture::open(subject, "ordered-inputs");
    let (urgent, backlog) = (fixture.topic("urgent", 1), fixture.topic("backlog", 1));
    let mut random = Random(4);
    for _ in 0..BACKLOG {
        let mut batch = empty_batch();
        let value = random.bytes(16 * 1024);
        batch
            .push(&NewRecord { key: None, value: Some(&value), timestamp: Timestamp(0), headers: &[] })
            .expect("a batch takes a few headers");
        fixture.wait(fixture.append(&at(&backlog, 0), batch));
    }
    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("poll"), &[&urgent, &backlog]));
    consumer.max_bytes = 1;
    let first = consumer.take(1);
    assert_eq!(first[0].from.topic, backlog);
    fixture.store(&at(&urgent, 0), [1]);
    let mut polled = first.len();
    fixture.until("the record of the earlier topic comes", || {
        let records = consumer.take(1);
        polled += records.len();
        records.iter().any(|record| record.from.topic == urgent)
    });
    assert!(polled < BACKLOG, "the whole backlog of a later topic came first");
}

/// Others go on meanwhile. A commit may take what was polled before the pause, also a part of it, and one that is refused
/// does not end the pause.
pub fn a_paused_partition_goes_on_behind_what_was_committed_of_it(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "ordered-paused");
    let topic = fixture.topic("in", 2);
    let (paused, other) = (at(&topic, 0), at(&topic, 1));
    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("poll"), &[&topic]));
    fixture.store(&paused, 0..10);
    let polled = consumer.take(10);
    assert_eq!(numbers_of(&polled), numbers(10));
    consumer.pause(&paused).expect("an owned partition can be paused");
    fixture.store(&paused, 10..20);
    fixture.store(&other, 100..110);
    assert_eq!(numbers_of(&consumer.take(10)), (100..110).collect::<Vec<_>>(), "the other one goes on");
    fixture.wait(consumer.commit(consumed(&polled[..4])).expect("it is owned"));
    let unowned = vec![(at(&topic, 9), Offset(1))];
    consumer.commit(Commit { offsets: unowned, ..Commit::default() }).expect_err("there is no such partition");
    assert_eq!(numbers_of(&consumer.take(10)), (100..110).collect::<Vec<_>>(), "and nothing but it comes again");
    consumer.resume(&other).expect("it is owned, and was not paused");
    for _ in 0..10 {
        let step = consumer.step().expect("a member can poll");
        assert!(!matches!(step, Step::Records(_)), "records of a paused partition: {step:?}");
    }
    consumer.resume(&paused).expect("an owned partition can be resumed");
    assert_eq!(numbers_of(&consumer.take(16)), numbers(20)[4..]);
    let error = consumer.pause(&at(&topic, 9)).expect_err("there is no such partition");
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    let error = consumer.resume(&at(&topic, 9)).expect_err("there is no such partition");
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
}

/// A pause goes with the ownership, be it to another member or back to the same one.
pub fn a_paused_partition_is_not_paused_for_its_next_owner(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "ordered-passed-on");
    let topic = fixture.topic("in", 2);
    let both = [at(&topic, 0), at(&topic, 1)];
    let stage = Stage::new(&fixture, "pass", &topic, &[]);
    let mut first = stage.join_alone(&fixture);
    both.iter().for_each(|at| fixture.store(at, 0..10));
    first.take(20);
    both.iter().for_each(|at| first.pause(at).expect("an owned partition can be paused"));
    let mut second = fixture.join(stage.spec(&fixture, "instance-2"));
    until_shared(&fixture, &stage, &mut [&mut first, &mut second]);
    assert_eq!(numbers_of(&second.take(10)), numbers(10));
    let passed_on = second.owned.first().expect("it has one").clone();
    second.leave().expect("a member can leave");
    first.until_owns(&both);
    let records = first.take(10);
    assert_eq!(numbers_of(&records), numbers(10));
    assert!(records.iter().all(|record| record.from == passed_on), "the one that it kept is paused: {records:?}");
}
