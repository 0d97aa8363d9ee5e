//! A record comes back as it was written.

use std::{thread, time::Duration};

use super::{
    Subject,
    consumer::consumed,
    fixture::{Fixture, at},
    numbers::{Random, Stored, outside_origin},
};
use crate::{
    BatchBuilder, Commit, GroupName, Header, NewRecord, Offset, Origin, Output, Poll, Source, Timestamp, TopicPartition,
};

/// Every odd record that the contract allows: absent, empty and binary parts, repeated headers, times before 1970.
fn odd_records() -> Vec<NewRecord<'static>> {
    const HEADERS: &[Header<'static>] = &[
        Header { name: "attempt", value: b"1" },
        Header { name: "attempt", value: b"2" },
        Header { name: "empty", value: b"" },
        Header { name: "", value: b"\x00\xff" },
        Header { name: "größe", value: b"attempt" },
    ];
    let record = |key: Option<&'static [u8]>, value: Option<&'static [u8]>, timestamp| NewRecord {
        key,
        value,
        timestamp: Timestamp(timestamp),
        headers: &[],
    };
    vec![
        record(Some(b"key"), Some(b"value"), 1_700_000_000_000),
        record(None, Some(b"value"), 0),
        record(Some(b"key"), None, 0),
        record(None, None, 1),
        record(Some(b""), Some(b""), 1),
        record(Some(b"\x00\xff\xfe\n"), Some(b"\xc3\x28\x00"), -1),
        NewRecord { headers: HEADERS, ..record(Some(b"key"), Some(b"value"), -62_135_596_800_000) },
        NewRecord { headers: HEADERS, ..record(None, None, 1_700_000_000_000) },
        record(Some(b"key"), Some(b"value"), 1_600_000_000_000),
    ]
}

fn batch_of(records: &[NewRecord<'_>], origin: &Origin) -> BatchBuilder {
    let mut batch = BatchBuilder::new(origin, 0);
    records.iter().for_each(|record| batch.push(record).expect("a batch takes a few headers"));
    batch
}

fn expect_same(found: &[Stored], written: &[NewRecord<'_>]) {
    assert_eq!(found.len(), written.len());
    for (found, written) in found.iter().zip(written) {
        assert_eq!(found.key.as_deref(), written.key, "the key of {written:?}");
        assert_eq!(found.value.as_deref(), written.value, "the value of {written:?}");
        assert_eq!(found.timestamp, written.timestamp, "the timestamp of {written:?}");
        let headers: Vec<_> = found.headers.iter().map(|(name, value)| Header { name, value }).collect();
        assert_eq!(headers, written.headers, "the headers of {written:?}");
    }
}

/// Not only when its time is over; and without records it ends when its time is over.
pub fn a_poll_returns_as_soon_as_there_are_records(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "records-soon");
    let topic = fixture.topic("in", 1);
    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("poll"), &[&topic]));
    assert!(matches!(consumer.poll(Duration::from_millis(1), 1), Ok(Poll::Idle)), "a poll of nothing is idle");
    let (clock, patience) = (fixture.timing.clock.clone(), fixture.timing.patience);
    let poll = thread::spawn(move || {
        let started = clock.monotonic();
        let poll = consumer.poll(patience, 1);
        (poll, clock.monotonic().saturating_sub(started))
    });
    fixture.store(&at(&topic, 0), [1]);
    let (poll, waited) = poll.join().expect("a poll does not panic");
    assert!(matches!(poll, Ok(Poll::Records(_))), "a poll with a record to come gave {poll:?}");
    assert!(waited < patience / 2, "a poll waited {waited:?} of {patience:?} with a record there");
}

/// By `read` and by a poll, after an append and after a commit, and after a kill.
pub fn a_record_comes_back_as_it_was_written(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "records-odd");
    let (input, output) = (fixture.topic("in", 1), fixture.topic("out", 1));
    let written = odd_records();
    fixture.wait(fixture.append(&at(&input, 0), batch_of(&written, &outside_origin())));
    expect_same(&fixture.read(&at(&input, 0)), &written);

    let spec = fixture.spec(&fixture.group("copy"), &[&input]);
    let mut consumer = fixture.join_alone(spec.clone());
    let polled = consumer.take(written.len());
    expect_same(&polled, &written);
    let commit = consumer.copy(&polled, &[&output], None).expect("no rows are read");
    fixture.wait(consumer.commit(commit).expect("a commit is taken"));
    expect_same(&fixture.read(&at(&output, 0)), &written);
    fixture.kill_and_reopen();
    expect_same(&fixture.read(&at(&output, 0)), &written);
    let mut reader = fixture.join_alone(fixture.spec(&fixture.group("reader"), &[&output]));
    expect_same(&reader.take(written.len()), &written);
}

/// A million bytes that nothing makes smaller.
pub fn a_large_value_comes_back(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "records-large");
    let topic = fixture.topic("in", 1);
    let value = Random(8).bytes(1_000_000);
    let record = NewRecord { key: Some(b"large"), value: Some(&value), timestamp: Timestamp(1), headers: &[] };
    fixture.wait(fixture.append(&at(&topic, 0), batch_of(&[record], &outside_origin())));
    let is_same = |found: &[Stored]| found.len() == 1 && found[0].value.as_deref() == Some(&value[..]);
    assert!(is_same(&fixture.read(&at(&topic, 0))), "a large value is read as it was written");
    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("poll"), &[&topic]));
    assert!(is_same(&consumer.take(1)), "a large value is polled as it was written");
    fixture.kill_and_reopen();
    assert!(is_same(&fixture.read(&at(&topic, 0))), "a large value is there after a kill");
}

/// Service, source, attempt and time taken as its writer said, and a time of commit.
pub fn a_batch_says_where_it_comes_from(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "records-origin");
    let (input, output) = (fixture.topic("in", 1), fixture.topic("out", 1));
    let outside = Origin { taken_at: Timestamp(1_234), ..outside_origin() };
    let before = fixture.timing.clock.timestamp();
    fixture.wait(fixture.append(&at(&input, 0), batch_of(&odd_records(), &outside)));
    expect_origin(&fixture, &at(&input, 0), &outside, before);

    let mut consumer = fixture.join_alone(fixture.spec(&fixture.group("copy"), &[&input]));
    let polled = consumer.take(odd_records().len());
    let (first, last) = (polled[0].offset, polled[polled.len() - 1].offset);
    let source = Some(Source { from: at(&input, 0), first, last });
    let service = GroupName::new("some-service").expect("this is a name");
    let origin = Origin { service, taken_at: Timestamp(5_678), attempt: 3, source };
    let output_batch = Output { to: at(&output, 0), batch: batch_of(&odd_records(), &origin) };
    let commit = Commit { outputs: vec![output_batch], ..consumed(&polled) };
    fixture.wait(consumer.commit(commit).expect("a commit is taken"));
    expect_origin(&fixture, &at(&output, 0), &origin, before);
    fixture.kill_and_reopen();
    expect_origin(&fixture, &at(&output, 0), &origin, before);
}

fn expect_origin(fixture: &Fixture<'_>, from: &TopicPartition, origin: &Origin, before: Timestamp) {
    const MINUTE: i64 = 60_000;
    let batches = fixture.log.read(from, Offset(0), usize::MAX).expect("a partition can be read");
    assert!(!batches.is_empty());
    for batch in batches {
        assert_eq!(batch.origin().expect("an origin can be read"), *origin);
        // The clock of the log may be another machine's, and the time of day may jump a little.
        let range = before.0 - MINUTE..fixture.timing.clock.timestamp().0 + MINUTE;
        assert!(range.contains(&batch.committed_at().0), "committed at {:?}, not in {range:?}", batch.committed_at());
    }
}
