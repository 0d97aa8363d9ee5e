//! Members that end in the middle of something.

use std::time::Duration;

use linecook_log::{Clock as _, Commit, Log as _, Offset, Partition, Poll, RowChange, TableName};

use crate::{
    kitchen::{Kitchen, at, text_of},
    stranger,
};

const SOON: Duration = Duration::from_secs(5);

/// librdkafka ends no client that owes its group an answer, or whose records somebody still has.
#[test]
fn a_member_that_is_dropped_in_whatever_state_ends_at_once() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("cook");
    let source = kitchen.topic(&log, "source", 2);
    let ends_at_once = |what: &str, end: &mut dyn FnMut()| {
        let began = kitchen.clock.monotonic();
        end();
        let took = kitchen.clock.monotonic() - began;
        assert!(took < SOON, "{what}: {took:?}");
    };
    // It has joined, and nobody has polled; at some time the group's first answer is on its way.
    for wait_millis in [0, 20, 50, 100, 200] {
        let member = log.join(kitchen.spec("young", "cook", &[&source], &[])).unwrap();
        std::thread::park_timeout(Duration::from_millis(wait_millis));
        let mut member = Some(member);
        ends_at_once("young", &mut || drop(member.take()));
    }
    // Records are in its queues.
    kitchen.append(&log, &at(&source, 0), 0..50);
    let mut member = log.join(kitchen.spec("full", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 2);
    std::thread::park_timeout(Duration::from_millis(200));
    let mut full = Some(member);
    ends_at_once("full", &mut || drop(full.take()));
    // It was told to give something up, and has not.
    let mut member = log.join(kitchen.spec("asked", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 2);
    let other_log = kitchen.open("other");
    let mut other = other_log.join(kitchen.spec("asked", "other", &[&source], &[])).unwrap();
    kitchen.until("it is told to give one up", || {
        drop(other.poll(Duration::ZERO, 1));
        matches!(member.poll(Duration::ZERO, 1), Ok(Poll::Revoking(_)))
    });
    let (mut asked, mut other) = (Some(member), Some(other));
    ends_at_once("asked", &mut || drop(asked.take()));
    ends_at_once("other", &mut || drop(other.take()));
    ends_at_once("other's log", &mut || other_log.close().unwrap());
    ends_at_once("log", &mut || log.close().unwrap());
}

#[test]
fn a_member_that_is_dropped_while_its_rows_are_on_their_way_ends_at_once() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("cook");
    let (source, table) = (kitchen.topic(&log, "source", 1), TableName::new("seen").unwrap());
    let mut member = log.join(kitchen.spec("chef", "cook", &[&source], &[&table])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    let (key, value) = (text_of(1).into(), Some(text_of(1).into()));
    let rows = vec![RowChange { table: table.clone(), partition: Partition(0), key, value }];
    drop(member.commit(Commit { rows, offsets: vec![(at(&source, 0), Offset(0))], ..Commit::default() }).unwrap());
    drop(member);
    log.abandon();
    let changelog = linecook_log::TopicName::new(format!("{}.seen.changelog", kitchen.group("chef"))).unwrap();
    let stranger = stranger::begin_transaction(kitchen.servers(), &format!("{}-stranger", kitchen.group("chef")));
    stranger::send(&stranger, &at(&changelog, 0), &text_of(2), &text_of(1));

    let log = kitchen.open("next");
    let mut member = log.join(kitchen.spec("chef", "next", &[&source], &[&table])).unwrap();
    let deadline = kitchen.clock.monotonic() + Duration::from_secs(3);
    while kitchen.clock.monotonic() < deadline {
        assert!(matches!(member.poll(Duration::from_millis(50), 1), Ok(Poll::Idle)));
    }
    let began = kitchen.clock.monotonic();
    drop(member);
    log.close().unwrap();
    assert!(kitchen.clock.monotonic() - began < SOON);
}
