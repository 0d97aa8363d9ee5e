//! Rows on their way to a new owner.

use std::time::Duration;

use linecook_log::{Commit, ErrorKind, Log as _, Member, Offset, Partition, Poll, RowChange, TableName, TopicName};

use crate::{
    kitchen::{Kitchen, at, rows_of, text_of},
    stranger,
};

fn table() -> TableName {
    TableName::new("seen").unwrap()
}

fn changelog(kitchen: &Kitchen) -> TopicName {
    TopicName::new(format!("{}.seen.changelog", kitchen.group("chef"))).unwrap()
}

fn row(source: &TopicName, number: u64) -> Commit {
    let key = text_of(number).into();
    let row = RowChange { table: table(), partition: Partition(0), key, value: Some(text_of(1).into()) };
    Commit { rows: vec![row], offsets: vec![(at(source, 0), Offset(0))], ..Commit::default() }
}

/// Writes a row a commit: each number, once.
fn write(member: &mut dyn Member, source: &TopicName, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        drop(member.commit(row(source, number)).unwrap());
    }
}

/// The first error of a restore made away with what was still to come, and the next poll took the rows for complete: a
/// new owner began with none of them. It met those whose changelog no longer begins at 0, as after `DeleteRecords`, where
/// reading from 0 on is an error of its own.
#[test]
fn rows_are_complete_although_the_changelog_has_lost_its_beginning() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 1);
    // Of one that is only compacted brokers delete nothing.
    stranger::create_topic(kitchen.servers(), &changelog(&kitchen), Some(("cleanup.policy", "compact,delete")));
    let mut member = log.join(kitchen.spec("chef", "first", &[&source], &[&table()])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    write(&mut *member, &source, 0..10);
    drop(member);
    log.abandon();
    let changelog = at(&changelog(&kitchen), 0);
    stranger::delete_records(kitchen.servers(), &changelog, Offset(4));

    let log = kitchen.open("second");
    let mut member = log.join(kitchen.spec("chef", "second", &[&source], &[&table()])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    let rows: Vec<_> = rows_of(&mut *member, &table(), Partition(0)).into_keys().collect();
    // A row and the mark of its transaction take two offsets.
    assert_eq!(rows, (2..10).collect::<Vec<_>>());
}

#[test]
fn who_gets_a_partition_waits_for_somebodys_open_transaction_on_its_rows() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 1);
    let mut member = log.join(kitchen.spec("chef", "first", &[&source], &[&table()])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    write(&mut *member, &source, 0..3);
    let changelog = at(&changelog(&kitchen), 0);
    let stranger = stranger::begin_transaction(kitchen.servers(), &format!("{}-stranger", kitchen.group("chef")));
    stranger::send(&stranger, &changelog, &text_of(100), &text_of(1));
    write(&mut *member, &source, 3..6);
    drop(member);
    log.abandon();

    let log = kitchen.open("second");
    let mut member = log.join(kitchen.spec("chef", "second", &[&source], &[&table()])).unwrap();
    // Long enough for the partition to come to it, and its rows up to the open transaction.
    let deadline = linecook_log::Clock::monotonic(&*kitchen.clock) + Duration::from_secs(4);
    while linecook_log::Clock::monotonic(&*kitchen.clock) < deadline {
        let poll = member.poll(Duration::from_millis(50), 1 << 20).unwrap();
        assert!(matches!(poll, Poll::Idle), "{poll:?} while the transaction is open");
    }
    let error = kitchen.until_refused(&mut *member);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.chain().contains("transaction has been open there for"), "{}", error.chain());
    rdkafka::producer::Producer::commit_transaction(&stranger, Duration::from_secs(10)).unwrap();
    kitchen.until_owns(&mut *member, 1);
    let rows: Vec<_> = rows_of(&mut *member, &table(), Partition(0)).into_keys().collect();
    assert_eq!(rows, [0, 1, 2, 3, 4, 5, 100]);
}

/// A broker that was killed together with its controller may leave a transaction open for ever, and with it what a group
/// has consumed. Who got its partitions then waited without a word.
#[test]
fn who_waits_for_a_transaction_longer_than_any_may_take_says_so_and_goes_on_when_it_has_ended() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 1);
    let group = kitchen.group("chef");
    kitchen.append(&log, &at(&source, 0), 0..10);
    let stranger = stranger::begin_transaction(kitchen.servers(), &format!("{group}-stranger"));
    stranger::send_offset(&stranger, kitchen.servers(), (&group, &at(&source, 0)), Offset(4));
    let mut member = log.join(kitchen.spec("chef", "first", &[&source], &[])).unwrap();
    let error = kitchen.until_refused(&mut *member);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.chain();
    assert!(
        text.contains(&format!("what the group has consumed is not known: group={}", kitchen.group("chef"))),
        "{text}"
    );
    assert!(text.contains("kafka-transactions.sh"), "{text}");
    rdkafka::producer::Producer::commit_transaction(&stranger, Duration::from_secs(10)).unwrap();
    assert_eq!(kitchen.until_owns(&mut *member, 1)[&at(&source, 0)], Offset(4));
}

/// A member that gave one partition up while the rows of others were on their way forgot those rows: it was told that it had
/// the partitions, and could read none of their rows ever again. Any rolling start of a service with a table is that.
#[test]
fn rows_on_their_way_stay_when_another_partition_is_given_up() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 3);
    let mut member = log.join(kitchen.spec("chef", "first", &[&source], &[&table()])).unwrap();
    kitchen.until_owns(&mut *member, 3);
    drop(member);
    log.abandon();
    let stranger = stranger::begin_transaction(kitchen.servers(), &format!("{}-stranger", kitchen.group("chef")));
    for partition in 0..3 {
        stranger::send(&stranger, &at(&changelog(&kitchen), partition), &text_of(7), &text_of(1));
    }
    let (one, two) = (kitchen.open("one"), kitchen.open("two"));
    let mut one = one.join(kitchen.spec("chef", "one", &[&source], &[&table()])).unwrap();
    let poll_for = |members: &mut [&mut Box<dyn Member>], time| {
        let deadline = linecook_log::Clock::monotonic(&*kitchen.clock) + time;
        while linecook_log::Clock::monotonic(&*kitchen.clock) < deadline {
            for member in &mut *members {
                let poll = member.poll(Duration::from_millis(20), 1 << 20).unwrap();
                assert!(matches!(poll, Poll::Idle), "{poll:?} while the transaction is open");
            }
        }
    };
    poll_for(&mut [&mut one], Duration::from_secs(3)); // so that its rows are on their way
    let mut two = two.join(kitchen.spec("chef", "two", &[&source], &[&table()])).unwrap();
    poll_for(&mut [&mut one, &mut two], Duration::from_secs(2)); // and it has given one up
    rdkafka::producer::Producer::commit_transaction(&stranger, Duration::from_secs(10)).unwrap();
    let mut owned = Vec::new();
    kitchen.until("all partitions have come to somebody", || {
        for member in [&mut one, &mut two] {
            if let Ok(Poll::Assigned(new)) = member.poll(Duration::from_millis(20), 1 << 20) {
                for assignment in new {
                    let partition = assignment.partition.partition;
                    assert_eq!(rows_of(&mut **member, &table(), partition).into_keys().collect::<Vec<_>>(), [7]);
                    owned.push(partition);
                }
            }
        }
        owned.len() == 3
    });
}

/// The rows that were here had higher numbers than those of the new changelog, whose rows were passed over as known.
#[test]
fn rows_of_a_changelog_that_was_created_anew_are_those_of_the_new_one() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 1);
    let mut member = log.join(kitchen.spec("chef", "first", &[&source], &[&table()])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    write(&mut *member, &source, 0..5);
    drop(member);
    log.close().unwrap();
    stranger::delete_topic(kitchen.servers(), &changelog(&kitchen));

    let log = kitchen.open("first");
    let join = || log.join(kitchen.spec("chef", "first", &[&source], &[&table()]));
    let mut joined = None;
    // The topic may be there for a moment still.
    kitchen.until("the changelog is created anew", || {
        joined = join().ok();
        joined.is_some()
    });
    let mut member = joined.unwrap();
    kitchen.until_owns(&mut *member, 1);
    assert_eq!(rows_of(&mut *member, &table(), Partition(0)).len(), 0);
    write(&mut *member, &source, [7]);
    let rows: Vec<_> = rows_of(&mut *member, &table(), Partition(0)).into_keys().collect();
    assert_eq!(rows, [7]);
}

/// Who wrote rows to it said only that there was no time.
#[test]
fn a_changelog_that_is_deleted_is_named_by_who_writes_rows() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 1);
    let mut member = log.join(kitchen.spec("chef", "first", &[&source], &[&table()])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    write(&mut *member, &source, 0..2);
    stranger::delete_topic(kitchen.servers(), &changelog(&kitchen));
    let error = member.commit(row(&source, 2)).map(drop).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown), "{}", error.chain());
    assert!(error.chain().contains(&format!("topics={}", changelog(&kitchen))), "{}", error.chain());
}

/// Where services have no right to make topics somebody makes them beforehand, and may take the cluster's default. Brokers
/// then delete the rows that nobody has written for a week, and nothing had said that they would.
#[test]
fn a_changelog_that_is_not_compacted_is_refused() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("first");
    let source = kitchen.topic(&log, "source", 1);
    stranger::create_topic(kitchen.servers(), &changelog(&kitchen), None);
    let error = log.join(kitchen.spec("chef", "first", &[&source], &[&table()])).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    let words = [changelog(&kitchen).to_string(), "cleanup.policy=delete".to_owned()];
    words.iter().for_each(|word| assert!(error.chain().contains(word), "{word} is not in: {}", error.chain()));
}
