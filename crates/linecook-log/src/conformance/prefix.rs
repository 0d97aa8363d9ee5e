//! Law 6: what a crash loses is a suffix of the history, one cut for topics, rows and offsets together.
//!
//! On a log of many machines that holds for each member's commits, one after the other, and for what was made from
//! them; only that is asked here.

use super::{
    Subject,
    consumer::consumed,
    copier::Copier,
    fixture::{Fixture, at},
    numbers::{Random, numbered, text_of},
    stage::Stage,
};
use crate::{Commit, Output, Partition, RowChange, TopicName};

const ROUNDS: u64 = 6;
const PARTITION_COUNT: u32 = 2;

/// Three stages, one made from the other, under load and killed at a random moment: afterwards each stage's offsets,
/// outputs and rows agree, and no stage has consumed what is not there. In the end everything has come through once.
pub fn a_chain_killed_under_load_agrees_with_itself(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "prefix-chain");
    let topics = ["in", "one", "two", "out"].map(|name| fixture.topic(name, PARTITION_COUNT));
    let stages = [("first", 0), ("second", 1), ("third", 2)]
        .map(|(name, step)| Stage::new(&fixture, name, &topics[step], &[&topics[step + 1]]));
    let mut random = Random(6);
    for round in 0..ROUNDS {
        let copiers = start_checked(&fixture, &stages, round);
        let before = stages[2].numbers_out(&fixture).len();
        let numbers = round * 200..round * 200 + 200;
        for number in numbers {
            fixture.store_by_key(&topics[0], PARTITION_COUNT, [number]);
            let is_enough = random.below(150) == 0 && stages[2].numbers_out(&fixture).len() > before;
            if is_enough {
                break;
            }
        }
        fixture.kill();
        drop(copiers);
        fixture.reopen();
    }
    let copiers = start_checked(&fixture, &stages, ROUNDS);
    let stored: Vec<u64> = (0..PARTITION_COUNT).flat_map(|p| fixture.read_numbers(&at(&topics[0], p))).collect();
    for stage in stages.iter().rev() {
        stage.expect_all(&fixture, stored.iter().copied());
    }
    drop(copiers);
}

/// Joins a member for each stage, checks all of them while they own everything and do nothing, and lets them go.
fn start_checked(fixture: &Fixture<'_>, stages: &[Stage], round: u64) -> Vec<Copier> {
    let consumers: Vec<_> = stages.iter().map(|stage| stage.join_alone(fixture)).collect();
    for stage in stages {
        fixture.settles(&format!("after kill {round}, {} agrees", stage.group), || stage.check(fixture));
    }
    let start =
        |(stage, consumer): (&Stage, _)| Copier::start(fixture, stage, stage.spec(fixture, "instance-1"), consumer);
    stages.iter().zip(consumers).map(start).collect()
}

/// A member's commits go to three topics and a row in turn: if one is there after a kill, so are all before it.
pub fn a_commit_is_never_there_without_those_before_it(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "prefix-commits");
    let input = fixture.topic("in", 1);
    let outputs = ["a", "b", "c"].map(|name| fixture.topic(name, 1));
    let stage = Stage::new(&fixture, "spread", &input, &[]);
    fixture.store(&at(&input, 0), 0..200);
    let mut committed = 0;
    for round in 0..ROUNDS {
        let mut consumer = stage.join_alone(&fixture);
        let records = consumer.take(200 - committed);
        for record in &records[..20] {
            let number = record.number();
            let mut commit = consumed(std::slice::from_ref(record));
            spread(&mut commit, &stage, &outputs, number);
            let ticket = consumer.commit(commit).expect("a commit is taken");
            if round % 2 == 1 && number % 7 == 0 {
                fixture.wait(ticket);
            }
        }
        fixture.kill_and_reopen();
        let _consumer = stage.join_alone(&fixture);
        fixture.settles("what is there is a prefix", || {
            let mut there: Vec<u64> = outputs.iter().flat_map(|topic| fixture.read_numbers(&at(topic, 0))).collect();
            there.extend(fixture.counts(&stage.group, &stage.table, Partition(0)).into_keys());
            there.sort_unstable();
            let offset = fixture.committed_at(&stage.group, &at(&input, 0));
            let consumed = fixture.read(&at(&input, 0)).iter().filter(|record| record.offset < offset).count();
            committed = consumed;
            let expected: Vec<u64> = (0..consumed as u64).collect();
            if there == expected { Ok(()) } else { Err(format!("consumed {consumed} numbers, there are {there:?}")) }
        });
        fixture.kill_and_reopen();
    }
}

/// Every fourth number becomes a row, the others a record in one of the topics.
fn spread(commit: &mut Commit, stage: &Stage, outputs: &[TopicName; 3], number: u64) {
    match outputs.get(usize::try_from(number % 4).unwrap_or_default()) {
        Some(topic) => commit.outputs.push(Output { to: at(topic, 0), batch: numbered([number]) }),
        None => commit.rows.push(RowChange {
            table: stage.table.clone(),
            partition: Partition(0),
            key: text_of(number).into(),
            value: Some(text_of(1).into()),
        }),
    }
}
