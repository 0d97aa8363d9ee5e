//! Law 2, while a group's partitions wander between its members.

use std::collections::BTreeSet;

use super::{
    Subject,
    consumer::{Consumer, Step},
    copier::Copier,
    fenced::until_shared,
    fixture::{Fixture, refusal},
    numbers::{Stored, text_of},
    stage::Stage,
};
use crate::{ErrorKind, InputSpec, MemberSpec, Partition, Scan, TopicPartition};

const PARTITION_COUNT: u32 = 4;

fn stage(fixture: &Fixture<'_>) -> Stage {
    let input = fixture.topic("in", PARTITION_COUNT);
    let output = fixture.topic("out", PARTITION_COUNT);
    Stage::new(fixture, "copy", &input, &[&output])
}

/// Members join, leave and die while others commit: every record has its effect once, in order, in outputs and rows.
pub fn every_record_has_one_effect_while_members_come_and_go(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rebalance-all");
    let stage = stage(&fixture);
    let feed = |round: u64| {
        fixture.store_by_key(&stage.input, PARTITION_COUNT, round * 200..round * 200 + 200);
        let expected = usize::try_from(round).expect("few rounds") * 200 + 50;
        fixture.until("the group goes on", || stage.numbers_out(&fixture).len() >= expected);
    };
    let first = Copier::join(&fixture, &stage, "instance-1");
    feed(0);
    let spec = MemberSpec { max_silence: fixture.max_silence(), ..stage.spec(&fixture, "instance-2") };
    let consumer = fixture.join(spec.clone());
    let second = Copier::start(&fixture, &stage, spec, consumer);
    feed(1);
    first.stop().expect("the first member lives").leave().expect("a member can leave");
    feed(2);
    let third = Copier::join(&fixture, &stage, "instance-3");
    feed(3);
    // Without a farewell: what it owned comes to the third one only because it is silent.
    let silent = second.stop();
    feed(4);
    stage.expect_all(&fixture, 0..1000);
    drop((silent, third));
}

/// Partition p of all topics of one list has one owner, or its table would need rows of another member.
pub fn co_partitioned_topics_have_one_owner(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rebalance-together");
    let (left, right) = (fixture.topic("left", PARTITION_COUNT), fixture.topic("right", PARTITION_COUNT));
    let group = fixture.group("both");
    let join = |instance| {
        let stage = Stage::new(&fixture, "both", &left, &[]);
        let inputs = vec![InputSpec { topics: vec![left.clone(), right.clone()], ..Default::default() }];
        fixture.join(MemberSpec { inputs, group: group.clone(), ..stage.spec(&fixture, instance) })
    };
    let (mut one, mut other) = (join("instance-1"), join("instance-2"));
    fixture.until("two members share two co-partitioned topics", || {
        one.step_early();
        other.step_early();
        expect_pairs(&one);
        expect_pairs(&other);
        assert!(one.owned.is_disjoint(&other.owned), "a partition has two owners");
        let all = one.owned.len() + other.owned.len() == 2 * PARTITION_COUNT as usize;
        all && !one.owned.is_empty() && !other.owned.is_empty()
    });
}

fn expect_pairs(consumer: &Consumer) {
    let topics: BTreeSet<_> = consumer.owned.iter().map(|owned| &owned.topic).collect();
    let partitions: BTreeSet<_> = consumer.owned.iter().map(|owned| owned.partition).collect();
    assert_eq!(consumer.owned.len(), topics.len() * partitions.len(), "halves of partitions: {:?}", consumer.owned);
    assert!(consumer.owned.is_empty() || topics.len() == 2, "halves of partitions: {:?}", consumer.owned);
}

/// What the old owner commits after `Revoking` and before its next poll counts: the new owner sees its rows, without a
/// wait for them to be durable, and goes on behind its offset.
pub fn a_partition_is_handed_over_with_its_rows_and_position(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rebalance-rows");
    let stage = stage(&fixture);
    fixture.store_by_key(&stage.input, PARTITION_COUNT, 0..40);
    let mut old = stage.join_alone(&fixture);
    let in_hand = old.take(40);
    let mut new = fixture.join(stage.spec(&fixture, "instance-2"));
    let revoked = until_revoking(&fixture, &mut old, &mut new);

    let commit = old.copy(&in_hand, &stage.outputs(), Some(&stage.table)).expect("rows can be read while revoking");
    drop(old.commit(commit).expect("a member can commit what is in hand while revoking"));
    until_shared(&fixture, &stage, &mut [&mut old, &mut new]);
    let given: Vec<_> = revoked.into_iter().filter(|partition| new.owned.contains(partition)).collect();
    assert!(!given.is_empty(), "what was revoked from one member came to nobody");
    expect_rows(&mut new, &stage, &given, &in_hand);

    let late = old.copy(&in_hand, &stage.outputs(), None).expect("no rows are read");
    refusal(old.commit(late), ErrorKind::Fenced);
    fixture.store_by_key(&stage.input, PARTITION_COUNT, 40..80);
    let _old = Copier::start(&fixture, &stage, stage.spec(&fixture, "instance-1"), old);
    let _new = Copier::start(&fixture, &stage, stage.spec(&fixture, "instance-2"), new);
    stage.expect_all(&fixture, 0..80);
}

fn until_revoking(fixture: &Fixture<'_>, old: &mut Consumer, new: &mut Consumer) -> Vec<TopicPartition> {
    let mut revoked = Vec::new();
    fixture.until("the first of two members has to give something away", || {
        if let Step::Revoking(partitions) = old.step().expect("a member can poll") {
            revoked = partitions;
            return true;
        }
        new.step_early();
        false
    });
    revoked
}

fn expect_rows(new: &mut Consumer, stage: &Stage, given: &[TopicPartition], in_hand: &[Stored]) {
    for record in in_hand.iter().filter(|record| given.contains(&record.from)) {
        let key = text_of(record.number());
        let row = new.get(&stage.table, record.from.partition, key.as_bytes()).expect("an owned row can be read");
        assert!(row.is_some(), "the new owner does not see what the old one committed: row={key}");
    }
}

/// A process dies after it was told what to give up, and its successor takes its place: what was to be given up has an
/// owner, as everything else.
pub fn a_member_that_dies_while_it_gives_up_leaves_nothing_unowned(subject: &mut dyn Subject) {
    // It is kept and not polled: a process that is killed says nothing of what a member says that is dropped.
    replace_while_it_gives_up(subject, "rebalance-died", Some);
}

/// The same of one that is dropped just then, as by a worker that joins again after an error.
pub fn a_member_that_ends_while_it_gives_up_leaves_nothing_unowned(subject: &mut dyn Subject) {
    replace_while_it_gives_up(subject, "rebalance-ended", |ended| {
        drop(ended);
        None
    });
}

fn replace_while_it_gives_up(subject: &mut dyn Subject, name: &str, end: fn(Consumer) -> Option<Consumer>) {
    let fixture = Fixture::open(subject, name);
    let stage = stage(&fixture);
    // What somebody may be about to give up is waited for, for so long.
    let spec = |instance| MemberSpec { max_silence: fixture.max_silence(), ..stage.spec(&fixture, instance) };
    let mut old = fixture.join_alone(spec("instance-1"));
    let mut new = fixture.join(spec("instance-2"));
    until_revoking(&fixture, &mut old, &mut new);
    let old = end(old);
    let heir = Copier::start(&fixture, &stage, spec("instance-1"), fixture.join(spec("instance-1")));
    let new = Copier::start(&fixture, &stage, spec("instance-2"), new);
    fixture.store_by_key(&stage.input, PARTITION_COUNT, 0..80);
    stage.expect_all(&fixture, 0..80);
    drop((heir, new, old));
}

/// How soon is up to the log, but its `max_silence` would be longer than this test.
pub fn a_member_that_leaves_hands_over(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rebalance-leave");
    let stage = stage(&fixture);
    fixture.store_by_key(&stage.input, PARTITION_COUNT, 0..20);
    let mut leaver = stage.join_alone(&fixture);
    let records = leaver.take(20);
    leaver.leave().expect("a member can leave");
    let mut heir = fixture.join_alone(stage.spec(&fixture, "instance-2"));
    assert_eq!(heir.take(20).len(), records.len(), "what was not committed is polled by the next owner");
    let counts = heir.scan(&stage.table, Partition(0), Scan::prefix(b""));
    assert!(counts.expect("rows of an owned partition can be read").is_empty());
}
