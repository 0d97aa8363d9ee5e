//! Law 2: a member that lost a partition cannot commit anything for it, and the attempt has no effect.

use super::{
    Subject,
    consumer::{Consumer, Step},
    fixture::{Fixture, at, refusal},
    numbers::{Stored, numbered},
    stage::Stage,
};
use crate::{Commit, ErrorKind, MemberSpec, Offset, Output, TopicPartition};

fn stage(fixture: &Fixture<'_>, partition_count: u32) -> Stage {
    let input = fixture.topic("in", partition_count);
    let output = fixture.topic("out", partition_count);
    Stage::new(fixture, "copy", &input, &[&output])
}

fn copied(consumer: &mut Consumer, stage: &Stage, records: &[Stored]) -> Commit {
    consumer.copy(records, &stage.outputs(), Some(&stage.table)).expect("rows of owned partitions can be read")
}

/// A member that went silent, whose partitions another has by now: its commit is refused and leaves no trace; the other
/// gets the same records, and their effect is there once.
pub fn a_member_silent_for_too_long_cannot_commit(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "fenced-silent");
    let stage = stage(&fixture, 2);
    fixture.store_by_key(&stage.input, 2, 0..20);
    let max_silence = fixture.max_silence();
    let mut silent = fixture.join_alone(MemberSpec { max_silence, ..stage.spec(&fixture, "instance-1") });
    let records = silent.take(20);
    let commit = copied(&mut silent, &stage, &records);

    let mut heir = fixture.join_alone(stage.spec(&fixture, "instance-2"));
    refusal(silent.commit(commit), ErrorKind::Fenced);
    stage.check(&fixture).expect("nothing of a fenced commit happened");
    expect_lost(&fixture, &mut silent);

    let records = heir.take(20);
    let commit = copied(&mut heir, &stage, &records);
    fixture.wait(heir.commit(commit).expect("the owner can commit"));
    stage.expect_all(&fixture, 0..20);
}

fn expect_lost(fixture: &Fixture<'_>, silent: &mut Consumer) {
    fixture.until("a member that was silent for too long hears that its partitions are lost", || match silent.step() {
        Ok(Step::Lost) => true,
        Ok(Step::Records(_)) => panic!("a member that lost its partitions gets records of them"),
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::Unknown,
    });
}

/// Neither a partition that another member owns nor one that only a part of the commit is for.
pub fn a_member_cannot_commit_for_a_partition_of_another(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "fenced-other");
    let stage = stage(&fixture, 4);
    fixture.store_by_key(&stage.input, 4, 0..40);
    let mut one = fixture.join(stage.spec(&fixture, "instance-1"));
    let mut other = fixture.join(stage.spec(&fixture, "instance-2"));
    until_shared(&fixture, &stage, &mut [&mut one, &mut other]);

    let records = other.take(1);
    for partitions in [other.owned.clone(), &one.owned | &other.owned] {
        let mut commit = other.copy(&records, &stage.outputs(), None).expect("rows can be read");
        commit.offsets = partitions.into_iter().map(|partition| (partition, Offset(0))).collect();
        refusal(one.commit(commit), ErrorKind::Fenced);
    }
    assert!(stage.numbers_out(&fixture).is_empty(), "there are outputs of a fenced commit");
    stage.check(&fixture).expect("nothing of a fenced commit happened");
}

/// Polls all in turn until each owns something and together they own everything.
pub(super) fn until_shared(fixture: &Fixture<'_>, stage: &Stage, consumers: &mut [&mut Consumer]) {
    fixture.until("every member of the group owns some partitions", || {
        consumers.iter_mut().for_each(|consumer| consumer.step_early());
        let counts: Vec<_> = consumers.iter().map(|consumer| consumer.owned.len()).collect();
        counts.iter().all(|count| *count > 0) && counts.iter().sum::<usize>() == stage.partition_count as usize
    });
}

/// A member owns nothing before a poll says so, though it be the only one.
pub fn a_member_cannot_commit_before_it_is_assigned(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "fenced-early");
    let stage = stage(&fixture, 1);
    fixture.store(&at(&stage.input, 0), 0..5);
    let mut early = fixture.join(stage.spec(&fixture, "instance-1"));
    refusal(early.commit(output_for(&stage, Some(&at(&stage.input, 0)))), ErrorKind::Fenced);
    early.until_owns(&[at(&stage.input, 0)]);
    assert!(stage.numbers_out(&fixture).is_empty(), "there are outputs of a fenced commit");
    stage.check(&fixture).expect("nothing of a fenced commit happened");
}

/// Outputs and rows in nobody's name could not be fenced.
pub fn a_commit_that_speaks_for_no_partition_is_refused(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "fenced-unnamed");
    let stage = stage(&fixture, 2);
    fixture.store_by_key(&stage.input, 2, 0..20);
    let mut consumer = stage.join_alone(&fixture);
    expect_refused(&mut consumer, output_for(&stage, None), "outputs without an offset");

    let records = consumer.take(20);
    let mut commit = copied(&mut consumer, &stage, &records);
    commit.outputs.clear();
    commit.offsets.clear();
    expect_refused(&mut consumer, commit, "rows without an offset");

    let mut commit = copied(&mut consumer, &stage, &records);
    commit.outputs.clear();
    commit.offsets.retain(|(from, _)| from.partition.0 == 0);
    expect_refused(&mut consumer, commit, "rows of a partition whose offset is not in the commit");
    stage.check(&fixture).expect("nothing of a refused commit happened");
    assert!(stage.numbers_out(&fixture).is_empty(), "there are outputs of a refused commit");
}

fn output_for(stage: &Stage, named: Option<&TopicPartition>) -> Commit {
    let output = Output { to: at(&stage.outputs[0], 0), batch: numbered([7]) };
    let offsets = named.map(|partition| (partition.clone(), Offset(0))).into_iter().collect();
    Commit { outputs: vec![output], offsets, ..Commit::default() }
}

fn expect_refused(consumer: &mut Consumer, commit: Commit, what: &str) {
    let error = consumer.commit(commit).err().unwrap_or_else(|| panic!("a commit was taken with {what}"));
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Fenced), "{what}: {error}");
}

/// A process that is started again takes the place of its predecessor, which may still be there, half dead.
pub fn a_member_whose_name_was_taken_over_cannot_commit(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "fenced-name");
    let stage = stage(&fixture, 2);
    fixture.store_by_key(&stage.input, 2, 0..20);
    let mut older = stage.join_alone(&fixture);
    let records = older.take(20);
    let commit = copied(&mut older, &stage, &records);

    // The silence of the older one is longer than this waits: it is the name that lets the newer one in.
    let mut newer = stage.join_alone(&fixture);
    let error = older.commit(commit).expect_err("the older of two members of one name cannot commit");
    assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Unknown), "{error}");
    stage.check(&fixture).expect("nothing of a refused commit happened");

    let records = newer.take(20);
    let commit = copied(&mut newer, &stage, &records);
    fixture.wait(newer.commit(commit).expect("the owner can commit"));
    stage.expect_all(&fixture, 0..20);
}

/// If it came back, each of the two would put the other out, for ever.
pub fn a_member_whose_name_was_taken_over_is_out_for_good(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "fenced-replaced");
    let stage = stage(&fixture, 2);
    fixture.store_by_key(&stage.input, 2, 0..20);
    let mut older = stage.join_alone(&fixture);
    let mut newer = stage.join_alone(&fixture);
    fixture.until("the older of two members of one name hears that it is over", || {
        older.step_early_or_refused().is_some_and(|error| {
            assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
            true
        })
    });
    let again = older.step_early_or_refused().expect("it does not come back");
    assert_eq!(again.kind(), ErrorKind::Fenced, "{again}");
    assert_eq!(newer.take(20).len(), 20, "the newer one keeps all of it");
}
