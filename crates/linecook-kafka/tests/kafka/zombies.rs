//! Who is out of its group, and acts as if it were not.

use std::time::Duration;

use linecook_log::{Clock as _, Commit, ErrorKind, Log as _, Offset, Output, Poll, TopicName};

use crate::kitchen::{Kitchen, SESSION_TIMEOUT, at, batch_by, batch_of, read_all};

/// What a redrive does: it consumes nothing, and says so by the offset that is committed already.
fn redrive(source: &TopicName, target: &TopicName, offset: Offset) -> Commit {
    let output = Output { to: at(target, 0), batch: batch_of(&[99]) };
    Commit { outputs: vec![output], offsets: vec![(at(source, 0), offset)], ..Commit::default() }
}

#[test]
fn a_commit_without_new_offsets_by_one_whose_partition_another_has_is_refused() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("zombie");
    let (source, target) = (kitchen.topic(&log, "source", 1), kitchen.topic(&log, "target", 1));
    kitchen.append(&log, &at(&source, 0), 0..3);
    let mut zombie = log.join(kitchen.spec("chef", "zombie", &[&source], &[])).unwrap();
    let owned = kitchen.until_owns(&mut *zombie, 1);
    let offset = owned[&at(&source, 0)];
    // It works as long as it is there.
    drop(zombie.commit(redrive(&source, &target, offset)).unwrap());

    let other_log = kitchen.open("other");
    let mut other = other_log.join(kitchen.spec("chef", "other", &[&source], &[])).unwrap();
    // It falls silent, for longer than it may: the other gets what it had.
    kitchen.until_owns(&mut *other, 1);
    let error = zombie.commit(redrive(&source, &target, offset)).map(drop).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Unknown), "{}", error.chain());
    drop(other.commit(redrive(&source, &target, offset)).unwrap());
    let ticket = log.append(&at(&target, 0), batch_of(&[100])).unwrap();
    kitchen.wait(ticket).unwrap();
    assert_eq!(read_all(&log, &at(&target, 0)), [99, 99, 100]);
}

#[test]
fn a_commit_for_a_partition_that_was_given_up_is_refused() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let (source, target) = (kitchen.topic(&log, "source", 2), kitchen.topic(&log, "target", 1));
    let mut first = log.join(kitchen.spec("chef", "first", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *first, 2);
    let second_log = kitchen.open("second");
    let mut second = second_log.join(kitchen.spec("chef", "second", &[&source], &[])).unwrap();
    // The first is told to give one up, and commits in the name of the other one all the time.
    let mut revoked = Vec::new();
    kitchen.until("one is given up", || {
        if let Ok(Poll::Revoking(partitions)) = first.poll(Duration::ZERO, 1 << 20) {
            revoked = partitions;
        }
        drop(second.poll(Duration::ZERO, 1 << 20));
        drop(first.commit(redrive(&source, &target, Offset(0))));
        !revoked.is_empty()
    });
    let gone = Commit { offsets: vec![(revoked[0].clone(), Offset(0))], ..Commit::default() };
    kitchen.until("the second has it", || {
        drop(first.poll(Duration::ZERO, 1 << 20));
        matches!(second.poll(Duration::ZERO, 1 << 20), Ok(Poll::Assigned(_)))
    });
    assert_eq!(first.commit(gone).map(drop).unwrap_err().kind(), ErrorKind::Fenced);
}

#[test]
fn of_two_processes_with_one_name_the_older_is_out_for_good() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("twin");
    let source = kitchen.topic(&log, "source", 1);
    let mut older = log.join(kitchen.spec("chef", "twin", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *older, 1);
    let mut options = kitchen.options("twin");
    options.rows_folder = options.rows_folder.with_extension("other");
    let other_log = kitchen.open_with(options);
    let mut younger = other_log.join(kitchen.spec("chef", "twin", &[&source], &[])).unwrap();
    let began = kitchen.clock.monotonic();
    let error = kitchen.until_refused(&mut *older);
    assert_eq!(error.kind(), ErrorKind::Fenced, "{}", error.chain());
    assert!(kitchen.clock.monotonic() - began < SESSION_TIMEOUT * 2, "it takes a heartbeat");
    kitchen.until_owns(&mut *younger, 1);
    for _ in 0..3 {
        assert_eq!(older.poll(Duration::ZERO, 1).map(drop).unwrap_err().kind(), ErrorKind::Fenced);
        let commit = Commit { offsets: vec![(at(&source, 0), Offset(0))], ..Commit::default() };
        assert_eq!(older.commit(commit).map(drop).unwrap_err().kind(), ErrorKind::Fenced);
    }
    kitchen.append(&other_log, &at(&source, 0), 0..3);
    assert_eq!(kitchen.take(&mut *younger, 3), [0, 1, 2]);
}

/// Its polls counted only when something had come: one without anything to do fell out of its group whenever it had been
/// quiet for `max_silence`, and got its partitions back a moment later.
#[test]
fn who_has_nothing_to_do_is_no_zombie() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("idle");
    let source = kitchen.topic(&log, "source", 1);
    let mut member = log.join(kitchen.spec("chef", "idle", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    let deadline = kitchen.clock.monotonic() + SESSION_TIMEOUT * 3;
    while kitchen.clock.monotonic() < deadline {
        let poll = member.poll(Duration::from_millis(100), 1 << 20).unwrap();
        assert!(matches!(poll, Poll::Idle), "{poll:?}");
    }
}

/// Services on one host have one instance name, each in a data folder of its own. Appends of several records went by that
/// name alone: each put out the other's producer.
#[test]
fn services_with_one_instance_name_do_not_put_out_each_others_appends() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let to = at(&kitchen.topic(&log, "orders", 1), 0);
    let mut options = kitchen.options("second");
    options.instance = kitchen.instance("first");
    let other = kitchen.open_with(options);
    for number in 0..3 {
        for (log, service) in [(&log, "pizza-service"), (&other, "bar-service")] {
            let batch = batch_by(service, &[number, number + 100]);
            kitchen.wait(log.append(&to, batch).unwrap()).unwrap();
        }
    }
    assert_eq!(read_all(&log, &to).len(), 12);
}
