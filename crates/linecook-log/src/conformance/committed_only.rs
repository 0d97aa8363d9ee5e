//! Law 3: no reader ever sees a record or a row of an unfinished or refused commit.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Subject,
    copier::Copier,
    fixture::{Fixture, at},
    numbers::{Stored, numbered, text_of},
    stage::Stage,
};
use crate::{Commit, ErrorKind, Offset, Output, Partition, RowChange};

/// Numbers that no good commit writes begin here.
const SPECIAL_FROM: u64 = 10_000;

fn stage(fixture: &Fixture<'_>) -> Stage {
    let input = fixture.topic("in", 1);
    let outputs = [fixture.topic("first", 1), fixture.topic("second", 1)];
    Stage::new(fixture, "copy", &input, &[&outputs[0], &outputs[1]])
}

/// Not by `read`, not by another group, not in rows; not then, not after a kill.
pub fn nothing_of_a_refused_commit_is_ever_seen(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "committed-refused");
    let stage = stage(&fixture);
    let downstream = Stage::new(&fixture, "downstream", &stage.outputs[0], &[]);
    fixture.store(&at(&stage.input, 0), 0..20);
    let mut consumer = stage.join_alone(&fixture);
    for record in consumer.take(20) {
        let bad = refused_commit(&fixture, &stage, SPECIAL_FROM + record.number());
        let error = consumer.commit(bad).expect_err("a commit for a partition that is not owned is refused");
        assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Invalid), "{error}");
        let good = consumer.copy(&[record], &stage.outputs(), Some(&stage.table)).expect("rows can be read");
        fixture.wait(consumer.commit(good).expect("a good commit is taken"));
    }
    let mut reader = downstream.join_alone(&fixture);
    let seen: Vec<_> = reader.take(20).iter().map(Stored::number).collect();
    assert_eq!(seen, (0..20).collect::<Vec<_>>(), "another group sees exactly what was committed");
    stage.expect_all(&fixture, 0..20);
    fixture.kill_and_reopen();
    let _consumer = stage.join_alone(&fixture);
    stage.expect_all(&fixture, 0..20);
}

/// In the name of a partition that the group does not read, so it cannot be owned.
fn refused_commit(fixture: &Fixture<'_>, stage: &Stage, number: u64) -> Commit {
    let outputs =
        stage.outputs.iter().map(|topic| Output { to: at(topic, 0), batch: numbered([number]) }).collect::<Vec<_>>();
    let key = text_of(number).into();
    let value = Some(text_of(1).into());
    let rows = vec![RowChange { table: stage.table.clone(), partition: Partition(0), key, value }];
    let owned = (at(&stage.input, 0), fixture.committed_at(&stage.group, &at(&stage.input, 0)));
    Commit { outputs, rows, offsets: vec![owned, (at(&stage.outputs[0], 0), Offset(0))] }
}

/// Each commit writes to two topics and a row: whatever a reader has seen of it in one, it then finds in the others.
pub fn a_commit_seen_in_one_place_is_seen_in_all(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "committed-all");
    let stage = stage(&fixture);
    let consumer = stage.join_alone(&fixture);
    let copier = Copier::start(&fixture, &stage, stage.spec(&fixture, "instance-1"), consumer);
    let numbers =
        |topic: usize| -> BTreeSet<u64> { fixture.read_numbers(&at(&stage.outputs[topic], 0)).into_iter().collect() };
    let rows = || fixture.counts(&stage.group, &stage.table, Partition(0)).into_keys().collect::<BTreeSet<u64>>();
    for round in 0..30 {
        for number in round * 10..round * 10 + 10 {
            drop(fixture.append(&at(&stage.input, 0), numbered([number])));
        }
        let (in_second, in_rows) = (numbers(1), rows());
        // A log of several machines may show the parts one after the other, but it shows all of them.
        fixture.until("what was seen in the second topic is in the first", || in_second.is_subset(&numbers(0)));
        fixture.until("what was seen in a row is in the second topic", || in_rows.is_subset(&numbers(1)));
        let in_first = numbers(0);
        fixture.until("what was seen in the first topic is in the second", || in_first.is_subset(&numbers(1)));
        fixture.until("what was seen in the first topic is in the rows", || in_first.is_subset(&rows()));
    }
    stage.expect_all(&fixture, 0..300);
    drop(copier);
}

/// Whatever an outsider has seen, of records, rows, offsets and ends, no crash takes back. It looks right behind the
/// writes, when a log that shows too much still could lose them.
pub fn what_was_once_seen_survives_a_kill(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "committed-seen");
    let stage = stage(&fixture);
    let input = at(&stage.input, 0);
    for round in 0..8 {
        fixture.store(&input, round * 10..round * 10 + 10);
        let mut consumer = stage.join_alone(&fixture);
        let records = consumer.take(10);
        let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
        drop(consumer.commit(commit).expect("a commit is taken"));
        drop(fixture.append(&input, numbered([SPECIAL_FROM + round])));
        let seen = Seen::look(&fixture, &stage);
        fixture.kill_and_reopen();
        let _consumer = stage.join_alone(&fixture);
        fixture.settles("what was seen before the kill is there after it", || seen.check(&fixture, &stage));
    }
}

/// What an outsider sees.
struct Seen {
    input: Vec<u64>,
    input_end: Offset,
    outputs: Vec<u64>,
    rows: BTreeMap<u64, u64>,
    committed: Offset,
}

impl Seen {
    fn look(fixture: &Fixture<'_>, stage: &Stage) -> Self {
        let input = at(&stage.input, 0);
        Self {
            committed: fixture.committed_at(&stage.group, &input),
            rows: fixture.counts(&stage.group, &stage.table, Partition(0)),
            outputs: fixture.read_numbers(&at(&stage.outputs[0], 0)),
            input_end: fixture.describe(&stage.input)[0].1,
            input: fixture.read_numbers(&input),
        }
    }

    fn check(&self, fixture: &Fixture<'_>, stage: &Stage) -> Result<(), String> {
        let now = Self::look(fixture, stage);
        let is_kept = [
            ("records of the input", now.input.starts_with(&self.input)),
            ("the end of the input", now.input_end >= self.input_end),
            ("records of the output", now.outputs.starts_with(&self.outputs)),
            ("rows", self.rows.iter().all(|(number, count)| now.rows.get(number) == Some(count))),
            ("the committed offset", now.committed >= self.committed),
        ];
        if let Some((what, _)) = is_kept.iter().find(|(_, is_kept)| !is_kept) {
            return Err(format!("taken back: {what}"));
        }
        stage.check(fixture)
    }
}
