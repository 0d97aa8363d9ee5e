use proptest::prelude::*;

use super::*;
use crate::{Header, NewRecord};

fn origin() -> Origin {
    let from = TopicPartition::new(&TopicName::new("pizza").unwrap(), Partition(3));
    Origin {
        service: GroupName::new("sauce-service").unwrap(),
        taken_at: Timestamp(1_700_000_000_000),
        attempt: 2,
        source: Some(Source { from, first: Offset(10), last: Offset(10) }),
    }
}

fn record<'a>(key: &'a [u8], value: &'a [u8], timestamp: i64) -> NewRecord<'a> {
    NewRecord { key: Some(key), value: Some(value), timestamp: Timestamp(timestamp), headers: &[] }
}

/// A change of this test's bytes is a change of the format: old data must stay readable.
#[test]
fn the_format_has_not_changed() {
    let mut builder = BatchBuilder::new(&origin(), 0);
    builder.push(&record(b"k", b"v1", 5)).unwrap();
    builder.push(&record(b"k", b"v2", 5)).unwrap();
    let headers = [Header { name: "h", value: b"x" }];
    builder.push(&NewRecord { key: None, value: None, timestamp: Timestamp(6), headers: &headers }).unwrap();
    builder.extend_source(Offset(12));
    let bytes = builder.finish(Offset(0), Timestamp(0)).bytes().clone();
    let mut golden = vec![1, 1, 2, 0, 3, 0, 0, 0];
    golden.extend(1_700_000_000_000_i64.to_le_bytes());
    golden.extend(5_i64.to_le_bytes());
    golden.extend(b"\x0dsauce-service\x05pizza\x03\0\0\0");
    golden.extend([10, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0]);
    golden.extend(b"\x03\x01\0\0\0\x02\0\0\0kv1");
    golden.extend(b"\x03\x01\0\0\0\x02\0\0\0kv2");
    golden.extend(b"\x0c\x06\0\0\0\0\0\0\0\x01\0\x01\0h\x01\0\0\0x");
    assert_eq!(bytes, golden);
}

/// Both are counted in 16 bits; what did not fit used to be cut off, and the batch was one that nobody could read.
#[test]
fn headers_that_cannot_be_counted_are_refused_and_leave_no_trace() {
    let header = Header { name: "h", value: b"" };
    let most = vec![header; usize::from(u16::MAX)];
    let too_many = [&most[..], &[header]].concat();
    let long = "h".repeat(usize::from(u16::MAX) + 1);
    let too_long = [Header { name: &long, value: b"" }];
    let of = |headers| NewRecord { key: None, value: None, timestamp: Timestamp(5), headers };
    let mut builder = BatchBuilder::new(&origin(), 0);
    for headers in [&too_many[..], &too_long] {
        assert_eq!(builder.push(&of(headers)).unwrap_err().kind(), ErrorKind::Invalid);
    }
    builder.push(&of(&most)).unwrap();
    let batch = builder.finish(Offset(0), Timestamp(0));
    let batch = Batch::parse(Offset(0), Timestamp(0), batch.bytes().clone()).unwrap();
    assert_eq!(batch.records().map(|record| record.headers.count()).collect::<Vec<_>>(), [65_535]);
}

#[test]
fn a_batch_tells_who_made_it_from_what() {
    let mut builder = BatchBuilder::new(&origin(), 0);
    builder.push(&record(b"k", b"v", 5)).unwrap();
    builder.extend_source(Offset(11));
    let made = builder.finish(Offset(0), Timestamp(0)).origin().unwrap();
    assert_eq!(made.source.as_ref().unwrap().last, Offset(11));
    assert_eq!(Origin { source: None, ..made }, Origin { source: None, ..origin() });
}

#[test]
fn a_batch_of_a_newer_version_is_refused_and_both_are_named() {
    let error = Batch::parse(Offset(0), Timestamp(0), Bytes::from_static(&[9, 0, 0, 0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("found=9 known=1"), "{error}");
}

#[test]
fn a_value_that_fails_to_encode_leaves_no_trace() {
    let mut builder = BatchBuilder::new(&origin(), 0);
    builder.push(&record(b"a", b"1", 5)).unwrap();
    let failed = builder.push_with(Some(b"b"), Timestamp(9), |out| {
        out.extend(b"half");
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    builder.push(&record(b"c", b"3", 5)).unwrap();
    let batch = builder.finish(Offset(0), Timestamp(0));
    let keys: Vec<_> = batch.records().map(|record| record.key.unwrap().to_vec()).collect();
    assert_eq!(keys, [b"a", b"c"]);
}

#[test]
fn a_part_of_a_batch_is_from_one_offset_up_to_another() {
    let mut builder = BatchBuilder::new(&origin(), 0);
    for timestamp in [10, 11, 11] {
        builder.push(&record(b"k", b"v", timestamp)).unwrap();
    }
    let batch = builder.finish(Offset(5), Timestamp(99));
    let part = |from, end| -> Vec<_> {
        let records = batch.records_from(Offset(from)).up_to(Offset(end));
        records.map(|record| (record.offset.0, record.timestamp.0)).collect()
    };
    let all = [(5, 10), (6, 11), (7, 11)];
    let far = 5 + (1 << 32);
    for (from, end, expected) in
        [(0, far, &all[..]), (5, 8, &all), (6, u64::MAX, &all[1..]), (6, 7, &all[1..2]), (7, 8, &all[2..])]
    {
        assert_eq!(part(from, end), expected, "from {from} up to {end}");
    }
    for (from, end) in [(0, 5), (6, 6), (7, 6), (8, 100), (far, u64::MAX)] {
        assert_eq!(part(from, end), [], "from {from} up to {end}");
    }
}

type Given = (Option<Vec<u8>>, Option<Vec<u8>>, i64, Vec<(String, Vec<u8>)>);

fn records() -> impl Strategy<Value = Vec<Given>> {
    let headers = prop::collection::vec(("[a-z]{0,4}", prop::collection::vec(any::<u8>(), 0..5)), 0..3);
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec((bytes(), bytes(), any::<i64>(), headers), 0..20)
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(given in records(), base in 0_u64..1 << 60) {
        let mut builder = BatchBuilder::new(&origin(), 0);
        for (key, value, timestamp, headers) in &given {
            let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value }).collect();
            let record = NewRecord {
                key: key.as_deref(), value: value.as_deref(), timestamp: Timestamp(*timestamp), headers: &headers,
            };
            builder.push(&record).unwrap();
        }
        let built = builder.finish(Offset(base), Timestamp(7));
        let read = Batch::parse(Offset(base), Timestamp(7), built.bytes().clone()).unwrap();
        let back: Vec<Given> = read
            .records()
            .map(|record| {
                let headers = record.headers.map(|h| (h.name.to_owned(), h.value.to_vec())).collect();
                (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), record.timestamp.0, headers)
            })
            .collect();
        prop_assert_eq!(back, given);
        prop_assert_eq!(read.end(), Offset(base).plus(u64::from(read.count())));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), keep_version in any::<bool>()) {
        let mut bytes = bytes;
        if let (Some(first), true) = (bytes.first_mut(), keep_version) {
            *first = VERSION;
        }
        drop(Batch::parse(Offset(0), Timestamp(0), bytes.into()));
    }
}
