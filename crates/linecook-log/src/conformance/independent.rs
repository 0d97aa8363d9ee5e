//! Law 7: a slow or stopped group blocks no writer and no other group, and memory is bounded by settings, not by lag.

use super::{
    Subject,
    copier::Copier,
    fixture::{Fixture, at},
    numbers::{Random, empty_batch, text_of},
    stage::Stage,
};
use crate::{GroupSpec, NewRecord, Timestamp};

/// One group's member owns everything and never polls again, another group is declared and never comes.
pub fn a_member_that_never_polls_stops_nobody(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "independent-stopped");
    let (input, output) = (fixture.topic("in", 2), fixture.topic("out", 2));
    let absent = GroupSpec { name: fixture.group("absent"), topics: vec![input.clone()] };
    fixture.log.declare_groups(&[absent]).expect("a group can be declared");
    let stopped = Stage::new(&fixture, "stopped", &input, &[]);
    let _stopped = stopped.join_alone(&fixture);
    let stage = Stage::new(&fixture, "copy", &input, &[&output]);
    let copier = Copier::join(&fixture, &stage, "instance-1");
    for round in 0..20 {
        fixture.store_by_key(&input, 2, round * 50..round * 50 + 50);
    }
    stage.expect_all(&fixture, 0..1_000);
    drop(copier);
}

/// Some MiB that nothing makes smaller lie before it, more than a log under test should hold in memory.
pub fn a_member_far_behind_gets_everything_in_order(subject: &mut dyn Subject) {
    const COUNT: u64 = 512;
    let fixture = Fixture::open(subject, "independent-behind");
    let input = fixture.topic("in", 1);
    let tickets: Vec<_> = (0..COUNT)
        .map(|number| {
            let mut batch = empty_batch();
            let value = Some(long_value(number));
            batch
                .push(&NewRecord { key: None, value: value.as_deref(), timestamp: Timestamp(0), headers: &[] })
                .expect("a batch takes a few headers");
            fixture.append(&at(&input, 0), batch)
        })
        .collect();
    tickets.into_iter().for_each(|ticket| fixture.wait(ticket));
    let mut late = fixture.join_alone(fixture.spec(&fixture.group("late"), &[&input]));
    let polled = late.take(usize::try_from(COUNT).expect("a small count"));
    for (number, record) in (0..).zip(&polled) {
        assert!(record.value.as_deref() == Some(&long_value(number)[..]), "record {number} of the backlog is another");
    }
    assert!(fixture.read(&at(&input, 0)) == polled, "the backlog is read as it is polled");
}

fn long_value(number: u64) -> Vec<u8> {
    let mut value = text_of(number).into_bytes();
    value.extend(Random(number).bytes(16 * 1024));
    value
}
