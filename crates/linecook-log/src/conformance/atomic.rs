//! Law 1: a commit's outputs, row changes and consumed offsets are all there or none is, whatever dies and when.

use super::{
    Subject,
    fixture::{Fixture, at, refusal},
    numbers::{empty_batch, numbered},
    stage::Stage,
};
use crate::{BatchBuilder, Commit, ErrorKind, NewRecord, Output, RowChange, Timestamp, TopicPartition};

const ROUNDS: u64 = 8;
const PARTITION_COUNT: u32 = 2;

fn two_output_stage(fixture: &Fixture<'_>) -> Stage {
    let input = fixture.topic("in", PARTITION_COUNT);
    let outputs = [fixture.topic("left", PARTITION_COUNT), fixture.topic("right", PARTITION_COUNT)];
    Stage::new(fixture, "copy", &input, &[&outputs[0], &outputs[1]])
}

/// What makes a commit wrong in its last part.
type Fault = fn(&Fixture<'_>, &mut Commit);

/// When the ticket of a commit is done, all parts of it are seen.
pub fn a_commit_is_there_with_all_its_parts(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "atomic-whole");
    let stage = two_output_stage(&fixture);
    fixture.store_by_key(&stage.input, PARTITION_COUNT, 0..20);
    let mut consumer = stage.join_alone(&fixture);
    let records = consumer.take(20);
    let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
    fixture.wait(consumer.commit(commit).expect("a commit is taken"));
    stage.expect_all(&fixture, 0..20);
}

/// A kill right behind a commit, before or after it is durable: all of it is there afterwards or nothing is.
pub fn a_commit_cut_by_a_kill_is_there_whole_or_not_at_all(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "atomic-kill");
    let stage = two_output_stage(&fixture);
    for round in 0..ROUNDS {
        fixture.store_by_key(&stage.input, PARTITION_COUNT, round * 10..round * 10 + 10);
        let mut consumer = stage.join_alone(&fixture);
        fixture.settles(&format!("after kill {round}, all parts agree"), || stage.check(&fixture));
        let records = consumer.take(10);
        let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
        let ticket = consumer.commit(commit).expect("a commit is taken");
        if round % 3 == 0 {
            fixture.wait(ticket);
        }
        fixture.kill_and_reopen();
    }
    let _consumer = stage.join_alone(&fixture);
    fixture.settles("after the last kill, all parts agree", || stage.check(&fixture));
}

/// The records of one append are there after a kill, all or none.
pub fn an_append_cut_by_a_kill_is_there_whole_or_not_at_all(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "atomic-append");
    let to = at(&fixture.topic("in", 1), 0);
    for round in 0..ROUNDS {
        let _not_waited_for = fixture.append(&to, numbered(round * 50..round * 50 + 50));
        fixture.kill_and_reopen();
    }
    let numbers = fixture.read_numbers(&to);
    for round in 0..ROUNDS {
        let count = numbers.iter().filter(|number| **number / 50 == round).count();
        assert!(count == 0 || count == 50, "{count} of the 50 records of one append are there");
    }
}

/// A commit whose last part is wrong: nothing of the parts before it happens, and a right one can follow.
pub fn a_commit_that_is_refused_for_its_last_part_leaves_nothing(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "atomic-refused");
    let stage = two_output_stage(&fixture);
    fixture.store_by_key(&stage.input, PARTITION_COUNT, 0..20);
    let mut consumer = stage.join_alone(&fixture);
    let records = consumer.take(20);
    let faults: [(&str, Fault); 4] = [
        ("an unknown topic", |fixture, commit| add_output(commit, &at(&fixture.topic_name("nowhere"), 0))),
        ("an unknown partition", |_, commit| {
            let to = at(&commit.outputs[0].to.topic, PARTITION_COUNT);
            add_output(commit, &to);
        }),
        ("an unknown table", |fixture, commit| {
            let table = fixture.table("undeclared");
            commit.rows.push(RowChange { table, ..commit.rows[0].clone() });
        }),
        ("an oversize record", |fixture, commit| {
            let to = commit.outputs[0].to.clone();
            let mut batch = empty_batch();
            push_value(&mut batch, &vec![b'x'; fixture.oversize_bytes()]);
            commit.outputs.push(Output { to, batch });
        }),
    ];
    for (what, spoil) in faults {
        let mut commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
        spoil(&fixture, &mut commit);
        refusal(consumer.commit(commit), ErrorKind::Invalid);
        stage.check(&fixture).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        assert!(stage.numbers_out(&fixture).is_empty(), "{what}: there are outputs of a refused commit");
    }
    // Each row counts from what the member sees: 1 only if no refused commit has left a row.
    let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
    fixture.wait(consumer.commit(commit).expect("a right commit is taken after wrong ones"));
    stage.expect_all(&fixture, 0..20);
}

fn add_output(commit: &mut Commit, to: &TopicPartition) {
    commit.outputs.push(Output { to: to.clone(), batch: numbered([1]) });
}

fn push_value(batch: &mut BatchBuilder, value: &[u8]) {
    let record = NewRecord { key: None, value: Some(value), timestamp: Timestamp(0), headers: &[] };
    batch.push(&record).expect("a batch takes a few headers");
}
